/* SPDX-License-Identifier: MIT */
/*
 * What the kernel takes for what bench-fs asks for: bench-fs-calls FOLDER, where there are file
 * handles.
 *
 * The system calls of vu-fs for each case, and nothing else: how many turns a second, and the CPU
 * time of one in microseconds.  Data goes to and comes from sixteen places in a memfd, as a
 * guest's.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../clocks.h"

enum { FILE_BYTES = 16 << 20, MIB = 1 << 20, PLACES = 16, TURN_NS = 300000000, HANDLE = 128 };

struct calls_bench {
	int dir, fd;
	struct file_handle *handle;
	unsigned char *places;
	uint32_t n, seed;
};

struct calls_case {
	const char *name;
	bool (*run)(struct calls_bench *b, uint32_t size);
	uint32_t size;
};

static off_t next_offset(struct calls_bench *b, uint32_t size)
{
	b->seed = b->seed * 1103515245 + 12345;
	return (off_t)((b->seed >> 8) % (FILE_BYTES / size)) * size;
}

static unsigned char *next_place(struct calls_bench *b)
{
	return b->places + (size_t)(b->n++ % PLACES) * MIB;
}

static bool run_getattr(struct calls_bench *b, uint32_t size)
{
	struct stat st;

	(void)size;
	return !fstatat(b->fd, "", &st, AT_EMPTY_PATH);
}

static bool run_open(struct calls_bench *b, uint32_t size)
{
	int fd = open_by_handle_at(b->dir, b->handle, O_RDWR | O_CLOEXEC);

	(void)size;
	return fd >= 0 && !close(fd);
}

static bool run_create(struct calls_bench *b, uint32_t size)
{
	int fd = openat(b->dir, "new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)size;
	return fd >= 0 && !close(fd) && !unlinkat(b->dir, "new", 0);
}

static bool run_read(struct calls_bench *b, uint32_t size)
{
	return pread(b->fd, next_place(b), size, next_offset(b, size)) == (ssize_t)size;
}

static bool run_write(struct calls_bench *b, uint32_t size)
{
	return pwrite(b->fd, next_place(b), size, next_offset(b, size)) == (ssize_t)size;
}

static const struct calls_case cases[] = {
	{"GETATTR", run_getattr, 0},	   {"OPEN+RELEASE", run_open, 0},
	{"CREATE..UNLINK", run_create, 0}, {"READ-4K", run_read, 4096},
	{"WRITE-4K", run_write, 4096},	   {"READ-1M", run_read, MIB},
	{"WRITE-1M", run_write, MIB},
};

static bool prepare(struct calls_bench *b, const char *folder)
{
	int memory = memfd_create("guest", MFD_CLOEXEC), mount_id;

	b->handle = malloc(sizeof(*b->handle) + HANDLE);
	b->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->fd = openat(b->dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (!b->handle || b->fd < 0 || posix_fallocate(b->fd, 0, FILE_BYTES) || memory < 0 ||
	    ftruncate(memory, PLACES * MIB) < 0)
		return false;
	b->handle->handle_bytes = HANDLE;
	b->places = mmap(NULL, PLACES * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 memory, 0);
	return b->places != MAP_FAILED &&
	       !name_to_handle_at(b->dir, "file", b->handle, &mount_id, 0);
}

static void run_case(struct calls_bench *b, const struct calls_case *c)
{
	uint64_t turns = 0, began = clocks_now(), cpu = clocks_of_process(getpid()), ns;

	do {
		if (!c->run(b, c->size)) {
			perror(c->name);
			exit(1);
		}
		turns++;
		ns = clocks_now() - began;
	} while (ns < TURN_NS);
	cpu = clocks_of_process(getpid()) - cpu;
	printf("%-18s %10.0f/s %8.2f us\n", c->name, (double)turns * 1e9 / (double)ns,
	       (double)cpu / 1000 / (double)turns);
}

int main(int argc, char **argv)
{
	struct calls_bench b = {.dir = -1};

	if (argc != 2 || !prepare(&b, argv[1])) {
		perror("bench-fs-calls FOLDER");
		return 1;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&b, &cases[i]);
	return 0;
}
