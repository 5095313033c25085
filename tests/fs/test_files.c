/* SPDX-License-Identifier: MIT */
/* Each operation as a good driver asks for it, compared with what the host finds. */
#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static void a_file_is_found_and_has_the_hosts_attributes(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry, again;
	struct fuse_attr attr;
	struct stat st;

	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	assert_int_equal(client_lookup(c, ROOT, "file", &entry), 0);
	assert_int_equal(stat(client_path(c, "file"), &st), 0);
	assert_int_equal(entry.attr.size, 5);
	assert_int_equal(entry.attr.mode, S_IFREG | 0644);
	assert_int_equal(entry.attr.ino, st.st_ino);
	assert_int_equal(entry.attr.mtime, st.st_mtime);
	assert_int_equal(client_lookup(c, ROOT, "file", &again), 0);
	assert_int_equal(again.nodeid, entry.nodeid);
	assert_int_equal(client_getattr(c, entry.nodeid, &attr), 0);
	assert_memory_equal(&attr, &entry.attr, sizeof(attr));
	assert_int_equal(client_getattr(c, ROOT, &attr), 0);
	assert_int_equal(attr.mode & S_IFMT, S_IFDIR);
	assert_int_equal(client_lookup(c, ROOT, "nothing", NULL), -ENOENT);
	assert_int_equal(client_lookup(c, entry.nodeid, "x", NULL), -ENOTDIR);
	client_stop(c);
}

static void what_is_written_is_read_by_both_sides(void **state)
{
	struct client *c = *state;
	unsigned char *data = malloc(CLIENT_DATA), *back = malloc(CLIENT_DATA);
	struct fuse_entry_out entry;
	uint64_t fh;
	int fd;

	for (uint32_t i = 0; i < CLIENT_DATA; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	client_start(c, NULL);
	assert_int_equal(client_create(c, ROOT, "new", O_RDWR, 0600, &entry, &fh), 0);
	assert_int_equal(client_write(c, entry.nodeid, fh, 0, data, CLIENT_DATA), CLIENT_DATA);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, back, CLIENT_DATA), CLIENT_DATA);
	assert_memory_equal(back, data, CLIENT_DATA);
	assert_int_equal(client_read(c, entry.nodeid, fh, CLIENT_DATA - 10, back, 100), 10);
	assert_int_equal(client_read(c, entry.nodeid, fh, CLIENT_DATA + 10, back, 100), 0);
	fd = open(client_path(c, "new"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, back, CLIENT_DATA), CLIENT_DATA);
	assert_memory_equal(back, data, CLIENT_DATA);
	close(fd);
	assert_int_equal(client_release(c, entry.nodeid, fh), 0);
	assert_int_equal(client_release(c, entry.nodeid, fh), -EBADF);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, back, 100), -EBADF);
	client_stop(c);
	free(back);
	free(data);
}

static void create_opens_what_is_there_unless_it_is_told_not_to(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry;
	char data[16];
	uint64_t fh;

	client_make_file(c, "there", "old");
	client_start(c, NULL);
	assert_int_equal(client_create(c, ROOT, "there", O_RDWR | O_EXCL, 0600, NULL, &fh),
			 -EEXIST);
	assert_int_equal(client_create(c, ROOT, "there", O_RDWR, 0600, &entry, &fh), 0);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, data, sizeof(data)), 3);
	assert_int_equal(client_release(c, entry.nodeid, fh), 0);
	assert_int_equal(client_create(c, ROOT, "there", O_RDWR | O_TRUNC, 0600, &entry, &fh), 0);
	assert_int_equal(client_read(c, entry.nodeid, fh, 0, data, sizeof(data)), 0);
	client_stop(c);
}

