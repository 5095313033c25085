/* SPDX-License-Identifier: MIT */
/*
 * vu-can on a real interface of SocketCAN's.  Runs in a guest whose kernel is the host here and has
 * one, vcan0, which the last test removes: tests/guest/can.py.
 */
#include "can_guest.h"

#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define INTERFACE "vcan0"
enum { STORM = 100, HELD = 64 }; /* a storm that the socket has room for */

const char *const rig_program = "VU_CAN";

static const char *const options[] = {"--backend=socketcan:" INTERFACE, NULL};

/* What is received, and sent, of all kinds. */
static const struct {
	struct frame frame;
	canid_t id;
	ssize_t size;
} kinds[] = {
	{{0, 0x123, 0, NULL}, 0x123, CAN_MTU},
	{{0, 0x7ff, 8, "01234567"}, 0x7ff, CAN_MTU},
	{{EXTENDED, 1, 1, "a"}, 1 | CAN_EFF_FLAG, CAN_MTU},
	{{EXTENDED, 0x1fffffff, 8, "76543210"}, 0x1fffffff | CAN_EFF_FLAG, CAN_MTU},
	{{RTR, 0x321, 4, NULL}, 0x321 | CAN_RTR_FLAG, CAN_MTU},
	{{EXTENDED | RTR, 0x12345678, 8, NULL}, 0x12345678 | CAN_EFF_FLAG | CAN_RTR_FLAG, CAN_MTU},
	{{FD, 0x123, 0, NULL}, 0x123, CANFD_MTU},
	{{FD, 0x456, 12, "0123456789ab"}, 0x456, CANFD_MTU},
	{{FD | EXTENDED, 0x1abcdef0, 64,
	  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
	 0x1abcdef0 | CAN_EFF_FLAG,
	 CANFD_MTU},
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

static const struct frame simple = {0, 0x42, 1, "s"};

/* Another program of the host's on the interface. */
static int host_open(void)
{
	const struct sockaddr_can address = {.can_family = AF_CAN,
					     .can_ifindex = (int)if_nametoindex(INTERFACE)};
	const int on = 1;
	int fd = socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW);

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof(on)), errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static void host_send(int fd, canid_t id, ssize_t size, uint16_t len, const void *data)
{
	struct canfd_frame frame = {.can_id = id, .len = (uint8_t)len};

	if (data)
		memcpy(frame.data, data, len);
	assert_int_equal(write(fd, &frame, (size_t)size), size);
}

static void host_send_simple(int fd)
{
	host_send(fd, simple.id, CAN_MTU, simple.len, simple.data);
}

static void host_expect(int fd, canid_t id, ssize_t size, uint16_t len, const void *data)
{
	struct canfd_frame frame;

	assert_int_equal(read(fd, &frame, sizeof(frame)), size);
	assert_int_equal(frame.can_id, id);
	assert_int_equal(frame.len, len);
	if (data)
		assert_memory_equal(frame.data, data, len);
}

static void host_expect_nothing(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&poller, 1, 0), 0);
}

static void set_up(int fd, bool up)
{
	struct ifreq request = {.ifr_name = INTERFACE};

	assert_return_code(ioctl(fd, SIOCGIFFLAGS, &request), errno);
	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &request), errno);
}

static void set_mtu(int fd, int mtu)
{
	struct ifreq request = {.ifr_name = INTERFACE};

	set_up(fd, false);
	request.ifr_mtu = mtu;
	assert_return_code(ioctl(fd, SIOCSIFMTU, &request), errno);
	set_up(fd, true);
}

static int begin(struct rig *rig)
{
	can_start(rig, options);
	assert_int_equal(can_control(rig, START), OK);
	return host_open();
}

static void end(struct rig *rig, int host)
{
	close(host);
	rig_stop(rig);
}

static void frames_of_all_kinds_go_out(void **state)
{
	struct rig *rig = *state;
	int host = begin(rig);

	for (int i = 0; i < KINDS; i++) {
		assert_int_equal(can_send(rig, &kinds[i].frame), OK);
		host_expect(host, kinds[i].id, kinds[i].size, kinds[i].frame.len,
			    kinds[i].frame.data);
	}
	end(rig, host);
}

/* ... and the guest does not hear its own. */
static void frames_of_all_kinds_come_in(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	int host = begin(rig);

	assert_int_equal(can_send(rig, &simple), OK);
	for (int i = 0; i < KINDS; i++) {
		can_give(rig, &buffer, CAN_ROOM);
		host_send(host, kinds[i].id, kinds[i].size, kinds[i].frame.len,
			  kinds[i].frame.data);
		can_expect(rig, &buffer, &kinds[i].frame);
	}
	can_stats(rig, "started sent 1 refused 0 lost 0 received 9 dropped 0");
	end(rig, host);
}

static void a_frame_that_is_refused_is_not_on_the_bus(void **state)
{
	const struct frame wrong[] = {
		{0, 0x800, 1, "x"}, {0, 1, 9, "123456789"}, {FD | RTR, 1, 1, NULL}, {1, 1, 1, "x"}};
	struct rig *rig = *state;
	int host = begin(rig);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(can_send(rig, &wrong[i]), NOT_OK);
	assert_int_equal(can_control(rig, STOP), OK);
	assert_int_equal(can_send(rig, &simple), NOT_OK);
	host_expect_nothing(host);
	end(rig, host);
}

