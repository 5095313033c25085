/* SPDX-License-Identifier: MIT */
/*
 * ptrace() as it is on a processor with AMX, for a User-mode Linux that this is loaded into
 * (VU_UML_PRELOAD of lib/uml.py).
 *
 * The registers of NT_X86_XSTATE end there with the tiles: 11008 bytes (Intel's manual, volume 1,
 * 13.4.3: the area's size is that of all that XCR0 has).  Linux gives as many as there is room for,
 * and takes all of them or, with EFAULT, none (xstateregs_set() in arch/x86/kernel/fpu/regset.c).
 * What User-mode Linux had room for before 6.13 is 2696 bytes (HOST_FP_SIZE in
 * arch/x86/um/user-offsets.c).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { AREA = 11008 };
/* Where Linux tells what XCR0 has (sw_reserved, arch/x86/include/uapi/asm/sigcontext.h). */
enum { XCR0_AT = 464 };
enum { TILES = 1 << 17 | 1 << 18 }; /* configuration and data */

typedef long ptrace_fn(enum __ptrace_request request, ...);

static ptrace_fn *next_ptrace(void)
{
	void *symbol = dlsym(RTLD_NEXT, "ptrace");
	ptrace_fn *function;

	memcpy(&function, &symbol, sizeof(function)); /* ISO C has no such cast */
	return function;
}

static void tell_of_tiles(char *area)
{
	uint64_t xcr0;

	memcpy(&xcr0, area + XCR0_AT, sizeof(xcr0));
	xcr0 |= TILES;
	memcpy(area + XCR0_AT, &xcr0, sizeof(xcr0));
}

/* The tiles, which nobody has used: zeros behind what there is. */
static void add_tiles(struct iovec *iov, size_t room)
{
	size_t len = room < AREA ? room : AREA;

	if (iov->iov_len < len)
		memset((char *)iov->iov_base + iov->iov_len, 0, len - iov->iov_len);
	iov->iov_len = len;
	if (len >= XCR0_AT + sizeof(uint64_t))
		tell_of_tiles(iov->iov_base);
}

static long get_registers(pid_t pid, void *set, struct iovec *iov)
{
	size_t room = iov->iov_len;
	long ret = next_ptrace()(PTRACE_GETREGSET, pid, set, iov);

	if (!ret)
		add_tiles(iov, room);
	return ret;
}

static long set_registers(pid_t pid, void *set, struct iovec *iov)
{
	if (iov->iov_len >= AREA)
		return next_ptrace()(PTRACE_SETREGSET, pid, set, iov); /* takes what it has */
	errno = EFAULT;
	return -1;
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list args;
	pid_t pid;
	void *set, *data;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	set = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);
	if (set == (void *)NT_X86_XSTATE && request == PTRACE_GETREGSET)
		return get_registers(pid, set, data);
	if (set == (void *)NT_X86_XSTATE && request == PTRACE_SETREGSET)
		return set_registers(pid, set, data);
	return next_ptrace()(request, pid, set, data);
}
