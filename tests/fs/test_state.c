/* SPDX-License-Identifier: MIT */
/* A guest moves from one vu-fs to another with its inodes and open files. */
#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FS_DATA = 64 << 10 };

static const char *const sandboxes[] = {"auto", "namespace", "landlock", "none"};

/* The guest goes on at a vu-fs that was started with these arguments. */
static void move_to(struct client *c, const char *const *args)
{
	void *state;
	size_t len;

	client_save(c, &state, &len);
	client_stop(c);
	client_spawn(c, args);
	assert_int_equal(client_connect_with(c, state, len), 0);
	free(state);
}

static void move_and_compare(struct client *c, const char *const *args)
{
	struct fuse_entry_out entry, again;
	uint64_t dir, file, fh, dh, new_fh;
	struct fuse_attr before, after;
	char data[16];

	client_start(c, args);
	dir = client_walk(c, "dir/below");
	file = client_walk(c, "dir/below/file"); /* and the two above once more */
	assert_int_equal(client_open_file(c, file, O_RDWR | O_APPEND, &fh), 0);
	assert_int_equal(client_opendir(c, dir, &dh), 0);
	assert_int_equal(client_getattr(c, file, &before), 0);
	move_to(c, args);
	assert_int_equal(client_getattr(c, file, &after), 0);
	assert_int_equal(after.ino, before.ino);
	assert_int_equal(client_getattr(c, dir, NULL), 0);
	assert_int_equal(client_read(c, file, fh, 0, data, 16), 5);
	assert_memory_equal(data, "hello", 5);
	/* It still appends. */
	assert_int_equal(client_write(c, file, fh, 0, "+", 1), 1);
	assert_int_equal(client_read(c, file, fh, 0, data, 16), 6);
	assert_true(client_readdir(c, dir, dh, 0, true, NULL, 4096) > 0);
	/* The same inode is the same; what is new has a number of its own. */
	assert_int_equal(client_lookup(c, dir, "file", &entry), 0);
	assert_int_equal(entry.nodeid, file);
	assert_int_equal(client_create(c, dir, "new", O_RDWR, 0600, &again, &new_fh), 0);
	assert_int_not_equal(again.nodeid, file);
	assert_int_not_equal(again.nodeid, dir);
	assert_int_not_equal(new_fh, fh);
	assert_int_equal(client_release(c, file, fh), 0);
	assert_int_equal(client_release(c, file, fh), -EBADF);
	assert_int_equal(client_releasedir(c, dir, dh), 0);
	assert_int_equal(client_name(c, FUSE_UNLINK, dir, "new"), 0);
	assert_int_equal(client_setattr(c, file,
					&(struct fuse_setattr_in){.valid = FATTR_SIZE, .size = 5},
					NULL),
			 0);
	client_stop(c);
}

static void inodes_and_open_files_go_on_at_another_vu_fs(void **state)
{
	struct client *c = *state;

	client_make_dir(c, "dir");
	client_make_dir(c, "dir/below");
	client_make_file(c, "dir/below/file", "hello");
	for (size_t i = 0; i < sizeof(sandboxes) / sizeof(sandboxes[0]); i++) {
		const char *const args[] = {"--sandbox", sandboxes[i], NULL};
		const char *const no_handles[] = {"--sandbox", sandboxes[i], "--inode-file-handles",
						  "never", NULL};

		if (!strcmp(sandboxes[i], "namespace") && !client_has_namespaces())
			continue;
		move_and_compare(c, args);
		move_and_compare(c, no_handles);
	}
}

static void references_are_counted_on(void **state)
{
	struct client *c = *state;
	uint64_t node;

	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	node = client_walk(c, "file");
	for (int i = 0; i < 6; i++)
		assert_int_equal(client_walk(c, "file"), node);
	move_to(c, NULL);
	client_forget(c, node, 6);
	assert_int_equal(client_getattr(c, node, NULL), 0);
	/* And once more, with what is left. */
	move_to(c, NULL);
	assert_int_equal(client_getattr(c, node, NULL), 0);
	client_forget(c, node, 1);
	assert_int_equal(client_getattr(c, node, NULL), -ESTALE);
	assert_int_not_equal(client_walk(c, "file"), node);
	client_stop(c);
}

