/* SPDX-License-Identifier: MIT */
/* See folder.h: what is for tests that cmocka runs. */
#include "kit/folder.h"

#include <stdlib.h>
#include <string.h>

#include "kit/test.h"

void folder_make(char path[FOLDER_PATH], const char *what)
{
	int ret = folder_new(path, "/tmp", what);

	if (ret)
		fail_msg("%s: %s", path, strerror(-ret));
}

int folder_teardown(void **state)
{
	int ret = folder_remove(*state);

	free(*state);
	return ret;
}
