/* SPDX-License-Identifier: MIT */
/*
 * vu-fs: a directory of the host's (virtio 1.3 §5.11).
 *
 * The sockets are opened first, and then the program shuts itself in, while it has one thread; the
 * queues' threads come after that.  This file: the device, its queues, groups and workers.  Device
 * thread.
 */
#include "fs.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/sandbox.h"
#include "fs_kept.h"
#include "fs_pool.h"
#include "fs_state.h"

enum { FS_ID = 26, SPARE_FILES = 64 };

#define CAPABILITY(name) (UINT64_C(1) << CAP_##name)
#define CAPABILITIES                                                                               \
	(CAPABILITY(CHOWN) | CAPABILITY(DAC_OVERRIDE) | CAPABILITY(DAC_READ_SEARCH) |              \
	 CAPABILITY(FOWNER) | CAPABILITY(FSETID) | CAPABILITY(SETGID) | CAPABILITY(SETUID) |       \
	 CAPABILITY(MKNOD) | CAPABILITY(SETFCAP))

/* virtio 1.3 §5.11.4 */
struct fs_config {
	char tag[FS_TAG_LEN];
	uint32_t num_request_queues;
};

enum { N_HANDLE_CALLS = 2 /* the first of these */ };

static const int fs_calls[] = {SYS_open_by_handle_at,
			       SYS_name_to_handle_at,
			       SYS_openat,
			       SYS_openat2,
			       SYS_statx,
			       SYS_getdents64,
			       SYS_preadv,
			       SYS_pwritev,
			       SYS_preadv2,
			       SYS_pwritev2,
			       SYS_flock,
			       SYS_fsync,
			       SYS_fdatasync,
			       SYS_syncfs,
			       SYS_fallocate,
			       SYS_copy_file_range,
			       SYS_fchmodat,
			       SYS_fchownat,
			       SYS_utimensat,
			       SYS_mknodat,
			       SYS_mkdirat,
			       SYS_symlinkat,
			       SYS_linkat,
			       SYS_renameat2,
			       SYS_readlinkat,
#ifdef SYS_readlink
			       SYS_readlink, /* libvu, of what a front-end sends */
#endif
			       SYS_setxattr,
			       SYS_getxattr,
			       SYS_listxattr,
			       SYS_removexattr,
			       SYS_umask,
			       SYS_setfsuid,
			       SYS_setfsgid,
			       SYS_setgroups,
			       SYS_capget,
			       SYS_capset};

static void queue_ready(struct vu_queue *vq, void *opaque)
{
	struct fs *fs = opaque;
	struct fs_queue *q = &fs->queues[vu_queue_index(vq)];
	struct vu_req *req;

	while (vu_queue_next(vq, &req) > 0)
		fs_call_run(q, q->scratch, req);
}

static void queue_stop(struct vu_queue *vq, void *opaque)
{
	struct fs *fs = opaque;

	fs_locks_end(&fs->queues[vu_queue_index(vq)]);
	fs_dax_stop(&fs->queues[vu_queue_index(vq)]);
}

static void reset(struct vu_device *dev, void *opaque)
{
	(void)dev;
	fs_dax_forget(opaque);
}

static int session_begin(struct vu_device *dev, void *opaque)
{
	(void)dev;
	return fs_state_session_begin(opaque);
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	(void)dev;
	(void)why;
	fs_state_cancel(opaque);
	fs_dax_forget(opaque);
}

static bool fs_has_namespace_ids(const struct fs_settings *settings)
{
	return settings->namespace_ids.uids.n || settings->namespace_ids.gids.n;
}

/* --- once the sockets are there --- */

static int fs_shut_in(struct fs_settings *settings, struct sandbox *sandbox)
{
	struct sandbox_needs needs = {
		.program = "vu-fs",
		.capabilities = CAPABILITIES,
		.calls = fs_calls,
		.n_calls = sizeof(fs_calls) / sizeof(fs_calls[0]),
		.connects = settings->connects,
	};
	int ret = sandbox_enter(sandbox);

	if (ret)
		return ret;
	/* Without a sandbox, too: whoever it acts for is in none of them. */
	sandbox->failed = "leaving its groups";
	if (!geteuid() && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (settings->sandbox == SANDBOX_NONE)
		return 0;
	/* A handle may be that of any file of the file system's, not only of what is shared. */
	if (settings->handles == FS_HANDLES_NEVER) {
		needs.capabilities &= ~CAPABILITY(DAC_READ_SEARCH);
		needs.calls += N_HANDLE_CALLS;
		needs.n_calls -= N_HANDLE_CALLS;
	}
	/* Where names of descriptors lead to them: fs_xattr.c. */
	settings->inside_proc = !strcmp(sandbox->dir, "/");
	if (settings->inside_proc && fchdir(sandbox->proc_fd) < 0)
		return -errno;
	return sandbox_give_up(&needs, &sandbox->failed);
}

/* May it act as any user?  Asked after all was given up that is not needed. */
static bool fs_is_privileged(void)
{
	const uint64_t needed = CAPABILITY(SETUID) | CAPABILITY(SETGID) | CAPABILITY(CHOWN);
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	return !geteuid() && !syscall(SYS_capget, &header, data) &&
	       (data[0].effective & needed) == needed;
}

static uint32_t fs_open_limit(const struct fs_settings *settings)
{
	struct rlimit limit = {1024, 1024};

	if (settings->max_open_inodes)
		return (uint32_t)settings->max_open_inodes;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > 1 << 20)
		limit.rlim_cur = 1 << 20;
	return limit.rlim_cur > 2 * SPARE_FILES ? (uint32_t)limit.rlim_cur / 2 : SPARE_FILES;
}

