/* SPDX-License-Identifier: MIT */
/* See sandbox.h.  Capabilities and system calls. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_notice.h"

static int keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	uint32_t too_many = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capget, &header, data) < 0)
		return -errno;
	/* The bounding set: only who has CAP_SETPCAP can, and without privileges none need to. */
	for (unsigned int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (!(mask >> i & 1))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		too_many |= (data[i].permitted & ~(uint32_t)(mask >> 32 * i)) | data[i].inheritable;
		data[i].permitted &= (uint32_t)(mask >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	/* A service manager that took them away may have taken the call, too. */
	if (!too_many)
		return 0;
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
	SYS_sched_setaffinity, SYS_gettid, SYS_getpid, SYS_exit, SYS_exit_group, SYS_prctl,
	SYS_getrandom, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
	/* signals and time */
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_rt_sigpending,
	SYS_rt_sigtimedwait, SYS_signalfd4, ONLY_X86(SYS_gettimeofday), SYS_clock_gettime,
	SYS_clock_nanosleep, SYS_nanosleep, SYS_restart_syscall,
	/* descriptors */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_close,
	SYS_close_range, SYS_dup, SYS_dup3, SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_fstatfs,
	SYS_lseek, SYS_ftruncate, SYS_memfd_create, SYS_eventfd2, SYS_timerfd_create,
	SYS_timerfd_settime, SYS_pipe2, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl,
	SYS_epoll_pwait, SYS_epoll_pwait2, ONLY_X86(SYS_poll), ONLY_X86(SYS_epoll_wait),
	/* sockets that are there; a socket file at the end */
	SYS_accept, SYS_accept4, SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto, SYS_shutdown,
	SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_unlinkat,
	ONLY_X86(SYS_unlink),
	/* eventfds that are signalled without waiting (core/bell.c) */
	SYS_io_setup, SYS_io_submit, SYS_io_getevents, SYS_io_destroy};

static const int network_calls[] = {SYS_socket, SYS_connect};
static const int postcopy_calls[] = {SYS_userfaultfd};

/* libc and libvu try these, and do otherwise without: no line tells of them. */
static const int tried_calls[] = {SYS_clone3, SYS_io_uring_setup, SYS_faccessat2};

enum {
	NAMESPACES = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC |
		     CLONE_NEWUTS | CLONE_NEWCGROUP
};

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

static void filter_jump(struct filter *f, uint16_t test, uint32_t value, uint8_t yes, uint8_t no)
{
	filter_add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, yes, no));
}

/* The handler of sandbox_notice.h says so, and returns the error. */
static void filter_refuse(struct filter *f, uint32_t error)
{
	filter_return(f, SECCOMP_RET_TRAP | error);
}

/* Of a little-endian machine's argument the lower half, in which all flags are. */
static size_t filter_argument(int which)
{
	return offsetof(struct seccomp_data, args) + (size_t)which * sizeof(uint64_t);
}

/* A call whose first argument must not have these bits; ends with its number loaded again. */
static void filter_allow_without(struct filter *f, int call, uint32_t bits)
{
	filter_jump(f, BPF_JEQ, (uint32_t)call, 0, 4);
	filter_load(f, filter_argument(0));
	filter_jump(f, BPF_JSET, bits, 1, 0);
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_refuse(f, EPERM);
}

/* A call of which one argument must be that value. */
static void filter_allow_with(struct filter *f, int call, int argument, uint32_t value)
{
	filter_jump(f, BPF_JEQ, (uint32_t)call, 0, 4);
	filter_load(f, filter_argument(argument));
	filter_jump(f, BPF_JEQ, value, 0, 1);
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_refuse(f, EPERM);
}

/* Threads, but no processes and no namespaces.  clone3() hides its flags; libc then does with this.
 */
static void filter_allow_threads(struct filter *f)
{
	filter_jump(f, BPF_JEQ, SYS_clone, 0, 5);
	filter_load(f, filter_argument(0));
	filter_jump(f, BPF_JSET, NAMESPACES, 2, 0);
	filter_jump(f, BPF_JSET, CLONE_THREAD, 0, 1);
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_refuse(f, EPERM);
}

