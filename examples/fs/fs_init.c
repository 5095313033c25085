/* SPDX-License-Identifier: MIT */
/* INIT: what the driver offers, what we want, and what both can is what holds. */
#include "fs_kept.h"

#include <errno.h>
#include <string.h>

enum { MINOR = 38, LEAST_MINOR = 31, MAX_BACKGROUND = 128 };

/* When a bit is taken. */
struct fs_flag {
	uint64_t bit;
	size_t setting; /* offset of an int in struct fs_settings that must be set; 0: always */
};

#define WHEN(option) offsetof(struct fs_settings, option)

static const struct fs_flag wanted[] = {
	{FUSE_ASYNC_READ, 0},
	{FUSE_ATOMIC_O_TRUNC, 0},
	{FUSE_BIG_WRITES, 0},
	{FUSE_HAS_IOCTL_DIR, 0},
	{FUSE_AUTO_INVAL_DATA, 0},
	{FUSE_ASYNC_DIO, 0},
	{FUSE_PARALLEL_DIROPS, 0},
	{FUSE_MAX_PAGES, 0},
	{FUSE_CACHE_SYMLINKS, 0},
	{FUSE_INIT_EXT, 0},
	{FS_CREATE_SUPP_GROUP, 0},
	{FS_ALLOW_IDMAP, 0},
	{FUSE_EXPORT_SUPPORT, 0},
	{FUSE_SECURITY_CTX, WHEN(security_label)},
	{FUSE_SUBMOUNTS, WHEN(announce_submounts)},
	{FUSE_WRITEBACK_CACHE, WHEN(writeback)},
	{FUSE_HANDLE_KILLPRIV_V2, WHEN(killpriv_v2)},
	{FUSE_POSIX_LOCKS, WHEN(posix_lock)},
	{FUSE_FLOCK_LOCKS, WHEN(flock)},
	{FUSE_POSIX_ACL, WHEN(posix_acl)},
	{FUSE_DONT_MASK, WHEN(posix_acl)},
	{FUSE_SETXATTR_EXT, WHEN(posix_acl)},
	{FUSE_MAP_ALIGNMENT, WHEN(dax_window)},
	{FUSE_HAS_INODE_DAX, WHEN(dax_window)},
	{FS_DIRECT_IO_ALLOW_MMAP, WHEN(allow_mmap)},
};

static uint64_t fs_wanted(const struct fs_settings *settings)
{
	uint64_t flags = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!wanted[i].setting ||
		    *(const int *)((const char *)settings + wanted[i].setting))
			flags |= wanted[i].bit;
	if (!settings->no_readdirplus)
		flags |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	return flags;
}

uint64_t fs_known_flags(void)
{
	uint64_t flags = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FS_INIT_DONE;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		flags |= wanted[i].bit;
	return flags;
}

static void fs_answer(struct fs_call *c, uint32_t max_readahead, uint64_t flags)
{
	struct fuse_init_out *out = c->out;

	*out = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = MINOR,
		.max_readahead = max_readahead,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
		.max_background = MAX_BACKGROUND,
		.congestion_threshold = MAX_BACKGROUND / 4 * 3,
		.max_write = FS_MAX_WRITE,
		.time_gran = 1,
		.max_pages = FS_MAX_PAGES,
		.map_alignment = flags & FUSE_MAP_ALIGNMENT ? FS_DAX_ALIGN_LOG2 : 0,
	};
}

/* What the driver would have to offer, and does not; NULL: nothing. */
static const char *fs_missing(const struct fs_settings *settings, uint64_t offered)
{
	const uint64_t acl = FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT;

	if (settings->needs_posix_acl && (offered & acl) != acl)
		return "--posix-acl=always: the guest has no POSIX ACLs";
	if (settings->needs_security_label && !(offered & FUSE_SECURITY_CTX))
		return "--security-label=always: the guest sends no labels";
	return NULL;
}

int fs_init(struct fs_call *c)
{
	struct fuse_init_in in = {0};
	uint64_t offered, flags;
	const char *missing;

	memcpy(&in, c->args, offsetof(struct fuse_init_in, flags2));
	if (c->out_room < sizeof(struct fuse_init_out) || in.major < FUSE_KERNEL_VERSION)
		return -EPROTO;
	if (in.major > FUSE_KERNEL_VERSION) { /* it tries again with ours */
		fs_answer(c, 0, 0);
		return sizeof(struct fuse_init_out);
	}
	if (in.minor < LEAST_MINOR)
		return -EPROTO;
	offered = in.flags;
	if (offered & FUSE_INIT_EXT && c->rest_len >= sizeof(in.flags2)) {
		memcpy(&in.flags2, c->rest, sizeof(in.flags2));
		offered |= (uint64_t)in.flags2 << 32;
	}
	missing = fs_missing(c->fs->settings, offered);
	if (missing) {
		vu_device_logf(c->fs->dev, VU_LOG_ERROR, "%s; it cannot mount", missing);
		return -EPROTO;
	}
	/* A mount begins: whatever one before it had is not known any more. */
	fs_dax_unmap_all(c->fs);
	fs_files_close_all(c->fs);
	fs_nodes_forget_all(c->fs);
	flags = offered & fs_wanted(c->fs->settings);
	fs_answer(c, in.max_readahead, flags);
	/* A driver of no flags at all has made its INIT, too. */
	fs_kept_flags(c->fs, flags | FS_INIT_DONE);
	vu_device_logf(c->fs->dev, VU_LOG_DEBUG, "INIT 7.%u: flags 0x%llx of 0x%llx", in.minor,
		       (unsigned long long)flags, (unsigned long long)offered);
	return sizeof(struct fuse_init_out);
}

int fs_destroy(struct fs_call *c)
{
	fs_kept_flags(c->fs, 0);
	fs_dax_unmap_all(c->fs);
	fs_files_close_all(c->fs);
	fs_nodes_forget_all(c->fs);
	return 0;
}
