/* SPDX-License-Identifier: MIT */
/* A back-end program with one mistake of its author's; the first argument says which. */
#include <libvu/unstable.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int create_nothing(struct vu_program *program, uint32_t index, void *state)
{
	return 0;
}

static const struct vu_device_info device = {.size = sizeof(device), .device_id = 4, .n_queues = 1};
static const struct vu_ops ops = {.size = sizeof(ops)};

/* As one that reads guest memory by itself would say. */
static int create_apart(struct vu_program *program, uint32_t index, void *state)
{
	const struct vu_device_info apart = {.size = sizeof(apart),
					     .device_id = 4,
					     .n_queues = 1,
					     .forbidden = UINT64_C(1) << VU_F_ACCESS_PLATFORM};
	int ret = vu_program_add_device(program, &apart, &ops, NULL, NULL);

	return ret ? ret : vu_program_add_control(program, NULL, NULL, NULL);
}

/* And then takes no commands. */
static int create_device(struct vu_program *program, uint32_t index, void *state)
{
	return vu_program_add_device(program, &device, &ops, NULL, NULL);
}

static int create_twice(struct vu_program *program, uint32_t index, void *state)
{
	int ret = create_device(program, index, state);

	return ret ? ret : create_device(program, index, state);
}

static int create_control_first(struct vu_program *program, uint32_t index, void *state)
{
	return vu_program_add_control(program, NULL, NULL, NULL);
}

static int create_control_once(struct vu_program *program, uint32_t index, void *state)
{
	int ret = create_device(program, index, state);

	return ret ? ret : vu_program_add_control(program, NULL, NULL, NULL);
}

static int create_control_twice(struct vu_program *program, uint32_t index, void *state)
{
	int ret = create_control_once(program, index, state);

	return ret ? ret : vu_program_add_control(program, NULL, NULL, NULL);
}

/* A device that comes too late, of a program that has a runner. */
static int opened_device(struct vu_program *program, uint32_t index, void *state)
{
	return vu_program_runner(program) ? create_device(program, index, state) : 0;
}

static const struct vu_command commands[] = {
	{NULL, NULL, NULL, 0, 0, NULL},
};

/* More than this library knows, in a caller of a later one. */
struct later_info {
	struct vu_program_info info;
	uint64_t news;
};

static void misuse_declared(struct vu_program_info *info, const struct vu_ops *device_ops)
{
	info->create = NULL;
	info->device = &device;
	info->ops = device_ops;
}

static int misuse(const char *how, struct later_info *later, struct vu_option *option)
{
	struct vu_program_info *info = &later->info;

	if (!strcmp(how, "size"))
		info->size = 0;
	else if (!strcmp(how, "later-size"))
		info->size = sizeof(*later);
	else if (!strcmp(how, "name"))
		info->name = NULL;
	else if (!strcmp(how, "type"))
		info->type = NULL;
	else if (!strcmp(how, "create"))
		info->create = NULL;
	else if (!strcmp(how, "option-size"))
		info->option_size = 0;
	else if (!strcmp(how, "store"))
		option->store = 99;
	else if (!strcmp(how, "settings"))
		info->settings = NULL;
	else if (!strcmp(how, "both"))
		info->device = &device;
	else if (!strcmp(how, "ops"))
		misuse_declared(info, NULL);
	else if (!strcmp(how, "commands"))
		misuse_declared(info, &ops);
	else if (!strcmp(how, "no-control"))
		info->create = create_device;
	else if (!strcmp(how, "control-first"))
		info->create = create_control_first;
	else if (!strcmp(how, "twice"))
		info->create = create_twice;
	else if (!strcmp(how, "control-twice"))
		info->create = create_control_twice;
	else if (!strcmp(how, "iommu"))
		info->create = create_apart;
	else if (!strcmp(how, "late")) {
		info->create = create_control_once;
		info->opened = opened_device;
	} else if (!strcmp(how, "argument"))
		option->argument = NULL;
	else if (!strcmp(how, "choices"))
		option->store = VU_STORE_CHOICE;
	else if (!strcmp(how, "repeatable"))
		option->repeatable = 1;
	else
		return strcmp(how, "device");
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t value = 0;
	struct vu_option options[] = {
		{.name = "value", .argument = "N", .help = "a number", .store = VU_STORE_NUMBER},
		{.name = NULL},
	};
	struct later_info later = {
		.info = {.size = sizeof(later.info),
			 .name = "misuse",
			 .type = "misuse",
			 .options = options,
			 .option_size = sizeof(options[0]),
			 .create = create_nothing,
			 .settings = &value,
			 .commands = commands,
			 .command_size = sizeof(commands[0])},
		.news = 1,
	};

	if (argc < 2)
		return EXIT_FAILURE;
	if (!strcmp(argv[1], "null"))
		return vu_program_main(NULL, argc - 1, argv + 1);
	if (misuse(argv[1], &later, &options[0]))
		return EXIT_FAILURE;
	return vu_program_main(&later.info, argc - 1, argv + 1);
}
