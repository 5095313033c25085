/* SPDX-License-Identifier: MIT */
/*
 * What examples/common/sandbox*.c takes away: each test enters in a child, whose exit status is how
 * it went, and whose standard error is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pthread.h>
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
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "common/sandbox_files.h"
#include "kit/child.h"
#include "kit/folder.h"
#include "kit/test.h"

enum { GOOD = 7, OUTPUT = 8192 };

struct child {
	int status;
	char err[OUTPUT];
};

/* run says GOOD where everything was as it should be, else another number. */
static void child_run(struct child *c, const struct sandbox_needs *needs, int (*run)(void))
{
	int fd = memfd_create("stderr", 0);
	pid_t pid = child_fork();
	const char *failed;
	ssize_t n;

	assert_true(fd >= 0 && pid >= 0);
	if (!pid) {
		dup2(fd, STDERR_FILENO);
		_exit(sandbox_give_up(needs, &failed) ? 99 : run());
	}
	assert_int_equal(waitpid(pid, &c->status, 0), pid);
	n = pread(fd, c->err, sizeof(c->err) - 1, 0);
	assert_true(n >= 0);
	c->err[n] = '\0';
	close(fd);
}

static uint32_t count(const char *text, const char *words)
{
	uint32_t n = 0;

	for (; (text = strstr(text, words)); text += strlen(words))
		n++;
	return n;
}

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return 100 + __LINE__ % 100;                                               \
	} while (0)

static void child_is_good(const struct child *c)
{
	if (!WIFEXITED(c->status) || WEXITSTATUS(c->status) != GOOD)
		fail_msg("status %x: %s", (unsigned int)c->status, c->err);
}

static bool fails(long ret, int error)
{
	return ret == -1 && errno == error;
}

/* --- system calls --- */

static int make_refused_calls(void)
{
	int fds[2];

	for (int i = 0; i < 3; i++)
		EXPECT(fails(syscall(SYS_getppid), ENOSYS));
	EXPECT(fails(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ENOSYS));
	EXPECT(fails(syscall(SYS_execve, "/bin/true", NULL, NULL), ENOSYS));
	EXPECT(fails(syscall(SYS_ptrace, 0, 0, 0, 0), ENOSYS));
	EXPECT(fails(syscall(999), ENOSYS));
	return GOOD;
}

static void a_refused_call_fails_and_is_named_in_one_line(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &needs, make_refused_calls);
	child_is_good(&c);
	assert_int_equal(
		count(c.err, "vu-test: sandbox: the system call getppid is refused (ENOSYS)"), 1);
	assert_int_equal(count(c.err, "the system call socketpair is refused"), 1);
	assert_int_equal(count(c.err, "the system call execve is refused"), 1);
	assert_int_equal(count(c.err, "the system call ptrace is refused"), 1);
	assert_int_equal(count(c.err, "the system call number 999 is refused"), 1);
	assert_int_equal(count(c.err, "\n"), 5);
}

static void *call_from_a_thread(void *opaque)
{
	(void)opaque;
	return (void *)(intptr_t)fails(syscall(SYS_getppid), ENOSYS);
}

static int call_with_signals_blocked(void)
{
	pthread_t thread;
	void *refused;

	EXPECT(!pthread_create(&thread, NULL, call_from_a_thread, NULL));
	EXPECT(!pthread_join(thread, &refused));
	EXPECT(refused);
	return GOOD;
}

static void threads_that_come_later_are_shut_in_too(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &needs, call_with_signals_blocked);
	child_is_good(&c);
	assert_int_equal(count(c.err, "getppid"), 1);
}

/* What libc does on ways that are seldom taken. */
static int use_libc(void)
{
	unsigned char bytes[300];
	struct timespec now;
	char *more = NULL;
	FILE *null;

	EXPECT(syscall(SYS_getrandom, bytes, sizeof(bytes), 0) == sizeof(bytes));
	/* Without the vDSO these are system calls. */
	EXPECT(!syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now));
	EXPECT(!nanosleep(&(struct timespec){0, 1}, NULL));
	for (size_t size = 1; size < (64u << 20); size *= 4) {
		more = realloc(more, size); /* brk, mmap, mremap */
		EXPECT(more);
		memset(more, 1, size);
	}
	free(more);
	null = fdopen(dup(STDERR_FILENO), "w");
	EXPECT(null && fprintf(null, "%s", "") >= 0 && !fclose(null));
	return GOOD;
}

static void libc_goes_on_working(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &needs, use_libc);
	child_is_good(&c);
	assert_string_equal(c.err, "");
}

static int abort_at_once(void)
{
	abort();
}

static void abort_still_ends_the_process_without_a_core(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &needs, abort_at_once);
	assert_true(WIFSIGNALED(c.status));
	assert_int_equal(WTERMSIG(c.status), SIGABRT);
	assert_false(WCOREDUMP(c.status));
}

