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

static bool is_option(const char *argument, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(argument, name, len) && (!argument[len] || argument[len] == '=');
}

void shut_in_look(struct shut_in *s, const char *program, int argc, char **argv)
{
	s->needs.program = program;
	for (int i = 1; i < argc; i++) {
		s->needs.connects |= is_option(argv[i], "--connect");
		s->needs.postcopy |= is_option(argv[i], "--postcopy");
		s->commands |= is_option(argv[i], "--control");
	}
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
