/* SPDX-License-Identifier: MIT */
/* The library's version. */
#include <libvu/version.h>

const char *vu_version(void)
{
	return VU_VERSION;
}
