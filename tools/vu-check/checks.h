/* SPDX-License-Identifier: MIT */
/* The checks' functions, by theme; table.c says what each is about. */
#ifndef VU_CHECK_CHECKS_H
#define VU_CHECK_CHECKS_H

#include "check.h"

typedef enum verdict check_run(struct probe *p);

/* checks_message.c */
check_run check_get_features, check_features_same, check_modern, check_protocol_features_early,
	check_protocol_features_none, check_reply_ack, check_no_reply_unasked, check_one_reply,
	check_ack_says_no, check_queue_num, check_max_mem_slots, check_split_message,
	check_joined_messages;
/* checks_config.c */
check_run check_config_read, check_config_offset, check_config_past_end, check_status;
/* checks_ring.c; the variant of check_served says in which form requests come. */
enum served { SERVED_ONE, SERVED_LAPS, SERVED_PIECES, SERVED_INDIRECT, SERVED_EVENT_IDX };
check_run check_served, check_batch, check_call, check_call_event, check_wrap, check_call_fd,
	check_no_call_fd;
/* checks_life.c */
check_run check_start_without_kick, check_enable_late, check_stop_index, check_stopped_is_still,
	check_restart, check_reconnect, check_reset_device, check_queues_apart;
/* checks_memory.c */
enum changed { CHANGED_TABLE, CHANGED_SLOTS };
check_run check_mem_offset, check_mem_straddle, check_mem_changed, check_mem_removed,
	check_mem_high, check_gpa_addresses, check_shmem_config;
/* checks_inflight.c */
check_run check_inflight_region, check_inflight_again;
/* checks_log.c */
check_run check_log_base, check_log_marks, check_log_off, check_log_replaced, check_log_address,
	check_hostile_log_short;
/* checks_postcopy.c; the variant is that of memory. */
check_run check_postcopy_advise, check_postcopy_memory, check_postcopy_fault;
/* checks_state.c; the variant is what is wrong. */
check_run check_state_save, check_state_load, check_hostile_state;
/* checks_iommu.c */
check_run check_iommu_ack, check_iommu_request, check_iommu_invalidate, check_iommu_read_only,
	check_hostile_iommu_unmapped, check_hostile_iommu_message;
/* checks_net.c */
check_run check_net_receive, check_hostile_net;
/* checks_hostile.c; the variant is a row of its tables. */
check_run check_hostile_message, check_hostile_memory, check_half_message, check_many_fds;
/* checks_hostile_ring.c */
check_run check_hostile_ring, check_hostile_split, check_hostile_packed;
enum {
	N_HOSTILE_MESSAGES = 8,
	N_HOSTILE_MEMORY = 6,
	N_HOSTILE_RINGS = 4,
	N_HOSTILE_SPLIT = 8,
	N_HOSTILE_PACKED = 3
};

#endif
