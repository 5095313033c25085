/* SPDX-License-Identifier: MIT */
/*
 * What a program's author may have got wrong: one line for each, before anything is done.
 * No state.  Thread: main, before others are started.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "run/program.h"

static int check_fail(const char *name, const char *what)
{
	fprintf(stderr, "%s: bad struct vu_program_info: %s\n", name ? name : "vu_program_main",
		what);
	return PROGRAM_FAILED;
}

static const char *check_size(int error, const char *too_small)
{
	return error == -EINVAL	 ? too_small
	       : error == -E2BIG ? "it says more than this version of libvu knows"
				 : "out of memory";
}

static const char *check_option(const struct vu_option *o, const void *settings)
{
	if (o->set)
		return NULL;
	if (o->store > VU_STORE_LIST)
		return "its store is unknown";
	if (o->repeatable && o->store != VU_STORE_LIST)
		return "it may be repeated, and has neither set nor a list to keep what each says";
	if (o->store != VU_STORE_NOTHING && !settings)
		return "it is to be stored in settings, which is NULL";
	if (o->store > VU_STORE_FLAG && !o->argument)
		return "it stores its argument, and takes none";
	if (o->store == VU_STORE_CHOICE && !o->choices)
		return "it has no choices";
	return NULL;
}

/* The caller's table as one of today's rows. */
static int check_options(struct vu_program *program)
{
	const struct vu_program_info *info = &program->info;
	void *options;
	int ret;

	if (!info->options)
		return PROGRAM_OK;
	ret = size_table_copy(&options, sizeof(*program->options), info->options, info->option_size,
			      FIRST_OPTION);
	if (ret)
		return check_fail(info->name,
				  check_size(ret, "option_size is not sizeof(struct vu_option)"));
	program->options = options;
	for (const struct vu_option *o = program->options; o->name; o++) {
		const char *wrong = check_option(o, info->settings);
		char what[160];

		if (!wrong)
			continue;
		snprintf(what, sizeof(what), "option %s: %s", o->name, wrong);
		return check_fail(info->name, what);
	}
	return PROGRAM_OK;
}

static const char *check_device(const struct vu_program_info *info)
{
	if (!info->create && !info->device)
		return "create is NULL, and so is device";
	if (info->create && (info->device || info->ops))
		return "device and ops are for a program without create";
	if (!info->create && !info->ops)
		return "ops is NULL";
	if (info->commands && !info->create)
		return "commands are taken by vu_program_add_control(), in create, which is NULL";
	return NULL;
}

int program_take_info(struct vu_program *program, const struct vu_program_info *from)
{
	struct vu_program_info *info = &program->info;
	const char *wrong = NULL;
	int ret = from ? size_struct_copy(info, sizeof(*info), from, FIRST_PROGRAM_INFO) : 0;

	if (!from)
		wrong = "it is NULL";
	else if (ret)
		wrong = check_size(ret, "size is not sizeof(struct vu_program_info)");
	else if (!info->name)
		wrong = "name is NULL";
	else if (!info->type)
		wrong = "type is NULL";
	else
		wrong = check_device(info);
	return wrong ? check_fail(ret ? NULL : info->name, wrong) : check_options(program);
}
