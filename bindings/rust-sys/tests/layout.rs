// SPDX-License-Identifier: MIT
//! Sizes and offsets as a C compiler has them, where pointers have 64 bits and where they have 32.
//! Made by the script `generate`.

#[macro_use]
mod check;

layout! { vu_command = 40 24, name 0 0, arguments 8 4, help 16 8, min_words 24 12, max_words 28 16,
run 32 20 }
layout! { vu_crypto_ops = 24 12, size 0 0, create_session 8 4, close_session 16 8 }
layout! { vu_crypto_session = 56 48, op_code 0 0, alg 4 4, key 8 8, auth_key 16 12, key_len 24 16,
auth_key_len 28 20, hash_alg 32 24, hash_result_len 36 28, aad_len 40 32, op_type 44 36, direction
45 37, hash_mode 46 38, alg_chain_order 47 39, key_type 48 40, padding_alg 52 44 }
layout! { vu_device_info = 136 112, size 0 0, name 8 4, device_id 16 8, n_queues 20 12, features 24
16, required 32 24, forbidden 40 32, config 48 40, config_writable 56 44, config_size 64 48,
max_queue_size 68 52, max_segs 72 56, priv_size 76 60, flags 80 64, log_level 84 68, log_fn 88 72,
log_opaque 96 76, max_memory 104 80, features_high 112 88, required_high 120 96, forbidden_high 128
104 }
layout! { vu_gpu_ops = 16 8, size 0 0, set_socket 8 4 }
layout! { vu_net_ops = 24 12, size 0 0, set_mtu 8 4, send_rarp 16 8 }
layout! { vu_ops = 88 44, size 0 0, session_begin 8 4, session_end 16 8, features_acked 24 12,
started 32 16, stopped 40 20, reset 48 24, queue_ready 56 28, queue_stop 64 32, config_read 72 36,
config_written 80 40 }
layout! { vu_option = 96 56, name 0 0, argument 8 4, help 16 8, required 24 12, set 32 16, store 40
20, offset 48 24, min 56 28, max 64 36, choices 72 44, valid 80 48, repeatable 88 52 }
layout! { vu_option_list = 16 8, n 0 0, values 8 4 }
layout! { vu_program_info = 136 68, size 0 0, name 8 4, type_ 16 8, summary 24 12, features 32 16,
options 40 20, option_size 48 24, settings 56 28, commands 64 32, command_size 72 36, state_size 80
40, create 88 44, destroy 96 48, reload 104 52, device 112 56, ops 120 60, opened 128 64 }
layout! { vu_queue_counters = 88 84, size 0 0, requests 8 4, readable_bytes 16 12, written_bytes 24
20, kicks 32 28, signals 40 36, signals_suppressed 48 44, polls 56 52, batches 64 60, outstanding
72 68, outstanding_ns 80 76 }
layout! { vu_queue_info = 24 20, size 0 0, max_size 8 4, max_segs 12 8, priv_size 16 12,
discard_when_disabled 20 16 }
layout! { vu_region = 32 24, size 0 0, guest_addr 8 4, len 16 12, host 24 20 }
layout! { vu_req = 56 40, readable 0 0, writable 8 4, n_readable 16 8, n_writable 20 12,
readable_len 24 16, writable_len 32 24, priv_ 40 32, flags 48 36 }
layout! { vu_runner_info = 32 20, size 0 0, log_level 8 4, once 12 8, log_fn 16 12, log_opaque 24
16 }
layout! { vu_script_info = 64 32, size 0 0, name 8 4, commands 16 8, command_size 24 12, opaque 32
16, log_level 40 20, log_fn 48 24, log_opaque 56 28 }
layout! { vu_shared_object_ops = 16 8, size 0 0, get 8 4 }
layout! { vu_shmem_info = 32 16, size 0 0, lens 8 4, n_lens 16 8, lost 24 12 }
layout! { vu_shmem_piece = 48 40, size 0 0, id 8 4, flags 12 8, offset 16 12, len 24 20, fd_offset
32 28, fd 40 36 }
layout! { vu_socket_info = 16 12, size 0 0, mode 8 4, group 12 8 }
layout! { vu_state_ops = 40 24, size 0 0, version 8 4, max_size 16 8, save 24 16, load 32 20 }
layout! { vu_worker_info = 24 20, size 0 0, poll_ns 8 4, pin 16 12, cpu 20 16 }
