/* SPDX-License-Identifier: MIT */
/*
 * vu-vsock's rules with vsock: the host's own AF_VSOCK.  Runs in a guest whose kernel is the host
 * here and has a loopback (vsock_loopback), tests/guest/vsock_host.py; or, told "without", where
 * the kernel has no AF_VSOCK at all.
 */
#include "vsock.h"

#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <unistd.h>

enum { SERVICE = 7000, DOOR = 7001, GUEST_PORT = 22, LOCAL_CID = 1 };
enum { CHUNKS = 6, AHEAD = CHUNKS * VSOCK_LARGEST, BACK = 200 << 10 };

const char *const rig_program = "VU_VSOCK";

static const char *const rules[] = {"--forward=80=vsock:1:7000", "--forward=81=vsock:1:7002",
				    "--listen=22=vsock:7001", NULL};

static struct sockaddr_vm at(uint32_t cid, uint32_t port)
{
	return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static int host_listen(uint32_t port)
{
	const struct sockaddr_vm address = at(VMADDR_CID_ANY, port);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 8), errno);
	return fd;
}

static int host_connect(uint32_t port)
{
	const struct sockaddr_vm address = at(LOCAL_CID, port);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(connect(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

/* The host's program is gone: perhaps its one direction is seen before the other. */
static void line_get_end(struct line *line)
{
	while (le32toh(line_get(line, SHUTDOWN).header.flags) != BOTH)
		;
}

/* More than its socket takes while its program does not read: the rest is held. */
static void fill_up(struct line *line, const unsigned char *data)
{
	for (uint32_t sent = 0; sent < AHEAD; sent += VSOCK_LARGEST) {
		while (line->peer_alloc - (line->tx_cnt - line->peer_fwd) < VSOCK_LARGEST)
			line_get(line, CREDIT_UPDATE);
		line_write(line, data + sent, VSOCK_LARGEST, 0);
	}
}

static void a_guest_reaches_a_program_at_a_port_of_the_hosts_own(void **state)
{
	static unsigned char data[AHEAD], got[AHEAD];
	struct rig *rig = *state;
	struct guest_end guest;
	struct line line;
	int listener = host_listen(SERVICE), host;

	vsock_start(rig, &guest, rules);
	line = line_new(&guest, STREAM, 5000, 80);
	line_connect(&line);
	host = client_accept(listener);
	fill(data, AHEAD, 1);
	fill_up(&line, data);
	client_read(host, got, AHEAD);
	assert_memory_equal(got, data, AHEAD);
	client_write(host, data, BACK);
	line_read(&line, got, BACK);
	assert_memory_equal(got, data, BACK);
	/* One direction after the other. */
	line_send(&line, SHUTDOWN, NO_SEND);
	client_expect_end(host);
	client_write(host, "late", 4);
	line_expect(&line, "late");
	close(host);
	line_get_end(&line);
	line_send(&line, RST, 0);
	close(listener);
	rig_stop(rig);
}

static void a_program_reaches_the_guest_at_a_port_of_the_hosts_own(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line line;
	int host;

	vsock_start(rig, &guest, rules);
	host = host_connect(DOOR);
	client_write(host, "early", 5);
	line = line_accept(&guest, STREAM, GUEST_PORT);
	line_expect(&line, "early");
	line_write(&line, "late", 4, 0);
	client_expect(host, "late");
	shutdown(host, SHUT_WR);
	line_get_shutdown(&line, NO_SEND);
	line_send(&line, SHUTDOWN, BOTH);
	line_get(&line, RST);
	client_expect_end(host);
	close(host);
	rig_stop(rig);
}

static void a_port_of_the_hosts_own_without_anybody_is_refused(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line line;

	vsock_start(rig, &guest, rules);
	line = line_new(&guest, STREAM, 5000, 81);
	line_expect_refused(&line);
	rig_stop(rig);
}

static void without_af_vsock_a_guest_is_refused_with_a_line(void **state)
{
	const char *const forward[] = {"--forward=80=vsock:1:7000", NULL};
	struct rig *rig = *state;
	struct guest_end guest;
	struct line line;

	vsock_start(rig, &guest, forward);
	line = line_new(&guest, STREAM, 5000, 80);
	line_expect_refused(&line);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "port 80 of the host, vsock:1:7000: Address family not "
					 "supported"),
			 1);
}

static void without_af_vsock_nothing_listens_and_a_line_says_so(void **state)
{
	const char *const argv[] = {getenv(rig_program), "--socket-path=/tmp/without.sock",
				    "--listen=22=vsock:7001", NULL};

	(void)state;
	spawn_expect(argv, 1, "", "cannot listen at vsock:7001: Address family not supported");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest with[] = {
		TEST(a_guest_reaches_a_program_at_a_port_of_the_hosts_own),
		TEST(a_program_reaches_the_guest_at_a_port_of_the_hosts_own),
		TEST(a_port_of_the_hosts_own_without_anybody_is_refused),
	};
	const struct CMUnitTest without[] = {
		TEST(without_af_vsock_a_guest_is_refused_with_a_line),
		cmocka_unit_test(without_af_vsock_nothing_listens_and_a_line_says_so),
	};

	if (argc > 1 && !strcmp(argv[1], "without"))
		return cmocka_run_group_tests(without, NULL, NULL);
	return cmocka_run_group_tests(with, NULL, NULL);
}