static int make_namespaces_and_ioctls(void)
{
	char key = 'x';

	EXPECT(fails(syscall(SYS_unshare, CLONE_NEWUSER), EPERM));
	EXPECT(fails(syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EPERM));
	EXPECT(fails(syscall(SYS_clone3, NULL, 0), ENOSYS));
	EXPECT(fails(ioctl(0, TIOCSTI, &key), EPERM));
	EXPECT(fails(ioctl(0, TCGETS, &key), ENOTTY));
	/* The upper half is not looked at by the kernel, and not by us. */
	EXPECT(fails(syscall(SYS_ioctl, 0, TIOCSTI | UINT64_C(1) << 32, &key), EPERM));
	return GOOD;
}

static void namespaces_and_ioctls_are_refused_by_their_arguments(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &needs, make_namespaces_and_ioctls);
	child_is_good(&c);
	assert_int_equal(count(c.err, "the system call ioctl 0x5412 is refused (EPERM)"), 1);
	assert_int_equal(count(c.err, "the system call unshare is refused (EPERM)"), 1);
	assert_int_equal(count(c.err, "clone3"), 0);
}

static int make_sockets(void)
{
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	EXPECT(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG) >= 0 || errno != EPERM);
	EXPECT(fails(socket(AF_INET, SOCK_STREAM, 0), EPERM));
	EXPECT(fails(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), EPERM));
	return GOOD;
}

static int make_no_sockets(void)
{
	EXPECT(fails(socket(AF_UNIX, SOCK_STREAM, 0), EPERM));
	EXPECT(fails(socket(AF_UNSPEC, SOCK_STREAM, 0), EPERM));
	EXPECT(fails(socket(AF_INET, SOCK_STREAM, 0), EPERM));
	EXPECT(fails(syscall(SYS_connect, 0, NULL, 0), ENOSYS));
	return GOOD;
}

static void who_connects_makes_unix_sockets_only(void **state)
{
	const struct sandbox_needs connects = {.program = "vu-test", .connects = true};
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &connects, make_sockets);
	child_is_good(&c);
	child_run(&c, &needs, make_no_sockets);
	child_is_good(&c);
}

#ifdef __x86_64__
static int make_foreign_calls(void)
{
	/* x32: the same table with a bit set, which is none of ours. */
	EXPECT(fails(syscall(0x40000000 | SYS_write, 2, "x", 1), ENOSYS));
	/* i386's getpid(): another architecture. */
	__asm__ volatile("int $0x80" : : "a"(20) : "memory");
	return GOOD;
}

static void calls_of_another_architecture_end_the_process(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	child_run(&c, &needs, make_foreign_calls);
	/* SIGSEGV: a kernel without 32-bit calls. */
	assert_true(WIFSIGNALED(c.status));
	assert_true(WTERMSIG(c.status) == SIGSYS || WTERMSIG(c.status) == SIGSEGV);
	assert_int_equal(count(c.err, "the system call number 1073741825 is refused"), 1);
}
#endif

/* --- files --- */

static char folder[FOLDER_PATH];

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static int use_files_of_the_folder(void)
{
	const struct sandbox_place place = {folder, SANDBOX_READ | SANDBOX_WRITE};
	const struct sandbox_files files = {.places = &place, .n_places = 1};
	char path[64];

	EXPECT(sandbox_shut_files(&files) == 0);
	snprintf(path, sizeof(path), "%s/there", folder);
	EXPECT(open(path, O_RDWR | O_TRUNC) >= 0);
	EXPECT(open("/proc/self/fdinfo/0", O_RDONLY) >= 0);
	EXPECT(open("/proc/self/mountinfo", O_RDONLY) >= 0);
	snprintf(path, sizeof(path), "%s/new", folder);
	EXPECT(fails(open(path, O_RDWR | O_CREAT, 0600), EACCES));
	snprintf(path, sizeof(path), "%s/../../etc/passwd", folder);
	EXPECT(fails(open(path, O_RDONLY), EACCES));
	EXPECT(fails(open("/etc/passwd", O_RDONLY), EACCES));
	EXPECT(fails(open("/proc/1/mem", O_RDONLY), EACCES));
	EXPECT(fails(symlink("a", path), EACCES) || errno == EEXIST);
	return GOOD;
}

