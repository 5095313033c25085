/* SPDX-License-Identifier: MIT */
/* See gpu_renderer_part.h: what a renderer gives up.  Thread: main. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/sandbox.h"
#include "../common/sandbox_files.h"
#include "gpu_renderer_part.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Of the process's address space, before a guest comes: Mesa, LLVM and threads' stacks. */
#define ADDRESSES_BASE (UINT64_C(4) << 30)

void renderer_be_quiet(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static int fail(struct wire_hello *hello, const char *what, int error)
{
	snprintf(hello->error, sizeof(hello->error), "sandbox: %s: %s", what, strerror(-error));
	return error;
}

/* Where a user has a driver of their own, as Vulkan's loader is told: the first. */
static char *folder_of_driver(void)
{
	const char *file = getenv("VK_DRIVER_FILES"), *end;

	if (!file)
		file = getenv("VK_ICD_FILENAMES");
	if (!file)
		return NULL;
	end = file + strcspn(file, ":");
	while (end > file && *end != '/')
		end--;
	return strndup(file, (size_t)(end - file));
}

int renderer_shut_files(struct wire_hello *hello)
{
	enum { READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR };
	char *folder = folder_of_driver();
	const struct sandbox_place places[] = {
		{"/usr", READ},
		{"/lib", READ},
		{"/lib64", READ},
		{"/etc/vulkan", READ},
		{"/etc/glvnd", READ},
		{"/sys/devices/system/cpu", READ},
		{folder ? folder : "/usr", READ},
	};
	const struct sandbox_files files = {.places = places, .n_places = N(places)};
	int ret = sandbox_shut_files(&files);

	free(folder);
	if (ret > 0 && !sandbox_is_left_out())
		return fail(hello, "Landlock, without which a Vulkan driver would have all files",
			    -ENOTSUP);
	return ret < 0 ? fail(hello, "Landlock", ret) : 0;
}

/*
 * Memory that a Vulkan driver lets others see is in files without a name, which RLIMIT_DATA does
 * not count, and a render node's is the kernel's: it is address space that is limited, and the size
 * of a file.
 */
static int limit_memory(const struct spawn_limits *limits)
{
	const struct rlimit data = {limits->memory, limits->memory};
	const struct rlimit addresses = {limits->memory + ADDRESSES_BASE,
					 limits->memory + ADDRESSES_BASE};

#ifdef __SANITIZE_ADDRESS__
	return 0; /* it maps terabytes */
#endif
	if (!limits->memory)
		return 0;
	if (setrlimit(RLIMIT_DATA, &data) < 0)
		return -errno;
	if ((limits->venus || limits->node) &&
	    (setrlimit(RLIMIT_AS, &addresses) < 0 || setrlimit(RLIMIT_FSIZE, &data) < 0))
		return -errno;
	return 0;
}

/* What works on paths, or makes processes: all that is needed is open. */
static const int refused_to_renderer[] = {
	SYS_openat, SYS_newfstatat, SYS_unlinkat,   SYS_memfd_create,
	SYS_ioctl,  SYS_accept4,    SYS_readlinkat, SYS_faccessat,
#ifdef SYS_open
	SYS_open,   SYS_stat,	    SYS_lstat,	    SYS_unlink,
	SYS_access, SYS_readlink,   SYS_accept,
#endif
};

/* A driver asks its node, which is open. */
static const int refused_to_node_renderer[] = {
	SYS_openat,  SYS_newfstatat, SYS_unlinkat,  SYS_memfd_create,
	SYS_accept4, SYS_readlinkat, SYS_faccessat,
#ifdef SYS_open
	SYS_open,    SYS_stat,	     SYS_lstat,	    SYS_unlink,
	SYS_access,  SYS_readlink,   SYS_accept,
#endif
};

/* By what they are for: of DRM, of dma-bufs, of fences. */
static const struct sandbox_ioctl node_ioctls[] = {
	{0xff00, 'd' << 8},
	{0xff00, 'b' << 8},
	{0xff00, '>' << 8},
};

/* Vulkan's loader reads which drivers there are for each instance: see renderer_shut_files(). */
static const int refused_to_venus_renderer[] = {
	SYS_unlinkat, SYS_ioctl,  SYS_accept4,
#ifdef SYS_open
	SYS_unlink,   SYS_accept,
#endif
};

#define DRAWING_CALLS                                                                              \
	SYS_sysinfo, SYS_uname, SYS_getcpu, SYS_getrusage, SYS_sched_setscheduler,                 \
		SYS_sched_getscheduler, SYS_sched_getparam, SYS_clock_getres, SYS_times

static const int more_of_renderer[] = {DRAWING_CALLS};
static const int more_of_venus_renderer[] = {
	DRAWING_CALLS,	SYS_openat, SYS_getdents64, SYS_readlinkat, SYS_faccessat,
	SYS_faccessat2, SYS_getcwd,
#ifdef SYS_open
	SYS_open,	SYS_stat,   SYS_lstat,	    SYS_access,	    SYS_readlink,
#endif
	SYS_statx,
};

int renderer_shut_in(const struct spawn_limits *limits, struct wire_hello *hello)
{
	const bool venus = limits->venus, node = limits->node;
	const struct sandbox_needs needs = {
		.program = "vu-gpu's renderer",
		.calls = venus ? more_of_venus_renderer : more_of_renderer,
		.n_calls = venus ? N(more_of_venus_renderer) : N(more_of_renderer),
		.refused = venus  ? refused_to_venus_renderer
			   : node ? refused_to_node_renderer
				  : refused_to_renderer,
		.n_refused = venus  ? N(refused_to_venus_renderer)
			     : node ? N(refused_to_node_renderer)
				    : N(refused_to_renderer),
		.ioctls = node_ioctls,
		.n_ioctls = node ? N(node_ioctls) : 0,
		.threads = true,
		.alone = !venus && !node, /* memory is shared */
	};
	const char *failed = "limits";
	int ret = limit_memory(limits);

	if (!ret && limits->shut_in)
		ret = sandbox_give_up(&needs, &failed);
	return ret ? fail(hello, failed, ret) : 0;
}
