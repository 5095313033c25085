/* SPDX-License-Identifier: MIT */
/*
 * A program that gives up what it does not need: the rest of the file system, the network,
 * capabilities, system calls.
 *
 * All of it on the main thread while there is no other one: threads that come later have the same.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SANDBOX_AUTO: namespaces, or where these cannot be had, Landlock.
 * SANDBOX_NAMESPACE: mount, network, IPC and host name namespaces of its own (and a user namespace
 *	for those without privileges); the directory is all there is.
 * SANDBOX_CHROOT: the directory is the root; needs CAP_SYS_CHROOT.
 * SANDBOX_LANDLOCK: nothing outside the directory can be opened, made or removed.
 * SANDBOX_NONE: the file system stays as it is.
 */
enum sandbox_kind {
	SANDBOX_AUTO,
	SANDBOX_NAMESPACE,
	SANDBOX_CHROOT,
	SANDBOX_LANDLOCK,
	SANDBOX_NONE,
};

/* For a table of options; in the order of the enum. */
extern const char *const sandbox_names[];

struct sandbox_ids;

struct sandbox {
	enum sandbox_kind kind; /* in: what is wanted; out: what it is */
	const char *dir;	/* in: the directory; out: what it is called from now on */
	int proc_fd;		/* out: /proc/self/fd and nothing else of /proc; the caller's */
	const char *failed;	/* out: what could not be done */
	/* in: with namespaces, no device is opened and nothing run there; nothing written, too */
	bool plain, read_only;
	/* in: with SANDBOX_NAMESPACE, be root of a user namespace that has these; or NULL */
	const struct sandbox_ids *ids;
};

/*
 * A program looks for a front-end that listens (--connect) again and again: its socket must stay
 * within reach, so auto becomes landlock.  -EINVAL, and a line on standard error, where that is
 * not so.  kind: enum sandbox_kind.
 */
int sandbox_for_connecting(const char *program, uint32_t *kind);

/* Shut in the file system.  -errno: failed says what. */
int sandbox_enter(struct sandbox *sandbox);

/* An ioctl() that a program goes on making: those whose number under mask is value. */
struct sandbox_ioctl {
	uint32_t mask, value;
};

/* Whether the command line has an option, such as "--connect": what a sandbox is to allow. */
bool sandbox_has_option(int argc, char **argv, const char *name);

/* What a program goes on needing. */
struct sandbox_needs {
	const char *program;   /* its name, for lines; stays valid */
	uint64_t capabilities; /* a mask by number */
	const int *calls;      /* system calls beside those of libc and libvu; -1: none */
	size_t n_calls;
	const struct sandbox_ioctl *ioctls;
	size_t n_ioctls;
	bool network;  /* connecting to sockets of any kind */
	bool connects; /* to Unix sockets: --connect */
	bool postcopy; /* userfaultfd(2): --postcopy */
	/* System calls that fail in any case, with EPERM and without a line. */
	const int *refused;
	size_t n_refused;
	bool threads; /* there are some already: they lose system calls, too, but no capabilities */
	bool alone; /* no memory that RLIMIT_DATA does not count; without a line */
};

/*
 * Builds that count which lines ran, and those that look for leaks, need files and calls at their
 * end that no sandbox leaves; without, the latter would hang.  They have none, but with
 * detect_leaks=0 among ASAN_OPTIONS.
 */
bool sandbox_is_left_out(void);

/*
 * Keep these capabilities at most, and no way to others, and dump no core: it would have the
 * guest's memory in it.  The other system calls fail from here on (where this machine's
 * architecture is known) with ENOSYS, or EPERM where the call is one that may be made with other
 * arguments, after a line that names the call.  No other process gets a signal or a limit, nor
 * comes to be: there are threads.  -errno: failed says what.
 */
int sandbox_give_up(const struct sandbox_needs *needs, const char **failed);
/* The first part of it: capabilities but these, and cores.  For who has no other threads yet. */
int sandbox_drop_rights(uint64_t capabilities, const char **failed);

#endif
