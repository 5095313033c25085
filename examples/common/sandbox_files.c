/* SPDX-License-Identifier: MIT */
/* See sandbox_files.h.  Thread: main, while there is no other one. */
#include "sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

/* Later than Debian 12's header; by the version of the interface that has them. */
struct ruleset {
	uint64_t fs;
	uint64_t net;	/* 4 */
	uint64_t scope; /* 6: abstract Unix sockets of others, and signals to them */
};

struct net_port {
	uint64_t allowed, port;
};

enum { RIGHTS_OF_1 = 13, NET_BIND = 1, NET_CONNECT = 2, RULE_NET_PORT = 2, SCOPE_ALL = 3 };

static uint64_t file_rights(int version)
{
	/* 2: moving between directories, 3: truncating, 5: ioctl on devices. */
	int n = RIGHTS_OF_1 + (version >= 2) + (version >= 3) + (version >= 5);

	return ((UINT64_C(1) << n) - 1) & ~(uint64_t)LANDLOCK_ACCESS_FS_REMOVE_FILE;
}

static size_t ruleset_size(int version)
{
	return version >= 6   ? sizeof(struct ruleset)
	       : version >= 4 ? offsetof(struct ruleset, scope)
			      : offsetof(struct ruleset, net);
}

static int allow_place(int ruleset, const struct sandbox_place *place, uint64_t handled)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = place->rights & handled,
		.parent_fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	int ret;

	if (beneath.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno; /* there is nothing to be had */
	ret = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0
		      ? -errno
		      : 0;
	close(beneath.parent_fd);
	return ret;
}

static int allow_all(int ruleset, const struct sandbox_files *files, const struct ruleset *rules)
{
	/* What kind of file a front-end sent (memory on a disk) is read there; see
	 * base/descriptor.c. */
	const struct sandbox_place own = {"/proc/self", SANDBOX_READ};
	int ret = allow_place(ruleset, &own, rules->fs);

	for (size_t i = 0; i < files->n_places && !ret; i++)
		ret = allow_place(ruleset, &files->places[i], rules->fs);
	for (size_t i = 0; i < files->n_ports && !ret && rules->net; i++) {
		const struct net_port allowed = {NET_CONNECT, files->ports[i]};

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &allowed, 0) < 0)
			ret = -errno;
	}
	return ret;
}

int sandbox_shut_files(const struct sandbox_files *files)
{
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const struct ruleset rules = {file_rights(version),
				      version >= 4 ? NET_BIND | NET_CONNECT : 0,
				      version >= 6 ? SCOPE_ALL : 0};
	int ruleset, ret;

	if (version < 0 || sandbox_is_left_out())
		return 1;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, ruleset_size(version), 0);
	if (ruleset < 0)
		return -errno;
	ret = allow_all(ruleset, files, &rules);
	if (!ret && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		     syscall(SYS_landlock_restrict_self, ruleset, 0) < 0))
		ret = -errno;
	close(ruleset);
	return ret;
}
