/* SPDX-License-Identifier: MIT */
/* The options that every program has.  They fill a struct vu_program; main thread. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "run/number.h"
#include "run/program.h"

enum {
	POLL_US_MAX = 1000000, /* beyond a second it is no polling, but a CPU given away */
	CPU_MAX = 8191,
};

int program_add_socket(struct vu_program *program, const struct program_socket *socket)
{
	struct program_socket *sockets =
		reallocarray(program->sockets, program->n_sockets + 1, sizeof(*sockets));

	if (!sockets)
		return -ENOMEM;
	program->sockets = sockets;
	sockets[program->n_sockets++] = *socket;
	return 0;
}

static int set_socket_path(const char *value, void *opaque)
{
	struct program_socket socket = {.kind = SOCKET_LISTEN, .path = value, .fd = -1};

	return *value ? program_add_socket(opaque, &socket) : -EINVAL;
}

static int set_connect(const char *value, void *opaque)
{
	struct program_socket socket = {.kind = SOCKET_CONNECT, .path = value, .fd = -1};

	return *value ? program_add_socket(opaque, &socket) : -EINVAL;
}

static int set_fd(const char *value, void *opaque)
{
	struct program_socket socket = {.kind = SOCKET_FD};
	uint64_t fd;
	int ret = vu_number_parse(value, 0, INT_MAX, &fd);

	if (ret)
		return ret;
	socket.fd = (int)fd;
	return program_add_socket(opaque, &socket);
}

static int set_socket_mode(const char *value, void *opaque)
{
	struct vu_program *program = opaque;
	uint64_t mode;
	int ret = number_digits(&value, 8, &mode);

	if (ret || *value)
		return ret ? ret : -EINVAL;
	if (!mode || mode > 0777) /* nobody could ever connect with mode 0 */
		return -ERANGE;
	program->file.mode = (uint32_t)mode;
	return 0;
}

static int set_socket_group(const char *value, void *opaque)
{
	struct vu_program *program = opaque;
	const struct group *group = getgrnam(value);
	uint64_t gid = group ? group->gr_gid : 0;
	int ret = group ? 0 : vu_number_parse(value, 0, UINT32_MAX - 1, &gid);

	program->file.group = (uint32_t)gid;
	return ret;
}

static int program_add_cpus(struct vu_program *program, uint32_t first, uint32_t last)
{
	uint32_t n = program->n_cpus + last - first + 1;
	uint32_t *cpus = reallocarray(program->cpus, n, sizeof(*cpus));

	if (!cpus)
		return -ENOMEM;
	program->cpus = cpus;
	while (program->n_cpus < n)
		cpus[program->n_cpus++] = first++;
	return 0;
}

/* The number of a CPU, before one of the characters in ends. */
static int program_cpu(const char **text, const char *ends, uint32_t *cpu)
{
	uint64_t n;
	int ret = number_digits(text, 10, &n);

	if (ret || !strchr(ends, **text))
		return ret ? ret : -EINVAL;
	if (n > CPU_MAX)
		return -ERANGE;
	*cpu = (uint32_t)n;
	return 0;
}

/* "0,2-3".  Given again, it adds to the list. */
static int set_cpus(const char *value, void *opaque)
{
	int ret;

	do {
		uint32_t first, last;

		ret = program_cpu(&value, ",-", &first);
		last = first;
		if (!ret && *value == '-') {
			value++;
			ret = program_cpu(&value, ",", &last);
		}
		if (!ret)
			ret = last < first ? -EINVAL : program_add_cpus(opaque, first, last);
	} while (!ret && *value++);
	return ret;
}

static int set_once(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	(void)value;
	program->once = true;
	return 0;
}

static int set_any_memory(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	(void)value;
	program->any_memory = true;
	return 0;
}

static int set_iommu(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	(void)value;
	program->iommu = true;
	return 0;
}

static int set_postcopy(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	(void)value;
	program->postcopy = true;
	return 0;
}

