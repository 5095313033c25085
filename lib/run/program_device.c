/* SPDX-License-Identifier: MIT */
/*
 * A program's devices: each is made by its author's create, with the functions here, and what
 * these made is freed here, too, in the order that is right.  Thread: main.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvu/unstable.h>

#include "base/size_struct.h"
#include "run/program.h"
#include "run/script.h"

enum { DEVICE_NAME = 48 }; /* no longer in log lines */

/* The device's info, with members of ours; a later version of libvu may have more to say. */
union device_info {
	struct vu_device_info info;
	unsigned char bytes[SIZE_STRUCT_MAX];
};

/* --- for whoever writes create --- */

uint32_t vu_program_log_level(const struct vu_program *program)
{
	return program->log_level;
}

void *vu_program_settings(const struct vu_program *program)
{
	return program->info.settings;
}

struct vu_runner *vu_program_runner(struct vu_program *program)
{
	return program->runner;
}

int vu_program_add_worker(struct vu_program *program, struct vu_group *group)
{
	struct vu_worker_info info = {.size = sizeof(info), .poll_ns = program->poll_us * 1000};
	int ret;

	if (program->n_cpus) {
		info.pin = 1;
		info.cpu = program->cpus[program->n_workers % program->n_cpus];
	}
	ret = vu_runner_add_worker(program->runner, group, &info);
	if (ret == -EINVAL && info.pin)
		program_say(program, VU_LOG_ERROR,
			    "--cpus: CPU %u does not exist, or is not ours to use", info.cpu);
	if (!ret)
		program->n_workers++;
	return ret;
}

static uint32_t device_index(const struct vu_program *program)
{
	return (uint32_t)(program->making - program->sockets);
}

int vu_program_add_device(struct vu_program *program, const struct vu_device_info *info,
			  const struct vu_ops *ops, void *opaque, struct vu_device **dev)
{
	struct program_socket *socket = program->making;
	char name[DEVICE_NAME];
	union device_info copy;
	int ret;

	if (!socket)
		return -EINVAL;
	if (socket->dev)
		return -EEXIST;
	/* A size that is wrong is vu_device_new()'s to complain of. */
	if (info->size >= offsetof(struct vu_device_info, log_fn) && info->size <= sizeof(copy)) {
		memcpy(&copy, info, info->size);
		snprintf(name, sizeof(name), "%s%u", info->name ? info->name : program->info.type,
			 device_index(program));
		copy.info.name = name;
		copy.info.log_level = program->log_level;
		/* Who has a log of its own keeps it. */
		if (info->size >= offsetof(struct vu_device_info, log_opaque) && !info->log_fn)
			copy.info.log_fn = log_format_fn(program->log_format);
		info = &copy.info;
	}
	ret = vu_device_new(info, ops, opaque, &socket->dev);
	if (!ret && dev)
		*dev = socket->dev;
	return ret;
}

/* The program's commands, for a device's state. */
static struct vu_script_info device_script_info(const struct vu_program *program, void *opaque)
{
	const struct program_socket *socket = program->making;

	return (struct vu_script_info){
		.size = sizeof(struct vu_script_info),
		.name = socket && socket->dev ? vu_device_name(socket->dev) : program->info.type,
		.commands = program->info.commands,
		.command_size = program->info.command_size,
		.opaque = opaque,
		.log_level = program->log_level,
		.log_fn = log_format_fn(program->log_format),
	};
}

int vu_program_add_control(struct vu_program *program, struct vu_group *group, void *opaque,
			   struct vu_script **script)
{
	const struct vu_script_info info = device_script_info(program, opaque);
	struct program_socket *socket = program->making;
	int ret = 0;

	if (!socket || !socket->dev || !info.commands)
		return -EINVAL;
	if (socket->script)
		return -EEXIST;
	if (program->control)
		ret = vu_script_serve(group ? group : vu_device_group(socket->dev), &info,
				      program->control, device_index(program), &socket->script);
	if (socket->script)
		socket->script->counted = socket->dev;
	if (script)
		*script = socket->script;
	return ret;
}

const char *vu_program_control(const struct vu_program *program)
{
	return program->control;
}

int vu_program_run_file(struct vu_program *program, const char *path, void *opaque)
{
	const struct vu_script_info info = device_script_info(program, opaque);

	return info.commands ? vu_script_run_file(&info, path) : -EINVAL;
}

int vu_program_path(const char *path, uint32_t index, char *buffer, size_t size)
{
	int n = index ? snprintf(buffer, size, "%s.%u", path, index)
		      : snprintf(buffer, size, "%s", path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* --- for the program --- */

static int device_make(struct vu_program *program, uint32_t index, struct program_socket *socket)
{
	const struct vu_program_info *info = &program->info;
	int ret;

	if (info->state_size) {
		socket->state = calloc(1, info->state_size);
		if (!socket->state)
			return -ENOMEM;
	}
	program->making = socket;
	socket->begun = true;
	if (info->create)
		ret = info->create(program, index, socket->state);
	else
		ret = vu_program_add_device(program, info->device, info->ops, socket->state, NULL);
	program->making = NULL;
	return ret;
}

int program_create_device(struct vu_program *program, uint32_t index)
{
	struct program_socket *socket = &program->sockets[index];
	int ret = device_make(program, index, socket);

	if (ret < 0)
		return ret;
	if (!socket->dev) {
		program_say(program, VU_LOG_ERROR,
			    "create() made no device, by vu_program_add_device()");
		return -EINVAL;
	}
	if (program->control && !socket->script) {
		program_say(program, VU_LOG_ERROR,
			    "create() takes no commands, by vu_program_add_control()");
		return -ENOTSUP;
	}
	/* Fails only with a front-end attached, which nobody can have done. */
	(void)vu_device_limit_memory(socket->dev, program->max_memory, program->any_memory);
	if (program->iommu && vu_device_offer_iommu(socket->dev)) {
		program_say(program, VU_LOG_ERROR,
			    "--iommu: this device does not work behind an IOMMU");
		return -ENOTSUP;
	}
	if (program->has_message_timeout)
		vu_device_set_message_timeout(socket->dev,
					      program->message_timeout * UINT64_C(1000000000));
	/* The device says why not. */
	return program->postcopy ? vu_device_allow_postcopy(socket->dev) : 0;
}

void program_destroy_device(struct vu_program *program, uint32_t index)
{
	struct program_socket *socket = &program->sockets[index];

	vu_script_free(socket->script);
	if (socket->begun && program->info.destroy)
		program->info.destroy(socket->state);
	vu_device_free(socket->dev);
	free(socket->state);
}
