/* SPDX-License-Identifier: MIT */
/* Runs in the guest: fsops DIRECTORY SEED N.  Prints what the same list says on every file system.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "random_ops.h"

int main(int argc, char **argv)
{
	int fd = argc == 4 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0) {
		fprintf(stderr, "usage: fsops DIRECTORY SEED N\n");
		return 2;
	}
	umask(0);
	random_run(&random_posix, &fd, (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]), stdout);
	return 0;
}
