/* SPDX-License-Identifier: MIT */
/* vu-console's control script: ports come, go, open and close, and the console changes its size. */
#include "console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int console_parse_size(const char *text, uint16_t *cols, uint16_t *rows)
{
	uint64_t number[2];
	char left[16];
	const char *x = strchr(text, 'x');

	if (!x || (size_t)(x - text) >= sizeof(left))
		return -EINVAL;
	memcpy(left, text, (size_t)(x - text));
	left[x - text] = '\0';
	if (vu_number_parse(left, 0, UINT16_MAX, &number[0]) ||
	    vu_number_parse(x + 1, 0, UINT16_MAX, &number[1]))
		return -EINVAL;
	*cols = (uint16_t)number[0];
	*rows = (uint16_t)number[1];
	return 0;
}

/* By number or by name; "console" is port 0 if no other has that name. */
static struct port *script_find_port(struct console *c, const char *word)
{
	uint64_t id;

	if (!vu_number_parse(word, 0, c->max_ports - 1, &id))
		return c->ports[id].backend ? &c->ports[id] : NULL;
	for (uint32_t i = 1; i < c->max_ports; i++)
		if (c->ports[i].backend && !strcmp(c->ports[i].label, word))
			return &c->ports[i];
	return strcmp(word, "console") ? NULL : &c->ports[0];
}

static int script_ports(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct console *c = opaque;

	for (uint32_t i = 0; i < c->max_ports; i++) {
		const struct port *port = &c->ports[i];
		const struct backend *b = port->backend;
		const struct control_port *state = &c->control.ports[i];

		if (!b)
			continue;
		vu_script_answerf(script, "%u %s %s%s%s host-%s guest-%s", i, port->label,
				  b->kind->name, *b->where ? ":" : "", b->where,
				  state->host_open ? "open" : "closed",
				  state->guest_open ? "open" : "closed");
	}
	return 0;
}

static int script_resize(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	uint16_t cols, rows;

	if (console_parse_size(words[0], &cols, &rows))
		return vu_script_fail(script, "a size is COLSxROWS");
	console_set_size(opaque, cols, rows);
	return 0;
}

static int script_add(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct console *c = opaque;
	uint32_t id = 1;
	int err;

	if (backend_check(words[1]) || !strcmp(words[1], "stdio"))
		return vu_script_fail(script, "no back-end that can be added");
	if (!*words[0] || strlen(words[0]) >= CONTROL_NAME)
		return vu_script_fail(script, "not a name");
	if (script_find_port(c, words[0]))
		return -EEXIST;
	while (id < c->max_ports && c->ports[id].backend)
		id++;
	if (id >= c->max_ports || c->settings->no_multiport)
		return vu_script_fail(script, "no port is left: see --max-ports");
	err = port_add(c, id, words[0], words[1]);
	if (err)
		return err;
	vu_script_answerf(script, "%u", id);
	return 0;
}

/* The commands about a port that is there. */
static int script_with_port(struct vu_script *script, const char *word, struct console *c,
			    struct port **port)
{
	*port = script_find_port(c, word);
	return *port ? 0 : vu_script_fail(script, "no such port");
}

static int script_remove(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct port *port;
	int err = script_with_port(script, words[0], opaque, &port);

	if (err)
		return err;
	if (!port->id)
		return vu_script_fail(script, "the console stays");
	port_remove(port);
	return 0;
}

static int script_open(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct port *port;
	int err = script_with_port(script, words[0], opaque, &port);

	if (!err)
		port_set_closed(port, false);
	return err;
}

static int script_close(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct port *port;
	int err = script_with_port(script, words[0], opaque, &port);

	if (!err)
		port_set_closed(port, true);
	return err;
}

const struct vu_command console_commands[] = {
	{"ports", NULL, "list the ports", 0, 0, script_ports},
	{"resize", "COLSxROWS", "change the console's size", 1, 1, script_resize},
	{"add", "NAME BACKEND", "add a port; answers its number", 2, 2, script_add},
	{"remove", "PORT", "remove a port (by name or number)", 1, 1, script_remove},
	{"close", "PORT", "pull the plug: nothing goes in or out", 1, 1, script_close},
	{"open", "PORT", "undo close", 1, 1, script_open},
	{NULL, NULL, NULL, 0, 0, NULL},
};

void console_say_port(struct console *c, const char *what, uint32_t id)
{
	vu_script_sayf(c->script, "%s %u %s", what, id, c->ports[id].label);
}
