/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a console port: a terminal, a socket, a file, or an echo, behind one contract.
 *
 * Nothing here waits.  backend_read() and backend_write() take what there is and otherwise say
 * -EAGAIN; when that changes, changed() is called.  Nothing is read ahead: what the guest has no
 * room for stays with whoever sends it, who is thereby slowed down.  Fds are watched
 * edge-triggered, so a side that is not served for a while costs nothing.
 *
 * Nor does anybody take the thread for itself: after BACKEND_ALLOWANCE bytes there is nothing more
 * to be done until the thread has been round, however large the guest's buffers are.
 *
 * Thread: the group's.
 */
#ifndef CONSOLE_BACKEND_H
#define CONSOLE_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <libvu/vu.h>

enum {
	BACKEND_PATH = 108,
	BACKEND_SEGS = 256,	       /* of one read or write */
	BACKEND_ALLOWANCE = 256 << 10, /* bytes to and fro from one turn to the next */
};

struct backend;

struct backend_kind {
	const char *name; /* "socket" of "socket:PATH" */
	enum { BACKEND_NO_ARGUMENT, BACKEND_MAY_HAVE_ARGUMENT, BACKEND_ARGUMENT } argument;
	int (*open)(struct backend *b);
	/* Undoes also what an open() that failed has done. */
	void (*close)(struct backend *b);
	/* As readv(2) and writev(2), with -errno; read returns 0 at the end.  NULL: of the fds. */
	ssize_t (*read)(struct backend *b, const struct iovec *iov, int n);
	ssize_t (*write)(struct backend *b, const struct iovec *iov, int n);
	/*
	 * Look who is there: events of fd_in or fd_out came, or (0) something else changed.  NULL
	 * for what is always connected, as the next two.
	 */
	void (*look)(struct backend *b, uint32_t events);
	/* Nobody is connected: is somebody waiting to be? */
	void (*accept)(struct backend *b);
	/* Whoever was connected is gone, and what it sent has been read. */
	void (*disconnect)(struct backend *b);
};

struct backend {
	const struct backend_kind *kind;
	struct vu_device *dev;
	struct vu_group *group;
	uint32_t index;		  /* of the device */
	const char *label;	  /* of the port, for log lines */
	const char *argument;	  /* valid during open() */
	char where[BACKEND_PATH]; /* what there is to connect to, for people */
	void (*changed)(void *opaque);
	void *opaque;

	/* Kept by the kind, read by the port. */
	bool connected;
	bool hung_up;	     /* takes no more; what it sent may not all be read */
	bool readable;	     /* reading is worth a try */
	bool writable;	     /* the same */
	uint16_t cols, rows; /* of the terminal, 0: unknown */
	/* Kept by the port. */
	bool wanted; /* the guest takes input */

	int fd_in, fd_out; /* -1, or the same */
	struct vu_source *source_in, *source_out;
	struct vu_source
		*retry;	    /* after an error that may pass (disk full), or for the next turn */
	bool failed;	    /* the first of these */
	uint32_t allowance; /* bytes left in this turn */
	int error;	    /* logged last */
	void *state;	    /* the kind's */
};

/* Is this a BACKEND as the options have it?  0, or -EINVAL. */
int backend_check(const char *description);

/*
 * label stays the caller's.  changed() is not called from here, but may be from the next event on.
 * 0 or -errno, after a log line.
 */
int backend_open(struct vu_device *dev, uint32_t index, const char *label, const char *description,
		 void (*changed)(void *opaque), void *opaque, struct backend **backend);
void backend_close(struct backend *b);

/* Nobody is connected: is somebody waiting to be?  Then that one is. */
bool backend_accept(struct backend *b);
/* More than 0, or -EAGAIN; -EFAULT: the guest's memory is gone. */
ssize_t backend_read(struct backend *b, const struct iovec *iov, int n);
/* Only for who is connected and has not hung up. */
ssize_t backend_write(struct backend *b, const struct iovec *iov, int n);
void backend_set_wanted(struct backend *b, bool wanted);

/* For kinds: the path that len bytes of text mean for this device: the n-th has ".n" behind it. */
int backend_path(const struct backend *b, const char *text, size_t len, char path[BACKEND_PATH]);
/* For kinds: watch fd_in and fd_out. */
int backend_watch(struct backend *b);
void backend_unwatch(struct backend *b);
void backend_warn(struct backend *b, const char *text, int error);

extern const struct backend_kind backend_pty, backend_socket, backend_stdio, backend_file,
	backend_echo;

#endif
