/* SPDX-License-Identifier: MIT */
/* A whole suite can be run another way, as meson.build says in the environment. */
#ifndef KIT_VARIANT_H
#define KIT_VARIANT_H

#include <stdbool.h>

/* LIBVU_TEST_PACKED: peers insist on packed rings. */
bool on_packed_rings(void);
/* Skips the test in such a run. */
void needs_split_rings(void);
/* Skips the test where a mapping cannot be made once more, as under valgrind. */
void needs_second_mappings(void);
/* LIBVU_TEST_ONCE: loops process once for each wake. */
bool processes_once(void);

#endif