static void names_are_made_moved_and_removed(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out dir, file, link;
	struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 0640};
	char target[4097];
	struct stat st;

	client_start(c, NULL);
	assert_int_equal(client_mkdir(c, ROOT, "dir", 0750, &dir), 0);
	assert_int_equal(client_ask(c, FUSE_MKNOD, dir.nodeid, &mknod_in, sizeof(mknod_in), "a", 2,
				    &file, sizeof(file)),
			 sizeof(file));
	assert_int_equal(client_link(c, file.nodeid, ROOT, "b", &link), 0);
	assert_int_equal(link.nodeid, file.nodeid);
	assert_int_equal(link.attr.nlink, 2);
	assert_int_equal(client_rename(c, dir.nodeid, "a", ROOT, "c", 0), 0);
	assert_int_equal(lstat(client_path(c, "c"), &st), 0);
	assert_int_equal(st.st_ino, file.attr.ino);
	assert_int_equal(client_symlink(c, dir.nodeid, "s", "../c/and/more", &link), 0);
	assert_int_equal(client_readlink(c, link.nodeid, target), 13);
	assert_string_equal(target, "../c/and/more");
	assert_int_equal(client_readlink(c, file.nodeid, target), -EINVAL);
	assert_int_equal(client_name(c, FUSE_RMDIR, ROOT, "dir"), -ENOTEMPTY);
	assert_int_equal(client_name(c, FUSE_UNLINK, dir.nodeid, "s"), 0);
	assert_int_equal(client_name(c, FUSE_RMDIR, ROOT, "dir"), 0);
	assert_int_equal(client_name(c, FUSE_UNLINK, ROOT, "dir"), -ENOENT);
	assert_int_equal(client_rename(c, ROOT, "b", ROOT, "c", 1 /* NOREPLACE */), -EEXIST);
	assert_int_equal(client_rename(c, ROOT, "b", ROOT, "d", 2 /* EXCHANGE */), -ENOENT);
	assert_int_equal(client_rename(c, ROOT, "b", ROOT, "d", 8), -EINVAL);
	client_stop(c);
}

static void attributes_are_set(void **state)
{
	struct client *c = *state;
	struct fuse_setattr_in in = {.valid = FATTR_MODE | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME,
				     .mode = S_IFREG | 0604,
				     .size = 1234,
				     .atime = 1000,
				     .atimensec = 5,
				     .mtime = 2000,
				     .mtimensec = 6};
	struct fuse_attr attr;
	uint64_t node, link;

	client_make_file(c, "file", "hello");
	assert_int_equal(symlink("file", client_path(c, "link")), 0);
	client_start(c, NULL);
	node = client_walk(c, "file");
	assert_int_equal(client_setattr(c, node, &in, &attr), 0);
	assert_int_equal(attr.mode, S_IFREG | 0604);
	assert_int_equal(attr.size, 1234);
	assert_int_equal(attr.atime, 1000);
	assert_int_equal(attr.atimensec, 5);
	assert_int_equal(attr.mtime, 2000);
	/* Of the link, not of what it leads to. */
	link = client_walk(c, "link");
	in.valid = FATTR_MTIME;
	in.mtime = 3000;
	assert_int_equal(client_setattr(c, link, &in, &attr), 0);
	assert_int_equal(attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(attr.mtime, 3000);
	assert_int_equal(client_getattr(c, node, &attr), 0);
	assert_int_equal(attr.mtime, 2000);
	in.valid = FATTR_MODE;
	assert_int_equal(client_setattr(c, link, &in, &attr), -EOPNOTSUPP);
	in.valid = FATTR_SIZE;
	assert_int_equal(client_setattr(c, ROOT, &in, &attr), -EISDIR);
	client_stop(c);
}

/* All names of a listing, each once; their number. */
static uint32_t list(struct client *c, uint64_t node, bool plus, uint32_t len, uint32_t *lookups)
{
	unsigned char data[32768];
	uint64_t fh, offset = 0;
	uint32_t n = 0;
	int got;

	*lookups = 0;
	assert_int_equal(client_opendir(c, node, &fh), 0);
	while ((got = client_readdir(c, node, fh, offset, plus, data, len)) > 0)
		for (int at = 0; at < got;) {
			const struct fuse_direntplus *p = (const void *)(data + at);
			const struct fuse_dirent *d = plus ? &p->dirent : (const void *)p;

			*lookups += plus && p->entry_out.nodeid;
			offset = d->off;
			n++;
			at += (int)(plus ? FUSE_DIRENTPLUS_SIZE(p) : FUSE_DIRENT_SIZE(d));
			assert_true(at <= got);
		}
	assert_int_equal(got, 0);
	assert_int_equal(client_releasedir(c, node, fh), 0);
	return n;
}

static void a_directory_is_listed_whole_in_pieces(void **state)
{
	struct client *c = *state;
	uint32_t lookups;
	char name[32];

	client_make_dir(c, "dir");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "dir/a-file-number-%d", i);
		client_make_file(c, name, "");
	}
	client_start(c, NULL);
	assert_int_equal(list(c, client_walk(c, "dir"), false, 4096, &lookups), 1002);
	assert_int_equal(list(c, client_walk(c, "dir"), true, 4096, &lookups), 1002);
	assert_int_equal(lookups, 1000);
	assert_int_equal(list(c, client_walk(c, "dir"), true, 32768, &lookups), 1002);
	assert_int_equal(lookups, 1000);
	client_stop(c);
}