static void an_interface_without_fd_offers_none(void **state)
{
	const struct frame fd_frame = {FD, 1, 1, "x"};
	struct rig *rig = *state;
	int host = host_open();

	set_mtu(host, CAN_MTU);
	close(host);
	host = begin(rig);
	assert_int_equal(can_send(rig, &fd_frame), NOT_OK);
	assert_int_equal(can_send(rig, &simple), OK);
	host_expect(host, simple.id, CAN_MTU, simple.len, simple.data);
	set_mtu(host, CANFD_MTU);
	end(rig, host);
}

static void a_guest_that_does_not_listen_has_the_first_frames(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffers[HELD];
	int host = begin(rig);

	for (uint16_t i = 0; i < STORM; i++)
		host_send(host, i, CAN_MTU, sizeof(i), &i);
	/* Some of them are perhaps in its socket now. */
	while (!strstr(rig_say(rig, "stats"), " dropped 36"))
		;
	for (uint16_t i = 0; i < HELD; i++) {
		const struct frame frame = {0, i, sizeof(i), &i};

		can_give(rig, &buffers[i], CAN_ROOM);
		can_expect(rig, &buffers[i], &frame);
	}
	can_stats(rig, "started sent 0 refused 0 lost 0 received 64 dropped 36");
	end(rig, host);
}

/* As a driver reports it; of other errors nothing is heard. */
static void a_bus_off_of_the_interface_is_the_controllers(void **state)
{
	static const char off[] = "busoff sent 0 refused 0 lost 0 received 1 dropped 0";
	struct rig *rig = *state;
	struct rig_buffer buffer;
	int host = begin(rig);

	can_give(rig, &buffer, CAN_ROOM);
	host_send(host, CAN_ERR_FLAG | CAN_ERR_CRTL, CAN_MTU, CAN_ERR_DLC, NULL);
	host_send_simple(host);
	can_expect(rig, &buffer, &simple);
	can_stats(rig, "started sent 0 refused 0 lost 0 received 1 dropped 0");
	host_send(host, CAN_ERR_FLAG | CAN_ERR_BUSOFF, CAN_MTU, CAN_ERR_DLC, NULL);
	while (strcmp(rig_say(rig, "stats"), off) != 0)
		;
	assert_int_equal(can_send(rig, &simple), NOT_OK);
	assert_int_equal(can_control(rig, START), OK);
	assert_int_equal(can_send(rig, &simple), OK);
	host_expect(host, simple.id, CAN_MTU, simple.len, simple.data);
	end(rig, host);
}

static void an_interface_that_was_down_is_there_again(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	int host = begin(rig);

	can_give(rig, &buffer, CAN_ROOM);
	set_up(host, false);
	assert_int_equal(can_send(rig, &simple), NOT_OK);
	assert_int_equal(can_send(rig, &simple), NOT_OK);
	set_up(host, true);
	close(host);
	host = host_open(); /* which has no error from before */
	assert_int_equal(can_send(rig, &simple), OK);
	host_expect(host, simple.id, CAN_MTU, simple.len, simple.data);
	host_send_simple(host);
	can_expect(rig, &buffer, &simple);
	can_stats(rig, "started sent 1 refused 0 lost 2 received 1 dropped 0");
	end(rig, host);
	assert_true(rig_logged(rig, "Network is down") >= 1);
}

static void one_that_is_not_there_is_named(void **state)
{
	const char *const wrong[] = {"--backend=socketcan:vcan9"};

	rig_expect_refused(*state, wrong, 1, "socketcan:vcan9: no such CAN interface");
}

static void one_of_another_kind_is_named(void **state)
{
	const char *const wrong[] = {"--backend=socketcan:lo"};

	rig_expect_refused(*state, wrong, 1, "no such CAN interface");
}

static void an_interface_that_was_removed_loses_frames(void **state)
{
	struct rig *rig = *state;
	int host = begin(rig);

	assert_int_equal(system("ip link del " INTERFACE), 0);
	assert_int_equal(can_send(rig, &simple), NOT_OK);
	assert_int_equal(can_send(rig, &simple), NOT_OK);
	can_stats(rig, "started sent 0 refused 0 lost 2 received 0 dropped 0");
	assert_int_equal(can_control(rig, STOP), OK);
	end(rig, host);
	assert_true(rig_logged(rig, "No such device") >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_of_all_kinds_go_out),
		TEST(frames_of_all_kinds_come_in),
		TEST(a_frame_that_is_refused_is_not_on_the_bus),
		TEST(an_interface_without_fd_offers_none),
		TEST(a_guest_that_does_not_listen_has_the_first_frames),
		TEST(a_bus_off_of_the_interface_is_the_controllers),
		TEST(an_interface_that_was_down_is_there_again),
		TEST(one_that_is_not_there_is_named),
		TEST(one_of_another_kind_is_named),
		TEST(an_interface_that_was_removed_loses_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
