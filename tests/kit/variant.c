/* SPDX-License-Identifier: MIT */
/* See variant.h. */
#include "kit/variant.h"

#include <stdlib.h>

#include "kit/test.h"

bool on_packed_rings(void)
{
	return getenv("LIBVU_TEST_PACKED");
}

void needs_split_rings(void)
{
	if (on_packed_rings()) {
		print_message("[  SKIP  ] of split rings only\n");
		skip();
	}
}

bool processes_once(void)
{
	return getenv("LIBVU_TEST_ONCE");
}
