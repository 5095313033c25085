/* SPDX-License-Identifier: MIT */
/*
 * Back-end file: who else has the image?  Says it in the way of QEMU and its tools, so that they
 * and we see each other: byte locks on the open file description (F_OFD_SETLK).
 *
 * A lock on byte USES + n says "I do this", one on byte KEEPS + n "nobody else may"; n is one of
 * enum deed.  All of them are shared locks, so that many can hold the same byte; whether somebody
 * has it is asked by a test for an exclusive one.  No state but the file's.  Device thread.
 */
#include "disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* QEMU's permissions, as numbers of bits. */
enum deed { DEED_READ = 0, DEED_WRITE = 1, N_DEEDS = 4 };

enum { USES = 100, KEEPS = 200 };

/*
 * A predecessor that was killed keeps its locks until the kernel has ended its io_urings; one that
 * was told to end needs half a second for what is in flight.
 */
enum { LOCK_TRIES = 40, LOCK_WAIT_MS = 25 };

static int lock_byte(int fd, int byte)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* -EAGAIN: somebody else has it. */
static int lock_test(int fd, int byte)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type == F_UNLCK ? 0 : -EAGAIN;
}

static void lock_drop(int fd)
{
	struct flock lock = {.l_type = F_UNLCK,
			     .l_whence = SEEK_SET,
			     .l_start = USES,
			     .l_len = KEEPS + N_DEEDS - USES};

	fcntl(fd, F_OFD_SETLK, &lock);
}

/*
 * First say what we do and what nobody else may, then look: of two that come at the same moment
 * at least one sees the other.  Reading is what both kinds do, writing is what neither bears.
 */
static int lock_try(int fd, bool writes)
{
	int ret = lock_byte(fd, USES + DEED_READ);

	if (!ret && writes)
		ret = lock_byte(fd, USES + DEED_WRITE);
	if (!ret)
		ret = lock_byte(fd, KEEPS + DEED_WRITE);
	if (!ret)
		ret = lock_test(fd, KEEPS + DEED_READ);
	if (!ret && writes)
		ret = lock_test(fd, KEEPS + DEED_WRITE);
	if (!ret)
		ret = lock_test(fd, USES + DEED_WRITE);
	if (ret)
		lock_drop(fd);
	return ret == -EACCES ? -EAGAIN : ret;
}

const char *const disk_locking_choices[] = {"auto", "on", "off", NULL};

static bool lock_is_impossible(int error)
{
	return error == -ENOLCK || error == -EOPNOTSUPP || error == -ENOSYS || error == -EINVAL;
}

int lock_image(int fd, const struct disk_settings *settings)
{
	const struct timespec wait = {.tv_nsec = LOCK_WAIT_MS * 1000000L};
	int ret = -EAGAIN;

	if (settings->locking == DISK_LOCKING_OFF)
		return 0;
	for (int i = 0; ret == -EAGAIN && i < LOCK_TRIES; i++) {
		if (i)
			nanosleep(&wait, NULL);
		ret = lock_try(fd, !settings->read_only);
	}
	if (lock_is_impossible(ret) && settings->locking == DISK_LOCKING_AUTO) {
		fprintf(stderr,
			"%s: %s: cannot be locked here (%s): see to it that nobody else writes "
			"to it\n",
			settings->program, settings->path, strerror(-ret));
		return 0;
	}
	if (ret == -EAGAIN)
		fprintf(stderr,
			"%s: %s: in use by another process, or by another socket of this one"
			"%s: end that first (or: --read-only for all of them; --locking=off if "
			"they know of each other)\n",
			settings->program, settings->path,
			settings->read_only ? ", which writes to it" : "");
	else if (ret)
		fprintf(stderr, "%s: %s: cannot be locked: %s (--locking=off does without)\n",
			settings->program, settings->path, strerror(-ret));
	return ret == -EAGAIN ? -EBUSY : ret;
}
