/* SPDX-License-Identifier: MIT */
/* The program: a main() that follows the conventions for back-end programs. */
#ifndef LIBVU_PROGRAM_H
#define LIBVU_PROGRAM_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * enum vu_option_store - what an option without a setter stores.
 *
 * @VU_STORE_NOTHING: nothing.
 * @VU_STORE_FLAG: 1, in an int.
 * @VU_STORE_STRING: the argument, in a const char *; valid for the program's life.
 * @VU_STORE_NUMBER: the argument as vu_number_parse() reads it, in a uint64_t.
 * @VU_STORE_CHOICE: the argument's index in vu_option.choices, in a uint32_t.
 *
 * Strings, numbers and choices may be given once: twice is wrong usage.
 *
 * Since: 0.1
 */
enum vu_option_store {
	VU_STORE_NOTHING,
	VU_STORE_FLAG,
	VU_STORE_STRING,
	VU_STORE_NUMBER,
	VU_STORE_CHOICE,
};

/**
 * struct vu_option - one command line option of a device.
 *
 * @name: without the dashes ("blk-file").
 * @argument: what --help calls its argument ("PATH"); NULL for a flag.
 * @help: one line.
 * @required: non-zero: the program refuses to start without it.
 * @set: called for each occurrence, in order, before create; @value is NULL for a flag and stays
 *	valid for the program's life.  -EINVAL or -ERANGE, as of vu_number_parse() (after a message
 *	to stderr of its own, if it has more to say), -EEXIST, for an option that was given before
 *	and may not be repeated, and -E2BIG, for one that was given too often, make the program
 *	exit with status 2, another error with status 1.  NULL: the program stores the option by
 *itself, as @store says.
 * @store: enum vu_option_store; ignored with @set.
 * @offset: where to, in bytes from vu_program_info.opaque: offsetof() in a struct of settings.
 * @min, @max: bounds of a number; @max 0 means none.
 * @choices: the words that may be chosen from, ended by NULL.
 * @valid: what is valid, for the message about a value that is not ("a power of two, 512 to
 *	4096"); NULL: what @min and @max or @choices say.
 *
 * A table of these ends with one whose name is NULL; vu_program_info.option_size is the size of
 * one.
 *
 * Since: 0.1
 */
struct vu_option {
	const char *name;
	const char *argument;
	const char *help;
	int required;
	int (*set)(const char *value, void *opaque);
	uint32_t store;
	size_t offset;
	uint64_t min;
	uint64_t max;
	const char *const *choices;
	const char *valid;
};

/**
 * struct vu_program_info - what is particular about a back-end program.
 *
 * @size: sizeof(struct vu_program_info).
 * @name: of the program, for --help and messages.
 * @type: the VHostUserBackendType that --print-capabilities shows ("rng", "block", ...).
 * @summary: one line for --help; may be NULL.
 * @features: NULL-terminated names for --print-capabilities; may be NULL.
 * @options: the device's own options; may be NULL.
 * @option_size: sizeof(struct vu_option); needed with @options.
 * @create: make the device for the socket number @index (from 0: --socket-path may be repeated,
 *	one device each).  -errno ends the program with status 1.
 * @destroy: free the device, with its groups and what else it owns; no front-end is attached any
 *	more.  NULL means vu_device_free().
 * @reload: SIGHUP came: look at files and settings anew; may be NULL (SIGHUP is then ignored).
 *	Device thread.
 * @opaque: last argument of every callback.
 *
 * Since: 0.1
 */
struct vu_program_info {
	size_t size;
	const char *name;
	const char *type;
	const char *summary;
	const char *const *features;
	const struct vu_option *options;
	size_t option_size;
	int (*create)(struct vu_program *program, uint32_t index, struct vu_device **dev,
		      void *opaque);
	void (*destroy)(struct vu_device *dev, uint32_t index, void *opaque);
	void (*reload)(struct vu_device *dev, uint32_t index, void *opaque);
	void *opaque;
};

/**
 * vu_program_main() - parse the command line, serve until told to stop.
 *
 * Options of every program (vhost-user "Backend program conventions"): --socket-path=PATH
 * (repeatable), --fd=FDNUM (connected or listening; repeatable), --connect=PATH (the front-end
 * listens; repeatable), --print-capabilities, --help, --version,
 * --verbose (repeatable), --once, --socket-mode=OCTAL, --socket-group=NAME, --poll-us=N,
 * --cpus=LIST, --allow-any-memory, --max-memory=SIZE (vu_device_limit_memory()) and
 * --message-timeout=SECONDS (vu_device_set_message_timeout()).  Without a socket option, sockets
 * passed by LISTEN_FDS are used.  SIGTERM and SIGINT end it cleanly, and so do SIGQUIT and SIGUSR2
 * unless they were ignored or had a handler before; SIGBUS in truncated guest memory ends only the
 * session concerned.  SIGUSR1 prints every queue's counters (vu_queue_counters()) to standard
 * error.
 *
 * Return: the exit status for main(): 0 after a clean end, 1 for a failure, 2 for wrong usage.
 * Thread: main thread, before it has started others.
 * Since: 0.1
 */
VU_API int vu_program_main(const struct vu_program_info *info, int argc, char **argv);

/**
 * vu_program_log_level() - the level that --verbose chose, for vu_device_info.log_level.
 *
 * Thread: any.
 * Since: 0.1
 */
VU_API uint32_t vu_program_log_level(const struct vu_program *program);

/**
 * vu_program_runner() - the program's runner, for devices with sockets of their own.
 *
 * Thread: any.
 * Since: 0.1
 */
VU_API struct vu_runner *vu_program_runner(struct vu_program *program);

/**
 * vu_program_add_worker() - serve a group on a thread as --poll-us and --cpus say.
 *
 * vu_runner_add_worker() on the program's runner; the CPUs of --cpus are given out in turn.
 *
 * Return: as vu_runner_add_worker().  Thread: main, in create.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_program_add_worker(struct vu_program *program, struct vu_group *group);

/**
 * vu_number_parse() - read a number from an option or a script.
 *
 * Decimal, or hexadecimal after 0x; K, M, G or T may follow and multiply by powers of 1024.
 *
 * @number: receives it; unchanged on failure.
 *
 * Return: 0; -EINVAL for anything else; -ERANGE outside @min to @max.  Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *number);

VU_END_DECLS

#endif
