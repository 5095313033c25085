/* SPDX-License-Identifier: MIT */
/* The command line. */
#include "scsi.h"

enum { MAX_QUEUES = 254, MIN_QUEUE_SIZE = 4, MAX_QUEUE_SIZE = 32768 };

/* A front-end that listens is connected to again and again. */
const struct vu_option scsi_options[] = {
	{VU_OPTION_LIST(
		"lun", "LUN",
		"a logical unit (repeatable): [T:L,]file=PATH | memory=SIZE | null=SIZE | "
		"cd[=PATH] | sg=DEVICE, and maybe read-only, direct, block=BYTES, serial=TEXT, "
		"timeout=SECONDS",
		struct scsi_settings, luns, SCSI_LUNS)},
	{VU_OPTION_NUMBER("num-queues", "N", "request queues, with a thread for each (default 1)",
			  struct scsi_settings, n_queues, 1, MAX_QUEUES)},
	{VU_OPTION_NUMBER("queue-size", "N", "longest ring taken, in entries (default 1024)",
			  struct scsi_settings, disk.queue_size, MIN_QUEUE_SIZE, MAX_QUEUE_SIZE)},
	{VU_OPTION_CHOICE("locking", "WHEN",
			  "keep others from the images: on, off or auto (default): if it can be",
			  struct scsi_settings, disk.locking, disk_locking_choices)},
	{VU_OPTION_STRING("dir", "DIR",
			  "images that come later are in it, and persistent reservations are kept",
			  struct scsi_settings, dir)},
	{VU_OPTION_CHOICE("sandbox", "KIND",
			  "shut in by namespaces, chroot, landlock or none; auto (default): by the "
			  "first that can be had",
			  struct scsi_settings, sandbox, sandbox_names)},
	{VU_OPTION_FLAG("config-space",
			"serve the configuration space, for front-ends without one of their own",
			struct scsi_settings, config_space)},
	{.name = NULL},
};
