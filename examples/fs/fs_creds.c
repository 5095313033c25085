/* SPDX-License-Identifier: MIT */
/*
 * Acting as the guest's user, for what makes files: so they are owned as the guest wants, and the
 * host decides as it would for that user.  The same for what CREATE finds, of which the guest's
 * kernel knew nothing.  Everything else runs as the program itself: the guest's kernel has checked
 * modes and owners.
 *
 * Credentials are the calling thread's: glibc's functions would change all threads', so these are
 * bare system calls.
 */
#include "fs.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fs_change_effective(uint32_t capability, bool on)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	uint32_t bit = 1u << capability;

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	if (on && !(data[0].permitted & bit))
		return 0; /* what was never there cannot be missed */
	data[0].effective = on ? data[0].effective | bit : data[0].effective & ~bit;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int fs_fsetid_drop(struct fs *fs)
{
	return fs->privileged ? fs_change_effective(CAP_FSETID, false) : 0;
}

void fs_fsetid_restore(struct fs *fs)
{
	if (fs->privileged)
		fs_change_effective(CAP_FSETID, true);
}

/* The group of CREATE_SUPP_GROUP that lets the user into the directory; false: none was sent. */
static bool fs_group(const struct fs_call *c, gid_t *gid)
{
	struct fs_ext_header header;
	uint32_t at = 0, n;

	while (c->ext_len - at >= sizeof(header) + sizeof(n)) {
		memcpy(&header, c->ext + at, sizeof(header));
		if (header.size < sizeof(header) || header.size > c->ext_len - at)
			return false;
		memcpy(&n, c->ext + at + sizeof(header), sizeof(n));
		if (header.type == FS_EXT_GROUPS && n == 1 &&
		    header.size >= sizeof(header) + sizeof(n) + sizeof(*gid)) {
			memcpy(gid, c->ext + at + sizeof(header) + sizeof(n), sizeof(*gid));
			return true;
		}
		at += (header.size + 7) & ~7u;
		if (at > c->ext_len)
			return false;
	}
	return false;
}

int fs_creds_enter_to_open(struct fs_call *c, struct fs_creds *creds)
{
	const struct fs_settings *settings = c->fs->settings;
	uid_t uid = c->hdr.uid;
	gid_t gid = c->hdr.gid, group;
	bool grouped;

	*creds = (struct fs_creds){false, false};
	/* With ALLOW_IDMAP only requests that make nothing have none. */
	if (uid == (uid_t)FS_NO_ID || gid == (gid_t)FS_NO_ID)
		return -EPERM;
	grouped = fs_group(c, &group);
	if (fs_id_to_host(&settings->uids, uid, &uid) ||
	    fs_id_to_host(&settings->gids, gid, &gid) ||
	    (grouped && fs_id_to_host(&settings->gids, group, &group)))
		return -EPERM;
	if (!c->fs->privileged || (!uid && !gid))
		return 0;
	creds->changed = true;
	if (grouped)
		creds->raised = syscall(SYS_setgroups, 1, &group) == 0;
	setfsgid(gid);
	setfsuid(uid);
	/* The second call changes nothing and tells what is. */
	if ((gid_t)setfsgid((gid_t)-1) != gid || (uid_t)setfsuid((uid_t)-1) != uid) {
		fs_creds_leave(c, creds);
		return -EPERM;
	}
	return 0;
}

int fs_creds_enter(struct fs_call *c, struct fs_creds *creds)
{
	int ret = fs_creds_enter_to_open(c, creds);

	/* A driver that sends no group has checked with all of the user's. */
	if (!ret && creds->changed && !creds->raised &&
	    !(atomic_load(&c->fs->flags) & FS_CREATE_SUPP_GROUP))
		fs_change_effective(CAP_DAC_OVERRIDE, true);
	return ret;
}

void fs_creds_leave(struct fs_call *c, const struct fs_creds *creds)
{
	(void)c;
	if (!creds->changed)
		return;
	/* The user last: with 0, the kernel gives the capabilities back that it took. */
	setfsgid(0);
	setfsuid(0);
	if (creds->raised)
		syscall(SYS_setgroups, 0, NULL);
}
