/* SPDX-License-Identifier: MIT */
/*
 * The message table: one row a message of the specification, and the one validator.
 */
#ifndef VHOST_USER_MESSAGES_H
#define VHOST_USER_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/conn.h"
#include "wire/layout.h"

struct session;

/*
 * A handler starts from valid input.  Returns
 *   MESSAGE_DONE      done; acked if the front-end asked for it (reply-ack)
 *   MESSAGE_REPLIED   it sent the message's own reply
 *   MESSAGE_LATER     the answer comes later (session_wait()); the socket is not read until then
 *   -EPROTO           cannot go on: the session ends (it logged why)
 *   other -errno      refused (it logged why): a negative ack where one was asked for, else the
 *                     session ends
 */
enum message_result { MESSAGE_DONE, MESSAGE_REPLIED, MESSAGE_LATER };
typedef int message_handler(struct session *s, struct wire_msg *msg);

/* Who may send the message: what must have been negotiated before. */
enum message_need {
	NEED_NOTHING = -1,
	/* 0 and up: that protocol feature bit */
	NEED_PROTOCOL_FEATURES = 100, /* bit 30 was offered */
	NEED_ACCESS_PLATFORM,
	NEED_GPU, /* a device with gpu ops */
};

enum message_reply {
	REPLY_ACK,	  /* none of its own: acked if NEED_REPLY is set and REPLY_ACK negotiated */
	REPLY_OWN,	  /* a payload of its own */
	REPLY_ALWAYS_ACK, /* a u64 always (IOTLB_MSG) */
};

struct message {
	const char *name; /* the specification's, without VHOST_USER_ */
	uint32_t id;
	int need; /* enum message_need or a protocol feature bit */
	enum wire_layout request;
	enum wire_layout reply_layout; /* for REPLY_OWN */
	enum message_reply reply;
	uint8_t min_fds;
	uint8_t max_fds;
	uint8_t reply_fds;	  /* at most so many come with the reply */
	bool is_sent;		  /* back-end to front-end rows: the library sends this message */
	message_handler *handler; /* NULL: not implemented; refused, its bit never offered */
};

/* The rows, by id; NULL for an id that the specification does not have. */
const struct message *message_find(uint32_t id);
const struct message *message_find_backend(uint32_t id);

/* The protocol feature bits that have all their messages implemented: no others are offered. */
uint64_t message_protocol_features(void);

/* "SET_VRING_NUM(index 0 num 256)": for logs; also names ids that have no row. */
size_t message_describe(const struct wire_msg *msg, char *out, size_t out_size);

/* Check a received message against its row, run its handler, ack.  0, or -errno: session ends. */
int message_dispatch(struct session *s, struct wire_msg *msg);

/*
 * Answer for a handler's result as its row says, and close what fds are left: for a handler that
 * answered MESSAGE_LATER.  0, or -errno: session ends.
 */
int message_finish(struct session *s, struct wire_msg *msg, int result);

/* The handlers, by theme: on_*.c, device_state.c. */
message_handler on_get_features, on_set_features, on_get_protocol_features,
	on_set_protocol_features, on_set_owner, on_reset_owner, on_get_queue_num;
message_handler on_set_mem_table, on_get_max_mem_slots, on_add_mem_reg, on_rem_mem_reg;
message_handler on_set_vring_num, on_set_vring_addr, on_set_vring_base, on_get_vring_base,
	on_set_vring_kick, on_set_vring_call, on_set_vring_err, on_set_vring_enable, on_vring_kick,
	on_set_vring_endian;
message_handler on_get_config, on_set_config, on_set_backend_req_fd;
message_handler on_set_log_base, on_set_log_fd;
message_handler on_get_shmem_config;
message_handler on_iotlb_msg;
message_handler on_postcopy_advise, on_postcopy_listen, on_postcopy_end;
message_handler on_get_inflight_fd, on_set_inflight_fd;
message_handler on_reset_device, on_set_status, on_get_status;
message_handler on_create_crypto_session, on_close_crypto_session, on_get_shared_object;
message_handler on_net_set_mtu, on_send_rarp, on_gpu_set_socket;
message_handler on_set_device_state_fd, on_check_device_state;

#endif
