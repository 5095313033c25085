/* SPDX-License-Identifier: MIT */
/* Stores values of options and says which are valid.  No state.  Thread: main. */
#include "run/option_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvu/program.h>

static int option_choose(const struct vu_option *o, const char *value, uint32_t *to)
{
	for (uint32_t i = 0; o->choices && o->choices[i]; i++)
		if (!strcmp(o->choices[i], value)) {
			*to = i;
			return 0;
		}
	return -EINVAL;
}

static int option_add(const struct vu_option *o, const char *value, struct vu_option_list *to)
{
	const char **values;

	if (o->max && to->n >= o->max)
		return -E2BIG;
	values = reallocarray(to->values, to->n + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	values[to->n++] = value;
	to->values = values;
	return 0;
}

void option_free_lists(const struct vu_option *options, void *settings)
{
	for (const struct vu_option *o = options; o && o->name; o++) {
		struct vu_option_list *list = (void *)((unsigned char *)settings + o->offset);

		if (o->set || o->store != VU_STORE_LIST)
			continue;
		free(list->values);
		*list = (struct vu_option_list){0};
	}
}

int option_store(const struct vu_option *o, const char *value, void *opaque)
{
	void *to = (unsigned char *)opaque + o->offset;

	switch (o->store) {
	case VU_STORE_FLAG:
		*(int *)to = 1;
		return 0;
	case VU_STORE_STRING:
		*(const char **)to = value;
		return 0;
	case VU_STORE_NUMBER:
		return vu_number_parse(value, o->min, o->max ? o->max : UINT64_MAX, to);
	case VU_STORE_CHOICE:
		return option_choose(o, value, to);
	case VU_STORE_LIST:
		return option_add(o, value, to);
	default:
		return 0;
	}
}

int option_is_single(const struct vu_option *o)
{
	int keeps_all = !o->set && o->store == VU_STORE_LIST;

	return o->argument && !o->repeatable && !keeps_all;
}

/* As a person would write it: large round numbers with a unit. */
static void number_print(char text[24], uint64_t n)
{
	static const char units[] = "TGM";
	int shift = 40;

	for (const char *unit = units; *unit; unit++, shift -= 10) {
		if (!n || n & ((UINT64_C(1) << shift) - 1))
			continue;
		snprintf(text, 24, "%" PRIu64 "%c", n >> shift, *unit);
		return;
	}
	snprintf(text, 24, "%" PRIu64, n);
}

static void option_print_range(const struct vu_option *o, char text[OPTION_VALID_LEN])
{
	char min[24], max[24];

	number_print(min, o->min);
	number_print(max, o->max);
	if (!o->max)
		snprintf(text, OPTION_VALID_LEN, "a number from %s on", min);
	else
		snprintf(text, OPTION_VALID_LEN, "%s to %s", min, max);
}

/* "on, off or auto" */
static void option_print_choices(const struct vu_option *o, char text[OPTION_VALID_LEN])
{
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; o->choices && o->choices[i] && len < OPTION_VALID_LEN; i++)
		len += (size_t)snprintf(text + len, OPTION_VALID_LEN - len, "%s%s",
					!i		    ? ""
					: o->choices[i + 1] ? ", "
							    : " or ",
					o->choices[i]);
}

const char *option_valid(const struct vu_option *o, char text[OPTION_VALID_LEN])
{
	if (o->valid)
		return o->valid;
	if (o->set || (o->store != VU_STORE_NUMBER && o->store != VU_STORE_CHOICE))
		return NULL;
	if (o->store == VU_STORE_NUMBER)
		option_print_range(o, text);
	else
		option_print_choices(o, text);
	return text;
}
