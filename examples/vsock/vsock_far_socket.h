/* SPDX-License-Identifier: MIT */
/* How connections with sockets of the host begin (vsock_connect.c). */
#ifndef VSOCK_FAR_SOCKET_H
#define VSOCK_FAR_SOCKET_H

#include "vsock_rules.h"

/* Connect to a place; c is CONNECTING, or OPEN already.  -errno: refused, and c is as it was. */
int far_socket_connect(struct conn *c, const struct far_place *place);
/* A client came: ask the guest to take it at this port.  The descriptor is ours, whatever comes. */
void far_socket_accepted(struct guest *g, int fd, uint32_t port, uint16_t type);
/* One that will say where to. */
void far_socket_greeted(struct guest *g, int fd);

#endif
