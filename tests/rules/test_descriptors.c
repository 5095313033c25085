/* SPDX-License-Identifier: MIT */
/* Rule: whatever descriptors a front-end hands over, nobody waits for what is behind them. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"
#include "rules/closing.h"
#include "rules/rig.h"
#include "rules/slow_file.h"

enum { SLOW_BYTES = 1 << 20, KEPT_MOST = 16 };

static void slow_file_or_skip(struct slow_file *slow)
{
	const char *why;
	int error = slow_file_new(slow, SLOW_BYTES, &why);

	if (!error)
		return;
	print_message("[  SKIP  ] %s: %s\n", why, strerror(-error));
	skip();
}

static int as_kick(struct rig *rig, int fd)
{
	return frontend_set_vring_kick(rig_front(rig), 0, fd);
}

static int as_call(struct rig *rig, int fd)
{
	return frontend_set_vring_call(rig_front(rig), 0, fd);
}

static int as_error(struct rig *rig, int fd)
{
	return frontend_set_vring_err(rig_front(rig), 0, fd);
}

static int as_memory(struct rig *rig, int fd)
{
	const struct guest_region region = {
		.gpa = 1 << 30, .size = SLOW_BYTES, .uva = UINT64_C(0x7e0000000000), .fd = fd};

	return frontend_add_mem_reg(rig_front(rig), &region);
}

static int as_inflight_log(struct rig *rig, int fd)
{
	const struct wire_inflight info = {
		.mmap_size = SLOW_BYTES, .n_queues = 2, .queue_size = 64};

	return frontend_set_inflight_fd(rig_front(rig), &info, fd);
}

static int as_channel(struct rig *rig, int fd)
{
	return frontend_tell(rig_front(rig), WIRE_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1);
}

/* With a message that takes none. */
static int as_ballast(struct rig *rig, int fd)
{
	return frontend_tell(rig_front(rig), WIRE_SET_OWNER, NULL, 0, &fd, 1);
}

static int (*const uses[])(struct rig *rig, int fd) = {
	as_kick, as_call, as_error, as_memory, as_inflight_log, as_channel, as_ballast,
};
enum { USES = sizeof(uses) / sizeof(uses[0]) };

/* Nothing is asked of the file system: not what the file is, and not by closing it. */
static void a_file_system_that_may_not_answer_is_not_asked(void **state)
{
	struct slow_file slow;

	(void)state;
	slow_file_or_skip(&slow);
	for (int i = 0; i < USES; i++) {
		uint32_t opcode;
		struct rig rig;

		rig_open(&rig, NULL);
		assert_true(uses[i](&rig, slow.fd) < 0);
		rig_expect_errors(&rig, "has a file that may block whoever uses it", 1);
		assert_int_equal(rig.ended, 1);
		rig_close(&rig);
		if (slow_file_asked(&slow, &opcode))
			fail_msg("use %d: the file system was asked (FUSE opcode %u)", i, opcode);
	}
	close(slow.fd);
	slow_file_free(&slow);
}

static void files_of_every_file_system_are_taken_if_that_is_allowed(void **state)
{
	const struct rig_config any = {.device = {.flags = VU_DEVICE_ANY_MEMORY}};
	struct slow_file slow;
	struct rig rig;

	(void)state;
	slow_file_or_skip(&slow);
	rig_open(&rig, &any);
	assert_ok(as_memory(&rig, slow.fd));
	rig_roundtrip(&rig, 0, 2);
	rig_close(&rig);
	close(slow.fd);
	slow_file_free(&slow);
}

static int internet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* close() of one waits as long as its SO_LINGER says. */
static void a_network_socket_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < USES; i++) {
		int fd = internet_socket();
		struct rig rig;

		rig_open(&rig, NULL);
		assert_true(uses[i](&rig, fd) < 0);
		rig_expect_errors(&rig, "has a network socket", 1);
		rig_close(&rig);
		close(fd);
	}
}

static void who_sends_too_many_of_them_gets_no_device_any_more(void **state)
{
	int fd = internet_socket(), backend;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	for (int i = 0; i < KEPT_MOST; i++) {
		rig_connect(&rig);
		(void)as_ballast(&rig, fd);
		assert_ok(frontend_wait_closed(rig_front(&rig)));
		rig_pump(&rig);
	}
	rig_expect_errors(&rig, "has a network socket", KEPT_MOST);
	if (!rig_wait_closed(&rig)) {
		/* All are closed: none is missed. */
		rig_connect(&rig);
		rig_close(&rig);
		close(fd);
		return;
	}
	assert_ok(peer_open(rig.peer, &backend));
	assert_int_equal(vu_device_attach(rig.dev, backend), -EPERM);
	rig_expect_errors(&rig, "no front-end is taken until", 1);
	close(backend);
	rig_close(&rig);
	close(fd);
}

