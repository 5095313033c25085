/* SPDX-License-Identifier: MIT */
/* States that no vu-fs saved: damaged ones, and those of somebody who means harm. */
#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "state_bytes.h"

/* What a node is to be recognized by, from the host's side. */
static struct state_node node_of(const struct client *c, uint64_t id, const char *path)
{
	struct statx stx;

	assert_int_equal(statx(AT_FDCWD, client_path(c, path), AT_SYMLINK_NOFOLLOW,
			       STATX_BASIC_STATS | STATX_BTIME, &stx),
			 0);
	return (struct state_node){
		.id = id,
		.ino = stx.stx_ino,
		.born_sec = stx.stx_btime.tv_sec,
		.born_nsec = stx.stx_btime.tv_nsec,
		.type = stx.stx_mode & S_IFMT,
		.path = path,
	};
}

/*
 * One state each: what it has beside a good inode, number 5, and whether it is refused.  That is an
 * inode of this number, what this file of the host's is to be recognized by, and under this path;
 * or what add() adds.
 */
struct hostile {
	const char *what;
	bool refused;
	uint64_t id;
	const char *file, *path;
	void (*add)(const struct client *c, struct state_bytes *s);
};

#define HOSTILE(name) static void name(const struct client *c, struct state_bytes *s)

static void add_path(const struct client *c, struct state_bytes *s, const char *path)
{
	struct state_node node = node_of(c, 6, "file");

	node.path = path;
	state_add_node(s, &node);
}

HOSTILE(a_long_path)
{
	char path[5000];

	memset(path, 'a', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 100)
		path[i] = i ? '/' : 'a';
	path[sizeof(path) - 1] = '\0';
	add_path(c, s, path);
}
HOSTILE(a_long_name)
{
	char path[400];

	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	add_path(c, s, path);
}
HOSTILE(a_nul)
{
	struct state_node node = node_of(c, 6, "file");

	node.path = "file\0x";
	node.path_len = 6;
	state_add_node(s, &node);
}
HOSTILE(too_many_references)
{
	struct state_node node = node_of(c, 6, "file");

	node.refs = UINT64_MAX;
	state_add_node(s, &node);
}
HOSTILE(another_type)
{
	struct state_node node = node_of(c, 6, "file");

	node.type = S_IFDIR;
	state_add_node(s, &node);
}
HOSTILE(half_an_inode)
{
	state_add(s, "half of it", 10);
}
HOSTILE(an_inode_beyond_its_record)
{
	struct state_node node = node_of(c, 6, "file");
	const unsigned char handle[100] = {0};

	node.handle = handle;
	node.handle_len = sizeof(handle);
	state_add_node(s, &node);
	s->len -= 64;
}
HOSTILE(a_handle_of_noise)
{
	struct state_node node = node_of(c, 6, "file");

	node.path = NULL;
	node.handle = "1234567890123456";
	node.handle_len = 16;
	node.handle_type = 1;
	state_add_node(s, &node);
}
HOSTILE(a_handle_that_is_long)
{
	struct state_node node = node_of(c, 6, "file");
	unsigned char noise[2000] = {0};

	node.path = NULL;
	node.handle = noise;
	node.handle_len = sizeof(noise);
	state_add_node(s, &node);
}
HOSTILE(a_handle_that_leads_outside)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = {.head.handle_bytes = MAX_HANDLE_SZ};
	struct state_node node = node_of(c, 6, "../outside");
	int mount_id;

	node.path = NULL;
	if (!name_to_handle_at(AT_FDCWD, client_path(c, "../outside"), &handle.head, &mount_id,
			       0)) {
		node.handle = handle.bytes;
		node.handle_len = handle.head.handle_bytes;
		node.handle_type = handle.head.handle_type;
	}
	state_add_node(s, &node);
}
HOSTILE(a_file_of_no_inode)
{
	state_record(s, STATE_FILES);
	state_add_file(s, 6, 77, O_RDONLY, 0);
}
HOSTILE(a_directory_that_is_a_file)
{
	state_record(s, STATE_FILES);
	state_add_file(s, 6, 5, O_RDONLY, 1);
}
HOSTILE(a_file_with_flags_of_its_own)
{
	state_record(s, STATE_FILES);
	state_add_file(s, 6, 5, ~0u, 0);
}
HOSTILE(a_file_that_is_truncated_when_it_is_opened)
{
	state_record(s, STATE_FILES);
	state_add_file(s, 6, 5, O_RDWR | O_TRUNC, 0);
}
HOSTILE(unknown_flags)
{
	state_record(s, STATE_FILES);
	state_add_file(s, 6, 5, O_RDONLY, 0x80);
}
HOSTILE(twice_the_same_open_file)
{
	state_record(s, STATE_FILES);
	state_add_file(s, 6, 5, O_RDONLY, 0);
	state_add_file(s, 6, 5, O_RDONLY, 0);
}
HOSTILE(half_a_file)
{
	state_record(s, STATE_FILES);
	state_add(s, "half of it", 10);
}
HOSTILE(a_record_that_nobody_knows)
{
	state_record(s, 77);
	state_add(s, "what?", 5);
}

