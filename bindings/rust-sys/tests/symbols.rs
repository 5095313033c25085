// SPDX-License-Identifier: MIT
//! What is declared is in the library that was linked, which is of this crate's version.
//! Made by the script `generate`.
use std::ffi::CStr;

macro_rules! addresses {
    ($($name:ident),*) => { [$(libvu_sys::$name as *const ()),*] };
}

#[test]
fn each_function_is_there() {
    let all = addresses! {
        vu_answer_give, vu_config_get, vu_config_set, vu_device_allow_postcopy, vu_device_attach,
        vu_device_close_fd, vu_device_detach, vu_device_drain, vu_device_fault, vu_device_fd,
        vu_device_features, vu_device_free, vu_device_group, vu_device_guard, vu_device_has_feature,
        vu_device_hold, vu_device_is_attached, vu_device_is_left, vu_device_keep_memory_files,
        vu_device_limit_memory, vu_device_log, vu_device_log_peer, vu_device_lookup,
        vu_device_map_shmem, vu_device_memory, vu_device_message_timeout, vu_device_name,
        vu_device_new, vu_device_offer_host_notifiers, vu_device_offer_iommu, vu_device_opaque,
        vu_device_process, vu_device_queue, vu_device_release, vu_device_set_cross_endian,
        vu_device_set_crypto_ops, vu_device_set_gpu_ops, vu_device_set_message_timeout,
        vu_device_set_net_ops, vu_device_set_shared_object_ops, vu_device_set_shmem,
        vu_device_set_state_ops, vu_device_share, vu_device_unguard, vu_device_unmap_shmem,
        vu_device_unshare, vu_device_watch_memory, vu_group_activity, vu_group_add_fd,
        vu_group_add_poll, vu_group_add_timer, vu_group_arm, vu_group_fd, vu_group_free, vu_group_hold,
        vu_group_new, vu_group_post, vu_group_process, vu_group_release, vu_group_wait, vu_group_wake,
        vu_iov_slice, vu_log_stderr, vu_memory_file, vu_memory_map, vu_memory_region,
        vu_memory_release, vu_number_parse, vu_program_add_control, vu_program_add_device,
        vu_program_add_worker, vu_program_control, vu_program_kept_file, vu_program_log_level,
        vu_program_main, vu_program_path, vu_program_run_file, vu_program_runner, vu_program_settings,
        vu_queue_available, vu_queue_complete_batch, vu_queue_configure, vu_queue_counters,
        vu_queue_device, vu_queue_index, vu_queue_is_big_endian, vu_queue_next, vu_queue_next_batch,
        vu_queue_opaque, vu_queue_outstanding, vu_queue_set_group, vu_queue_set_host_notifier,
        vu_queue_set_opaque, vu_queue_signal, vu_req_complete, vu_req_complete_remote, vu_req_leave,
        vu_req_memory, vu_req_progress, vu_req_put_back, vu_req_queue, vu_req_read,
        vu_req_set_progress, vu_req_write, vu_runner_add_worker, vu_runner_adopt, vu_runner_connect,
        vu_runner_fd, vu_runner_free, vu_runner_listen, vu_runner_new, vu_runner_process,
        vu_runner_remove, vu_runner_remove_worker, vu_runner_run, vu_runner_stop, vu_script_answer,
        vu_script_fail, vu_script_free, vu_script_run_file, vu_script_say, vu_script_serve,
        vu_source_remove, vu_source_set_events, vu_source_set_timer, vu_state_get, vu_state_get_u64,
        vu_state_put, vu_state_put_u64, vu_state_version, vu_version, vu_worker_add_group,
        vu_worker_free, vu_worker_new, vu_worker_remove_group
    };
    assert!(all.iter().all(|function| !function.is_null()));
}

#[test]
fn it_is_of_this_version() {
    let linked = unsafe { CStr::from_ptr(libvu_sys::vu_version()) };
    assert_eq!(linked.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    assert_eq!(linked.to_bytes_with_nul(), libvu_sys::VU_VERSION);
}
