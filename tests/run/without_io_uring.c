/* SPDX-License-Identifier: MIT */
/* without-io-uring PROGRAM [ARGUMENT]...: runs it where io_uring is not allowed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "forbid.h"

int main(int argc, char **argv)
{
	int err = argc > 1 ? io_uring_forbid(EPERM) : -EINVAL;

	if (!err) {
		execvp(argv[1], argv + 1);
		err = -errno;
	}
	fprintf(stderr, "without-io-uring: %s: %s\n", argc > 1 ? argv[1] : "no program",
		strerror(-err));
	return 1;
}
