/* SPDX-License-Identifier: MIT */
/* See shut_in.h.  Thread: main. */
#include "shut_in.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

const char *const shut_in_choices[] = {"auto", "none", NULL};

/* What libvu looks up of descriptors that a front-end sends, in base/descriptor.c. */
static const int looking_calls[] = {
	SYS_openat,
	SYS_statx,
	SYS_readlinkat,
#ifdef SYS_readlink
	SYS_readlink,
#endif
};

enum { MAX_CALLS = 32, N_LOOKING = sizeof(looking_calls) / sizeof(looking_calls[0]) };

int shut_in_main(struct shut_in *s, const struct vu_program_info *info, int argc, char **argv)
{
	s->needs.program = info->name;
	s->needs.connects = sandbox_has_option(argc, argv, "--connect");
	s->needs.postcopy = sandbox_has_option(argc, argv, "--postcopy");
	s->commands = sandbox_has_option(argc, argv, "--control");
	return vu_program_main(info, argc, argv);
}

static int shut_in_files(const struct shut_in *s, struct vu_device *dev)
{
	const struct sandbox_files files = {.places = &s->place, .n_places = s->place.path != NULL};
	int ret = sandbox_shut_files(&files);

	if (ret > 0)
		vu_device_log(dev, VU_LOG_INFO,
			      "sandbox: this kernel has no Landlock: files stay within reach");
	return ret < 0 ? ret : 0;
}

static int shut_in_calls(const struct shut_in *s, const char **failed)
{
	struct sandbox_needs needs = s->needs;
	int calls[MAX_CALLS];

	if (needs.n_calls > MAX_CALLS - N_LOOKING)
		return -E2BIG;
	memcpy(calls, looking_calls, sizeof(looking_calls));
	if (needs.n_calls)
		memcpy(calls + N_LOOKING, needs.calls, needs.n_calls * sizeof(calls[0]));
	needs.calls = calls;
	needs.n_calls += N_LOOKING;
	return sandbox_give_up(&needs, failed);
}

int shut_in_enter(struct shut_in *s, struct vu_device *dev)
{
	const char *failed = "Landlock";
	int ret;

	if (s->kind == SHUT_IN_NONE || s->done || sandbox_is_left_out())
		return 0;
	ret = shut_in_files(s, dev);
	if (!ret)
		ret = shut_in_calls(s, &failed);
	if (ret)
		vu_device_logf(dev, VU_LOG_ERROR, "sandbox: %s: %s; --sandbox=none does without",
			       failed, strerror(-ret));
	s->done = !ret;
	return ret;
}
