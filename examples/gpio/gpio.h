/* SPDX-License-Identifier: MIT */
/*
 * Inside vu-gpio.  Three parts: the lines as the specification knows them (gpio_lines.c, their
 * requests in gpio_request.c, their interrupts in gpio_irq.c), what is behind them (a struct
 * gpio_backend: gpio_sim.c, gpio_chips.c), and the program around them (gpio.c, gpio_control.c).
 *
 * Everything runs on the device thread.
 */
#ifndef EXAMPLES_GPIO_H
#define EXAMPLES_GPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_gpio.h>
#include <libvu/unstable.h>

struct gpio;
struct gpio_control;

enum { GPIO_RISING = 1, GPIO_FALLING = 2 };

/* What is behind the lines.  Functions return 0 or -errno. */
struct gpio_backend {
	/* The driver's VIRTIO_GPIO_DIRECTION_*; value: what an output begins with. */
	int (*set_direction)(struct gpio *gpio, uint32_t line, uint8_t direction, uint8_t value);
	/* Of a line that is an output. */
	int (*set_value)(struct gpio *gpio, uint32_t line, uint8_t value);
	/* What the line carries now, whoever drives it: 0 or 1. */
	int (*get_value)(struct gpio *gpio, uint32_t line);
	/* Report these edges of a line that is no output by gpio_irq_edge(); 0: no more. */
	int (*watch)(struct gpio *gpio, uint32_t line, uint8_t edges);
	/* Drive the line from outside; NULL where that can't be done. */
	int (*drive)(struct gpio *gpio, uint32_t line, uint8_t value);
	void (*free)(struct gpio *gpio);
};

struct gpio_line {
	char *name; /* NULL: none */
	uint8_t direction;
	uint8_t value; /* that the driver set last, for when the line is an output */
	uint8_t irq_type;
	bool latched;	     /* an edge came while the interrupt was masked */
	struct vu_req *held; /* buffer of the event queue: the interrupt is unmasked */
};

struct gpio {
	struct vu_device *dev; /* NULL: nobody to log to */
	uint32_t n_lines;
	struct gpio_line *lines;
	char *names; /* names_size bytes, as the driver reads them; NULL: no line has a name */
	uint32_t names_size;
	bool irqs; /* the driver accepted VIRTIO_GPIO_F_IRQ */
	const struct gpio_backend *backend;
	void *opaque; /* the back-end's */
	/* Give a buffer of the event queue back with a VIRTIO_GPIO_IRQ_STATUS_*. */
	void (*finish)(struct gpio *gpio, struct vu_req *req, uint8_t status);
	/* The driver changed this line; may be NULL. */
	void (*changed)(struct gpio *gpio, uint32_t line);
	struct gpio_control *control; /* NULL: none */
};

/* gpio_lines.c */

/* An array grows to twice its size: must one of n elements, before one more, and to how many? */
bool gpio_must_grow(uint32_t n);
size_t gpio_grown(uint32_t n);

/*
 * One more line, with this name unless it is NULL or empty.  -EINVAL for a name that is not
 * printable ASCII, -EEXIST for one that there is, -ENOSPC, -ENOMEM.
 */
int gpio_add_line(struct gpio *gpio, const char *name);
/* Names are complete: make what the driver reads. */
int gpio_make_names(struct gpio *gpio);
/* The line with this name, or else this number; -ENOENT. */
int gpio_find_line(const struct gpio *gpio, const char *word, uint32_t *line);
/* "NUMBER NAME DIRECTION VALUE [IRQ]". */
void gpio_describe(struct gpio *gpio, uint32_t line, char *text, size_t size);
/* No driver any more, or not yet: every line is as it was at first. */
void gpio_reset(struct gpio *gpio);
/* Lines and back-end. */
void gpio_end(struct gpio *gpio);
/* Something the driver should not do: a log line, unless it is the same as the last one. */
void gpio_complain(struct gpio *gpio, const char *complaint);

/* gpio_request.c */

/* Do what a request says and write the answer: its length. */
uint64_t gpio_answer(struct gpio *gpio, const struct vu_req *req);

/* gpio_irq.c */

/* Enable or disable a line's interrupt. */
int gpio_irq_set_type(struct gpio *gpio, uint32_t line, uint8_t type);
/*
 * A buffer of the event queue: unmasks an interrupt.  It is held until that comes, or given back
 * at once if it names no line.  True: the line's interrupt is not enabled, so soon call
 * gpio_irq_return_strays().
 */
bool gpio_irq_take(struct gpio *gpio, struct vu_req *req);
/* Give back, as invalid, the buffers of lines whose interrupt is (still) not enabled. */
void gpio_irq_return_strays(struct gpio *gpio);
/* The event queue stops: give back every buffer. */
void gpio_irq_return_all(struct gpio *gpio);
/* From the back-end: a line that it watches changed. */
void gpio_irq_edge(struct gpio *gpio, uint32_t line, uint8_t edge);

/* gpio_sim.c: simulated lines as a file says, or eight without a name. */
int gpio_sim_new(struct gpio *gpio, const char *file, uint32_t log_level);

/*
 * gpio_chips.c: lines of the machine, specs[i] is CHIP[:LINES].  Logs what is wrong.
 * -ENOSYS in a program built without libgpiod.
 */
int gpio_chips_new(struct gpio *gpio, const char *const *specs, uint32_t n);
/* gpio_control.c: commands for lines, once there is a device. */
extern const struct vu_command gpio_commands[];
int gpio_control_new(struct gpio *gpio, struct vu_program *program);
void gpio_control_free(struct gpio *gpio);

#endif
