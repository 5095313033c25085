/* SPDX-License-Identifier: MIT */
/*
 * vu-fs's requests: an input is a row of them, of any opcode, length and content, on a share with a
 * few files.  Node ids and file handles of replies come back in later requests.  Replies must be
 * well-formed, what lies beside the share must stay as it is, and at the end every descriptor must
 * be closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs.h"
#include "fuzz.h"
#include "kit/folder.h"

enum { MAX_SEGS = 8, MAX_BYTES = 512, KNOWN = 8, STEPS = 64, FILE_BYTES = 1 << 20 };
enum { MAX_ROOM = 4096 };

/* The device without its queues: requests are given to it as they are. */
struct share {
	struct fs fs;
	struct fs_settings settings;
	struct fs_queue queue;
	struct fs_scratch *scratch;
	uint64_t nodes[KNOWN], handles[KNOWN];
	uint32_t n_nodes, n_handles;
	char folder[FOLDER_PATH + 8];
	int fds; /* that were open before */
};

struct chain {
	struct vu_req req; /* first: what is completed */
	struct iovec readable[MAX_SEGS], writable[MAX_SEGS];
	unsigned char *out, *in;
	uint64_t unique;
	struct share *share;
};

void __real_vu_req_complete(struct vu_req *req, uint64_t len);
void __wrap_vu_req_complete(struct vu_req *req, uint64_t len);

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* --- replies --- */

static void learn(uint64_t *known, uint32_t *n, uint64_t value)
{
	known[(*n)++ % KNOWN] = value;
}

static void learn_from(struct share *s, const struct chain *c, uint32_t opcode, uint32_t len)
{
	const unsigned char *reply = c->in + sizeof(struct fuse_out_header);
	uint64_t first = 0;

	if (len < sizeof(struct fuse_out_header) + sizeof(first))
		return;
	memcpy(&first, reply, sizeof(first));
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKDIR:
	case FUSE_MKNOD:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		learn(s->nodes, &s->n_nodes, first);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		learn(s->handles, &s->n_handles, first);
		break;
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		learn(s->nodes, &s->n_nodes, first);
		memcpy(&first, reply + sizeof(struct fuse_entry_out), sizeof(first));
		learn(s->handles, &s->n_handles, first);
		break;
	}
}

static void chain_free(struct chain *c)
{
	free(c->out);
	free(c->in);
	free(c);
}

/* In the library's place. */
void __wrap_vu_req_complete(struct vu_req *req, uint64_t len)
{
	struct chain *c = (struct chain *)req;
	struct fuse_out_header hdr;
	struct fuse_in_header asked = {0};

	require(len <= req->writable_len);
	if (len) {
		require(len >= sizeof(hdr));
		memcpy(&hdr, c->in, sizeof(hdr));
		require(hdr.error <= 0 && hdr.error > -512);
		require(hdr.unique == c->unique || req->readable_len < sizeof(asked));
		/* A read that failed may have written all the same, and says so. */
		require(hdr.len == len || (hdr.error && hdr.len == sizeof(hdr)));
		memcpy(&asked, c->out,
		       req->readable_len < sizeof(asked) ? req->readable_len : sizeof(asked));
		if (!hdr.error)
			learn_from(c->share, c, asked.opcode, hdr.len);
	}
	chain_free(c);
}

/* --- requests --- */

static uint64_t pick(uint8_t code, const uint64_t *known)
{
	return code < 0xc0 ? known[code % KNOWN] : code - 0xc0u;
}

/* The opcode, whose node, how long, which room, in what pieces; then content. */
static struct chain *chain_new(struct share *s, struct fuzz_input *in)
{
	struct chain *c = calloc(1, sizeof(*c));
	struct fuse_in_header hdr = {.opcode = fuzz_u8(in)};
	uint8_t node = fuzz_u8(in), handle = fuzz_u8(in), piece = fuzz_u8(in), odd = fuzz_u8(in);
	uint32_t len = fuzz_u8(in) * 2u, room = fuzz_u16(in) % (MAX_ROOM);
	uint64_t fh = pick(handle, s->handles);

	len = len < MAX_BYTES ? len : MAX_BYTES;
	hdr.len = (uint32_t)sizeof(hdr) + len + (odd == 1);
	hdr.nodeid = node < 0x40 ? FUSE_ROOT_ID : pick(node, s->nodes);
	hdr.unique = c->unique = 0x1000 + s->n_nodes + odd;
	hdr.uid = odd & 8 ? 1000 : 0;
	hdr.gid = odd & 16 ? 1000 : 0;
	hdr.total_extlen = odd & 32 ? odd & 3 : 0;
	c->share = s;
	c->out = calloc(1, sizeof(hdr) + len);
	c->in = calloc(1, room ? room : 1);
	memcpy(c->out, &hdr, sizeof(hdr));
	for (uint32_t i = 0; i < len; i++)
		c->out[sizeof(hdr) + i] = fuzz_u8(in);
	/* Where most have their file handle, or an inode. */
	if (handle != 0xff && len >= sizeof(fh))
		memcpy(c->out + sizeof(hdr), &fh, sizeof(fh));
	c->req.readable = c->readable;
	c->req.writable = c->writable;
	c->req.readable_len = odd == 2 ? node % (sizeof(hdr) + 1) : sizeof(hdr) + len;
	c->req.writable_len = room;
	c->req.n_readable = fuzz_cut(c->readable, MAX_SEGS, c->out, (uint32_t)c->req.readable_len,
				     (piece & 15) * 8);
	c->req.n_writable = fuzz_cut(c->writable, MAX_SEGS, c->in, room, (piece >> 4) * 8);
	return c;
}