static const struct hostile hostile[] = {
	{"dots", true, .id = 6, .file = "file", .path = "dir/../file"},
	{"dots_first", true, .id = 6, .file = "file", .path = "../outside"},
	{"dot", true, .id = 6, .file = "file", .path = "./file"},
	{"absolute", true, .id = 6, .file = "file", .path = "/etc/passwd"},
	{"slashes", true, .id = 6, .file = "file", .path = "dir//file"},
	{"slash_last", true, .id = 6, .file = "file", .path = "dir/"},
	{"a_link_on_the_way", false, .id = 6, .file = "file", .path = "link/file"},
	{"a_long_path", true, .add = a_long_path},
	{"a_long_name", true, .add = a_long_name},
	{"a_nul", true, .add = a_nul},
	{"twice_the_same_number", true, .id = 5, .file = "file", .path = "file"},
	{"twice_the_same_place", true, .id = UINT64_C(7) << 32 | 5, .file = "file", .path = "file"},
	{"twice_the_same_file", false, .id = 6, .file = "file", .path = "file"},
	{"the_root", true, .id = ROOT, .file = "dir", .path = "dir"},
	{"number_0", true, .id = 0, .file = "file", .path = "file"},
	{"a_number_too_large", true, .id = UINT32_MAX, .file = "file", .path = "file"},
	{"the_largest_number", false, .id = UINT64_C(0xffffffff) << 32 | ((1 << 24) - 1),
	 .file = "file", .path = "file"},
	{"too_many_references", true, .add = too_many_references},
	{"another_type", false, .add = another_type},
	{"half_an_inode", true, .add = half_an_inode},
	{"an_inode_beyond_its_record", true, .add = an_inode_beyond_its_record},
	{"a_handle_of_noise", false, .add = a_handle_of_noise},
	{"a_handle_that_is_long", false, .add = a_handle_that_is_long},
	{"a_handle_that_leads_outside", false, .add = a_handle_that_leads_outside},
	{"a_file_of_no_inode", false, .add = a_file_of_no_inode},
	{"a_directory_that_is_a_file", false, .add = a_directory_that_is_a_file},
	{"a_file_with_flags_of_its_own", false, .add = a_file_with_flags_of_its_own},
	{"a_file_that_is_truncated_when_it_is_opened", false,
	 .add = a_file_that_is_truncated_when_it_is_opened},
	{"unknown_flags", true, .add = unknown_flags},
	{"twice_the_same_open_file", true, .add = twice_the_same_open_file},
	{"half_a_file", true, .add = half_a_file},
	{"a_record_that_nobody_knows", true, .add = a_record_that_nobody_knows},
};

static void add_hostile(const struct client *c, struct state_bytes *s, const struct hostile *h)
{
	struct state_node node;

	if (h->add) {
		h->add(c, s);
		return;
	}
	node = node_of(c, h->id, h->file);
	node.path = h->path;
	state_add_node(s, &node);
}

static void begin_good(const struct client *c, struct state_bytes *s)
{
	struct state_node good = node_of(c, 5, "file");

	state_begin(s, FUSE_ASYNC_READ);
	state_record(s, STATE_NODES);
	state_add_node(s, &good);
}

static void make_share(struct client *c)
{
	client_make_file(c, "file", "hello");
	client_make_dir(c, "dir");
	client_make_file(c, "dir/file", "below");
	assert_int_equal(symlink("dir", client_path(c, "link")), 0);
	rig_file(&c->rig, "outside", "a secret");
}

/* Whatever came before, the next guest is served, and the files are as they were. */
static void look_whether_it_serves(struct client *c)
{
	uint64_t node, fh;
	char data[16];

	client_connect(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, node, O_RDONLY, &fh), 0);
	assert_int_equal(client_read(c, node, fh, 0, data, sizeof(data)), 5);
	assert_memory_equal(data, "hello", 5);
}

static void a_state_that_cannot_be_is_refused_or_left_out_in_part(void **state)
{
	struct client *c = *state;

	make_share(c);
	client_spawn(c, NULL);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct state_bytes s;
		int ret;

		begin_good(c, &s);
		add_hostile(c, &s, &hostile[i]);
		state_end(&s);
		ret = client_connect_with(c, s.data, s.len);
		state_free(&s);
		if (!ret == hostile[i].refused)
			fail_msg("%s: %s", hostile[i].what, ret ? "refused" : "taken");
		if (!ret) {
			assert_int_equal(client_getattr(c, 5, NULL), 0);
			if (strcmp(hostile[i].what, "twice_the_same_file") != 0)
				assert_int_equal(client_getattr(c, 6, NULL), -ESTALE);
		}
		look_whether_it_serves(c);
	}
	client_stop(c);
}

