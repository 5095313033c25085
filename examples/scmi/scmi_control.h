/* SPDX-License-Identifier: MIT */
/* The commands of vu-scmi's --control: what the platform, and not the guest, does. */
#ifndef SCMI_CONTROL_H
#define SCMI_CONTROL_H

#include <libvu/unstable.h>

#include "scmi.h"

struct scmi_control {
	struct scmi_platform *platform;
	void (*changed)(void *opaque); /* something may be waiting to be sent */
	void *opaque;
};

/* For vu_script_info; their opaque is a struct scmi_control. */
extern const struct vu_command scmi_commands[];

#endif
