/* SPDX-License-Identifier: MIT */
/*
 * How long a test waits for what must come: only a hang takes so long, also under valgrind on a
 * machine that does ten other things.  Where nothing must come a test has a short time of its own.
 */
#ifndef KIT_PATIENCE_H
#define KIT_PATIENCE_H

enum { HANG_MS = 600000, HANG_SECONDS = HANG_MS / 1000 };

#endif
