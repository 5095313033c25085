/* SPDX-License-Identifier: MIT */
/*
 * Failures on order: the linker leads what the library asks of the C library through here, and one
 * call, or all from one on, fail as they would without memory or descriptors.
 *
 * Only calls between fault_on() and fault_off() count: those of the library, not of the test.
 */
#ifndef FAULTS_FAULT_H
#define FAULTS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Call number nth (from 1) fails; with all, those after it, too.  0: none. */
void fault_order(uint32_t nth, bool all);
/* The same, of the calls of one function: those of others neither count nor fail. */
void fault_order_of(const char *name, uint32_t nth);
void fault_on(void);
void fault_off(void);
/* Calls counted since the order. */
uint32_t fault_calls(void);
/* "mmap", or NULL: what was made to fail first. */
const char *fault_failed(void);

#endif