/* In the folder of the test, which is on a disk as a rule: as QEMU's memory-backend-file. */
static void ordinary_files_are_memory(void **state)
{
	static const char *const folders[] = {".", "/dev/shm"};
	static const long fine[] = {0xef53 /* ext4 */, 0x58465342 /* xfs */, 0x9123683e /* btrfs */,
				    0x01021994 /* tmpfs */};
	int tried = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char path[64];
		struct statfs fs;
		struct rig rig;
		bool is_fine = false;
		int fd;

		if (access(folders[i], W_OK) || statfs(folders[i], &fs))
			continue;
		for (size_t k = 0; k < sizeof(fine) / sizeof(fine[0]); k++)
			is_fine |= (long)fs.f_type == fine[k];
		if (!is_fine)
			continue;
		snprintf(path, sizeof(path), "%s/libvu-memory.XXXXXX", folders[i]);
		fd = mkostemp(path, O_CLOEXEC);
		assert_true(fd >= 0);
		assert_ok(unlink(path));
		assert_ok(ftruncate(fd, SLOW_BYTES));
		rig_open(&rig, NULL);
		assert_ok(as_memory(&rig, fd));
		rig_close(&rig);
		close(fd);
		tried++;
	}
	if (!tried) {
		print_message("[  SKIP  ] no folder for files here is of a usual kind\n");
		skip();
	}
}

