/* SPDX-License-Identifier: MIT */
/* The value of an option: what is valid, and where it goes. */
#ifndef RUN_OPTION_VALUE_H
#define RUN_OPTION_VALUE_H

#include <stddef.h>

#include <libvu/program.h>

enum { OPTION_VALID_LEN = 256 };

/* Keep the value as o->store says, at opaque + o->offset.  -EINVAL, -ERANGE. */
int option_store(const struct vu_option *o, const char *value, void *opaque);
/* Would two occurrences contradict each other? */
int option_is_single(const struct vu_option *o);
/* Free what option_store() keeps in lists; options may be NULL. */
void option_free_lists(const struct vu_option *options, void *settings);
/* What is valid, in words: "1 to 256".  NULL where nothing is known. */
const char *option_valid(const struct vu_option *o, char text[OPTION_VALID_LEN]);

#endif
