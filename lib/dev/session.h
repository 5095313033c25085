/* SPDX-License-Identifier: MIT */
/*
 * A session: one connected front-end.  Owned by its device; device thread only.
 */
#ifndef DEV_SESSION_H
#define DEV_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/conn.h"

struct vu_device;
struct session;
struct log;

/* What the validator needs to know of a session. */
const struct log *session_log(const struct session *s);
/* Was this protocol feature acked?  (Both offered by us and acked by the front-end.) */
bool session_has(const struct session *s, unsigned int protocol_feature);
/* May protocol-feature messages be used: bit 30 was offered, and not turned down since. */
bool session_has_protocol_features(const struct session *s);
/* VIRTIO_F_ACCESS_PLATFORM was acked. */
bool session_has_access_platform(const struct session *s);

/* Answer msg with its own reply. 0 or -errno (the session must end). */
int session_reply(struct session *s, const struct wire_msg *msg, const void *payload, uint32_t size,
		  const int *fds, unsigned int n_fds);
/* Answer msg with a u64. */
int session_reply_u64(struct session *s, const struct wire_msg *msg, uint64_t value);

#endif
