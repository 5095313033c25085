/* SPDX-License-Identifier: MIT */
/* Numbers in text; vu_number_parse() for those that are all of it. */
#ifndef RUN_NUMBER_H
#define RUN_NUMBER_H

#include <stdint.h>

/*
 * Read digits, and nothing before them, and move *text behind them.  base: 8, 10 or 16.
 * 0; -EINVAL without a digit, -ERANGE when they don't fit, and then *text and *number are as
 * before.
 */
int number_digits(const char **text, unsigned int base, uint64_t *number);

#endif