/* The process's: several sockets share one sandbox. */
static int fs_enter(struct fs *fs, struct fs_settings *settings)
{
	struct sandbox sandbox = {
		.kind = settings->sandbox,
		.ids = fs_has_namespace_ids(settings) ? &settings->namespace_ids : NULL,
		.dir = settings->shared_dir,
		.plain = true,
		.read_only = settings->read_only,
	};
	int ret;

	if (settings->entered) {
		fs->proc_fd = dup(settings->proc_fd);
		return fs->proc_fd < 0 ? -errno : 0;
	}
	ret = fs_shut_in(settings, &sandbox);
	fs->proc_fd = sandbox.proc_fd;
	if (ret) {
		vu_device_logf(fs->dev, VU_LOG_ERROR, "sandbox: %s: %s%s", sandbox.failed,
			       strerror(-ret), sandbox.ids ? "" : "; --sandbox=none does without");
		return ret;
	}
	settings->entered = true;
	settings->proc_fd = fs->proc_fd;
	settings->sandbox = sandbox.kind;
	settings->inside = sandbox.dir;
	umask(0);
	vu_device_logf(fs->dev, VU_LOG_INFO, "%s is shared; sandbox: %s", settings->shared_dir,
		       sandbox_names[sandbox.kind]);
	return 0;
}

static int fs_begin(struct fs *fs, struct fs_settings *settings)
{
	int ret = fs_enter(fs, settings);

	if (ret)
		return ret;
	fs->privileged = fs_is_privileged();
	fs->max_open_nodes = fs_open_limit(settings);
	ret = fs_nodes_init(fs, settings->inside);
	if (ret) {
		vu_device_logf(fs->dev, VU_LOG_ERROR, "%s: %s", settings->shared_dir,
			       ret == -EOPNOTSUPP ? "its file system has no file handles, or this "
						    "process may not use them"
						  : strerror(-ret));
		return ret;
	}
	ret = fs_reuse_init(fs);
	if (ret)
		return ret;
	ret = fs_kept_restore(fs);
	if (ret) {
		vu_device_logf(fs->dev, VU_LOG_ERROR, "the state file: %s", strerror(-ret));
		return ret;
	}
	ret = fs_pool_start(fs);
	for (uint32_t i = 0; i < fs->n_queues && !ret; i++)
		ret = vu_program_add_worker(fs->program, fs->queues[i].group);
	return ret;
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	(void)index;
	return fs_begin(state, vu_program_settings(program));
}

/* --- the device --- */

static void fs_set_cache(struct fs *fs)
{
	switch (fs->settings->cache) {
	case FS_CACHE_ALWAYS:
		fs->entry_sec = fs->attr_sec = 86400;
		break;
	case FS_CACHE_METADATA:
		fs->entry_sec = fs->attr_sec = 86400;
		break;
	case FS_CACHE_AUTO:
		fs->entry_sec = fs->attr_sec = 1;
		break;
	default:
		break;
	}
}

static int fs_make_queue(struct fs *fs, uint32_t index)
{
	struct fs_queue *q = &fs->queues[index];
	int ret;

	q->fs = fs;
	q->vq = vu_device_queue(fs->dev, index);
	q->scratch = calloc(1, sizeof(*q->scratch));
	if (!q->scratch)
		return -ENOMEM;
	ret = vu_group_new(&q->group);
	if (!ret)
		ret = vu_queue_set_group(q->vq, q->group);
	if (!ret)
		ret = vu_group_add_timer(q->group, fs_locks_retry, q, &q->retry);
	return ret ? ret : vu_group_add_timer(q->group, fs_reuse_tick, q, &q->tick);
}

static int fs_make_device(struct fs *fs)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_begin = session_begin,
		.session_end = session_end,
		.reset = reset,
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
	};
	struct fs_config config = {.num_request_queues = htole32(fs->n_queues - 1)};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = FS_ID,
		.n_queues = fs->n_queues,
		/* QEMU has a configuration space of its own, and warns of another. */
		.config = fs->settings->tag ? &config : NULL,
		.config_size = fs->settings->tag ? sizeof(config) : 0,
		.max_queue_size = (uint32_t)fs->settings->queue_size,
		.max_segs = FS_MAX_SEGS,
		/* What is mapped comes back as guest memory, and was our choice. */
		.flags = fs->settings->dax_window ? VU_DEVICE_ANY_MEMORY : 0,
		.priv_size = fs->settings->pool_size ? fs_pool_priv_size() : 0,
	};
	int ret;

	if (fs->settings->tag)
		memcpy(config.tag, fs->settings->tag, strlen(fs->settings->tag));
	ret = vu_program_add_device(fs->program, &info, &ops, fs, &fs->dev);
	if (!ret)
		ret = fs_state_init(fs);
	if (!ret)
		ret = fs_dax_init(fs);
	for (uint32_t i = 0; i < fs->n_queues && !ret; i++)
		ret = fs_make_queue(fs, i);
	return ret;
}