/*
 * Signals and limits reach whoever has the same user: they are for this process alone, abort()'s
 * among them.  A descriptor's signals could be another's, too.
 */
static void filter_allow_own(struct filter *f)
{
	static const uint32_t signalling[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};

	filter_allow_with(f, SYS_tgkill, 0, (uint32_t)getpid());
	filter_allow_with(f, SYS_prlimit64, 0, 0);
	for (size_t i = 0; i < sizeof(signalling) / sizeof(signalling[0]); i++) {
		filter_jump(f, BPF_JEQ, SYS_fcntl, 0, 4);
		filter_load(f, filter_argument(1));
		filter_jump(f, BPF_JEQ, signalling[i], 0, 1);
		filter_refuse(f, EPERM);
		filter_load(f, offsetof(struct seccomp_data, nr));
	}
}

/*
 * libvu asks the kernel whose socket a front-end sent (wire/other_end.c), which needs one of
 * NETLINK_SOCK_DIAG; it tells, and changes nothing.
 */
static void filter_allow_sockets(struct filter *f, bool unix_ones)
{
	static const int connecting[] = {SYS_connect};

	if (unix_ones)
		filter_allow(f, connecting, 1);
	filter_jump(f, BPF_JEQ, SYS_socket, 0, 8);
	filter_load(f, filter_argument(0));
	filter_jump(f, BPF_JEQ, unix_ones ? AF_UNIX : AF_UNSPEC, 0, 1);
	filter_return(f, unix_ones ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP | EPERM);
	filter_jump(f, BPF_JEQ, AF_NETLINK, 0, 3);
	filter_load(f, filter_argument(2));
	filter_jump(f, BPF_JEQ, NETLINK_SOCK_DIAG, 0, 1);
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_refuse(f, EPERM);
}

static void filter_ioctl(struct filter *f, struct sandbox_ioctl allowed, uint32_t what)
{
	filter_load(f, filter_argument(1));
	filter_add(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, allowed.mask));
	filter_jump(f, BPF_JEQ, allowed.value, 0, 1);
	filter_return(f, what);
}

/*
 * To ask how much waits in a socket: libvu does so where there is no /proc.  And the program's.  A
 * descriptor for page faults, or of /dev/userfaultfd, it has only with --postcopy.
 */
static void filter_allow_ioctls(struct filter *f, const struct sandbox_needs *needs)
{
	static const struct sandbox_ioctl how_much = {UINT32_MAX, FIONREAD};
	static const struct sandbox_ioctl userfault = {0xff00, UFFDIO << 8};
	/* libc asks whether it writes to a terminal; no is an answer. */
	static const struct sandbox_ioctl terminal = {UINT32_MAX, TCGETS};
	unsigned short jump;

	filter_jump(f, BPF_JEQ, SYS_ioctl, 1, 0);
	jump = f->n;
	filter_add(f, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	filter_ioctl(f, how_much, SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < needs->n_ioctls; i++)
		filter_ioctl(f, needs->ioctls[i], SECCOMP_RET_ALLOW);
	filter_ioctl(f, userfault, SECCOMP_RET_ALLOW);
	filter_ioctl(f, terminal, SECCOMP_RET_ERRNO | ENOTTY);
	filter_refuse(f, EPERM);
	f->code[jump].k = f->n - (jump + 1U);
}

/* Fail without a line. */
static void filter_try(struct filter *f, const int *calls, size_t n, uint32_t error)
{
	for (size_t i = 0; i < n; i++) {
		filter_jump(f, BPF_JEQ, (uint32_t)calls[i], 0, 1);
		filter_return(f, SECCOMP_RET_ERRNO | error);
	}
}

/* A call fails without a line if its argument has one of these bits; or if not. */
static void filter_fail(struct filter *f, int call, int argument, uint32_t bits, bool if_not)
{
	filter_jump(f, BPF_JEQ, (uint32_t)call, 0, 4);
	filter_load(f, filter_argument(argument));
	filter_jump(f, BPF_JSET, bits, if_not, !if_not);
	filter_return(f, SECCOMP_RET_ERRNO | EPERM);
	filter_load(f, offsetof(struct seccomp_data, nr));
}

/* What is shared or a stack RLIMIT_DATA does not count; children would each have as much memory. */
static void filter_alone(struct filter *f)
{
	filter_fail(f, SYS_clone, 0, CLONE_THREAD, true);
	filter_fail(f, SYS_mmap, 3, MAP_SHARED | MAP_GROWSDOWN, false);
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

#ifdef FILTER_ARCH
static int filter_install(struct sock_fprog *program, bool threads)
{
	int ret;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (threads) {
		ret = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
				   program);
		/* A thread that cannot have it. */
		return ret > 0 ? -ESRCH : ret < 0 ? -errno : 0;
	}
	/* The older way: filters of service managers let it pass, and not always seccomp(2). */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) < 0 ? -errno : 0;
}
#endif

