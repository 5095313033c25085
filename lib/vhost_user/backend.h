/* SPDX-License-Identifier: MIT */
/*
 * The back-end channel: our requests to the front-end.  They are sent when the socket takes them
 * and never waited for (QEMU may be waiting for us meanwhile).  Device thread.
 */
#ifndef VHOST_USER_BACKEND_H
#define VHOST_USER_BACKEND_H

#include <stdint.h>

struct vu_device;
struct session;
struct source;

/* Use this socket from now on; taken over in any case.  -errno. */
int backend_open(struct session *s, int fd);
void backend_close(struct session *s);
/* Send what other threads asked for: a changed configuration, in-band notifications. */
void backend_send_pending(struct vu_device *dev);
void backend_ready(struct source *source, uint32_t events);

#endif
