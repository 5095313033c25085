/* SPDX-License-Identifier: MIT */
/*
 * The vhost-user specification's numbers and payload layouts (QEMU 11.1).  Everything is in the
 * machine's byte order (vhost-user "Message Specification").
 */
#ifndef WIRE_SPEC_H
#define WIRE_SPEC_H

#include <stdint.h>

enum {
	WIRE_VERSION = 1,
	WIRE_VERSION_MASK = 3,
	WIRE_REPLY = 1 << 2,
	WIRE_NEED_REPLY = 1 << 3,
};

struct wire_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

/* Front-end to back-end. */
enum wire_request {
	WIRE_GET_FEATURES = 1,
	WIRE_SET_FEATURES,
	WIRE_SET_OWNER,
	WIRE_RESET_OWNER,
	WIRE_SET_MEM_TABLE,
	WIRE_SET_LOG_BASE,
	WIRE_SET_LOG_FD,
	WIRE_SET_VRING_NUM,
	WIRE_SET_VRING_ADDR,
	WIRE_SET_VRING_BASE,
	WIRE_GET_VRING_BASE,
	WIRE_SET_VRING_KICK,
	WIRE_SET_VRING_CALL,
	WIRE_SET_VRING_ERR,
	WIRE_GET_PROTOCOL_FEATURES,
	WIRE_SET_PROTOCOL_FEATURES,
	WIRE_GET_QUEUE_NUM,
	WIRE_SET_VRING_ENABLE,
	WIRE_SEND_RARP,
	WIRE_NET_SET_MTU,
	WIRE_SET_BACKEND_REQ_FD,
	WIRE_IOTLB_MSG,
	WIRE_SET_VRING_ENDIAN,
	WIRE_GET_CONFIG,
	WIRE_SET_CONFIG,
	WIRE_CREATE_CRYPTO_SESSION,
	WIRE_CLOSE_CRYPTO_SESSION,
	WIRE_POSTCOPY_ADVISE,
	WIRE_POSTCOPY_LISTEN,
	WIRE_POSTCOPY_END,
	WIRE_GET_INFLIGHT_FD,
	WIRE_SET_INFLIGHT_FD,
	WIRE_GPU_SET_SOCKET,
	WIRE_RESET_DEVICE,
	WIRE_VRING_KICK,
	WIRE_GET_MAX_MEM_SLOTS,
	WIRE_ADD_MEM_REG,
	WIRE_REM_MEM_REG,
	WIRE_SET_STATUS,
	WIRE_GET_STATUS,
	WIRE_GET_SHARED_OBJECT,
	WIRE_SET_DEVICE_STATE_FD,
	WIRE_CHECK_DEVICE_STATE,
	WIRE_GET_SHMEM_CONFIG,
	WIRE_REQUEST_END,
};

/* Back-end to front-end, on the back-end channel. */
enum wire_backend_request {
	WIRE_BACKEND_IOTLB_MSG = 1,
	WIRE_BACKEND_CONFIG_CHANGE_MSG,
	WIRE_BACKEND_VRING_HOST_NOTIFIER_MSG,
	WIRE_BACKEND_VRING_CALL,
	WIRE_BACKEND_VRING_ERR,
	WIRE_BACKEND_SHARED_OBJECT_ADD,
	WIRE_BACKEND_SHARED_OBJECT_REMOVE,
	WIRE_BACKEND_SHARED_OBJECT_LOOKUP,
	WIRE_BACKEND_SHMEM_MAP,
	WIRE_BACKEND_SHMEM_UNMAP,
	WIRE_BACKEND_REQUEST_END,
};