static int filter_calls(const struct sandbox_needs *needs)
{
#ifdef FILTER_ARCH
	struct filter f = {.n = 0};
	struct sock_fprog program = {.filter = f.code};

	filter_load(&f, offsetof(struct seccomp_data, arch));
	filter_add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0));
	filter_return(&f, SECCOMP_RET_KILL_PROCESS);
	filter_load(&f, offsetof(struct seccomp_data, nr));
	filter_try(&f, needs->refused, needs->n_refused, EPERM);
	if (needs->alone)
		filter_alone(&f);
	filter_allow_own(&f);
	filter_allow(&f, needs->calls, needs->n_calls);
	filter_allow(&f, common_calls, N(common_calls));
	if (needs->network)
		filter_allow(&f, network_calls, N(network_calls));
	if (needs->postcopy)
		filter_allow(&f, postcopy_calls, N(postcopy_calls));
	filter_allow_sockets(&f, needs->connects);
	filter_allow_threads(&f);
	filter_allow_without(&f, SYS_unshare, NAMESPACES);
	filter_allow_ioctls(&f, needs);
	filter_try(&f, tried_calls, N(tried_calls), ENOSYS);
	filter_refuse(&f, ENOSYS);
	program.len = f.n;
	if (f.n == N(f.code))
		return -E2BIG;
	return filter_install(&program, needs->threads);
#else
	(void)needs;
	return 0;
#endif
}

static int limit(int resource)
{
	const struct rlimit none = {0, 0};

	return setrlimit(resource, &none) < 0 ? -errno : 0;
}

bool sandbox_is_left_out(void)
{
#if defined(VU_COVERAGE)
	return true;
#elif defined(__SANITIZE_ADDRESS__)
	const char *options = getenv("ASAN_OPTIONS");

	return !options || !strstr(options, "detect_leaks=0");
#else
	return false;
#endif
}

int sandbox_drop_rights(uint64_t capabilities, const char **failed)
{
	int ret;

	*failed = "limits";
	ret = limit(RLIMIT_CORE);
	if (!ret)
		ret = limit(RLIMIT_MSGQUEUE);
	if (ret)
		return ret;
	*failed = "dropping capabilities";
	return keep_capabilities(capabilities);
}

int sandbox_give_up(const struct sandbox_needs *needs, const char **failed)
{
	/* Faults of the kernel's own accesses are told, too, only to who has this one. */
	uint64_t postcopy = needs->postcopy ? UINT64_C(1) << CAP_SYS_PTRACE : 0;
	int ret = sandbox_drop_rights(needs->capabilities | postcopy, failed);

	if (ret)
		return ret;
	*failed = "the filter for system calls";
	ret = sandbox_notice(needs->program);
	if (ret || sandbox_is_left_out())
		return ret;
	if (prctl(PR_GET_SECCOMP) < 0 && errno == EINVAL) {
		fprintf(stderr,
			"%s: sandbox: this kernel has no seccomp: all system calls stay within "
			"reach\n",
			needs->program);
		return 0;
	}
	return filter_calls(needs);
}

bool sandbox_has_option(int argc, char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], name, len) && (!argv[i][len] || argv[i][len] == '='))
			return true;
	return false;
}