static void a_listing_goes_on_at_any_offset(void **state)
{
	struct client *c = *state;
	unsigned char data[4096], again[4096];
	const struct fuse_dirent *d = (const void *)data;
	uint64_t fh;
	int n;

	client_make_file(c, "one", "");
	client_make_file(c, "two", "");
	client_start(c, NULL);
	assert_int_equal(client_opendir(c, ROOT, &fh), 0);
	n = client_readdir(c, ROOT, fh, 0, false, data, sizeof(data));
	assert_true(n > 0);
	/* Back to the second, and to the start. */
	assert_int_equal(client_readdir(c, ROOT, fh, d->off, false, again, sizeof(again)),
			 n - (int)FUSE_DIRENT_SIZE(d));
	assert_memory_equal(again, data + FUSE_DIRENT_SIZE(d), (size_t)n - FUSE_DIRENT_SIZE(d));
	assert_int_equal(client_readdir(c, ROOT, fh, 0, false, again, sizeof(again)), n);
	assert_memory_equal(again, data, (size_t)n);
	client_stop(c);
}

static void extended_attributes_are_the_hosts(void **state)
{
	static const char *const args[] = {"--xattr", NULL};
	struct client *c = *state;
	struct fuse_setxattr_in set = {.size = 5}; /* its first 8 bytes, without SETXATTR_EXT */
	struct fuse_getxattr_in get = {.size = 100};
	struct fuse_getxattr_out size;
	char value[100], more[] = "user.libvu.1\0value";
	uint64_t node;

	client_make_file(c, "file", "");
	client_start(c, args);
	node = client_walk(c, "file");
	if (client_ask(c, FUSE_SETXATTR, node, &set, 8, more, 18, NULL, 0) == -EOPNOTSUPP) {
		client_stop(c);
		print_message("skipped: %s has none\n", c->share);
		skip();
	}
	assert_int_equal(client_ask(c, FUSE_GETXATTR, node, &get, 8, more, 13, value, 100), 5);
	assert_memory_equal(value, "value", 5);
	get.size = 2;
	assert_int_equal(client_ask(c, FUSE_GETXATTR, node, &get, 8, more, 13, value, 2), -ERANGE);
	get.size = 0;
	assert_int_equal(client_ask(c, FUSE_GETXATTR, node, &get, 8, more, 13, &size, sizeof(size)),
			 sizeof(size));
	assert_int_equal(size.size, 5);
	get.size = 100;
	assert_int_equal(client_ask(c, FUSE_LISTXATTR, node, &get, 8, NULL, 0, value, 100), 13);
	assert_int_equal(client_ask(c, FUSE_REMOVEXATTR, node, NULL, 0, more, 13, NULL, 0), 0);
	assert_int_equal(client_ask(c, FUSE_GETXATTR, node, &get, 8, more, 13, value, 100),
			 -ENODATA);
	client_stop(c);
}

static void contents_are_allocated_searched_copied_and_synced(void **state)
{
	struct client *c = *state;
	struct fuse_fallocate_in alloc = {.offset = 0, .length = 1 << 20};
	struct fuse_lseek_in seek = {.whence = SEEK_HOLE};
	struct fuse_lseek_out at;
	struct fuse_copy_file_range_in copy = {.len = 3, .off_out = 10};
	struct fuse_fsync_in sync = {0};
	struct fuse_write_out written;
	struct fuse_entry_out a, b;
	uint64_t fh, fh2, pad = 0;
	char data[16];

	client_start(c, NULL);
	assert_int_equal(client_create(c, ROOT, "a", O_RDWR, 0600, &a, &fh), 0);
	assert_int_equal(client_create(c, ROOT, "b", O_RDWR, 0600, &b, &fh2), 0);
	assert_int_equal(client_write(c, a.nodeid, fh, 0, "abc", 3), 3);
	seek.fh = fh;
	assert_int_equal(
		client_ask(c, FUSE_LSEEK, a.nodeid, &seek, sizeof(seek), NULL, 0, &at, sizeof(at)),
		sizeof(at));
	assert_true(at.offset >= 3);
	copy.fh_in = fh;
	copy.fh_out = fh2;
	copy.nodeid_out = b.nodeid;
	assert_int_equal(client_ask(c, FUSE_COPY_FILE_RANGE, a.nodeid, &copy, sizeof(copy), NULL, 0,
				    &written, sizeof(written)),
			 sizeof(written));
	assert_int_equal(written.size, 3);
	assert_int_equal(client_read(c, b.nodeid, fh2, 10, data, 16), 3);
	assert_memory_equal(data, "abc", 3);
	alloc.fh = sync.fh = fh;
	assert_int_equal(
		client_ask(c, FUSE_FALLOCATE, a.nodeid, &alloc, sizeof(alloc), NULL, 0, NULL, 0),
		0);
	assert_int_equal(client_getattr(c, a.nodeid, &a.attr), 0);
	assert_int_equal(a.attr.size, 1 << 20);
	assert_int_equal(client_ask(c, FUSE_FSYNC, a.nodeid, &sync, sizeof(sync), NULL, 0, NULL, 0),
			 0);
	assert_int_equal(client_ask(c, FUSE_SYNCFS, ROOT, &pad, sizeof(pad), NULL, 0, NULL, 0), 0);
	client_stop(c);
}

