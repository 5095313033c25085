/* SPDX-License-Identifier: MIT */
/*
 * A socket as the far end: what its data (vsock_far_socket.c) and its beginning (vsock_connect.c)
 * want of each other.
 */
#ifndef VSOCK_FAR_SOCKET_H
#define VSOCK_FAR_SOCKET_H

#include "vsock_rules.h"

/* Have c->fd watched; 0 or -errno. */
int far_socket_watch(struct conn *c);

/* It is CONNECTING: is it there? */
void far_socket_look(struct conn *c);
/* The same after a tenth of a second, for one that could not even begin to connect. */
void far_socket_tick(struct conn *c);
/* It is GREETING: what does the client say? */
void far_socket_hear(struct conn *c);

#endif
