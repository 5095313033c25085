/* SPDX-License-Identifier: MIT */
/*
 * How long each struct that the caller fills was in its first release: a program that says less has
 * not set its size.  Never changed: what is added to a struct later comes behind the member named
 * here.
 */
#ifndef BASE_FIRST_SIZE_H
#define BASE_FIRST_SIZE_H

#include <stddef.h>

#include <libvu/unstable.h>

#define FIRST_SIZE(type, last) (offsetof(struct type, last) + sizeof(((struct type *)0)->last))

enum {
	/* 0.1 */
	FIRST_DEVICE_INFO = FIRST_SIZE(vu_device_info, forbidden_high),
	FIRST_OPS = FIRST_SIZE(vu_ops, config_written),
	FIRST_QUEUE_INFO = FIRST_SIZE(vu_queue_info, discard_when_disabled),
	FIRST_QUEUE_COUNTERS = FIRST_SIZE(vu_queue_counters, batches),
	FIRST_RUNNER_INFO = FIRST_SIZE(vu_runner_info, log_opaque),
	FIRST_SOCKET_INFO = FIRST_SIZE(vu_socket_info, group),
	FIRST_WORKER_INFO = FIRST_SIZE(vu_worker_info, cpu),
	FIRST_PROGRAM_INFO = FIRST_SIZE(vu_program_info, ops),
	FIRST_OPTION = FIRST_SIZE(vu_option, valid),
	/* Not promised, but as careful. */
	FIRST_STATE_OPS = FIRST_SIZE(vu_state_ops, load),
	FIRST_SHARED_OBJECT_OPS = FIRST_SIZE(vu_shared_object_ops, get),
	FIRST_CRYPTO_OPS = FIRST_SIZE(vu_crypto_ops, close_session),
	FIRST_NET_OPS = FIRST_SIZE(vu_net_ops, send_rarp),
	FIRST_GPU_OPS = FIRST_SIZE(vu_gpu_ops, set_socket),
	FIRST_REGION = FIRST_SIZE(vu_region, host),
	FIRST_SHMEM_INFO = FIRST_SIZE(vu_shmem_info, lost),
	FIRST_SHMEM_PIECE = FIRST_SIZE(vu_shmem_piece, fd),
	FIRST_SCRIPT_INFO = FIRST_SIZE(vu_script_info, log_opaque),
	FIRST_COMMAND = FIRST_SIZE(vu_command, run),
};

#endif
