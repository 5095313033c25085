/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a socket as the far end want of each other: its beginning (vsock_connect.c),
 * events and ends (vsock_far_socket.c), bytes in and out (vsock_socket_fill.c,
 * vsock_socket_take.c).
 */
#ifndef VSOCK_SOCKET_H
#define VSOCK_SOCKET_H

#include "vsock_far_socket.h"

enum { SOCKET_SEGS = 128 /* of one read or write */ };

/* --- vsock_far_socket.c --- */

/* Have c->fd watched; 0 or -errno. */
int far_socket_watch(struct conn *c);
/* To be told when there is room for what is sent. */
void far_socket_watch_room(struct conn *c, bool on);

/* --- vsock_connect.c --- */

/* It is CONNECTING: is it there? */
void far_socket_look(struct conn *c);
/* The same after a tenth of a second, for one that could not even begin to connect. */
void far_socket_tick(struct conn *c);
/* It is GREETING: what does the client say? */
void far_socket_hear(struct conn *c);

/* --- vsock_socket_take.c --- */

int far_socket_take(struct conn *c, const struct vu_req *req, uint64_t offset, uint32_t len,
		    uint32_t flags);
/*
 * What was gathered goes out; 0, or -errno when that cannot be.  Before anything else is done with
 * its connection.
 */
int far_socket_settle(struct guest *g);
/* There may be room for what is held.  false: the connection is gone, or will be. */
bool far_socket_flush(struct conn *c);
/* Do what is to be done when all that the guest sent is out, if it is. */
void far_socket_finish(struct conn *c);

/* --- vsock_socket_fill.c --- */

bool far_socket_has_data(const struct conn *c);
int far_socket_fill(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint32_t room,
		    uint32_t *bytes, uint32_t *flags);

#endif
