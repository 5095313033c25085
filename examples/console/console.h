/* SPDX-License-Identifier: MIT */
/*
 * What the parts of vu-console share: the device, its ports, its settings.
 *
 * console.c has the device and its queues, console_port.c the data of a port, console_state.c what
 * moves to another host, console_script.c the control script, console_main.c the command line.  All
 * of it runs on the device thread.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <libvu/unstable.h>

#include "../common/shut_in.h"
#include "console_backend.h"
#include "console_control.h"

enum {
	CONSOLE_SEGS = BACKEND_SEGS, /* longest chain */
	CONSOLE_EMERGENCY = 4096,
};

struct console_settings {
	const char *console;		      /* BACKEND of port 0 */
	const char *ports[CONTROL_MAX_PORTS]; /* "NAME=BACKEND" */
	uint32_t n_ports;		      /* of these */
	uint64_t max_ports;		      /* with the console; 0: as many as there are */
	uint16_t cols, rows;
	int no_multiport;
	int rows_first;
	struct shut_in shut_in;
};

struct port {
	struct console *console;
	uint32_t id;
	struct backend *backend; /* NULL: there is no such port */
	char label[CONTROL_NAME];
	bool closed; /* by the script */
};

struct console {
	struct vu_device *dev;
	const struct console_settings *settings;
	uint32_t index;
	uint32_t max_ports;
	struct control control;
	struct port ports[CONTROL_MAX_PORTS];
	bool driver;	/* there is one */
	bool multiport; /* negotiated */
	struct vu_script *script;
	struct iovec iov[CONSOLE_SEGS];
	unsigned char emergency[CONSOLE_EMERGENCY]; /* written to the config space, not yet out */
	uint32_t n_emergency;
};

/* console.c */
/* c is zeroed at first; console_fini() also undoes what failed half-way. */
int console_init(struct console *c, struct vu_program *program, uint32_t index);
void console_fini(struct console *c);
/* The driver did something wrong; error is an errno or 0. */
void console_complain(struct console *c, const char *text, int error);
void console_flush_control(struct console *c);
void console_set_size(struct console *c, uint16_t cols, uint16_t rows);

/* console_port.c */
/* id < max_ports; the console has no name.  0 or -errno, after a log line. */
int port_add(struct console *c, uint32_t id, const char *name, const char *backend);
void port_remove(struct port *port);
void port_set_closed(struct port *port, bool closed);
/* Move what can be moved, in both directions. */
void port_pump(struct port *port);

/* console_state.c */
/* 0 or -errno. */
int console_set_state_ops(struct console *c);

/* console_script.c */
/* "80x25"; 0 or -EINVAL. */
int console_parse_size(const char *text, uint16_t *cols, uint16_t *rows);
extern const struct vu_command console_commands[];
/* Something happened to a port: tell who controls us. */
void console_say_port(struct console *c, const char *what, uint32_t id);

#endif
