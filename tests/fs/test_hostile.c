/* SPDX-License-Identifier: MIT */
/* Requests that no good driver sends, and a host whose files move about meanwhile. */
#include "client.h"
#include "kit/counts.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPCODES = 64 };

/* Whatever came before, this still works. */
static void expect_alive(struct client *c)
{
	assert_int_equal(client_getattr(c, ROOT, NULL), 0);
}

static void every_opcode_too_short_is_answered_with_an_error(void **state)
{
	struct client *c = *state;

	client_start(c, NULL);
	for (uint32_t opcode = 0; opcode < OPCODES; opcode++) {
		struct fuse_in_header hdr = {
			.len = sizeof(hdr), .opcode = opcode, .unique = 5, .nodeid = ROOT};
		struct fuse_out_header out;
		uint32_t used = client_raw(c, 1, &hdr, sizeof(hdr), 4096);

		if (used) {
			memcpy(&out, c->io[1].in, sizeof(out));
			assert_int_equal(out.unique, 5);
			assert_int_equal(out.len, used);
			/* Three have no arguments. */
			if (opcode != FUSE_STATFS && opcode != FUSE_DESTROY &&
			    opcode != FUSE_READLINK)
				assert_true(out.error < 0);
		}
		if (opcode == FUSE_DESTROY)
			client_init(c, CLIENT_ALL_FLAGS);
	}
	for (uint32_t len = 0; len < sizeof(struct fuse_in_header); len++) {
		const unsigned char zeros[sizeof(struct fuse_in_header)] = {0};

		assert_int_equal(client_raw(c, 1, zeros, len, 4096),
				 sizeof(struct fuse_out_header));
	}
	expect_alive(c);
	client_stop(c);
}

