/* SPDX-License-Identifier: MIT */
/* The same random list of operations on a share and on a directory: they say the same. */
#include "client.h"
#include "random_ops.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPERATIONS = 3000 };

/* The directory of a path and its last component; a negative errno. */
static int parent(struct client *c, const char *path, uint64_t *dir, const char **name)
{
	const char *slash = strchr(path, '/');
	struct fuse_entry_out entry;
	char first[32];
	int ret;

	*dir = ROOT;
	*name = slash ? slash + 1 : path;
	if (!slash)
		return 0;
	snprintf(first, sizeof(first), "%.*s", (int)(slash - path), path);
	ret = client_lookup(c, ROOT, first, &entry);
	*dir = entry.nodeid;
	/* The kernel does not ask in what is no directory; links here lead nowhere. */
	if (!ret && !S_ISDIR(entry.attr.mode))
		ret = S_ISLNK(entry.attr.mode) ? -ENOENT : -ENOTDIR;
	return ret;
}

/* The kernel's own look-up: links and directories are told from files there, not by the device. */
static int find(struct client *c, const char *path, struct fuse_entry_out *entry)
{
	const char *name;
	uint64_t dir;
	int ret = parent(c, path, &dir, &name);

	return ret ? ret : client_lookup(c, dir, name, entry);
}

static int find_file(struct client *c, const char *path, struct fuse_entry_out *entry,
		     int for_directory)
{
	int ret = find(c, path, entry);

	if (ret)
		return ret;
	if (S_ISLNK(entry->attr.mode))
		return -ELOOP;
	return S_ISDIR(entry->attr.mode) ? for_directory : 0;
}

static int share_write(void *opaque, const char *path, int flags, uint32_t mode, uint64_t offset,
		       const void *data, uint32_t len)
{
	struct client *c = opaque;
	struct fuse_entry_out entry;
	const char *name;
	uint64_t dir, fh;
	int ret = parent(c, path, &dir, &name);

	if (ret)
		return ret;
	ret = client_lookup(c, dir, name, &entry);
	if (!ret && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (!ret && S_ISLNK(entry.attr.mode))
		return -ELOOP;
	if (!ret && S_ISDIR(entry.attr.mode))
		return -EISDIR;
	if (!ret)
		ret = client_open_file(c, entry.nodeid, (uint32_t)(O_WRONLY | flags), &fh);
	else if (flags & O_CREAT && ret == -ENOENT)
		ret = client_create(c, dir, name, (uint32_t)(O_WRONLY | flags), mode, &entry, &fh);
	if (ret)
		return ret;
	ret = client_write(c, entry.nodeid, fh, offset, data, len);
	client_release(c, entry.nodeid, fh);
	return ret;
}

static int share_read(void *opaque, const char *path, uint64_t offset, void *data, uint32_t len)
{
	struct client *c = opaque;
	struct fuse_entry_out entry;
	uint64_t fh;
	int ret = find_file(c, path, &entry, -EISDIR);

	if (!ret)
		ret = client_open_file(c, entry.nodeid, O_RDONLY, &fh);
	if (ret)
		return ret;
	ret = client_read(c, entry.nodeid, fh, offset, data, len);
	client_release(c, entry.nodeid, fh);
	return ret;
}

static int share_stat(void *opaque, const char *path, struct stat *st)
{
	struct fuse_entry_out entry;
	int ret = find(opaque, path, &entry);

	if (ret)
		return ret;
	st->st_mode = entry.attr.mode;
	st->st_nlink = entry.attr.nlink;
	st->st_size = (off_t)entry.attr.size;
	st->st_mtim.tv_sec = (time_t)entry.attr.mtime;
	return 0;
}

static int share_set(struct client *c, const char *path, const struct fuse_setattr_in *in)
{
	struct fuse_entry_out entry;
	int ret = find(c, path, &entry);

	return ret ? ret : client_setattr(c, entry.nodeid, in, NULL);
}

static int share_truncate(void *opaque, const char *path, uint64_t size)
{
	const struct fuse_setattr_in in = {.valid = FATTR_SIZE, .size = size};
	struct fuse_entry_out entry;
	int ret = find_file(opaque, path, &entry, -EISDIR);

	return ret ? ret : client_setattr(opaque, entry.nodeid, &in, NULL);
}

static int share_chmod(void *opaque, const char *path, uint32_t mode)
{
	const struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = mode};

	return share_set(opaque, path, &in);
}

static int share_utimes(void *opaque, const char *path, uint32_t seconds)
{
	const struct fuse_setattr_in in = {
		.valid = FATTR_ATIME | FATTR_MTIME, .atime = seconds, .mtime = seconds};

	return share_set(opaque, path, &in);
}

static int share_mkdir(void *opaque, const char *path, uint32_t mode)
{
	const char *name;
	uint64_t dir;
	int ret = parent(opaque, path, &dir, &name);

	return ret ? ret : client_mkdir(opaque, dir, name, mode, NULL);
}

static int share_unlink(void *opaque, const char *path)
{
	const char *name;
	uint64_t dir;
	int ret = parent(opaque, path, &dir, &name);

	return ret ? ret : client_name(opaque, FUSE_UNLINK, dir, name);
}

