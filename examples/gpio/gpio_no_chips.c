/* SPDX-License-Identifier: MIT */
/* In the place of gpio_chips.c where there is no libgpiod. */
#include "gpio.h"

#include <errno.h>
#include <stdio.h>

int gpio_chips_new(struct gpio *gpio, const char *const *specs, uint32_t n)
{
	fprintf(stderr, "vu-gpio: --chip=%s: built without libgpiod\n", specs[0]);
	return -ENOSYS;
}
