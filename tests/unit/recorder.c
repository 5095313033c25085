/* SPDX-License-Identifier: MIT */
/* The stubs and the list of recorder.h. */
#include "recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct log *session_log(struct session *s)
{
	return &((struct recorder *)s)->log;
}

bool session_has(const struct session *s, unsigned int protocol_feature)
{
	return ((const struct recorder *)s)->protocol_features >> protocol_feature & 1;
}

bool session_has_protocol_features(const struct session *s)
{
	return ((const struct recorder *)s)->has_protocol_features;
}

bool session_has_access_platform(const struct session *s)
{
	return ((const struct recorder *)s)->has_access_platform;
}

bool session_has_gpu(const struct session *s)
{
	return ((const struct recorder *)s)->has_gpu;
}

uint32_t session_awaited(const struct session *s)
{
	(void)s;
	return 0;
}

bool session_is_awaited(const struct session *s, const struct wire_msg *msg)
{
	(void)s;
	(void)msg;
	return false;
}

int session_reply_u64(struct session *s, const struct wire_msg *msg, uint64_t value)
{
	struct recorder *r = (struct recorder *)s;

	(void)msg;
	r->replies++;
	r->reply = value;
	return r->reply_error;
}

static int stub_run(struct session *session, struct wire_msg *msg, const char *name)
{
	struct recorder *s = (struct recorder *)session;
	int fd;

	s->runs++;
	s->ran = name;
	s->protocol_features |= s->acks_while_run;
	while (s->takes_fds && (fd = wire_msg_take_fd(msg)) >= 0)
		close(fd);
	return s->result;
}