static void what_init_agreed_on_holds(void **state)
{
	static const char *const args[] = {"--writeback", NULL};
	struct client *c = *state;
	struct fuse_entry_out entry;
	uint64_t fh;
	char data[8];

	client_start(c, args);
	assert_true(c->init.flags & FUSE_WRITEBACK_CACHE);
	move_to(c, args);
	/* What is opened for writing can be read, with this flag. */
	assert_int_equal(client_create(c, ROOT, "file", O_WRONLY, 0600, &entry, &fh), 0);
	assert_int_equal(client_write(c, entry.nodeid, fh, 0, "abc", 3), 3);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, data, sizeof(data)), 3);
	client_stop(c);
}

static void move_file(const struct client *c, const char *from, const char *to)
{
	char path[RIG_PATH * 2];

	snprintf(path, sizeof(path), "%s", client_path(c, from));
	assert_int_equal(rename(path, client_path(c, to)), 0);
}

/* Each of the files is what its name says, once the guest is at the other side. */
static void a_file_that_is_lost_fails_alone(void **state)
{
	struct client *c = *state;
	uint64_t here, gone, other, fh_here, fh_gone, fh_other;
	void *bytes;
	size_t len;
	char data[8];

	client_make_file(c, "here", "hello");
	client_make_file(c, "gone", "hello");
	client_make_file(c, "replaced", "hello");
	client_start(c, NULL);
	here = client_walk(c, "here");
	gone = client_walk(c, "gone");
	other = client_walk(c, "replaced");
	assert_int_equal(client_open_file(c, here, O_RDONLY, &fh_here), 0);
	assert_int_equal(client_open_file(c, gone, O_RDONLY, &fh_gone), 0);
	assert_int_equal(client_open_file(c, other, O_RDONLY, &fh_other), 0);
	client_save(c, &bytes, &len);
	client_stop(c);
	assert_int_equal(unlink(client_path(c, "gone")), 0);
	client_make_file(c, "other", "other");
	move_file(c, "other", "replaced");
	client_spawn(c, NULL);
	assert_int_equal(client_connect_with(c, bytes, len), 0);
	free(bytes);
	assert_int_equal(client_read(c, here, fh_here, 0, data, sizeof(data)), 5);
	assert_int_equal(client_getattr(c, gone, NULL), -ESTALE);
	assert_int_equal(client_read(c, gone, fh_gone, 0, data, sizeof(data)), -EBADF);
	assert_int_equal(client_getattr(c, other, NULL), -ESTALE);
	assert_int_equal(client_read(c, other, fh_other, 0, data, sizeof(data)), -EBADF);
	client_forget(c, gone, 1);
	client_stop(c);
	assert_int_equal(rig_logged(&c->rig, "2 inodes are not in "), 1);
}

static void a_file_that_was_renamed_on_the_way_is_found(void **state)
{
	struct client *c = *state;
	uint64_t node, fh;
	void *bytes;
	size_t len;
	char data[8];

	client_need_root("file handles are for root");
	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, node, O_RDONLY, &fh), 0);
	client_save(c, &bytes, &len);
	client_make_dir(c, "dir");
	move_file(c, "file", "dir/moved");
	client_make_file(c, "file", "other");
	client_stop(c);
	client_spawn(c, NULL);
	assert_int_equal(client_connect_with(c, bytes, len), 0);
	free(bytes);
	assert_int_equal(client_read(c, node, fh, 0, data, sizeof(data)), 5);
	assert_memory_equal(data, "hello", 5);
	client_stop(c);
}

