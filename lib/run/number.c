/* SPDX-License-Identifier: MIT */
/* Reading numbers, without the signs, blanks and locales of strtol(3).  No state.  Any thread. */
#include "run/number.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libvu/vu.h>

/* What a digit stands for; 16 for what is none. */
static unsigned int number_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

int number_digits(const char **text, unsigned int base, uint64_t *number)
{
	const char *at = *text;
	uint64_t n = 0;

	if (number_digit(*at) >= base)
		return -EINVAL;
	for (; number_digit(*at) < base; at++)
		if (__builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, number_digit(*at), &n))
			return -ERANGE;
	*text = at;
	*number = n;
	return 0;
}

/* By how many bits a letter behind the number shifts it; 0 for no such letter. */
static unsigned int number_shift(char unit)
{
	static const char units[] = "KMGT";
	const char *found = unit ? strchr(units, unit) : NULL;

	return found ? 10 * (unsigned int)(found - units + 1) : 0;
}

int vu_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *at = is_hex ? text + 2 : text;
	unsigned int shift;
	uint64_t n;
	int ret = number_digits(&at, is_hex ? 16 : 10, &n);

	if (ret)
		return ret;
	shift = number_shift(*at);
	if (at[shift ? 1 : 0])
		return -EINVAL;
	if (n > UINT64_MAX >> shift || n << shift < min || n << shift > max)
		return -ERANGE;
	*number = n << shift;
	return 0;
}
