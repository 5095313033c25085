/* SPDX-License-Identifier: MIT */
/*
 * The message table of the vhost-user specification (QEMU 11.1): what the validator, the log, the
 * generated docs/protocol.md and the tests know of each message.  Constant; any thread.
 */
#include "vhost_user/messages.h"

#include <stdio.h>
#include <string.h>

#define BIT_OF(name) WIRE_PF_##name

/* Front-end to back-end.  fds is the least and the most that come with the message. */
#define ROW(row_name, row_need, request_layout, fds_min, fds_max, row_reply, fn)                   \
	[WIRE_##row_name] = {                                                                      \
		.name = #row_name,                                                                 \
		.id = WIRE_##row_name,                                                             \
		.need = row_need,                                                                  \
		.request = WIRE_L_##request_layout,                                                \
		.min_fds = fds_min,                                                                \
		.max_fds = fds_max,                                                                \
		row_reply,                                                                         \
		.handler = fn,                                                                     \
	}

/* Back-end to front-end. */
#define BACKEND_ROW(row_name, row_need, request_layout, fds_min, fds_max, row_reply, sent)         \
	[WIRE_BACKEND_##row_name] = {                                                              \
		.name = #row_name,                                                                 \
		.id = WIRE_BACKEND_##row_name,                                                     \
		.need = row_need,                                                                  \
		.request = WIRE_L_##request_layout,                                                \
		.min_fds = fds_min,                                                                \
		.max_fds = fds_max,                                                                \
		row_reply,                                                                         \
		.is_sent = sent,                                                                   \
	}

/* clang-format off */
#define ACK                 .reply = REPLY_ACK
#define ALWAYS_ACK          .reply = REPLY_ALWAYS_ACK
#define OWN(layout)         .reply = REPLY_OWN, .reply_layout = WIRE_L_##layout
#define OWN_FD(layout)      OWN(layout), .reply_fds = 1

