/* SPDX-License-Identifier: MIT */
/* vu-console's command line. */
#include "console.h"

#include <errno.h>
#include <stdio.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

static int set_console(const char *value, void *opaque)
{
	struct console_settings *s = opaque;

	s->console = value;
	return backend_check(value);
}

static int set_port(const char *value, void *opaque)
{
	struct console_settings *s = opaque;
	const char *equals = strchr(value, '=');
	size_t len = equals ? (size_t)(equals - value) : 0;

	if (!len || len >= CONTROL_NAME || backend_check(equals + 1))
		return -EINVAL;
	if (s->n_ports == CONTROL_MAX_PORTS - 1)
		return -E2BIG;
	for (uint32_t i = 0; i < s->n_ports; i++) {
		if (!strncmp(s->ports[i], value, len + 1)) {
			fprintf(stderr, "vu-console: two ports named %.*s\n", (int)len, value);
			return -EINVAL;
		}
	}
	s->ports[s->n_ports++] = value;
	return 0;
}

static int set_size(const char *value, void *opaque)
{
	struct console_settings *s = opaque;

	return console_parse_size(value, &s->cols, &s->rows);
}

/* What no option can see alone. */
static int check_settings(const struct console_settings *s, const char *control)
{
	uint32_t n_stdio = !strcmp(s->console, "stdio") + (control && !strcmp(control, "-"));
	const char *wrong = NULL;

	for (uint32_t i = 0; i < s->n_ports; i++)
		n_stdio += !strcmp(strchr(s->ports[i], '=') + 1, "stdio");
	if (n_stdio > 1)
		wrong = "standard input and output can be used once";
	else if (s->max_ports && s->max_ports < s->n_ports + 1)
		wrong = "--max-ports is less than there are";
	else if (s->no_multiport && (s->n_ports || s->max_ports > 1))
		wrong = "--no-multiport leaves only the console";
	if (wrong)
		fprintf(stderr, "vu-console: %s\n", wrong);
	return wrong ? -EINVAL : 0;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	int err = check_settings(vu_program_settings(program), vu_program_control(program));

	return err ? err : console_init(state, program, index);
}

/*
 * Nothing is opened any more, unless commands can add ports: then files, links, sockets and
 * terminals can be made, and nothing else.
 */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	static const int console_calls[] = {
		SYS_symlinkat, SYS_bind,	  SYS_listen,
		SYS_fchmod,    SYS_inotify_init1, SYS_inotify_add_watch,
#ifdef SYS_symlink
		SYS_symlink,   SYS_lstat,
#endif
	};
	/* Never TIOCSTI: it types at whoever's terminal we were started from. */
	static const struct sandbox_ioctl console_ioctls[] = {
		{UINT32_MAX, TIOCGWINSZ}, {UINT32_MAX, TCGETS},	  {UINT32_MAX, TCSETS},
		{UINT32_MAX, TIOCSPTLCK}, {UINT32_MAX, TIOCGPTN},
	};
	struct console_settings *settings = vu_program_settings(program);
	struct shut_in *s = &settings->shut_in;
	const struct console *c = state;

	(void)index;
	s->needs.ioctls = console_ioctls;
	s->needs.n_ioctls = sizeof(console_ioctls) / sizeof(console_ioctls[0]);
	if (s->commands) {
		s->needs.calls = console_calls;
		s->needs.n_calls = sizeof(console_calls) / sizeof(console_calls[0]);
		s->needs.connects = true;
		s->needs.capabilities = UINT64_C(1) << CAP_DAC_OVERRIDE;
		s->place = (struct sandbox_place){
			"/", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_IOCTL_DEV |
				     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
				     LANDLOCK_ACCESS_FS_MAKE_SOCK};
	}
	return shut_in_enter(s, c->dev);
}

static void destroy(void *state)
{
	console_fini(state);
}

static const struct vu_option options[] = {
	{.name = "console",
	 .argument = "BACKEND",
	 .help = "the console: pty[:LINK], socket:PATH, stdio, file:OUT[,in=IN], echo (default)",
	 .valid = "pty[:LINK], socket:PATH, stdio, file:OUT[,in=IN] or echo",
	 .set = set_console},
	{.name = "port",
	 .argument = "NAME=BACKEND",
	 .help = "a port with this name (repeatable)",
	 .valid = "a name, =, and pty[:LINK], socket:PATH, stdio, file:OUT[,in=IN] or echo",
	 .set = set_port,
	 .repeatable = 1},
	{VU_OPTION_NUMBER("max-ports", "N", "ports there can be (default: as many as there are)",
			  struct console_settings, max_ports, 1, CONTROL_MAX_PORTS)},
	{VU_OPTION_FLAG("no-multiport", "a console and nothing else, with two queues",
			struct console_settings, no_multiport)},
	{.name = "size",
	 .argument = "COLSxROWS",
	 .help = "size of the console (default: 80x25)",
	 .valid = "columns, x, rows, each up to 65535: 80x25",
	 .set = set_size},
	{VU_OPTION_FLAG("resize-rows-first", "tell rows before columns, for Linux before 6.15",
			struct console_settings, rows_first)},
	{SHUT_IN_OPTION(struct console_settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct console_settings settings = {.console = "echo", .cols = 80, .rows = 25};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-console", "console", "A vhost-user console with named ports."),
		SHUT_IN_PROGRAM(options, &settings, console_commands, struct console, create,
				destroy, opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