/* How many of the program's descriptors were opened with this flag. */
static int count_opened_with(const struct client *c, unsigned int flag)
{
	char path[64], line[64];
	int n = 0;

	for (int fd = 0; fd < 256; fd++) {
		unsigned int flags = 0;
		FILE *info;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)c->rig.program.pid, fd);
		info = fopen(path, "re");
		while (info && fgets(line, sizeof(line), info))
			sscanf(line, "flags: %o", &flags);
		if (info)
			fclose(info);
		n += (flags & flag) != 0;
	}
	return n;
}

static void a_file_of_a_state_is_opened_as_the_options_say(void **state)
{
	static const char *const allowed[] = {"--preserve-noatime", NULL};
	struct client *c = *state;
	char data[8];

	make_share(c);
	for (int i = 0; i < 2; i++) {
		struct state_bytes s;

		client_spawn(c, i ? allowed : NULL);
		begin_good(c, &s);
		state_record(&s, STATE_FILES);
		state_add_file(&s, 9, 5, O_RDONLY | O_NOATIME, 0);
		state_end(&s);
		assert_int_equal(client_connect_with(c, s.data, s.len), 0);
		state_free(&s);
		assert_int_equal(client_read(c, 5, 9, 0, data, sizeof(data)), 5);
		assert_int_equal(count_opened_with(c, O_NOATIME), i);
		client_stop(c);
	}
}

static void a_file_of_a_state_is_what_its_flags_allow(void **state)
{
	struct client *c = *state;
	struct state_bytes s;
	char data[8];

	make_share(c);
	client_spawn(c, NULL);
	begin_good(c, &s);
	state_record(&s, STATE_FILES);
	state_add_file(&s, 9, 5, O_RDONLY, 0);
	state_add_file(&s, 3000000, 5, O_WRONLY | O_APPEND, 0);
	state_add_file(&s, 7, ROOT, O_RDONLY, 1);
	state_end(&s);
	assert_int_equal(client_connect_with(c, s.data, s.len), 0);
	state_free(&s);
	assert_int_equal(client_read(c, 5, 9, 0, data, sizeof(data)), 5);
	assert_int_equal(client_write(c, 5, 9, 0, "x", 1), -EBADF);
	assert_int_equal(client_write(c, 5, 3000000, 0, "x", 1), 1);
	assert_true(client_readdir(c, ROOT, 7, 0, false, NULL, 4096) > 0);
	assert_int_equal(client_read(c, 5, 9, 0, data, sizeof(data)), 6);
	client_stop(c);
}

static void a_read_only_share_takes_over_no_file_that_is_written(void **state)
{
	static const char *const args[] = {"--readonly", NULL};
	struct client *c = *state;
	struct state_bytes s;
	char data[8];

	make_share(c);
	client_spawn(c, args);
	begin_good(c, &s);
	state_record(&s, STATE_FILES);
	state_add_file(&s, 8, 5, O_RDWR, 0);
	state_add_file(&s, 9, 5, O_RDONLY, 0);
	state_end(&s);
	assert_int_equal(client_connect_with(c, s.data, s.len), 0);
	state_free(&s);
	assert_int_equal(client_read(c, 5, 8, 0, data, sizeof(data)), -EBADF);
	assert_int_equal(client_read(c, 5, 9, 0, data, sizeof(data)), 5);
	client_stop(c);
}

/* Cut off anywhere, or with any byte changed: refused, or taken in part. */
static void a_state_that_was_damaged_does_no_harm(void **state)
{
	struct client *c = *state;
	uint64_t node, fh;
	unsigned char *copy;
	void *bytes;
	size_t len;

	make_share(c);
	client_start(c, NULL);
	node = client_walk(c, "dir/file");
	assert_int_equal(client_open_file(c, node, O_RDONLY, &fh), 0);
	client_save(c, &bytes, &len);
	peer_disconnect(c->rig.peer);
	copy = malloc(len);
	assert_non_null(copy);
	for (size_t i = 0; i < len; i += 11)
		assert_int_equal(client_connect_with(c, bytes, i), -EREMOTEIO);
	for (size_t i = 0; i < len; i++) {
		memcpy(copy, bytes, len);
		copy[i] ^= (unsigned char)(1 << i % 8 | 1);
		client_connect_with(c, copy, len);
	}
	look_whether_it_serves(c);
	/* The whole of it still is a good one. */
	assert_int_equal(client_connect_with(c, bytes, len), 0);
	assert_int_equal(client_read(c, node, fh, 0, copy, 5), 5);
	client_stop(c);
	free(copy);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_state_that_cannot_be_is_refused_or_left_out_in_part),
		CLIENT_TEST(a_file_of_a_state_is_opened_as_the_options_say),
		CLIENT_TEST(a_file_of_a_state_is_what_its_flags_allow),
		CLIENT_TEST(a_read_only_share_takes_over_no_file_that_is_written),
		CLIENT_TEST(a_state_that_was_damaged_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