static void space_is_the_hosts(void **state)
{
	struct client *c = *state;
	struct fuse_statfs_out out;
	struct statvfs host;

	client_start(c, NULL);
	assert_int_equal(client_ask(c, FUSE_STATFS, ROOT, NULL, 0, NULL, 0, &out, sizeof(out)),
			 sizeof(out));
	assert_int_equal(statvfs(c->share, &host), 0);
	assert_int_equal(out.st.blocks, host.f_blocks);
	assert_int_equal(out.st.namelen, host.f_namemax);
	client_stop(c);
}

static void an_unnamed_file_is_given_a_name(void **state)
{
	struct client *c = *state;
	struct fuse_create_in in = {.flags = O_RDWR, .mode = S_IFREG | 0600};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;

	client_start(c, NULL);
	assert_int_equal(
		client_ask(c, FUSE_TMPFILE, ROOT, &in, sizeof(in), "x", 2, &out, sizeof(out)),
		sizeof(out));
	assert_int_equal(client_write(c, out.entry.nodeid, out.open.fh, 0, "abc", 3), 3);
	assert_int_equal(access(client_path(c, "x"), F_OK), -1);
	assert_int_equal(client_link(c, out.entry.nodeid, ROOT, "named", NULL), 0);
	assert_int_equal(access(client_path(c, "named"), F_OK), 0);
	client_stop(c);
}

/* fuse_statx_in and fuse_statx_out are not in this header: mask, and the birth time behind it. */
static void statx_tells_when_a_file_was_born(void **state)
{
	struct client *c = *state;
	struct {
		uint32_t flags, reserved;
		uint64_t fh;
		uint32_t sx_flags, sx_mask;
	} in = {.sx_mask = STATX_BTIME};
	unsigned char out[288];
	struct statx stx;
	uint32_t mask;
	int64_t born;

	client_make_file(c, "file", "");
	client_start(c, NULL);
	assert_int_equal(statx(AT_FDCWD, client_path(c, "file"), 0, STATX_BTIME, &stx), 0);
	assert_int_equal(client_ask(c, CLIENT_STATX, client_walk(c, "file"), &in, sizeof(in), NULL,
				    0, out, sizeof(out)),
			 sizeof(out));
	memcpy(&mask, out + 32, sizeof(mask));
	memcpy(&born, out + 32 + 64 + 16, sizeof(born));
	assert_int_equal(mask & STATX_BTIME, stx.stx_mask & STATX_BTIME);
	if (mask & STATX_BTIME)
		assert_int_equal(born, stx.stx_btime.tv_sec);
	client_stop(c);
}

static void a_read_only_share_is_not_changed(void **state)
{
	static const char *const args[] = {"--readonly", NULL};
	struct client *c = *state;
	struct fuse_setattr_in set = {.valid = FATTR_MODE};
	uint64_t node, fh;

	client_make_file(c, "file", "hello");
	client_start(c, args);
	node = client_walk(c, "file");
	assert_int_equal(client_create(c, ROOT, "new", O_RDWR, 0600, NULL, &fh), -EROFS);
	assert_int_equal(client_mkdir(c, ROOT, "new", 0700, NULL), -EROFS);
	assert_int_equal(client_setattr(c, node, &set, NULL), -EROFS);
	assert_int_equal(client_name(c, FUSE_UNLINK, ROOT, "file"), -EROFS);
	assert_int_equal(client_open_file(c, node, O_RDWR, &fh), -EROFS);
	assert_int_equal(client_open_file(c, node, O_RDONLY | O_TRUNC, &fh), -EROFS);
	assert_int_equal(client_open_file(c, node, O_RDONLY, &fh), 0);
	assert_int_equal(client_write(c, node, fh, 0, "x", 1), -EROFS);
	client_stop(c);
}

