/* SPDX-License-Identifier: MIT */
/*
 * Runs in the guest: mapped FILE.  Maps it, says "mapped", waits until its first byte is an H that
 * somebody else wrote, makes the second a G, and says "seen".
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAUSE_US = 20000 };

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	volatile char *bytes = MAP_FAILED;

	if (fd >= 0)
		bytes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED) {
		perror("mapped");
		return 1;
	}
	bytes[0] = '-';
	puts("mapped");
	fflush(stdout);
	while (bytes[0] != 'H')
		usleep(PAUSE_US);
	bytes[1] = 'G';
	puts("seen");
	return 0;
}