#define STUB(fn)                                                                                   \
	int fn(struct session *s, struct wire_msg *msg)                                            \
	{                                                                                          \
		return stub_run(s, msg, #fn);                                                      \
	}

STUB(on_get_features)
STUB(on_set_features)
STUB(on_get_protocol_features)
STUB(on_set_protocol_features)
STUB(on_set_owner)
STUB(on_reset_owner)
STUB(on_get_queue_num)
STUB(on_set_mem_table)
STUB(on_get_max_mem_slots)
STUB(on_add_mem_reg)
STUB(on_rem_mem_reg)
STUB(on_set_vring_num)
STUB(on_set_vring_addr)
STUB(on_set_vring_base)
STUB(on_get_vring_base)
STUB(on_set_vring_kick)
STUB(on_set_vring_call)
STUB(on_set_vring_err)
STUB(on_set_vring_enable)
STUB(on_vring_kick)
STUB(on_set_vring_endian)
STUB(on_get_config)
STUB(on_set_config)
STUB(on_set_backend_req_fd)
STUB(on_get_shmem_config)
STUB(on_iotlb_msg)
STUB(on_postcopy_advise)
STUB(on_postcopy_listen)
STUB(on_postcopy_end)
STUB(on_get_inflight_fd)
STUB(on_set_inflight_fd)
STUB(on_set_log_base)
STUB(on_set_log_fd)
STUB(on_reset_device)
STUB(on_set_status)
STUB(on_get_status)
STUB(on_create_crypto_session)
STUB(on_close_crypto_session)
STUB(on_get_shared_object)
STUB(on_net_set_mtu)
STUB(on_send_rarp)
STUB(on_gpu_set_socket)
STUB(on_set_device_state_fd)
STUB(on_check_device_state)

#define H(name) "on_" name

const struct expected front_end[N_FRONT_END] = {
	{"GET_FEATURES", PLAIN, 0, 0, 0, REPLY_OWN, 8, H("get_features")},
	{"SET_FEATURES", PLAIN, 8, 0, 0, REPLY_ACK, 0, H("set_features")},
	{"SET_OWNER", PLAIN, 0, 0, 0, REPLY_ACK, 0, H("set_owner")},
	{"RESET_OWNER", PLAIN, 0, 0, 0, REPLY_ACK, 0, H("reset_owner")},
	{"SET_MEM_TABLE", PLAIN, 8 + 2 * 32, 2, 2, REPLY_ACK, 0, H("set_mem_table")},
	{"SET_LOG_BASE", 1, 16, 1, 1, REPLY_OWN, 8, H("set_log_base")},
	{"SET_LOG_FD", PLAIN, 0, 1, 1, REPLY_ACK, 0, H("set_log_fd")},
	{"SET_VRING_NUM", PLAIN, 8, 0, 0, REPLY_ACK, 0, H("set_vring_num")},
	{"SET_VRING_ADDR", PLAIN, 40, 0, 0, REPLY_ACK, 0, H("set_vring_addr")},
	{"SET_VRING_BASE", PLAIN, 8, 0, 0, REPLY_ACK, 0, H("set_vring_base")},
	{"GET_VRING_BASE", PLAIN, 8, 0, 0, REPLY_OWN, 8, H("get_vring_base")},
	{"SET_VRING_KICK", PLAIN, 8, 1, 1, REPLY_ACK, 0, H("set_vring_kick")},
	{"SET_VRING_CALL", PLAIN, 8, 1, 1, REPLY_ACK, 0, H("set_vring_call")},
	{"SET_VRING_ERR", PLAIN, 8, 1, 1, REPLY_ACK, 0, H("set_vring_err")},
	{"GET_PROTOCOL_FEATURES", PROTO, 0, 0, 0, REPLY_OWN, 8, H("get_protocol_features")},
	{"SET_PROTOCOL_FEATURES", PROTO, 8, 0, 0, REPLY_ACK, 0, H("set_protocol_features")},
	{"GET_QUEUE_NUM", 0, 0, 0, 0, REPLY_OWN, 8, H("get_queue_num")},
	{"SET_VRING_ENABLE", PROTO, 8, 0, 0, REPLY_ACK, 0, H("set_vring_enable")},
	{"SEND_RARP", 2, 8, 0, 0, REPLY_ACK, 0, H("send_rarp")},
	{"NET_SET_MTU", 4, 8, 0, 0, REPLY_ACK, 0, H("net_set_mtu")},
	{"SET_BACKEND_REQ_FD", 5, 0, 1, 1, REPLY_ACK, 0, H("set_backend_req_fd")},
	{"IOTLB_MSG", IOMMU, 32, 0, 0, REPLY_ALWAYS_ACK, 0, H("iotlb_msg")},
	{"SET_VRING_ENDIAN", 6, 8, 0, 0, REPLY_ACK, 0, H("set_vring_endian")},
	{"GET_CONFIG", 9, 12, 0, 0, REPLY_OWN, 12, H("get_config")},
	{"SET_CONFIG", 9, 12, 0, 0, REPLY_ACK, 0, H("set_config")},
	{"CREATE_CRYPTO_SESSION", 7, 1072, 0, 0, REPLY_OWN, 1072, H("create_crypto_session")},
	{"CLOSE_CRYPTO_SESSION", 7, 8, 0, 0, REPLY_ACK, 0, H("close_crypto_session")},
	{"POSTCOPY_ADVISE", 8, 0, 0, 0, REPLY_OWN, 0, H("postcopy_advise")},
	{"POSTCOPY_LISTEN", 8, 0, 0, 0, REPLY_ACK, 0, H("postcopy_listen")},
	{"POSTCOPY_END", 8, 0, 0, 0, REPLY_OWN, 8, H("postcopy_end")},
	{"GET_INFLIGHT_FD", 12, 24, 0, 0, REPLY_OWN, 24, H("get_inflight_fd")},
	{"SET_INFLIGHT_FD", 12, 20, 1, 1, REPLY_ACK, 0, H("set_inflight_fd")},
	{"GPU_SET_SOCKET", NEED_GPU, 0, 1, 1, REPLY_ACK, 0, H("gpu_set_socket")},
	{"RESET_DEVICE", 13, 0, 0, 0, REPLY_ACK, 0, H("reset_device")},
	{"VRING_KICK", 14, 8, 0, 0, REPLY_ACK, 0, H("vring_kick")},
	{"GET_MAX_MEM_SLOTS", 15, 0, 0, 0, REPLY_OWN, 8, H("get_max_mem_slots")},
	{"ADD_MEM_REG", 15, 40, 1, 1, REPLY_ACK, 0, H("add_mem_reg")},
	{"REM_MEM_REG", 15, 40, 0, 1, REPLY_ACK, 0, H("rem_mem_reg")},
	{"SET_STATUS", 16, 8, 0, 0, REPLY_ACK, 0, H("set_status")},
	{"GET_STATUS", 16, 0, 0, 0, REPLY_OWN, 8, H("get_status")},
	{"GET_SHARED_OBJECT", 18, 16, 0, 0, REPLY_OWN, 0, H("get_shared_object")},
	{"SET_DEVICE_STATE_FD", 19, 8, 1, 1, REPLY_OWN, 8, H("set_device_state_fd")},
	{"CHECK_DEVICE_STATE", 19, 0, 0, 0, REPLY_OWN, 8, H("check_device_state")},
	{"GET_SHMEM_CONFIG", 22, 0, 0, 0, REPLY_OWN, 2056, H("get_shmem_config")},
};

const struct expected back_end[N_BACK_END] = {
	{"IOTLB_MSG", IOMMU, 32, 0, 0, REPLY_ACK, 0, NULL},
	{"CONFIG_CHANGE_MSG", 9, 0, 0, 0, REPLY_ACK, 0, NULL},
	{"VRING_HOST_NOTIFIER_MSG", 11, 24, 0, 1, REPLY_ACK, 0, NULL},
	{"VRING_CALL", 14, 8, 0, 0, REPLY_ACK, 0, NULL},
	{"VRING_ERR", 14, 8, 0, 0, REPLY_ACK, 0, NULL},
	{"SHARED_OBJECT_ADD", 18, 16, 0, 0, REPLY_ACK, 0, NULL},
	{"SHARED_OBJECT_REMOVE", 18, 16, 0, 0, REPLY_ACK, 0, NULL},
	{"SHARED_OBJECT_LOOKUP", 18, 16, 0, 0, REPLY_OWN, 8, NULL},
	{"SHMEM_MAP", 22, 40, 1, 1, REPLY_ACK, 0, NULL},
	{"SHMEM_UNMAP", 22, 40, 0, 0, REPLY_ACK, 0, NULL},
};

struct recorder *recorder_new(void)
{
	struct recorder *s = calloc(1, sizeof(*s));

	log_book_open(&s->logged);
	log_init(&s->log, "dev0", VU_LOG_DEBUG, log_book_write, &s->logged);
	s->protocol_features = (UINT64_C(1) << WIRE_PF_END) - 1;
	s->has_protocol_features = true;
	s->has_access_platform = true;
	s->has_gpu = true;
	return s;
}

struct wire_msg *good_message(uint32_t id, uint32_t n_fds)
{
	struct wire_msg *msg = calloc(1, sizeof(*msg));
	uint32_t n_regions = 2;

	msg->hdr.request = id;
	msg->hdr.flags = WIRE_VERSION;
	msg->hdr.size = front_end[id - 1].size;
	if (id == WIRE_SET_MEM_TABLE)
		memcpy(msg->payload, &n_regions, sizeof(n_regions));
	assert_true(n_fds <= WIRE_MAX_FDS);
	for (msg->n_fds = 0; msg->n_fds < n_fds; msg->n_fds++)
		msg->fds[msg->n_fds] = eventfd(0, 0);
	return msg;
}

int dispatch(struct recorder *s, struct wire_msg *msg)
{
	uint32_t n_fds = msg->n_fds;
	int fds[WIRE_MAX_FDS];
	int rc;

	memcpy(fds, msg->fds, sizeof(fds));
	rc = message_dispatch(&s->session, msg);
	for (uint32_t i = 0; i < n_fds; i++) {
		assert_int_equal(close(fds[i]), -1);
		assert_int_equal(errno, EBADF);
	}
	free(msg);
	return rc;
}

int dispatch_flags(struct recorder *s, uint32_t id, uint32_t flags)
{
	struct wire_msg *msg = good_message(id, front_end[id - 1].min_fds);

	msg->hdr.flags |= flags;
	return dispatch(s, msg);
}