/* All bytes one value, in arguments and behind them, with a true and with false lengths. */
static void every_opcode_full_of_rubbish_is_answered(void **state)
{
	static const unsigned char bytes[] = {0, 1, 0x2f, 0x7f, 0x80, 0xff};
	static const uint32_t rooms[] = {0, 1, 15, 16, 17, 24, 40, 4096};
	struct client *c = *state;
	unsigned char out[1024];

	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	for (uint32_t i = 0; i < OPCODES * sizeof(bytes) * 8; i++) {
		uint32_t opcode = i / 8 % OPCODES, byte = bytes[i / 8 / OPCODES];
		struct fuse_in_header hdr = {.len = i % 3 ? 512 : 512 + i, .opcode = opcode};

		hdr.nodeid = i % 2 ? ROOT : (uint64_t)byte * 0x0101010101010101;
		hdr.total_extlen = i % 5 ? 0 : (uint16_t)(i * 37);
		memset(out, (int)byte, sizeof(out));
		memcpy(out, &hdr, sizeof(hdr));
		client_raw(c, i % 7 ? 1 : 0, out, 512, rooms[i % 8]);
		if (opcode == FUSE_DESTROY || opcode == FUSE_INIT)
			client_init(c, CLIENT_ALL_FLAGS);
	}
	expect_alive(c);
	client_stop(c);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = {".", "..", "a/b", "/", "../x", "/etc/passwd", "dir/.."};
	struct client *c = *state;
	char name[300];
	uint64_t fh;

	client_make_dir(c, "dir");
	client_make_file(c, "dir/file", "");
	client_start(c, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* Who has a file handle asks for "." by its number. */
		if (i)
			assert_true(client_lookup(c, ROOT, names[i], NULL) < 0);
		assert_true(client_mkdir(c, ROOT, names[i], 0700, NULL) < 0);
		assert_true(client_create(c, ROOT, names[i], O_RDWR, 0600, NULL, &fh) < 0);
		assert_true(client_name(c, FUSE_UNLINK, ROOT, names[i]) < 0);
		assert_true(client_name(c, FUSE_RMDIR, ROOT, names[i]) < 0);
		assert_true(client_rename(c, ROOT, "dir", ROOT, names[i], 0) < 0);
		assert_true(client_rename(c, ROOT, names[i], ROOT, "x", 0) < 0);
		assert_true(client_symlink(c, ROOT, names[i], "x", NULL) < 0);
		assert_true(client_link(c, client_walk(c, "dir/file"), ROOT, names[i], NULL) < 0);
	}
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(client_lookup(c, ROOT, name, NULL), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(client_lookup(c, ROOT, name, NULL), -ENOENT);
	assert_int_equal(client_lookup(c, ROOT, "", NULL), -ENOENT);
	/* No end. */
	assert_int_equal(client_ask(c, FUSE_LOOKUP, ROOT, NULL, 0, "dir", 3, name, 200), -EINVAL);
	expect_alive(c);
	client_stop(c);
}

static void links_out_of_the_share_lead_nowhere(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry;
	char target[4097];
	uint64_t fh;

	assert_int_equal(symlink("/etc", client_path(c, "out")), 0);
	assert_int_equal(symlink("/etc/passwd", client_path(c, "passwd")), 0);
	client_start(c, NULL);
	assert_int_equal(client_lookup(c, ROOT, "out", &entry), 0);
	assert_int_equal(entry.attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(client_readlink(c, entry.nodeid, target), 4);
	assert_int_equal(client_lookup(c, entry.nodeid, "passwd", NULL), -ENOTDIR);
	assert_int_equal(client_opendir(c, entry.nodeid, &fh), -ENOTDIR);
	assert_int_equal(client_lookup(c, ROOT, "passwd", &entry), 0);
	assert_int_equal(client_open_file(c, entry.nodeid, O_RDONLY, &fh), -ELOOP);
	assert_int_equal(client_create(c, ROOT, "passwd", O_RDWR, 0600, NULL, &fh), -ELOOP);
	client_stop(c);
}

static void special_files_are_not_opened(void **state)
{
	struct client *c = *state;
	uint64_t fh;

	assert_int_equal(mkfifo(client_path(c, "fifo"), 0666), 0);
	client_start(c, NULL);
	/* It would wait for somebody at the other end. */
	assert_int_equal(client_open_file(c, client_walk(c, "fifo"), O_RDONLY, &fh), -ENXIO);
	assert_int_equal(client_create(c, ROOT, "fifo", O_WRONLY, 0600, NULL, &fh), -ENXIO);
	expect_alive(c);
	client_stop(c);
}

static void numbers_that_nobody_gave_out_name_nothing(void **state)
{
	static const uint64_t numbers[] = {
		0, 2, 3, 1025, UINT32_MAX, UINT64_C(1) << 32 | 1, UINT64_MAX, UINT64_C(1) << 63};
	struct client *c = *state;
	unsigned char data[64];
	uint64_t fh;

	client_start(c, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_int_equal(client_getattr(c, numbers[i], NULL), -ESTALE);
		assert_int_equal(client_lookup(c, numbers[i], "x", NULL), -ESTALE);
		assert_int_equal(client_read(c, ROOT, numbers[i], 0, data, 64), -EBADF);
		assert_int_equal(client_write(c, ROOT, numbers[i], 0, data, 64), -EBADF);
		assert_int_equal(client_release(c, ROOT, numbers[i]), -EBADF);
		assert_int_equal(client_readdir(c, ROOT, numbers[i], 0, false, data, 64), -EBADF);
		client_forget(c, numbers[i], 1);
		client_forget(c, numbers[i], UINT64_MAX);
	}
	/* A directory is no file. */
	assert_int_equal(client_opendir(c, ROOT, &fh), 0);
	assert_int_equal(client_read(c, ROOT, fh, 0, data, 64), -EBADF);
	assert_int_equal(client_release(c, ROOT, fh), -EBADF);
	expect_alive(c);
	client_stop(c);
}

static void forgotten_inodes_are_gone_and_the_root_stays(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry, again;

	client_make_file(c, "file", "");
	client_start(c, NULL);
	assert_int_equal(client_lookup(c, ROOT, "file", &entry), 0);
	assert_int_equal(client_lookup(c, ROOT, "file", &entry), 0);
	client_forget(c, entry.nodeid, 1);
	assert_int_equal(client_getattr(c, entry.nodeid, NULL), 0);
	client_forget(c, entry.nodeid, 5);
	assert_int_equal(client_getattr(c, entry.nodeid, NULL), -ESTALE);
	assert_int_equal(client_lookup(c, ROOT, "file", &again), 0);
	assert_true(again.nodeid != entry.nodeid);
	client_forget(c, ROOT, UINT64_MAX);
	expect_alive(c);
	client_stop(c);
}

static void huge_counts_are_refused(void **state)
{
	struct client *c = *state;
	struct fuse_read_in read_in = {.size = UINT32_MAX};
	struct fuse_write_in write_in = {.size = UINT32_MAX};
	struct fuse_entry_out entry;
	unsigned char data[64];

	client_start(c, NULL);
	assert_int_equal(client_create(c, ROOT, "f", O_RDWR, 0600, &entry, &read_in.fh), 0);
	write_in.fh = read_in.fh;
	assert_int_equal(client_ask(c, FUSE_READ, entry.nodeid, &read_in, sizeof(read_in), NULL, 0,
				    data, 64),
			 -EINVAL);
	assert_int_equal(client_ask(c, FUSE_WRITE, entry.nodeid, &write_in, sizeof(write_in), data,
				    64, data, 64),
			 -EINVAL);
	read_in.size = 64;
	read_in.offset = UINT64_MAX;
	assert_int_equal(client_ask(c, FUSE_READ, entry.nodeid, &read_in, sizeof(read_in), NULL, 0,
				    data, 64),
			 -EINVAL);
	assert_int_equal(client_write(c, entry.nodeid, read_in.fh, INT64_MAX - 1, data, 64),
			 -EINVAL);
	client_stop(c);
}

static void nothing_is_served_before_init_and_after_destroy(void **state)
{
	struct client *c = *state;

	client_spawn(c, NULL);
	client_connect(c, 1);
	assert_int_equal(client_getattr(c, ROOT, NULL), -EIO);
	assert_int_equal(client_init(c, 0), sizeof(c->init));
	expect_alive(c);
	assert_int_equal(client_ask(c, FUSE_DESTROY, 0, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(client_getattr(c, ROOT, NULL), -EIO);
	client_stop(c);
}

static void a_walk_of_many_files_keeps_few_descriptors(void **state)
{
	static const char *const args[] = {"--max-open-inodes=32", NULL};
	enum { FILES = 2000 };
	struct client *c = *state;
	uint64_t nodes[FILES];
	int before;
	char name[32];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		client_make_file(c, name, name);
	}
	client_start(c, args);
	before = count_fds_of(c->rig.program.pid);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		nodes[i] = client_walk(c, name);
	}
	if (count_fds_of(c->rig.program.pid) > before + FILES / 2) {
		client_stop(c);
		print_message("skipped: there are no file handles here\n");
		skip();
	}
	assert_true(count_fds_of(c->rig.program.pid) < before + 100);
	/* Each is opened again when it is asked for. */
	for (int i = 0; i < FILES; i++) {
		char data[32];
		uint64_t fh;

		snprintf(name, sizeof(name), "file%d", i);
		assert_int_equal(client_open_file(c, nodes[i], O_RDONLY, &fh), 0);
		assert_int_equal(client_read(c, nodes[i], fh, 0, data, 32), strlen(name));
		assert_memory_equal(data, name, strlen(name));
		assert_int_equal(client_release(c, nodes[i], fh), 0);
	}
	assert_true(count_fds_of(c->rig.program.pid) < before + 100);
	client_stop(c);
}

/* A host process that moves a directory out of the share and back, and one of its files. */
struct mover {
	char in[128], out[128];
	atomic_bool stop;
};

static void *move(void *opaque)
{
	struct mover *m = opaque;

	while (!atomic_load(&m->stop)) {
		rename(m->in, m->out);
		rename(m->out, m->in);
	}
	return NULL;
}

static void a_directory_that_moves_in_and_out_gives_nothing_outside(void **state)
{
	struct client *c = *state;
	struct mover m = {.stop = false};
	pthread_t thread;
	char secret[128];
	uint64_t dir, parent;
	int fd;

	client_make_dir(c, "dir");
	client_make_dir(c, "dir/sub");
	snprintf(m.in, sizeof(m.in), "%s/dir/sub", c->share);
	snprintf(m.out, sizeof(m.out), "%s/moved", c->rig.dir);
	snprintf(secret, sizeof(secret), "%s/secret", c->rig.dir);
	fd = open(secret, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	client_start(c, NULL);
	dir = client_walk(c, "dir/sub");
	parent = client_walk(c, "dir");
	assert_int_equal(pthread_create(&thread, NULL, move, &m), 0);
	for (int i = 0; i < 3000; i++) {
		struct fuse_entry_out entry;

		if (!client_lookup(c, dir, "..", &entry))
			assert_int_equal(entry.nodeid, parent);
		assert_true(client_lookup(c, dir, "../secret", &entry) < 0);
		assert_true(client_lookup(c, ROOT, "..", &entry) < 0);
		client_lookup(c, dir, "x", &entry);
	}
	atomic_store(&m.stop, true);
	pthread_join(thread, NULL);
	rename(m.out, m.in);
	unlink(secret);
	expect_alive(c);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(every_opcode_too_short_is_answered_with_an_error),
		CLIENT_TEST(every_opcode_full_of_rubbish_is_answered),
		CLIENT_TEST(names_that_lead_elsewhere_are_refused),
		CLIENT_TEST(links_out_of_the_share_lead_nowhere),
		CLIENT_TEST(special_files_are_not_opened),
		CLIENT_TEST(numbers_that_nobody_gave_out_name_nothing),
		CLIENT_TEST(forgotten_inodes_are_gone_and_the_root_stays),
		CLIENT_TEST(huge_counts_are_refused),
		CLIENT_TEST(nothing_is_served_before_init_and_after_destroy),
		CLIENT_TEST(a_walk_of_many_files_keeps_few_descriptors),
		CLIENT_TEST(a_directory_that_moves_in_and_out_gives_nothing_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