enum wire_protocol_feature {
	WIRE_PF_MQ = 0,
	WIRE_PF_LOG_SHMFD,
	WIRE_PF_RARP,
	WIRE_PF_REPLY_ACK,
	WIRE_PF_MTU,
	WIRE_PF_BACKEND_REQ,
	WIRE_PF_CROSS_ENDIAN,
	WIRE_PF_CRYPTO_SESSION,
	WIRE_PF_PAGEFAULT,
	WIRE_PF_CONFIG,
	WIRE_PF_BACKEND_SEND_FD,
	WIRE_PF_HOST_NOTIFIER,
	WIRE_PF_INFLIGHT_SHMFD,
	WIRE_PF_RESET_DEVICE,
	WIRE_PF_INBAND_NOTIFICATIONS,
	WIRE_PF_CONFIGURE_MEM_SLOTS,
	WIRE_PF_STATUS,
	WIRE_PF_XEN_MMAP,
	WIRE_PF_SHARED_OBJECT,
	WIRE_PF_DEVICE_STATE,
	WIRE_PF_GET_VRING_BASE_INFLIGHT,
	WIRE_PF_GPA_ADDRESSES,
	WIRE_PF_SHMEM_MAP,
	WIRE_PF_END,
};

/* SET_VRING_KICK/CALL/ERR: bits 0-7 index, bit 8: no fd comes with the message. */
enum { WIRE_VRING_INDEX_MASK = 0xff, WIRE_VRING_NOFD = 1 << 8 };

struct wire_vring_state {
	uint32_t index;
	uint32_t num;
};

enum { WIRE_VRING_F_LOG = 1 };

struct wire_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct wire_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

enum { WIRE_TABLE_REGIONS = 8 };

struct wire_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct wire_region regions[WIRE_TABLE_REGIONS];
};

struct wire_mem_reg {
	uint64_t padding;
	struct wire_region region;
};

struct wire_log {
	uint64_t size;
	uint64_t offset;
};

/* struct wire_iotlb.type */
enum wire_iotlb_type {
	WIRE_IOTLB_MISS = 1,
	WIRE_IOTLB_UPDATE,
	WIRE_IOTLB_INVALIDATE,
	WIRE_IOTLB_ACCESS_FAIL,
};

struct wire_iotlb {
	uint64_t iova;
	uint64_t size;
	uint64_t user_addr;
	uint8_t perm;
	uint8_t type;
	uint8_t padding[6];
};

enum { WIRE_CONFIG_MAX = 4096, WIRE_CONFIG_F_MIGRATION = 1 };

/* Followed by size bytes of configuration space. */
struct wire_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
};

/* QEMU's C structs on a 64-bit host, pointers and padding included. */
struct wire_crypto_symmetric {
	uint32_t cipher_alg;
	uint32_t key_len;
	uint32_t hash_alg;
	uint32_t hash_result_len;
	uint32_t auth_key_len;
	uint32_t aad_len;
	uint8_t op_type;
	uint8_t direction;
	uint8_t hash_mode;
	uint8_t alg_chain_order;
	uint8_t unused[20];
	uint8_t key[64];
	uint8_t auth_key[512];
};

struct wire_crypto_asymmetric {
	uint32_t alg;
	uint32_t key_type;
	uint32_t key_len;
	uint8_t unused[12];
	uint32_t padding_alg;
	uint32_t hash_alg;
	uint8_t key[1024];
};

struct wire_crypto {
	uint64_t op_code;
	union {
		struct wire_crypto_symmetric symmetric;
		struct wire_crypto_asymmetric asymmetric;
	} u;
	int64_t session_id; /* the reply's: negative is an error */
};

struct wire_vring_area {
	uint64_t index_flags;
	uint64_t size;
	uint64_t offset;
};

/* 20 bytes of fields; QEMU sends 24, its C struct's padding included. */
struct wire_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t n_queues;
	uint16_t queue_size;
};

struct wire_shared_object {
	uint8_t uuid[16];
};

struct wire_device_state {
	uint32_t direction;
	uint32_t phase;
};

struct wire_mmap {
	uint8_t shmid;
	uint8_t padding[7];
	uint64_t fd_offset;
	uint64_t shm_offset;
	uint64_t len;
	uint64_t flags;
};

struct wire_shmem_config {
	uint32_t n_regions;
	uint32_t padding;
	uint64_t size[256];
};

#endif
