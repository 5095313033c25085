/* SPDX-License-Identifier: MIT */
/*
 * What the kernel takes for what bench-fs asks for: bench-fs-calls FOLDER, where there are file
 * handles.
 *
 * The system calls of vu-fs for each case, and nothing else: how many turns a second, and the CPU
 * time of one in microseconds.  Data goes to and comes from sixteen places in a memfd, as a
 * guest's.
 *
 * Then the same as the least that any back-end does for sixteen requests at a time: another process
 * wakes it, and is woken when they are done.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clocks.h"
#include "kit/child.h"

enum { FILE_BYTES = 16 << 20, MIB = 1 << 20, PLACES = 16, TURN_NS = 300000000, HANDLE = 128 };

struct calls_bench {
	int dir, fd;
	struct file_handle *handle;
	unsigned char *places;
	uint32_t n, seed;
	int epoll, kick, call;
	pid_t driver;
};

struct calls_case {
	const char *name;
	bool (*run)(struct calls_bench *b, uint32_t size);
	uint32_t size;
	uint32_t requests; /* of a turn */
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
	{"GETATTR", run_getattr, 0, 1},	      {"OPEN+RELEASE", run_open, 0, 2},
	{"CREATE..UNLINK", run_create, 0, 3}, {"READ-4K", run_read, 4096, 1},
	{"WRITE-4K", run_write, 4096, 1},     {"READ-1M", run_read, MIB, 1},
	{"WRITE-1M", run_write, MIB, 1},
};

/* --- a driver: asks when it was answered, and does nothing else --- */

__attribute__((noreturn)) static void drive(const struct calls_bench *b)
{
	uint64_t value = 1;

	while (write(b->kick, &value, sizeof(value)) == sizeof(value) &&
	       read(b->call, &value, sizeof(value)) == sizeof(value))
		value = 1;
	_exit(1);
}

static bool start_driver(struct calls_bench *b)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	b->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->call = eventfd(0, EFD_CLOEXEC);
	if (b->epoll < 0 || b->kick < 0 || b->call < 0 ||
	    epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->kick, &event) < 0)
		return false;
	b->driver = child_fork();
	if (!b->driver)
		drive(b);
	return b->driver > 0;
}

static void end_driver(struct calls_bench *b)
{
	kill(b->driver, SIGKILL);
	waitpid(b->driver, NULL, 0);
	close(b->epoll);
	close(b->kick);
	close(b->call);
}

/* True: the driver may be asleep until it is told. */
static bool wait_for_kick(const struct calls_bench *b)
{
	struct epoll_event event;

	return epoll_wait(b->epoll, &event, 1, -1) == 1;
}

static bool tell(const struct calls_bench *b)
{
	const uint64_t one = 1;

	return write(b->call, &one, sizeof(one)) == sizeof(one);
}

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

/* One batch: sixteen requests, woken for them or not. */
static bool run_batch(struct calls_bench *b, const struct calls_case *c, bool woken)
{
	bool good = !woken || wait_for_kick(b);

	for (uint32_t i = 0; i < PLACES / c->requests && good; i++)
		good = c->run(b, c->size);
	return good && (!woken || tell(b));
}

static void run_case(struct calls_bench *b, const struct calls_case *c, bool woken)
{
	uint64_t turns = 0, began = clocks_now(), cpu = clocks_of_process(getpid()), ns;

	do {
		if (!run_batch(b, c, woken)) {
			perror(c->name);
			exit(1);
		}
		turns += PLACES / c->requests;
		ns = clocks_now() - began;
	} while (ns < TURN_NS);
	cpu = clocks_of_process(getpid()) - cpu;
	printf("%-18s%s %10.0f/s %8.2f us\n", c->name, woken ? " woken" : "",
	       (double)turns * 1e9 / (double)ns, (double)cpu / 1000 / (double)turns);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct calls_bench b = {.dir = -1};

	if (argc != 2 || !prepare(&b, argv[1])) {
		perror("bench-fs-calls FOLDER");
		return 1;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&b, &cases[i], false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!start_driver(&b)) {
			perror("bench-fs-calls: a driver");
			return 1;
		}
		run_case(&b, &cases[i], true);
		end_driver(&b);
	}
	return 0;
}
