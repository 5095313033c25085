/* SPDX-License-Identifier: MIT */
/* The text that SIGUSR1 asks for. */
#ifndef RUN_COUNTERS_H
#define RUN_COUNTERS_H

#include <stdio.h>

#include <libvu/vu.h>

/* One line for each queue: "counters device=NAME queue=N requests=N ...", keys only added at the
 * end. */
void counters_print(FILE *out, struct vu_device *dev);

#endif