/* Every file's inode, by the number in its name, and one reference more of each. */
static void list_many(struct client *c, uint32_t n, uint64_t *nodes)
{
	static unsigned char data[FS_DATA];
	uint64_t fh, offset = 0;
	uint32_t found = 0;
	int got;

	assert_int_equal(client_opendir(c, ROOT, &fh), 0);
	while ((got = client_readdir(c, ROOT, fh, offset, true, data, sizeof(data))) > 0)
		for (int at = 0; at < got;) {
			const struct fuse_direntplus *p = (const void *)(data + at);
			uint32_t number;

			offset = p->dirent.off;
			at += (int)FUSE_DIRENTPLUS_SIZE(p);
			if (sscanf(p->dirent.name, "f-%u", &number) != 1)
				continue;
			assert_true(number < n);
			nodes[number] = p->entry_out.nodeid;
			found++;
		}
	assert_int_equal(got, 0);
	assert_int_equal(found, n);
	assert_int_equal(client_releasedir(c, ROOT, fh), 0);
}

static bool is_forgotten(uint32_t n, uint32_t i)
{
	return i % 3 == 0 || (i > n / 4 && i < n / 2);
}

/* One reference of those that are to be forgotten, or of the others. */
static void forget_many(struct client *c, uint32_t n, const uint64_t *nodes, bool which)
{
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[256];
	} batch = {.in.count = 0};

	for (uint32_t i = 0; i <= n; i++) {
		if (batch.in.count == 256 || (i == n && batch.in.count)) {
			client_tell(c, FUSE_BATCH_FORGET, 0, &batch,
				    (uint32_t)sizeof(batch.in) + batch.in.count * 16);
			batch.in.count = 0;
		}
		if (i < n && is_forgotten(n, i) == which)
			batch.one[batch.in.count++] =
				(struct fuse_forget_one){.nodeid = nodes[i], .nlookup = 1};
	}
}

static void a_guest_with_many_inodes_moves(void **state)
{
	static const char *const args[] = {"--max-open-inodes", "256", NULL};
	struct client *c = *state;
	uint32_t n = getenv("VU_FS_LONG") ? 100000 : 10000;
	uint64_t *nodes = calloc(n, sizeof(*nodes)), *after = calloc(n, sizeof(*after));
	char name[32];

	assert_true(nodes && after);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f-%u", i);
		client_make_file(c, name, "");
	}
	client_start(c, args);
	list_many(c, n, nodes);
	/* Holes in the table. */
	forget_many(c, n, nodes, true);
	move_to(c, args);
	list_many(c, n, after);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(after[i] == nodes[i], !is_forgotten(n, i));
	/* With what was counted before the move and after it, all are gone. */
	forget_many(c, n, nodes, false);
	forget_many(c, n, after, false);
	forget_many(c, n, after, true);
	for (uint32_t i = 0; i < n; i += n / 100)
		assert_int_equal(client_getattr(c, after[i], NULL), -ESTALE);
	client_stop(c);
	free(nodes);
	free(after);
}

static void the_device_goes_on_where_the_migration_failed(void **state)
{
	struct client *c = *state;
	uint64_t node, fh;
	void *bytes;
	size_t len;
	char data[8];

	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, node, O_RDONLY, &fh), 0);
	client_save(c, &bytes, &len);
	free(bytes);
	for (uint32_t i = 0; i < 2; i++) {
		rig_check(&c->rig, peer_start_queue(c->rig.peer, i));
		rig_check(&c->rig, frontend_set_vring_enable(&c->rig.peer->frontend, i, true));
	}
	assert_int_equal(client_read(c, node, fh, 0, data, sizeof(data)), 5);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(inodes_and_open_files_go_on_at_another_vu_fs),
		CLIENT_TEST(references_are_counted_on),
		CLIENT_TEST(what_init_agreed_on_holds),
		CLIENT_TEST(a_file_that_is_lost_fails_alone),
		CLIENT_TEST(a_file_that_was_renamed_on_the_way_is_found),
		CLIENT_TEST(a_guest_with_many_inodes_moves),
		CLIENT_TEST(the_device_goes_on_where_the_migration_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