static const struct message rows[] = {
	ROW(GET_FEATURES, NEED_NOTHING, NONE, 0, 0, OWN(U64), on_get_features),
	ROW(SET_FEATURES, NEED_NOTHING, U64, 0, 0, ACK, on_set_features),
	ROW(SET_OWNER, NEED_NOTHING, NONE, 0, 0, ACK, on_set_owner),
	ROW(RESET_OWNER, NEED_NOTHING, NONE, 0, 0, ACK, on_reset_owner),
	/* An fd for each region. */
	ROW(SET_MEM_TABLE, NEED_NOTHING, MEM_TABLE, 0, 8, ACK, on_set_mem_table),
	/* Without LOG_SHMFD it names memory that only the front-end has. */
	ROW(SET_LOG_BASE, BIT_OF(LOG_SHMFD), LOG, 1, 1, OWN(U64), on_set_log_base),
	ROW(SET_LOG_FD, NEED_NOTHING, NONE, 1, 1, ACK, on_set_log_fd),
	ROW(SET_VRING_NUM, NEED_NOTHING, VRING_STATE, 0, 0, ACK, on_set_vring_num),
	ROW(SET_VRING_ADDR, NEED_NOTHING, VRING_ADDR, 0, 0, ACK, on_set_vring_addr),
	ROW(SET_VRING_BASE, NEED_NOTHING, VRING_STATE, 0, 0, ACK, on_set_vring_base),
	ROW(GET_VRING_BASE, NEED_NOTHING, VRING_STATE, 0, 0, OWN(VRING_STATE), on_get_vring_base),
	/* One fd, or none if the payload says so. */
	ROW(SET_VRING_KICK, NEED_NOTHING, VRING_FD, 0, 1, ACK, on_set_vring_kick),
	ROW(SET_VRING_CALL, NEED_NOTHING, VRING_FD, 0, 1, ACK, on_set_vring_call),
	ROW(SET_VRING_ERR, NEED_NOTHING, VRING_FD, 0, 1, ACK, on_set_vring_err),
	ROW(GET_PROTOCOL_FEATURES, NEED_PROTOCOL_FEATURES, NONE, 0, 0, OWN(U64),
	    on_get_protocol_features),
	ROW(SET_PROTOCOL_FEATURES, NEED_PROTOCOL_FEATURES, U64, 0, 0, ACK,
	    on_set_protocol_features),
	ROW(GET_QUEUE_NUM, BIT_OF(MQ), NONE, 0, 0, OWN(U64), on_get_queue_num),
	ROW(SET_VRING_ENABLE, NEED_PROTOCOL_FEATURES, VRING_STATE, 0, 0, ACK, on_set_vring_enable),
	ROW(SEND_RARP, BIT_OF(RARP), U64, 0, 0, ACK, on_send_rarp),
	ROW(NET_SET_MTU, BIT_OF(MTU), U64, 0, 0, ACK, on_net_set_mtu),
	ROW(SET_BACKEND_REQ_FD, BIT_OF(BACKEND_REQ), NONE, 1, 1, ACK, on_set_backend_req_fd),
	ROW(IOTLB_MSG, NEED_ACCESS_PLATFORM, IOTLB, 0, 0, ALWAYS_ACK, on_iotlb_msg),
	ROW(SET_VRING_ENDIAN, BIT_OF(CROSS_ENDIAN), VRING_STATE, 0, 0, ACK, on_set_vring_endian),
	ROW(GET_CONFIG, BIT_OF(CONFIG), CONFIG, 0, 0, OWN(CONFIG), on_get_config),
	ROW(SET_CONFIG, BIT_OF(CONFIG), CONFIG, 0, 0, ACK, on_set_config),
	ROW(CREATE_CRYPTO_SESSION, BIT_OF(CRYPTO_SESSION), CRYPTO, 0, 0, OWN(CRYPTO), on_create_crypto_session),
	ROW(CLOSE_CRYPTO_SESSION, BIT_OF(CRYPTO_SESSION), U64, 0, 0, ACK, on_close_crypto_session),
	ROW(POSTCOPY_ADVISE, BIT_OF(PAGEFAULT), NONE, 0, 0, OWN_FD(NONE), on_postcopy_advise),
	ROW(POSTCOPY_LISTEN, BIT_OF(PAGEFAULT), NONE, 0, 0, ACK, on_postcopy_listen),
	ROW(POSTCOPY_END, BIT_OF(PAGEFAULT), NONE, 0, 0, OWN(U64), on_postcopy_end),
	ROW(GET_INFLIGHT_FD, BIT_OF(INFLIGHT_SHMFD), INFLIGHT, 0, 0, OWN_FD(INFLIGHT),
	    on_get_inflight_fd),
	ROW(SET_INFLIGHT_FD, BIT_OF(INFLIGHT_SHMFD), INFLIGHT, 1, 1, ACK, on_set_inflight_fd),
	ROW(GPU_SET_SOCKET, NEED_GPU, NONE, 1, 1, ACK, on_gpu_set_socket),
	ROW(RESET_DEVICE, BIT_OF(RESET_DEVICE), NONE, 0, 0, ACK, on_reset_device),
	ROW(VRING_KICK, BIT_OF(INBAND_NOTIFICATIONS), VRING_STATE, 0, 0, ACK, on_vring_kick),
	ROW(GET_MAX_MEM_SLOTS, BIT_OF(CONFIGURE_MEM_SLOTS), NONE, 0, 0, OWN(U64),
	    on_get_max_mem_slots),
	ROW(ADD_MEM_REG, BIT_OF(CONFIGURE_MEM_SLOTS), MEM_REG, 1, 1, ACK, on_add_mem_reg),
	/* None should come; one is closed unused (the specification allows for old front-ends). */
	ROW(REM_MEM_REG, BIT_OF(CONFIGURE_MEM_SLOTS), MEM_REG, 0, 1, ACK, on_rem_mem_reg),
	ROW(SET_STATUS, BIT_OF(STATUS), U64, 0, 0, ACK, on_set_status),
	ROW(GET_STATUS, BIT_OF(STATUS), NONE, 0, 0, OWN(U64), on_get_status),
	ROW(GET_SHARED_OBJECT, BIT_OF(SHARED_OBJECT), SHARED_OBJECT, 0, 0, OWN_FD(NONE), on_get_shared_object),
	ROW(SET_DEVICE_STATE_FD, BIT_OF(DEVICE_STATE), DEVICE_STATE, 1, 1, OWN_FD(U64), on_set_device_state_fd),
	ROW(CHECK_DEVICE_STATE, BIT_OF(DEVICE_STATE), NONE, 0, 0, OWN(U64), on_check_device_state),
	ROW(GET_SHMEM_CONFIG, BIT_OF(SHMEM_MAP), NONE, 0, 0, OWN(SHMEM_CONFIG),
	    on_get_shmem_config),
};

