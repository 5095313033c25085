/* SPDX-License-Identifier: MIT */
/* cmocka, and what every test of ours uses of it. */
#ifndef KIT_TEST_H
#define KIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Most functions return 0 when all is well. */
#define assert_ok(call) assert_int_equal(call, 0)

#endif