static int make_device(void)
{
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int make_directory(void)
{
	return open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_path(void)
{
	return open("/dev", O_PATH | O_CLOEXEC);
}

static int make_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static int make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void what_is_no_memory_is_refused(void **state)
{
	static int (*const make[])(void) = {make_device, make_directory, make_path, make_eventfd,
					    make_socket};
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		int fd = make[i]();

		assert_true(fd >= 0);
		assert_true(as_memory(&rig, fd) < 0);
		close(fd);
	}
	rig_expect_errors(&rig, "its descriptor is no memory", sizeof(make) / sizeof(make[0]));
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

/* --- how much may be mapped --- */

static int add_sparse(struct rig *rig, uint32_t i, uint64_t size)
{
	int fd = memfd_create("sparse", MFD_CLOEXEC), ret;
	const struct guest_region region = {.gpa = (i + 1) * (UINT64_C(1) << 40),
					    .size = size,
					    .uva = (i + 1) * (UINT64_C(1) << 40),
					    .fd = fd};

	assert_ok(ftruncate(fd, (off_t)size));
	ret = frontend_add_mem_reg(rig_front(rig), &region);
	close(fd);
	return ret;
}

static void one_device_maps_no_more_than_its_limit(void **state)
{
	const uint64_t mebi = 1 << 20;
	const struct rig_config config = {.device = {.max_memory = PEER_MEMORY + 4 * mebi}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	assert_ok(add_sparse(&rig, 0, 3 * mebi));
	assert_true(add_sparse(&rig, 1, 2 * mebi) < 0);
	rig_expect_errors(&rig, "has mapped 19922944 bytes, and may map 20971520", 1);
	assert_ok(add_sparse(&rig, 2, mebi));
	/* The log counts, too. */
	{
		int fd = memfd_create("log", MFD_CLOEXEC);

		assert_ok(ftruncate(fd, SLOW_BYTES));
		assert_true(as_inflight_log(&rig, fd) < 0);
		rig_expect_errors(&rig, "in-flight log of 1048576 bytes: more memory than", 1);
		close(fd);
	}
	rig_roundtrip(&rig, 0, 2);
	/* What a session mapped is free with its end. */
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig_start(&rig);
	assert_ok(add_sparse(&rig, 0, 4 * mebi));
	rig_close(&rig);
}

static void what_outstanding_requests_use_counts_until_they_end(void **state)
{
	const struct rig_config config = {.device = {.max_memory = PEER_MEMORY + (1 << 20)}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig_hold(&rig, 0, 1);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig_connect(&rig);
	rig.mode = RIG_SERVE;
	assert_true(peer_start(rig.peer) < 0);
	rig_expect_errors(&rig, "has mapped 16777216 bytes", 1);
	rig_complete_held(&rig, 0);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig_start(&rig);
	rig_close(&rig);
}

/* A hundred and thirty-four times a tebibyte would be all that there is. */
/* Sanitizers and valgrind have most of the addresses for themselves. */
static bool has_addresses(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at != MAP_FAILED && !munmap(at, bytes);
}

static void sparse_files_do_not_use_up_the_addresses(void **state)
{
	struct rig rig;
	uint32_t n = 0;

	(void)state;
#ifdef __SANITIZE_THREAD__
	print_message("[  SKIP  ] ThreadSanitizer has the addresses for itself\n");
	skip();
#endif
	if (sizeof(void *) < 8 || !has_addresses((size_t)8 << 40)) {
		print_message("[  SKIP  ] not 8 TiB of addresses here\n");
		skip();
	}
	rig_open(&rig, NULL);
	while (n < 200 && !add_sparse(&rig, n, UINT64_C(1) << 40))
		n++;
	assert_int_equal(n, 7);
	rig_expect_errors(&rig, "and may map 8796093022208", 1);
	rig_close(&rig);
}

/* --- the end of a session --- */

/* Who holds it sees no end of the connection, ever. */
static void the_front_ends_own_end_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < USES; i++) {
		struct rig rig;

		rig_open(&rig, NULL);
		(void)uses[i](&rig, rig_front(&rig)->fd);
		rig_pump(&rig);
		if (!rig_logged(&rig, "own end of this connection")) {
			print_message("[  SKIP  ] no unix_diag in this kernel\n");
			skip();
		}
		assert_ok(frontend_wait_closed(rig_front(&rig)));
		rig_expect_errors(&rig, "own end of this connection", 1);
		rig_close(&rig);
	}
}

/* By the name of the listener that both have it from. */
static void the_end_of_an_accepted_connection_is_known_by_its_name(void **state)
{
	const struct sockaddr_un abstract = {.sun_family = AF_UNIX};
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ours = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), theirs;
	struct rig rig;

	(void)state;
	assert_ok(bind(listener, (const struct sockaddr *)&abstract, sizeof(sa_family_t)));
	assert_ok(listen(listener, 1));
	assert_ok(getsockname(listener, (struct sockaddr *)&name, &len));
	assert_ok(connect(ours, (struct sockaddr *)&name, len));
	theirs = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	rig_make(&rig, NULL);
	rig.fds -= 2; /* both go with the rig */
	assert_ok(vu_device_attach(rig.dev, theirs));
	assert_ok(peer_adopt(rig.peer, ours));
	(void)as_ballast(&rig, ours);
	assert_ok(frontend_wait_closed(rig_front(&rig)));
	rig_pump(&rig);
	rig_expect_errors(&rig, "own end of this connection", 1);
	rig_close(&rig);
}

static void the_front_end_hears_of_the_end_while_a_forked_child_lives(void **state)
{
	struct rig rig;
	pid_t child;
	int hold[2];
	char byte;

	(void)state;
	assert_ok(pipe2(hold, O_CLOEXEC));
	rig_open(&rig, NULL);
	child = child_fork();
	if (child == 0) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) != 0);
	}
	vu_device_detach(rig.dev);
	assert_ok(frontend_wait_closed(rig_front(&rig)));
	rig_pump(&rig);
	rig_close(&rig);
	close(hold[0]);
	close(hold[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* The other way round: a child that frees what it inherited leaves its parent's session alone. */
static void a_forked_child_does_not_end_its_parents_session(void **state)
{
	struct rig rig;
	pid_t child;
	char byte;

	(void)state;
	rig_open(&rig, NULL);
	child = child_fork();
	if (child == 0) {
		vu_device_free(rig.dev);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(recv(rig_front(&rig)->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	/* The epoll set is one with the child's: the socket is not watched any more. */
	vu_device_detach(rig.dev);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_system_that_may_not_answer_is_not_asked),
		cmocka_unit_test(files_of_every_file_system_are_taken_if_that_is_allowed),
		cmocka_unit_test(a_network_socket_is_refused),
		cmocka_unit_test(who_sends_too_many_of_them_gets_no_device_any_more),
		cmocka_unit_test(ordinary_files_are_memory),
		cmocka_unit_test(what_is_no_memory_is_refused),
		cmocka_unit_test(one_device_maps_no_more_than_its_limit),
		cmocka_unit_test(what_outstanding_requests_use_counts_until_they_end),
		cmocka_unit_test(sparse_files_do_not_use_up_the_addresses),
		cmocka_unit_test(the_front_ends_own_end_is_refused),
		cmocka_unit_test(the_end_of_an_accepted_connection_is_known_by_its_name),
		cmocka_unit_test(the_front_end_hears_of_the_end_while_a_forked_child_lives),
		cmocka_unit_test(a_forked_child_does_not_end_its_parents_session),
	};

	if (!closing_prepare())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