static void what_a_user_of_the_guest_makes_is_the_users(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out entry;
	struct fuse_attr root;
	uint64_t fh;

	client_need_root("only root may act for others");
	assert_int_equal(chmod(c->share, 01777), 0);
	client_start(c, NULL);
	c->uid = 1234;
	c->gid = 4321;
	assert_int_equal(client_create(c, ROOT, "mine", O_RDWR, 0600, &entry, &fh), 0);
	assert_int_equal(entry.attr.uid, 1234);
	assert_int_equal(entry.attr.gid, 4321);
	assert_int_equal(client_mkdir(c, ROOT, "dir", 0700, &entry), 0);
	assert_int_equal(entry.attr.uid, 1234);
	c->uid = c->gid = 0;
	assert_int_equal(client_mkdir(c, ROOT, "roots", 0700, &entry), 0);
	assert_int_equal(entry.attr.uid, 0);
	assert_int_equal(client_getattr(c, ROOT, &root), 0);
	/* A directory that is not the user's, and nobody else's to write. */
	c->uid = 1234;
	assert_int_equal(client_mkdir(c, entry.nodeid, "x", 0700, NULL), -EACCES);
	client_stop(c);
}

static void a_front_end_that_comes_again_finds_its_inodes(void **state)
{
	struct client *c = *state;
	char data[8];
	uint64_t node, fh;

	client_make_file(c, "file", "hello");
	client_start(c, NULL);
	node = client_walk(c, "file");
	assert_int_equal(client_open_file(c, node, O_RDONLY, &fh), 0);
	client_connect(c, 1);
	/* No INIT: the guest ran on. */
	assert_int_equal(client_getattr(c, node, NULL), 0);
	assert_int_equal(client_read(c, node, fh, 0, data, sizeof(data)), 5);
	/* A mount of its own: nothing is known from before. */
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	assert_int_equal(client_getattr(c, node, NULL), -ESTALE);
	assert_int_equal(client_read(c, node, fh, 0, data, sizeof(data)), -EBADF);
	client_stop(c);
}

/* As libvirt starts virtiofsd, but for the socket. */
static void the_arguments_of_libvirt_are_taken(void **state)
{
	struct client *c = *state;
	char option[200];
	const char *args[] = {"-o", option, "--thread-pool-size=4", NULL};
	const char *sandbox = rig_sandbox() || !client_has_namespaces() ? "none" : "namespace";

	snprintf(option, sizeof(option),
		 "source=%s,cache=always,sandbox=%s,xattr,flock,no_posix_lock", c->share, sandbox);
	c->rig.has_sandbox = false; /* the arguments say which */
	rig_spawn(&c->rig, args);
	client_connect(c, 1);
	assert_int_equal(client_init(c, CLIENT_ALL_FLAGS), sizeof(c->init));
	assert_true(c->init.flags & FUSE_FLOCK_LOCKS);
	assert_false(c->init.flags & FUSE_POSIX_LOCKS);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_file_is_found_and_has_the_hosts_attributes),
		CLIENT_TEST(what_is_written_is_read_by_both_sides),
		CLIENT_TEST(create_opens_what_is_there_unless_it_is_told_not_to),
		CLIENT_TEST(names_are_made_moved_and_removed),
		CLIENT_TEST(attributes_are_set),
		CLIENT_TEST(a_directory_is_listed_whole_in_pieces),
		CLIENT_TEST(a_listing_goes_on_at_any_offset),
		CLIENT_TEST(extended_attributes_are_the_hosts),
		CLIENT_TEST(contents_are_allocated_searched_copied_and_synced),
		CLIENT_TEST(space_is_the_hosts),
		CLIENT_TEST(an_unnamed_file_is_given_a_name),
		CLIENT_TEST(statx_tells_when_a_file_was_born),
		CLIENT_TEST(a_read_only_share_is_not_changed),
		CLIENT_TEST(what_a_user_of_the_guest_makes_is_the_users),
		CLIENT_TEST(the_arguments_of_libvirt_are_taken),
		CLIENT_TEST(a_front_end_that_comes_again_finds_its_inodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
