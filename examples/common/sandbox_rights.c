/* SPDX-License-Identifier: MIT */
/* See sandbox.h.  Capabilities and system calls. */
#include "sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capget, &header, data) < 0)
		return -errno;
	/* The bounding set: only who has CAP_SETPCAP can, and without privileges none need to. */
	for (unsigned int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (!(mask >> i & 1))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(mask >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* --- system calls --- */

/* libc's and libvu's own; what an architecture does not have is -1. */
#ifdef __x86_64__
#define ONLY_X86(call) call
#define FILTER_ARCH    AUDIT_ARCH_X86_64
#else
#define ONLY_X86(call) (-1)
#endif
#ifdef __aarch64__
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#endif

static const int common_calls[] = {
	/* memory and threads */
	SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex,
	SYS_set_robust_list, SYS_rseq, SYS_membarrier, SYS_sched_yield, SYS_sched_getaffinity,
	SYS_sched_setaffinity, SYS_gettid, SYS_getpid, SYS_tgkill, SYS_exit, SYS_exit_group,
	SYS_prctl, SYS_getrandom, SYS_prlimit64, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
	/* signals and time */
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
	SYS_rt_sigtimedwait, SYS_signalfd4, SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep,
	SYS_restart_syscall,
	/* descriptors */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_close,
	SYS_close_range, SYS_dup, SYS_dup3, SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_fstatfs,
	SYS_lseek, SYS_ftruncate, SYS_memfd_create, SYS_eventfd2, SYS_timerfd_create,
	SYS_timerfd_settime, SYS_pipe2, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl,
	SYS_epoll_pwait, SYS_epoll_pwait2, ONLY_X86(SYS_poll), ONLY_X86(SYS_epoll_wait),
	/* sockets that are there; a socket file at the end */
	SYS_accept, SYS_accept4, SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto, SYS_shutdown,
	SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_unlinkat, ONLY_X86(SYS_unlink)};

static const int network_calls[] = {SYS_socket, SYS_connect};

struct filter {
	struct sock_filter code[1024];
	unsigned short n;
};

static void filter_add(struct filter *f, struct sock_filter instruction)
{
	if (f->n < sizeof(f->code) / sizeof(f->code[0]))
		f->code[f->n++] = instruction;
}

static void filter_load(struct filter *f, size_t offset)
{
	filter_add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void filter_return(struct filter *f, uint32_t what)
{
	filter_add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

static void filter_allow(struct filter *f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (calls[i] < 0)
			continue;
		filter_add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   (uint32_t)calls[i], 0, 1));
		filter_return(f, SECCOMP_RET_ALLOW);
	}
}

/* A call whose first argument must not have these bits; ends with its number loaded again. */
static void filter_allow_without(struct filter *f, int call, uint32_t bits)
{
	filter_add(f,
		   (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4));
	/* Of a little-endian machine's argument the lower half, in which all flags are. */
	filter_load(f, offsetof(struct seccomp_data, args[0]));
	filter_add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0));
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_return(f, SECCOMP_RET_ERRNO | EPERM);
}

/* To ask how much waits in a socket: libvu does so where there is no /proc.  And one more request.
 */
static void filter_allow_ioctl(struct filter *f, uint32_t more)
{
	filter_add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5));
	filter_load(f, offsetof(struct seccomp_data, args[1]));
	filter_add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONREAD, 1, 0));
	filter_add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						   more ? more : FIONREAD, 0, 1));
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_return(f, SECCOMP_RET_ERRNO | EPERM);
}

static int filter_calls(const struct sandbox_needs *needs)
{
#ifdef FILTER_ARCH
	const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID |
				    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	struct filter f = {.n = 0};
	struct sock_fprog program = {.filter = f.code};

	filter_load(&f, offsetof(struct seccomp_data, arch));
	filter_add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0));
	filter_return(&f, SECCOMP_RET_KILL_PROCESS);
	filter_load(&f, offsetof(struct seccomp_data, nr));
	filter_allow(&f, needs->calls, needs->n_calls);
	filter_allow(&f, common_calls, sizeof(common_calls) / sizeof(common_calls[0]));
	if (needs->network)
		filter_allow(&f, network_calls, sizeof(network_calls) / sizeof(network_calls[0]));
	/* Threads, but no namespaces.  clone3() hides its flags; libc then does with clone(). */
	filter_allow_without(&f, SYS_clone, namespaces);
	filter_allow_without(&f, SYS_unshare, namespaces);
	filter_allow_ioctl(&f, needs->ioctl);
	filter_return(&f, SECCOMP_RET_ERRNO | ENOSYS);
	program.len = f.n;
	if (f.n == sizeof(f.code) / sizeof(f.code[0]))
		return -E2BIG;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return -errno;
	return 0;
#else
	(void)needs;
	return 0;
#endif
}

int sandbox_give_up(const struct sandbox_needs *needs, const char **failed)
{
	int ret;

	*failed = "dropping capabilities";
	ret = keep_capabilities(needs->capabilities);
	if (ret)
		return ret;
	*failed = "the filter for system calls";
	return filter_calls(needs);
}
