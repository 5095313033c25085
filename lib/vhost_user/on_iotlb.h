/* SPDX-License-Identifier: MIT */
/* Translations that queues miss: see on_iotlb.c.  Device thread. */
#ifndef VHOST_USER_ON_IOTLB_H
#define VHOST_USER_ON_IOTLB_H

struct session;

/* Ask for what queues miss, as far as the back-end channel takes it. */
void iotlb_tell(struct session *s);

#endif