/* As a driver begins: with all flags but what its input says. */
static void share_init(struct share *s, uint64_t without)
{
	const struct {
		struct fuse_in_header hdr;
		struct fuse_init_in init;
	} msg = {{.len = sizeof(msg), .opcode = FUSE_INIT, .unique = 1},
		 {.major = 7,
		  .minor = 45,
		  .flags = ~(uint32_t)without,
		  .flags2 = ~(uint32_t)(without >> 32)}};
	struct chain *c = calloc(1, sizeof(*c));

	c->share = s;
	c->unique = 1;
	c->out = malloc(sizeof(msg));
	memcpy(c->out, &msg, sizeof(msg));
	c->in = calloc(1, 128);
	c->readable[0] = (struct iovec){c->out, sizeof(msg)};
	c->writable[0] = (struct iovec){c->in, 128};
	c->req = (struct vu_req){.readable = c->readable,
				 .writable = c->writable,
				 .readable_len = sizeof(msg),
				 .writable_len = 128,
				 .n_readable = 1,
				 .n_writable = 1};
	fs_call_run(&s->queue, s->scratch, &c->req);
}

/* --- the share --- */

static void make_file(const char *folder, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	require(fd >= 0 && write(fd, "outside", 7) == 7);
	close(fd);
}

static void make_dir(const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	require(!mkdir(path, 0755));
}

/* Of this process's inputs.  A violation ends the process: somebody else has to remove it then. */
static const char *own_folder(void)
{
	static char folder[FOLDER_PATH];

	if (!*folder)
		require(!folder_new(folder, folder_quick(), "vu-fuzz-fs") && !folder_guard(folder));
	return folder;
}

static void share_begin(struct share *s, uint8_t options)
{
	static struct vu_device *dev; /* for its log: it says nothing */
	const struct vu_ops ops = {.size = sizeof(ops)};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 26, .n_queues = 1, .log_level = VU_LOG_ERROR};
	const char *own = own_folder();
	char path[64];

	require(dev || !vu_device_new(&info, &ops, NULL, &dev));
	s->fds = count_fds();
	s->settings =
		(struct fs_settings){.n_queues = 1,
				     .xattr = options & 1,
				     .posix_acl = options & 2,
				     .writeback = options & 4,
				     .killpriv_v2 = options & 8,
				     .posix_lock = options & 16,
				     .flock = options & 16,
				     .read_only = options & 32,
				     .cache = options >> 6,
				     .handles = options & 1 ? FS_HANDLES_NEVER : FS_HANDLES_PREFER,
				     .inside = "/proc/self/fd/"};
	s->settings.xattr |= s->settings.posix_acl;
	make_dir(own, "input");
	snprintf(s->folder, sizeof(s->folder), "%s/input", own);
	make_file(s->folder, "outside");
	make_dir(s->folder, "s");
	make_file(s->folder, "s/f");
	make_dir(s->folder, "s/d");
	make_file(s->folder, "s/d/g");
	s->scratch = calloc(1, sizeof(*s->scratch));
	s->fs.settings = &s->settings;
	s->fs.dev = dev;
	s->fs.mount_fd = -1;
	s->fs.privileged = !geteuid();
	s->fs.max_open_nodes = 4;
	s->fs.proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->queue = (struct fs_queue){.fs = &s->fs, .scratch = s->scratch};
	require(!pthread_mutex_init(&s->fs.lock_table, NULL) && !fs_files_init(&s->fs));
	require(!vu_group_new(&s->queue.group) &&
		!vu_group_add_timer(s->queue.group, fs_locks_retry, &s->queue, &s->queue.retry) &&
		!vu_group_add_timer(s->queue.group, fs_reuse_tick, &s->queue, &s->queue.tick));
	snprintf(path, sizeof(path), "%s/s", s->folder);
	require(!fs_nodes_init(&s->fs, path) && !fs_reuse_init(&s->fs));
}

/* Beside the share nothing was read away, written, made or removed. */
static void share_check_outside(const struct share *s)
{
	char path[64], text[16] = "";
	struct dirent *e;
	DIR *dir = opendir(s->folder);
	int fd, n = 0;

	while ((e = readdir(dir)))
		n += strcmp(e->d_name, "s") && strcmp(e->d_name, "outside");
	closedir(dir);
	require(n == 2); /* "." and ".." */
	snprintf(path, sizeof(path), "%s/outside", s->folder);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	require(fd >= 0 && read(fd, text, sizeof(text)) == 7 && !strcmp(text, "outside"));
	close(fd);
}

static void share_end(struct share *s)
{
	fs_locks_end(&s->queue);
	vu_group_free(s->queue.group);
	fs_files_fini(&s->fs);
	fs_reuse_fini(&s->fs);
	fs_nodes_fini(&s->fs);
	pthread_mutex_destroy(&s->fs.lock_table);
	close(s->fs.proc_fd);
	free(s->scratch);
	require(count_fds() == s->fds);
	share_check_outside(s);
	require(!folder_clear(s->folder));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* What it may fill, so that no input takes the machine's memory. */
	const struct rlimit limit = {FILE_BYTES, FILE_BYTES};
	struct fuzz_input in = {data, data + size};
	struct share *s = calloc(1, sizeof(*s));

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	umask(0);
	share_begin(s, fuzz_u8(&in));
	share_init(s, (uint64_t)fuzz_u16(&in) << 25);
	for (int i = 0; i < STEPS && in.at < in.end; i++)
		fs_call_run(&s->queue, s->scratch, &chain_new(s, &in)->req);
	share_end(s);
	free(s);
	return 0;
}
