/* SPDX-License-Identifier: MIT */
/*
 * One end of a vhost-user socket: whole messages in and out, without ever blocking.
 *
 * Owns: the socket, the fds of the message being received and of messages not yet sent.
 * Thread: one at a time.
 */
#ifndef WIRE_CONN_H
#define WIRE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/spec.h"

enum {
	WIRE_MAX_FDS = 8,
	/* The largest payload that any message of the table has (GET_CONFIG of 4096 bytes). */
	WIRE_MAX_PAYLOAD = sizeof(struct wire_config) + WIRE_CONFIG_MAX,
};

/* A received message; owns its fds until they are taken. */
struct wire_msg {
	struct wire_header hdr;
	uint32_t n_fds;
	int fds[WIRE_MAX_FDS]; /* -1 once taken */
	struct closer *closer; /* of those that are not taken */
	_Alignas(8) unsigned char payload[WIRE_MAX_PAYLOAD];
};

struct wire_conn;
struct closer;

/*
 * Takes over fd (made non-blocking and close-on-exec).  What comes and is not taken is closed by
 * the closer, which stays the caller's.  -errno: fd stays the caller's.
 */
int wire_conn_new(int fd, struct closer *closer, struct wire_conn **conn);
/* Undoes wire_conn_new(), before anything was received or sent: fd is the caller's again. */
void wire_conn_release(struct wire_conn *conn);
/*
 * Closes the socket and every fd that waits in either direction.  The peer learns of it at once,
 * even while a forked child has the socket open, too.  NULL is ignored.
 */
void wire_conn_free(struct wire_conn *conn);
int wire_conn_fd(const struct wire_conn *conn);

/*
 * Descriptors that may block whoever uses them, closing included, end the connection when they
 * arrive.  Take files of every file system, though.
 */
void wire_conn_allow_files(struct wire_conn *conn);

/*
 * Continue to receive.  1: a whole message is in *msg (valid until the next call; fds that are not
 * taken are closed by the next call); 0: not yet; -ECONNRESET: the peer closed; -EPROTO: it cannot
 * be followed (version, size beyond WIRE_MAX_PAYLOAD, too many fds, ends in the middle of a
 * message), and *why continues "the message ..."; other -errno of recvmsg.
 */
int wire_conn_recv(struct wire_conn *conn, struct wire_msg **msg, const char **why);

/* Has only a part of a message come? */
bool wire_conn_is_partial(const struct wire_conn *conn);

/* The next fd of the message, in order; the caller owns it.  -1 when there is none. */
int wire_msg_take_fd(struct wire_msg *msg);
void wire_msg_close_fds(struct wire_msg *msg);

/*
 * Send a message, or queue what does not fit into the socket now.  fds are duplicated if the
 * message has to wait: they stay the caller's.  -ENOBUFS when more than the bound would wait
 * (256 KiB); -EPIPE/-ECONNRESET when the peer is gone.  Never raises SIGPIPE.
 */
int wire_conn_send(struct wire_conn *conn, const struct wire_header *hdr, const void *payload,
		   const int *fds, unsigned int n_fds);
/* Try to send what waits: 0: nothing waits any more; 1: still waiting; -errno as above. */
int wire_conn_flush(struct wire_conn *conn);
bool wire_conn_is_sending(const struct wire_conn *conn);

#endif
