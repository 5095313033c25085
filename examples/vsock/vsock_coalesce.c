/* SPDX-License-Identifier: MIT */
/* See vsock_coalesce.h. */
#include "vsock_coalesce.h"

#include <sys/prctl.h>
#include <time.h>

void coalesce_init(struct coalesce *co, uint64_t us)
{
	*co = (struct coalesce){.ns = us * 1000, .needed = COALESCE_STREAK};
}

void coalesce_nap(struct coalesce *co)
{
	uint64_t ns = co->bytes >= COALESCE_MANY ? co->ns / 2 : co->ns;
	const struct timespec nap = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	co->bytes = 0;
	/* Linux adds 50 microseconds to what is asked for, unless it is told otherwise.  Not
	 * earlier: programs of exec: would inherit it. */
	if (!co->is_precise)
		prctl(PR_SET_TIMERSLACK, 1);
	co->is_precise = true;
	/* A signal that ends it early does no harm. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

void coalesce_found(struct coalesce *co, uint32_t packets)
{
	if (packets >= COALESCE_WORTH) {
		co->needed = COALESCE_STREAK;
		co->misses = 0;
	} else if (++co->misses > COALESCE_MISSES) {
		co->streak = 0;
		co->needed =
			co->needed < COALESCE_STREAK_MAX ? 2 * co->needed : COALESCE_STREAK_MAX;
	}
}
