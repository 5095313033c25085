/* SPDX-License-Identifier: MIT */
/*
 * What the process gives up once its sockets are open: files (Landlock), TCP ports that no rule
 * names (Landlock, since Linux 6.7), capabilities, system calls.
 *
 * Sockets in the file system can still be connected to, as the user may; rules say which.  Files
 * can still be removed: its own sockets are, at the end.
 */
#include "vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/sandbox.h"

/* Later than Debian 12's header; by the version of the interface that has them. */
struct ruleset {
	uint64_t fs;
	uint64_t net; /* 4 */
};

struct net_port {
	uint64_t allowed, port;
};

enum { NET_BIND = 1, NET_CONNECT = 2, RULE_NET_PORT = 2 };

static uint64_t file_rights(int version)
{
	/* 2: moving between directories, 3: truncating, 5: ioctl on devices. */
	int n = 13 + (version >= 2) + (version >= 3) + (version >= 5);

	return ((UINT64_C(1) << n) - 1) & ~(uint64_t)LANDLOCK_ACCESS_FS_REMOVE_FILE;
}

/* What kind of file a front-end sent (memory on a disk) is read there; see base/descriptor.c. */
static int allow_proc(int ruleset)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	int ret;

	if (beneath.parent_fd < 0)
		return 0; /* there is none */
	ret = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0
		      ? -errno
		      : 0;
	close(beneath.parent_fd);
	return ret;
}

static int allow_ports(int ruleset, const struct rules *r)
{
	for (uint32_t i = 0; i < r->n_forward; i++) {
		const struct address *a = &r->forward[i].address;
		uint16_t port = a->name.any.sa_family == AF_INET6 ? a->name.in6.sin6_port
								  : a->name.in.sin_port;
		const struct net_port allowed = {NET_CONNECT, ntohs(port)};

		if (a->kind == ADDRESS_TCP &&
		    syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &allowed, 0) < 0)
			return -errno;
	}
	return 0;
}

/* No file but those is opened from here on.  Without Landlock there is the filter for system calls.
 */
static int shut_files(const struct rules *r)
{
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const struct ruleset rules = {file_rights(version),
				      version >= 4 ? NET_BIND | NET_CONNECT : 0};
	int ruleset, ret;

	if (version < 0)
		return 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules,
			       version >= 4 ? sizeof(rules) : sizeof(rules.fs), 0);
	if (ruleset < 0)
		return -errno;
	ret = allow_proc(ruleset);
	if (!ret && version >= 4)
		ret = allow_ports(ruleset, r);
	if (!ret && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		     syscall(SYS_landlock_restrict_self, ruleset, 0) < 0))
		ret = -errno;
	close(ruleset);
	return ret;
}

int vsock_shut_in(const struct vsock_settings *settings, const char **failed)
{
	static const int calls[] = {SYS_socketpair, SYS_statx, SYS_openat, SYS_readlinkat,
#ifdef SYS_readlink
				    SYS_readlink
#endif
	};
	const struct sandbox_needs needs = {
		/* Root's connecting to another user's socket takes this one. */
		.capabilities = UINT64_C(1) << CAP_DAC_OVERRIDE,
		.calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
		.network = true,
	};
	int ret;

	*failed = "Landlock";
	ret = shut_files(&settings->rules);
	return ret ? ret : sandbox_give_up(&needs, failed);
}
