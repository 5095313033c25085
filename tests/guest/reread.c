/* SPDX-License-Identifier: MIT */
/*
 * Runs in the guest: reread DEVICE MIB [TIMES].  Reads the device from one end to the other, again
 * and again, into the same MIB of memory, which nobody but the device writes to; or reads only so
 * many pieces.  Pieces have other lengths each time, so that used entries are others each time,
 * too.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, MAX_PAGES = 7 }; /* a prime number of lengths, and queues are powers of two */

static int reread(int fd, size_t size, char *memory, size_t bytes, unsigned long times)
{
	size_t from = 0, to = 0;

	for (unsigned long n = 0; n < times; n++) {
		size_t piece = PAGE * (1 + n % MAX_PAGES);

		if (from + piece > size)
			from = 0;
		if (to + piece > bytes)
			to = 0;
		if (pread(fd, memory + to, piece, (off_t)from) != (ssize_t)piece) {
			perror("reread: pread");
			return 1;
		}
		from += piece;
		to += piece;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC) : -1;
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : 0;
	unsigned long times = argc > 3 ? strtoul(argv[3], NULL, 10) : ULONG_MAX;
	char *memory = MAP_FAILED;

	if (size >= PAGE * MAX_PAGES && bytes)
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED) {
		perror("reread");
		return 1;
	}
	return reread(fd, (size_t)size, memory, bytes, times);
}