/* Ids in ACLs are not translated. */
static int fs_check_ids(const struct fs_settings *settings)
{
	if (!settings->posix_acl || (!settings->uids.to_host.n && !settings->uids.to_guest.n &&
				     !settings->gids.to_host.n && !settings->gids.to_guest.n))
		return 0;
	fprintf(stderr, "vu-fs: --posix-acl and --translate-uid or -gid: ids in ACLs are not "
			"translated\n");
	return -EINVAL;
}

/* virtiofsd's default is namespace: who starts it as virtiofsd gives no --sandbox with these. */
static int fs_check_namespace(struct fs_settings *settings)
{
	if (!fs_has_namespace_ids(settings))
		return 0;
	if (settings->sandbox == SANDBOX_AUTO)
		settings->sandbox = SANDBOX_NAMESPACE;
	if (settings->sandbox != SANDBOX_NAMESPACE) {
		fprintf(stderr, "vu-fs: --uid-map and --gid-map: only with --sandbox=namespace\n");
		return -EINVAL;
	}
	if (!sandbox_ids_check(&settings->namespace_ids))
		return 0;
	fprintf(stderr, "vu-fs: --uid-map and --gid-map: id 0 of the namespace, as which vu-fs "
			"runs, needs one of the host's\n");
	return -EINVAL;
}

static int check_folder(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	struct fs_settings *settings = vu_program_settings(program);
	struct fs *fs = state;
	int ret;

	settings->xattr |= settings->posix_acl | settings->security_label;
	settings->killpriv_v2 &= !settings->no_killpriv_v2;
	settings->announce_submounts |= !settings->no_announce_submounts;
	fs->program = program;
	fs->settings = settings;
	fs->proc_fd = fs->mount_fd = -1;
	fs->n_queues = 1 + (uint32_t)fs->settings->n_queues;
	ret = check_folder(settings->shared_dir);
	if (ret) {
		fprintf(stderr, "vu-fs: %s: %s\n", settings->shared_dir, strerror(-ret));
		return ret;
	}
	if (fs_dax_check(settings) || fs_check_ids(settings) || fs_check_namespace(settings))
		return -EINVAL;
	if (settings->connects && sandbox_for_connecting("vu-fs", &settings->sandbox))
		return -EINVAL;
	fs->queues = calloc(fs->n_queues, sizeof(*fs->queues));
	if (!fs->queues || pthread_mutex_init(&fs->lock_table, NULL) || fs_files_init(fs))
		return -ENOMEM;
	fs_set_cache(fs);
	ret = fs_kept_open(fs, index);
	if (!ret)
		ret = fs_make_device(fs);
	return ret ? ret : vu_program_add_control(fs->program, NULL, fs, NULL);
}

static void destroy(void *state)
{
	struct fs *fs = state;

	fs_pool_end(fs); /* first: what it still has are requests of the queues' */
	fs_state_cancel(fs);
	fs_state_end(fs);
	for (uint32_t i = 0; i < fs->n_queues && fs->queues; i++) {
		vu_group_free(fs->queues[i].group);
		free(fs->queues[i].scratch);
	}
	free(fs->queues);
	/* Before these: what the guest knows is known to the next vu-fs. */
	fs_kept_close(fs);
	fs_files_fini(fs);
	fs_reuse_fini(fs);
	fs_nodes_fini(fs);
	if (fs->proc_fd >= 0)
		close(fs->proc_fd);
}

/* None but "metrics", which is every program's. */
static const struct vu_command commands[] = {{.name = NULL}};

/* Names of virtiofsd's, which libvirt looks for.  Not "separate-options": libvirt would refuse
 * locks. */
static const char *const features[] = {"migrate-precopy", "posix-acl-negotiation-mode",
				       "security-label-negotiation-mode", NULL};

int main(int argc, char **argv)
{
	struct fs_settings settings = fs_defaults;
	const struct vu_program_info info = {
		VU_PROGRAM("vu-fs", "fs", "A vhost-user file system device: shares a directory."),
		.features = features,
		.options = fs_options,
		.option_size = sizeof(fs_options[0]),
		.settings = &settings,
		VU_PROGRAM_COMMANDS(commands),
		VU_PROGRAM_STATE(struct fs, create, destroy),
		.opened = opened,
	};
	char **expanded = fs_options_expand(&argc, argv, &settings);
	int status;

	if (!expanded)
		return 2;
	status = vu_program_main(&info, argc, expanded);
	free(expanded);
	fs_options_free(&settings);
	return status;
}
