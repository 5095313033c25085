/* SPDX-License-Identifier: MIT */
/*
 * Names of event types and codes, as <linux/input-event-codes.h> has them (input-names.py makes the
 * table), and the characters of a US keyboard.
 */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct input_named {
	const char *name;
	uint16_t type, code;
} names[] = {
#include "input-names.h"
	{NULL, 0, 0},
};

int input_name_parse(const char *word, uint32_t *type, uint32_t *code)
{
	for (const struct input_named *n = names; n->name; n++) {
		if (strcmp(word, n->name) != 0)
			continue;
		*type = n->type;
		*code = n->code;
		return 0;
	}
	return -EINVAL;
}

int input_code_parse(const char *word, uint32_t type, uint32_t *code)
{
	uint32_t named_type, named;
	uint64_t number;

	if (!input_name_parse(word, &named_type, &named)) {
		if (named_type != type)
			return -EINVAL;
		*code = named;
		return 0;
	}
	if (vu_number_parse(word, 0, UINT16_MAX, &number))
		return -EINVAL;
	*code = (uint32_t)number;
	return 0;
}

int input_type_parse(const char *word, uint32_t *type)
{
	return input_code_parse(word, INPUT_TYPE_NAME, type);
}

int input_value_parse(const char *word, int32_t *value)
{
	bool minus = *word == '-';
	uint64_t number;

	if (vu_number_parse(word + minus, 0, minus ? UINT64_C(1) << 31 : INT32_MAX, &number))
		return -EINVAL;
	*value = (int32_t)(minus ? -(int64_t)number : (int64_t)number);
	return 0;
}

const char *input_name(uint32_t type, uint32_t code, char buf[16])
{
	for (const struct input_named *n = names; n->name; n++)
		if (n->type == type && n->code == code)
			return n->name;
	snprintf(buf, 16, "%u", code);
	return buf;
}

uint32_t input_key_of(char c, bool *shift)
{
	/* Keys in a row of the keyboard have consecutive codes. */
	static const struct {
		uint32_t first;
		const char *plain, *shifted;
	} rows[] = {
		{KEY_1, "1234567890-=", "!@#$%^&*()_+"},
		{KEY_Q, "qwertyuiop[]\n", "QWERTYUIOP{}"},
		{KEY_A, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
		{KEY_BACKSLASH, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
		{KEY_SPACE, " ", ""},
		{KEY_TAB, "\t", ""},
	};

	for (size_t i = 0; c && i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *plain = strchr(rows[i].plain, c);
		const char *shifted = strchr(rows[i].shifted, c);

		*shift = !plain;
		if (plain)
			return rows[i].first + (uint32_t)(plain - rows[i].plain);
		if (shifted)
			return rows[i].first + (uint32_t)(shifted - rows[i].shifted);
	}
	return 0;
}
