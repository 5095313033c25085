/* SPDX-License-Identifier: MIT */
/* Names that every other header uses: handles, feature bits, attributes. */
#ifndef LIBVU_TYPES_H
#define LIBVU_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Attributes hide in these object macros so that cffi, bindgen and g-ir-scanner can read the
 * headers: -DVU_PLAIN empties them.
 */
#ifdef VU_PLAIN
#define VU_API
#define VU_CHECK
#define VU_BEGIN_DECLS
#define VU_END_DECLS
#else
#define VU_API	 __attribute__((visibility("default")))
#define VU_CHECK __attribute__((warn_unused_result))
#ifdef __cplusplus
#define VU_BEGIN_DECLS extern "C" {
#define VU_END_DECLS   }
#else
#define VU_BEGIN_DECLS
#define VU_END_DECLS
#endif
#endif

struct vu_device;
struct vu_queue;
struct vu_group;
struct vu_source;
struct vu_memory;
struct vu_runner;
struct vu_program;
struct vu_script;
struct vu_worker;

/**
 * enum vu_feature - numbers of the feature bits that are not a device's own.
 *
 * virtio 1.3 §6.  A mask holds bit n at UINT64_C(1) << n, for n up to
 * 63; bits 64 to 127 have masks of their own, called ..._high.  Bits 0-23 and 50-127 belong to the
 * device type, see §5 of the specification.
 *
 * Since: 0.1
 */
enum vu_feature {
	VU_F_NOTIFY_ON_EMPTY = 24,
	VU_F_LOG_ALL = 26, /* vhost's own: log guest memory writes */
	VU_F_ANY_LAYOUT = 27,
	VU_F_INDIRECT_DESC = 28,
	VU_F_EVENT_IDX = 29,
	VU_F_PROTOCOL_FEATURES = 30, /* vhost's own: protocol features can be negotiated */
	VU_F_VERSION_1 = 32,
	VU_F_ACCESS_PLATFORM = 33,
	VU_F_RING_PACKED = 34,
	VU_F_IN_ORDER = 35,
	VU_F_ORDER_PLATFORM = 36,
	VU_F_SR_IOV = 37,
	VU_F_NOTIFICATION_DATA = 38,
	VU_F_NOTIF_CONFIG_DATA = 39,
	VU_F_RING_RESET = 40
};

#endif
