/* SPDX-License-Identifier: MIT */
/* Names that every other header uses: errors, flags, levels. */
#ifndef VU_GLIB_TYPES_H
#define VU_GLIB_TYPES_H

#include <gio/gio.h>

G_BEGIN_DECLS

#define VU_GLIB_ERROR vu_glib_error_quark()

/**
 * VuGlibError:
 * @VU_GLIB_ERROR_FAILED: something of the system's; the message has its words.
 * @VU_GLIB_ERROR_INVALID: an argument or a setting cannot be.
 * @VU_GLIB_ERROR_RANGE: beyond the end of a request or of the configuration space.
 * @VU_GLIB_ERROR_BUSY: not now: a front-end is attached, or a callback has not returned.
 * @VU_GLIB_ERROR_CLOSED: the device was closed.
 * @VU_GLIB_ERROR_DONE: the request was completed already.
 * @VU_GLIB_ERROR_WRONG_THREAD: another thread is at work on the device or queue.
 * @VU_GLIB_ERROR_UNSUPPORTED: the front-end did not negotiate what is needed.
 * @VU_GLIB_ERROR_REFUSED: for handlers: the device does not want to.
 *
 * What can go wrong.
 */
typedef enum {
	VU_GLIB_ERROR_FAILED,
	VU_GLIB_ERROR_INVALID,
	VU_GLIB_ERROR_RANGE,
	VU_GLIB_ERROR_BUSY,
	VU_GLIB_ERROR_CLOSED,
	VU_GLIB_ERROR_DONE,
	VU_GLIB_ERROR_WRONG_THREAD,
	VU_GLIB_ERROR_UNSUPPORTED,
	VU_GLIB_ERROR_REFUSED
} VuGlibError;

/**
 * vu_glib_error_quark:
 *
 * The domain of #VuGlibError.
 *
 * Returns: its quark
 */
GQuark vu_glib_error_quark(void);

/**
 * VuGlibDeviceFlags:
 * @VU_GLIB_DEVICE_NONE: none of them.
 * @VU_GLIB_DEVICE_INBAND: offer in-band notifications; for simulators.
 * @VU_GLIB_DEVICE_LEGACY: serve drivers without VERSION_1, too.
 * @VU_GLIB_DEVICE_ANY_MEMORY: take guest memory of every file system.
 * @VU_GLIB_DEVICE_IOMMU: work behind an IOMMU of the virtual machine's.
 *
 * Opt-ins of a device; libvu's docs say more of each.
 */
typedef enum {
	VU_GLIB_DEVICE_NONE = 0,
	VU_GLIB_DEVICE_INBAND = 1 << 0,
	VU_GLIB_DEVICE_LEGACY = 1 << 2,
	VU_GLIB_DEVICE_ANY_MEMORY = 1 << 3,
	VU_GLIB_DEVICE_IOMMU = 1 << 4
} VuGlibDeviceFlags;

/**
 * VuGlibLogLevel:
 * @VU_GLIB_LOG_ERROR: a session or queue ended because of what the line says.
 * @VU_GLIB_LOG_WARNING: the front-end or driver did something odd; service goes on.
 * @VU_GLIB_LOG_INFO: connections come and go, queues start and stop.
 * @VU_GLIB_LOG_DEBUG: every message with its values.
 *
 * How much a log line matters.  Lines go to GLib's log, domain "VuGlib": errors as warnings,
 * warnings as messages, the others as what they are called.
 */
typedef enum {
	VU_GLIB_LOG_ERROR,
	VU_GLIB_LOG_WARNING,
	VU_GLIB_LOG_INFO,
	VU_GLIB_LOG_DEBUG
} VuGlibLogLevel;

/**
 * VuGlibRequestFlags:
 * @VU_GLIB_REQUEST_NONE: nothing is special about it.
 * @VU_GLIB_REQUEST_RESUBMITTED: was in flight when an earlier back-end died, and may have run.
 * @VU_GLIB_REQUEST_TOO_LONG: has too many segments: to be failed.  Only those see it who take
 *   requests by vu_glib_queue_next().
 *
 * What is special about a request.
 */
typedef enum {
	VU_GLIB_REQUEST_NONE = 0,
	VU_GLIB_REQUEST_RESUBMITTED = 1 << 0,
	VU_GLIB_REQUEST_TOO_LONG = 1 << 1
} VuGlibRequestFlags;

/**
 * VuGlibCounter:
 * @VU_GLIB_COUNTER_REQUESTS: requests completed.
 * @VU_GLIB_COUNTER_READABLE_BYTES: bytes that the driver sent with them.
 * @VU_GLIB_COUNTER_WRITTEN_BYTES: bytes that the device wrote.
 * @VU_GLIB_COUNTER_KICKS: notifications received.
 * @VU_GLIB_COUNTER_SIGNALS: interrupts sent.
 * @VU_GLIB_COUNTER_SIGNALS_SUPPRESSED: times the driver wanted none.
 * @VU_GLIB_COUNTER_POLLS: passes that looked at the ring.
 * @VU_GLIB_COUNTER_BATCHES: passes in which requests were taken.
 * @VU_GLIB_COUNTER_OUTSTANDING: requests taken and not completed.
 * @VU_GLIB_COUNTER_OUTSTANDING_NS: for how long there have been some and none was completed.
 *
 * What a queue counts.
 */
typedef enum {
	VU_GLIB_COUNTER_REQUESTS,
	VU_GLIB_COUNTER_READABLE_BYTES,
	VU_GLIB_COUNTER_WRITTEN_BYTES,
	VU_GLIB_COUNTER_KICKS,
	VU_GLIB_COUNTER_SIGNALS,
	VU_GLIB_COUNTER_SIGNALS_SUPPRESSED,
	VU_GLIB_COUNTER_POLLS,
	VU_GLIB_COUNTER_BATCHES,
	VU_GLIB_COUNTER_OUTSTANDING,
	VU_GLIB_COUNTER_OUTSTANDING_NS
} VuGlibCounter;

/**
 * vu_glib_version:
 *
 * The version of the libvu that is loaded.
 *
 * Returns: "major.minor.patch"
 */
const gchar *vu_glib_version(void);

G_END_DECLS

#endif
