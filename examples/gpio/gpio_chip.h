/* SPDX-License-Identifier: MIT */
/*
 * What vu-gpio needs of libgpiod, whose two versions share no function: gpio_chip_v1.c and
 * gpio_chip_v2.c do the same, and one of them is built.
 *
 * Functions return 0 or -errno unless they say otherwise.
 */
#ifndef EXAMPLES_GPIO_CHIP_H
#define EXAMPLES_GPIO_CHIP_H

#include <stdbool.h>
#include <stdint.h>

struct chip;
struct chip_line; /* a line that is requested: nobody else has it */

enum chip_mode { CHIP_AS_IS, CHIP_INPUT, CHIP_OUTPUT };

/* path: of its device. */
int chip_open(const char *path, struct chip **chip);
/* Its lines are released before. */
void chip_close(struct chip *chip);
const char *chip_label(struct chip *chip);
uint32_t chip_n_lines(struct chip *chip);
/* Valid until chip_close(); NULL if it has none. */
const char *chip_line_name(struct chip *chip, uint32_t offset);

/* value: of an output; edges: GPIO_RISING and GPIO_FALLING of an input that come as events. */
int chip_request(struct chip *chip, uint32_t offset, enum chip_mode mode, uint8_t edges,
		 uint8_t value, struct chip_line **line);
void chip_release(struct chip_line *line);
/* 0 or 1, or -errno. */
int chip_get(struct chip_line *line);
int chip_set(struct chip_line *line, uint8_t value);
/* Readable while there are events. */
int chip_fd(struct chip_line *line);
/* The next event, GPIO_RISING or GPIO_FALLING, or -errno; blocks if there is none. */
int chip_read_event(struct chip_line *line);

#endif
