/* SPDX-License-Identifier: MIT */
/* See folder.h. */
#include "kit/folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/test.h"

void folder_make(char path[FOLDER_PATH], const char *what)
{
	snprintf(path, FOLDER_PATH, "/tmp/%s-XXXXXX", what);
	if (!mkdtemp(path))
		fail_msg("%s: %s", path, strerror(errno));
}

int folder_remove(const char *path)
{
	int ret = rmdir(path);

	if (ret)
		print_error("%s: %s\n", path, strerror(errno));
	return ret;
}

int folder_teardown(void **state)
{
	int ret = folder_remove(*state);

	free(*state);
	return ret;
}
