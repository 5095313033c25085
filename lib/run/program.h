/* SPDX-License-Identifier: MIT */
/* A program's inside, shared by its life (program.c) and its options (program_options.c). */
#ifndef RUN_PROGRAM_H
#define RUN_PROGRAM_H

#include <libvu/vu.h>

#include <stdbool.h>

#include "run/log_format.h"
#include "run/options.h"

enum program_socket_kind { SOCKET_LISTEN, SOCKET_CONNECT, SOCKET_FD };

/* One socket option, and the device that is made for it (program_device.c). */
struct program_socket {
	enum program_socket_kind kind;
	const char *path;
	int fd;
	bool begun; /* create was called: what there is of the device is to be destroyed */
	void *state;
	struct vu_device *dev;
	struct vu_script *script;
};

struct vu_program {
	struct vu_program_info info;
	struct vu_option *options; /* the device's, copied */
	struct vu_runner *runner;
	struct program_socket *sockets;
	uint32_t n_sockets;
	struct program_socket *making; /* create runs for it; NULL: none does */
	const char *control;	       /* of --control */
	uint32_t log_level;
	uint32_t log_format; /* enum log_format */
	bool once;
	bool any_memory;
	bool iommu;
	bool postcopy;
	bool has_message_timeout;
	uint64_t message_timeout; /* seconds, 0: none */
	uint64_t max_memory;	  /* 0: as the device says */
	uint64_t poll_us;
	uint32_t *cpus; /* of --cpus */
	uint32_t n_cpus;
	int n_inherited;       /* from INHERITED_FIRST_FD on, or -errno */
	char *inherited_names; /* of LISTEN_FDNAMES, or NULL */
	int notify;	       /* while devices are made: to the service manager, or -1 */
	int listen_pid;	       /* whom inherited sockets are for, if not for us; or 0 */
	uint32_t n_workers;    /* made: the next gets cpus[n_workers % n_cpus] */
	struct vu_socket_info file;
};

/* The options of every program; their opaque is the struct vu_program. */
const struct vu_option *program_options(void);
/*
 * Copy what the caller gave, its options included; program->options is to be freed.  0, or the exit
 * status after a message.
 */
int program_take_info(struct vu_program *program, const struct vu_program_info *from);
/* The option of programs with commands; its opaque is the struct vu_program. */
const struct vu_option *program_control_option(void);
/* An error or warning of the program's own: "NAME: text" on standard error, as --log-format says.
 */
__attribute__((format(printf, 3, 4))) void
program_say(const struct vu_program *program, enum vu_log_level level, const char *format, ...);
int program_add_socket(struct vu_program *program, const struct program_socket *socket);

/* Make the device of one socket, as the program's author says: 0 or -errno. */
int program_create_device(struct vu_program *program, uint32_t index);
/* Destroy what was made for it, if anything was. */
void program_destroy_device(struct vu_program *program, uint32_t index);

#endif