static int share_rmdir(void *opaque, const char *path)
{
	const char *name;
	uint64_t dir;
	int ret = parent(opaque, path, &dir, &name);

	return ret ? ret : client_name(opaque, FUSE_RMDIR, dir, name);
}

static int share_rename(void *opaque, const char *from, const char *to, uint32_t flags)
{
	uint64_t from_dir, to_dir;
	const char *name, *name2;
	int ret = parent(opaque, from, &from_dir, &name);

	if (!ret)
		ret = parent(opaque, to, &to_dir, &name2);
	return ret ? ret : client_rename(opaque, from_dir, name, to_dir, name2, flags);
}

static int share_link(void *opaque, const char *from, const char *to)
{
	struct fuse_entry_out entry;
	const char *name;
	uint64_t dir;
	int ret = find(opaque, from, &entry);

	if (!ret)
		ret = parent(opaque, to, &dir, &name);
	if (!ret && S_ISDIR(entry.attr.mode)) /* the kernel does not ask */
		return client_lookup(opaque, dir, name, &entry) ? -EPERM : -EEXIST;
	return ret ? ret : client_link(opaque, entry.nodeid, dir, name, NULL);
}

static int share_symlink(void *opaque, const char *target, const char *path)
{
	const char *name;
	uint64_t dir;
	int ret = parent(opaque, path, &dir, &name);

	return ret ? ret : client_symlink(opaque, dir, name, target, NULL);
}

static int share_readlink(void *opaque, const char *path, char *target, uint32_t size)
{
	struct fuse_entry_out entry;
	int ret = find(opaque, path, &entry);
	char all[4097];

	if (ret)
		return ret;
	ret = client_readlink(opaque, entry.nodeid, all);
	if (ret >= 0)
		snprintf(target, size, "%s", all);
	return ret;
}

static int share_list(void *opaque, const char *path, char names[RANDOM_NAMES][16])
{
	struct client *c = opaque;
	struct fuse_entry_out entry;
	unsigned char data[4096];
	uint64_t fh, offset = 0;
	int ret = find(c, path, &entry), n = 0;

	if (!ret && !S_ISDIR(entry.attr.mode))
		return -ENOTDIR;
	if (!ret)
		ret = client_opendir(c, entry.nodeid, &fh);
	if (ret)
		return ret;
	while ((ret = client_readdir(c, entry.nodeid, fh, offset, true, data, sizeof(data))) > 0)
		for (int at = 0; at < ret;) {
			const struct fuse_direntplus *p = (const void *)(data + at);

			if (p->dirent.name[0] != '.' && n < RANDOM_NAMES)
				snprintf(names[n++], 16, "%.*s", (int)p->dirent.namelen,
					 p->dirent.name);
			offset = p->dirent.off;
			at += (int)FUSE_DIRENTPLUS_SIZE(p);
		}
	client_releasedir(c, entry.nodeid, fh);
	return ret ? ret : n;
}

static const struct random_target share = {
	share_write,  share_read,    share_stat,     share_truncate, share_chmod,
	share_utimes, share_mkdir,   share_unlink,   share_rmdir,    share_rename,
	share_link,   share_symlink, share_readlink, share_list,
};

/* The first line in which two logs differ. */
static void compare(char *a, char *b)
{
	char *save_a = NULL, *save_b = NULL, *line = strtok_r(a, "\n", &save_a);
	char *other = strtok_r(b, "\n", &save_b);

	for (int i = 0; line && other; i++) {
		if (strcmp(line, other))
			fail_msg("operation %d: the share says '%s', the directory '%s'", i, line,
				 other);
		line = strtok_r(NULL, "\n", &save_a);
		other = strtok_r(NULL, "\n", &save_b);
	}
	assert_true(!line && !other);
}

static void run(struct client *c, uint32_t seed)
{
	char *said[2] = {NULL, NULL};
	size_t size[2];
	int dir;
	FILE *out;

	out = open_memstream(&said[0], &size[0]);
	random_run(&share, c, seed, OPERATIONS, out);
	fclose(out);
	client_make_dir(c, "beside");
	dir = open(client_path(c, "beside"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	umask(0);
	out = open_memstream(&said[1], &size[1]);
	random_run(&random_posix, &dir, seed, OPERATIONS, out);
	fclose(out);
	close(dir);
	compare(said[0], said[1]);
	free(said[0]);
	free(said[1]);
}

static void a_share_says_what_a_directory_says(void **state)
{
	client_start(*state, NULL);
	run(*state, 1);
	client_stop(*state);
}

static void a_share_with_few_descriptors_does_so_too(void **state)
{
	static const char *const args[] = {"--max-open-inodes=16", NULL};

	client_start(*state, args);
	run(*state, 2);
	client_stop(*state);
}

static void a_share_without_file_handles_does_so_too(void **state)
{
	static const char *const args[] = {"--inode-file-handles=never", "--sandbox=landlock",
					   NULL};

	client_start(*state, args);
	run(*state, 3);
	client_stop(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_share_says_what_a_directory_says),
		CLIENT_TEST(a_share_with_few_descriptors_does_so_too),
		CLIENT_TEST(a_share_without_file_handles_does_so_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