static const struct message backend_rows[] = {
	BACKEND_ROW(IOTLB_MSG, NEED_ACCESS_PLATFORM, IOTLB, 0, 0, ACK, true),
	BACKEND_ROW(CONFIG_CHANGE_MSG, BIT_OF(CONFIG), NONE, 0, 0, ACK, true),
	/* Without an fd the queue's notifier is taken back. */
	BACKEND_ROW(VRING_HOST_NOTIFIER_MSG, BIT_OF(HOST_NOTIFIER), VRING_AREA, 0, 1, ACK, true),
	BACKEND_ROW(VRING_CALL, BIT_OF(INBAND_NOTIFICATIONS), VRING_STATE, 0, 0, ACK, true),
	BACKEND_ROW(VRING_ERR, BIT_OF(INBAND_NOTIFICATIONS), VRING_STATE, 0, 0, ACK, true),
	BACKEND_ROW(SHARED_OBJECT_ADD, BIT_OF(SHARED_OBJECT), SHARED_OBJECT, 0, 0, ACK, true),
	BACKEND_ROW(SHARED_OBJECT_REMOVE, BIT_OF(SHARED_OBJECT), SHARED_OBJECT, 0, 0, ACK, true),
	BACKEND_ROW(SHARED_OBJECT_LOOKUP, BIT_OF(SHARED_OBJECT), SHARED_OBJECT, 0, 0, OWN_FD(U64),
		    true),
	BACKEND_ROW(SHMEM_MAP, BIT_OF(SHMEM_MAP), MMAP, 1, 1, ACK, true),
	BACKEND_ROW(SHMEM_UNMAP, BIT_OF(SHMEM_MAP), MMAP, 0, 0, ACK, true),
};
/* clang-format on */

_Static_assert(sizeof(rows) / sizeof(rows[0]) == WIRE_REQUEST_END, "a row for each request");
_Static_assert(sizeof(backend_rows) / sizeof(backend_rows[0]) == WIRE_BACKEND_REQUEST_END,
	       "a row for each back-end request");

const struct message *message_find(uint32_t id)
{
	return id < WIRE_REQUEST_END && rows[id].name ? &rows[id] : NULL;
}

const struct message *message_find_backend(uint32_t id)
{
	return id < WIRE_BACKEND_REQUEST_END && backend_rows[id].name ? &backend_rows[id] : NULL;
}

/* Add the bit that a row needs, to those that are served or to those that lack something. */
static void row_sort_bit(const struct message *m, bool is_done, uint64_t *done, uint64_t *missing)
{
	if (m->need < 0 || m->need >= WIRE_PF_END)
		return;
	*(is_done ? done : missing) |= UINT64_C(1) << m->need;
}

uint64_t message_protocol_features(void)
{
	/* Without a message of their own: message_dispatch() serves REPLY_ACK, fds go with
	 * SHMEM_MAP, the others change what GET_VRING_BASE and addresses mean. */
	uint64_t done =
		UINT64_C(1) << WIRE_PF_REPLY_ACK | UINT64_C(1) << WIRE_PF_GET_VRING_BASE_INFLIGHT |
		UINT64_C(1) << WIRE_PF_GPA_ADDRESSES | UINT64_C(1) << WIRE_PF_BACKEND_SEND_FD;
	uint64_t missing = 0;
	uint32_t id;

	for (id = 1; id < WIRE_REQUEST_END; id++)
		row_sort_bit(&rows[id], rows[id].handler != NULL, &done, &missing);
	for (id = 1; id < WIRE_BACKEND_REQUEST_END; id++)
		row_sort_bit(&backend_rows[id], backend_rows[id].is_sent, &done, &missing);
	return done & ~missing;
}

size_t message_describe(const struct wire_msg *msg, char *out, size_t out_size)
{
	const struct message *m = message_find(msg->hdr.request);
	const char *want;
	size_t used, rest, len;

	if (!m)
		return (size_t)snprintf(out, out_size, "message %u(%u bytes)", msg->hdr.request,
					msg->hdr.size);
	if (!wire_layout_fits(m->request, msg->payload, msg->hdr.size, &want))
		return (size_t)snprintf(out, out_size, "%s(%u bytes)", m->name, msg->hdr.size);
	len = (size_t)snprintf(out, out_size, "%s(", m->name);
	used = len < out_size ? len : out_size;
	/* Keep a byte for the parenthesis, so that it closes a shortened text too. */
	rest = out_size - used > 1 ? out_size - used - 1 : 0;
	len += wire_layout_decode(m->request, msg->payload, msg->hdr.size, rest ? out + used : NULL,
				  rest);
	if (rest)
		strcat(out + used, ")");
	return len + 1;
}
