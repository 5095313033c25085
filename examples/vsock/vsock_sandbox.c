/* SPDX-License-Identifier: MIT */
/*
 * What the process gives up once its sockets are open: files (Landlock), TCP ports that no rule
 * names (Landlock, since Linux 6.7), capabilities, system calls.
 *
 * Sockets in the file system can still be connected to, as the user may; rules say which.  Files
 * can still be removed: its own sockets are, at the end.
 */
#include "vsock.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include "../common/sandbox.h"
#include "../common/sandbox_files.h"

/* No file is opened from here on.  Without Landlock there is the filter for system calls. */
static int shut_files(const struct rules *r)
{
	uint16_t ports[RULES_MAX];
	struct sandbox_files files = {.ports = ports};
	int ret;

	for (uint32_t i = 0; i < r->n_forward; i++) {
		const struct address *a = &r->forward[i].address;

		if (a->kind == ADDRESS_TCP)
			ports[files.n_ports++] =
				ntohs(a->name.any.sa_family == AF_INET6 ? a->name.in6.sin6_port
									: a->name.in.sin_port);
	}
	ret = sandbox_shut_files(&files);
	return ret < 0 ? ret : 0;
}

int vsock_shut_in(const struct vsock_settings *settings, const char **failed)
{
	static const int calls[] = {SYS_socketpair, SYS_statx, SYS_openat, SYS_readlinkat,
#ifdef SYS_readlink
				    SYS_readlink
#endif
	};
	const struct sandbox_needs needs = {
		.program = "vu-vsock",
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
