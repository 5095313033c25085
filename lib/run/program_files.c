/* SPDX-License-Identifier: MIT */
/*
 * Files in memory that a service manager keeps for a program's successor (FDSTORE in sd_notify(3)).
 * Owns nothing.  Thread: main.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run/inherited.h"
#include "run/notify.h"
#include "run/program.h"

enum { MOST_OF_NAME = 200 };

/* Managers take less in a name than they might, and memfd_create() takes 249 bytes. */
static bool files_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len && len <= MOST_OF_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       len;
}

static int files_make(int notify, const char *name, int *fd)
{
	int ret, made = memfd_create(name, MFD_CLOEXEC);

	if (made < 0)
		return -errno;
	ret = notify_keep_file(notify, name, made);
	if (ret)
		close(made);
	else
		*fd = made;
	return ret;
}

int vu_program_kept_file(struct vu_program *program, const char *name, int *fd)
{
	int i;

	if (!program->making || !files_name_is_valid(name))
		return -EINVAL;
	i = inherited_find_file(program->n_inherited, program->inherited_names, name);
	if (i < 0)
		return program->notify < 0 ? -EOPNOTSUPP : files_make(program->notify, name, fd);
	/* Another one of our own, so that this can be asked for again. */
	i = fcntl(INHERITED_FIRST_FD + i, F_DUPFD_CLOEXEC, 0);
	if (i < 0)
		return -errno;
	*fd = i;
	return 0;
}