static void files_outside_of_the_table_are_out_of_reach(void **state)
{
	char path[64];
	pid_t pid;
	int status, fd;

	(void)state;
	if (!has_landlock()) {
		print_message("[  SKIP  ] this kernel has no Landlock\n");
		skip();
	}
	folder_make(folder, "vu-sandbox");
	snprintf(path, sizeof(path), "%s/there", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	pid = child_fork();
	if (!pid)
		_exit(use_files_of_the_folder());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_ok(folder_clear(folder));
	assert_int_equal(status, GOOD << 8);
}

/* As systemd does by SystemCallFilter=@system-service ~@privileged, without capabilities. */
static int enter_as_a_service(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_capset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};
	const struct sandbox_needs needs = {.program = "vu-test"};
	const char *failed;

	EXPECT(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	EXPECT(!syscall(SYS_capset, &header, none));
	EXPECT(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
	EXPECT(!sandbox_give_up(&needs, &failed));
	EXPECT(fails(syscall(SYS_getppid), ENOSYS));
	return GOOD;
}

static void it_works_within_the_filter_of_a_service_manager(void **state)
{
	pid_t pid = child_fork();
	int status;

	(void)state;
	if (!pid)
		_exit(enter_as_a_service());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, GOOD << 8);
}

static void *nothing(void *opaque)
{
	return opaque;
}

static pid_t other;

static int reach_for_another(void)
{
	const struct f_owner_ex owner = {F_OWNER_PID, other};
	struct rlimit limit;
	pthread_t thread;

	EXPECT(fails(syscall(SYS_tgkill, other, other, 0), EPERM));
	EXPECT(!syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0));
	EXPECT(fails(syscall(SYS_prlimit64, other, RLIMIT_CPU, NULL, &limit), EPERM));
	EXPECT(!getrlimit(RLIMIT_CPU, &limit));
	EXPECT(fails(fcntl(STDERR_FILENO, F_SETOWN, other), EPERM));
	EXPECT(fails(fcntl(STDERR_FILENO, F_SETOWN_EX, &owner), EPERM));
	EXPECT(fails(fcntl(STDERR_FILENO, F_SETSIG, SIGKILL), EPERM));
	EXPECT(fcntl(STDERR_FILENO, F_GETFD) >= 0);
	EXPECT(fails(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), EPERM));
	EXPECT(!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL));
	return GOOD;
}

static void no_other_process_is_reached_or_made(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test"};
	struct child c;

	(void)state;
	other = getpid();
	child_run(&c, &needs, reach_for_another);
	child_is_good(&c);
	assert_int_equal(count(c.err, "the system call tgkill is refused (EPERM)"), 1);
	assert_int_equal(count(c.err, "the system call prlimit64 is refused (EPERM)"), 1);
	assert_int_equal(count(c.err, "the system call fcntl is refused (EPERM)"), 1);
	assert_int_equal(count(c.err, "the system call clone is refused (EPERM)"), 1);
}

static int map_alone(void)
{
	const int shared = MAP_SHARED | MAP_ANONYMOUS, own = MAP_PRIVATE | MAP_ANONYMOUS;
	const int access = PROT_READ | PROT_WRITE;

	EXPECT(fails((long)mmap(NULL, 4096, access, shared, -1, 0), EPERM));
	EXPECT(fails((long)mmap(NULL, 4096, access, own | MAP_GROWSDOWN, -1, 0), EPERM));
	EXPECT(mmap(NULL, 4096, access, own, -1, 0) != MAP_FAILED);
	EXPECT(fails(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), EPERM));
	return GOOD;
}

static void who_is_alone_has_only_memory_that_its_limit_counts(void **state)
{
	const struct sandbox_needs needs = {.program = "vu-test", .alone = true};
	struct child c;

	(void)state;
	child_run(&c, &needs, map_alone);
	child_is_good(&c);
	assert_string_equal(c.err, "");
}

static int connect_to(const struct sockaddr_un *address, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return connect(fd, (const struct sockaddr *)address, len);
}

static void abstract_sockets_of_others_are_out_of_reach(void **state)
{
	const struct sandbox_files files = {.n_places = 0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len;
	int status, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 6) {
		print_message("[  SKIP  ] this kernel's Landlock knows no scopes\n");
		skip();
	}
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  (size_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
					   "vu-sandbox-%d", (int)getpid()));
	assert_ok(bind(fd, (const struct sockaddr *)&address, len));
	assert_ok(listen(fd, 8));
	assert_ok(connect_to(&address, len));
	pid = child_fork();
	if (!pid)
		_exit(!sandbox_shut_files(&files) && fails(connect_to(&address, len), EPERM) ? GOOD
											     : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, GOOD << 8);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_call_fails_and_is_named_in_one_line),
		cmocka_unit_test(threads_that_come_later_are_shut_in_too),
		cmocka_unit_test(libc_goes_on_working),
		cmocka_unit_test(abort_still_ends_the_process_without_a_core),
		cmocka_unit_test(namespaces_and_ioctls_are_refused_by_their_arguments),
		cmocka_unit_test(who_connects_makes_unix_sockets_only),
		cmocka_unit_test(no_other_process_is_reached_or_made),
		cmocka_unit_test(who_is_alone_has_only_memory_that_its_limit_counts),
#ifdef __x86_64__
		cmocka_unit_test(calls_of_another_architecture_end_the_process),
#endif
		cmocka_unit_test(files_outside_of_the_table_are_out_of_reach),
		cmocka_unit_test(abstract_sockets_of_others_are_out_of_reach),
		cmocka_unit_test(it_works_within_the_filter_of_a_service_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