static int set_max_memory(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	return vu_number_parse(value, 1, UINT64_MAX, &program->max_memory);
}

static int set_message_timeout(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	program->has_message_timeout = true;
	return vu_number_parse(value, 0, 86400, &program->message_timeout);
}

static int set_verbose(const char *value, void *opaque)
{
	struct vu_program *program = opaque;

	(void)value;
	if (program->log_level < VU_LOG_DEBUG)
		program->log_level++;
	return 0;
}

const struct vu_option *program_control_option(void)
{
	static const struct vu_option options[] = {
		{VU_OPTION_STRING("control", "PATH|-",
				  "take commands from a socket, or standard input; try \"help\"",
				  struct vu_program, control)},
		{.name = NULL},
	};

	return options;
}

const struct vu_option *program_options(void)
{
	static const char a_path[] = "a path of 1 to 107 bytes";
	/* The last ones are answered before the others are even looked at. */
	static const struct vu_option options[] = {
		{.name = "socket-path",
		 .argument = "PATH",
		 .help = "listen there; repeatable, one device each",
		 .valid = a_path,
		 .set = set_socket_path,
		 .repeatable = 1},
		{.name = "connect",
		 .argument = "PATH",
		 .help = "connect to a front-end that listens there; repeatable",
		 .valid = a_path,
		 .set = set_connect,
		 .repeatable = 1},
		{.name = "fd",
		 .argument = "FDNUM",
		 .help = "use this connected or listening socket; repeatable",
		 .valid = "the number of an open file descriptor",
		 .set = set_fd,
		 .repeatable = 1},
		{.name = "socket-mode",
		 .argument = "OCTAL",
		 .help = "permissions of the socket file (default 0600)",
		 .valid = "octal, 1 to 777",
		 .set = set_socket_mode},
		{.name = "socket-group",
		 .argument = "NAME",
		 .help = "group of the socket file",
		 .valid = "name or number of a group",
		 .set = set_socket_group},
		{.name = "once",
		 .help = "end after the first session of each device",
		 .set = set_once},
		{.name = "poll-us",
		 .argument = "N",
		 .help = "look for requests N microseconds long before sleeping",
		 .store = VU_STORE_NUMBER,
		 .offset = offsetof(struct vu_program, poll_us),
		 .max = POLL_US_MAX},
		{.name = "cpus",
		 .argument = "LIST",
		 .help = "CPUs for worker threads, given out in turn: 0,2-3; repeatable",
		 .valid = "numbers up to 8191 and ranges of them, as in 0,2-3",
		 .set = set_cpus,
		 .repeatable = 1},
		{.name = "allow-any-memory",
		 .help = "take guest memory of every file system: FUSE, NFS and the like can stall",
		 .set = set_any_memory},
		{.name = "iommu",
		 .help = "work behind an IOMMU of the virtual machine's (iommu_platform=on)",
		 .set = set_iommu},
		{.name = "postcopy",
		 .help = "let guests migrate to here by postcopy; needs root or userfaultfd",
		 .set = set_postcopy},
		{.name = "max-memory",
		 .argument = "SIZE",
		 .help = "most guest memory that a device maps (default 8T)",
		 .set = set_max_memory},
		{.name = "message-timeout",
		 .argument = "SECONDS",
		 .help = "end a connection that does not finish its first message, or a later one "
			 "(default 30; 0: never)",
		 .valid = "0 to 86400",
		 .set = set_message_timeout},
		{VU_OPTION_CHOICE("log-format", "FORMAT",
				  "of lines on standard error: text (default), json, or journal: "
				  "with <N> in front",
				  struct vu_program, log_format, log_format_names)},
		{.name = "verbose", .help = "log every message, too", .set = set_verbose},
		{.name = "print-capabilities", .help = "print what this back-end can do, as JSON"},
		{.name = "help", .help = "print this, as -h does"},
		{.name = "version", .help = "print the version"},
		{.name = NULL},
	};

	return options;
}
