/* SPDX-License-Identifier: MIT */
/* What the library closes without waiting for it. */
#ifndef RULES_CLOSING_H
#define RULES_CLOSING_H

#include <stdbool.h>

/*
 * A network socket that close(2) waits for: SO_LINGER, and a peer that does not read.  The peer is
 * to be closed in the end.
 */
int lingering_socket(int *peer);

/* With LIBVU_TEST_NO_IO_URING: as where it is not allowed.  False if that cannot be had. */
bool closing_prepare(void);

#endif
