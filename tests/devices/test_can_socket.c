/* SPDX-License-Identifier: MIT */
/*
 * vu-can's interface of this machine (examples/can/can_socket.c), with a pair of Unix sockets for
 * SocketCAN's: what it asks of the kernel, and what it makes of its frames.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "can.h"
#include "kit/test.h"

enum { CAN_XL_MTU = 2060 }; /* CANXL_MTU of newer headers */

int __wrap_socket(int family, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
struct vu_group *__wrap_vu_device_group(const struct vu_device *dev);
int __wrap_vu_group_add_fd(struct vu_group *group, int fd, uint32_t events, vu_fd_fn fn,
			   void *opaque, struct vu_source **source);

ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

static struct {
	int kernel; /* its end of the pair */
	int mtu;
	bool is_none, no_interface;
	int bound; /* the interface's number */
	vu_fd_fn on_frames;
	struct can_message got;
	uint32_t n_got, n_bus_off, n_signals;
	int error;
	int fails;    /* errno of what is read or written next; 0: it goes well */
	bool forever; /* and of all after it */
	bool is_cut;  /* less is written */
} fake;

/* Whether this call fails. */
static bool fails(void)
{
	errno = fake.fails;
	if (!fake.forever)
		fake.fails = 0;
	return errno;
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
	return fails() ? -1 : __real_read(fd, data, len);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	return fails() ? -1 : __real_write(fd, data, len - fake.is_cut);
}

int __wrap_socket(int family, int type, int protocol)
{
	int pair[2];

	assert_int_equal(family, PF_CAN);
	assert_int_equal(protocol, CAN_RAW);
	assert_int_equal(type, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fake.is_none) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	fake.kernel = pair[1];
	return pair[0];
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	fake.bound = ((const struct sockaddr_can *)(const void *)address)->can_ifindex;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifreq;
	va_list args;

	va_start(args, request);
	ifreq = va_arg(args, struct ifreq *);
	va_end(args);
	assert_string_equal(ifreq->ifr_name, "can7");
	if (fake.no_interface) {
		errno = ENODEV;
		return -1;
	}
	if (request == SIOCGIFINDEX)
		ifreq->ifr_ifindex = 42;
	else if (request == SIOCGIFMTU)
		ifreq->ifr_mtu = fake.mtu;
	else
		fail();
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	assert_int_equal(level, SOL_CAN_RAW);
	assert_true(name == CAN_RAW_FD_FRAMES || name == CAN_RAW_ERR_FILTER);
	return 0;
}

struct vu_group *__wrap_vu_device_group(const struct vu_device *dev)
{
	return NULL;
}

int __wrap_vu_group_add_fd(struct vu_group *group, int fd, uint32_t events, vu_fd_fn fn,
			   void *opaque, struct vu_source **source)
{
	fake.on_frames = fn;
	return 0;
}

/* The controller's part. */
void can_port_receive(struct can_port *port, const struct can_message *message)
{
	fake.got = *message;
	fake.n_got++;
}

void can_port_signal(struct can_port *port)
{
	fake.n_signals++;
}

void can_port_bus_off(struct can_port *port)
{
	fake.n_bus_off++;
}

void can_port_complain(struct can_port *port, const char *what, int error)
{
	fake.error = error;
}

static int open_one(struct can_port *port, int mtu)
{
	memset(port, 0, sizeof(*port));
	memset(&fake, 0, sizeof(fake));
	fake.mtu = mtu;
	port->fd = -1;
	port->offers = CAN_F_CLASSIC | CAN_F_FD | CAN_F_RTR | CAN_F_LATE_TX_ACK;
	return can_socket_open(port, "can7");
}

static void close_one(struct can_port *port)
{
	port->end->free(port);
	close(fake.kernel);
}

static void the_interface_says_what_it_has(void **state)
{
	struct can_port port;

	assert_int_equal(open_one(&port, CAN_MTU), 0);
	assert_int_equal(port.offers, CAN_F_CLASSIC | CAN_F_RTR);
	assert_int_equal(fake.bound, 42);
	close_one(&port);
	for (int mtu = CANFD_MTU; mtu <= CAN_XL_MTU; mtu += CAN_XL_MTU - CANFD_MTU) {
		assert_int_equal(open_one(&port, mtu), 0);
		assert_int_equal(port.offers, CAN_F_CLASSIC | CAN_F_FD | CAN_F_RTR);
		close_one(&port);
	}
}

static void frames_go_out_as_the_kernel_has_them(void **state)
{
	static const struct {
		struct can_message message;
		uint32_t id;
		ssize_t size;
	} cases[] = {
		{{0, 0x123, 2, "ab"}, 0x123, CAN_MTU},
		{{CAN_EXTENDED, 0x123, 8, "01234567"}, 0x123 | CAN_EFF_FLAG, CAN_MTU},
		{{CAN_RTR, 5, 3, ""}, 5 | CAN_RTR_FLAG, CAN_MTU},
		{{CAN_FD | CAN_EXTENDED, 6, 12, "0123456789ab"}, 6 | CAN_EFF_FLAG, CANFD_MTU},
	};
	struct canfd_frame frame;
	struct can_port port;

	open_one(&port, CANFD_MTU);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct can_message *m = &cases[i].message;

		assert_int_equal(port.end->send(&port, m), 0);
		assert_int_equal(read(fake.kernel, &frame, sizeof(frame)), cases[i].size);
		assert_int_equal(frame.can_id, cases[i].id);
		assert_int_equal(frame.len, m->len);
		assert_memory_equal(frame.data, m->data, m->len);
	}
	close_one(&port);
}

static void frames_come_in(void **state)
{
	struct canfd_frame frame = {.can_id = 0x1234567 | CAN_EFF_FLAG, .len = 64};
	struct can_port port;

	open_one(&port, CANFD_MTU);
	assert_int_equal(can_socket_begin(&port), 0);
	memset(frame.data, 'x', sizeof(frame.data));
	assert_int_equal(write(fake.kernel, &frame, CANFD_MTU), CANFD_MTU);
	fake.on_frames(NULL, port.fd, EPOLLIN, &port);
	assert_int_equal(fake.n_got, 1);
	assert_int_equal(fake.got.flags, CAN_FD | CAN_EXTENDED);
	assert_int_equal(fake.got.id, 0x1234567);
	assert_int_equal(fake.got.len, 64);
	assert_memory_equal(fake.got.data, frame.data, 64);
	frame.can_id = 7 | CAN_RTR_FLAG;
	frame.len = 4;
	assert_int_equal(write(fake.kernel, &frame, CAN_MTU), CAN_MTU);
	frame.can_id = CAN_ERR_FLAG | CAN_ERR_CRTL;
	assert_int_equal(write(fake.kernel, &frame, CAN_MTU), CAN_MTU);
	fake.on_frames(NULL, port.fd, EPOLLIN, &port);
	assert_int_equal(fake.n_got, 2);
	assert_int_equal(fake.got.flags, CAN_RTR);
	assert_int_equal(fake.n_bus_off, 0);
	frame.can_id = CAN_ERR_FLAG | CAN_ERR_BUSOFF;
	assert_int_equal(write(fake.kernel, &frame, CAN_MTU), CAN_MTU);
	fake.on_frames(NULL, port.fd, EPOLLIN, &port);
	assert_int_equal(fake.n_bus_off, 1);
	assert_int_equal(fake.n_got, 2);
	assert_int_equal(fake.error, 0);
	close_one(&port);
}

static void a_full_queue_is_waited_for_and_a_lost_interface_is_told(void **state)
{
	const struct can_message m = {0, 1, 0, ""};
	struct can_port port;
	int ret;

	open_one(&port, CAN_MTU);
	do
		ret = port.end->send(&port, &m);
	while (!ret);
	assert_int_equal(ret, -EAGAIN);
	close_one(&port);
	memset(&fake, 0, sizeof(fake));
	fake.is_none = true;
	port.fd = -1;
	assert_int_equal(can_socket_open(&port, "can7"), -EAFNOSUPPORT);
	fake.is_none = false;
	fake.no_interface = true;
	assert_int_equal(can_socket_open(&port, "can7"), -ENODEV);
	close_one(&port);
	assert_int_equal(can_socket_open(&port, "a-name-that-is-longer"), -ENODEV);
	assert_int_equal(can_socket_open(&port, ""), -ENODEV);
}

static void what_cannot_be_sent_is_lost_or_waits(void **state)
{
	static const struct {
		int fails, result;
	} cases[] = {{ENOBUFS, -EAGAIN},    {EAGAIN, -EAGAIN}, {EINTR, 0},	 {0, 0},
		     {ENETDOWN, -ENETDOWN}, {ENXIO, -ENXIO},   {EINVAL, -EINVAL}};
	const struct can_message m = {0, 1, 0, ""};
	struct can_port port;

	open_one(&port, CAN_MTU);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake.fails = cases[i].fails;
		assert_int_equal(port.end->send(&port, &m), cases[i].result);
	}
	fake.is_cut = true;
	assert_int_equal(port.end->send(&port, &m), -EIO);
	close_one(&port);
}

/* ... and what cannot be read is told of, and keeps nobody. */
static void errors_of_the_interface_are_told_of(void **state)
{
	static const struct {
		int fails, error;
	} cases[] = {{EAGAIN, 0}, {EINTR, 0}, {ENETDOWN, -ENETDOWN}, {ENODEV, -ENODEV}};
	struct canfd_frame frame = {.can_id = 1};
	struct can_port port;

	open_one(&port, CAN_MTU);
	assert_int_equal(can_socket_begin(&port), 0);
	fake.forever = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake.error = 0;
		fake.fails = cases[i].fails;
		fake.on_frames(NULL, port.fd, EPOLLERR, &port);
		assert_int_equal(fake.error, cases[i].error);
	}
	fake.fails = 0;
	/* A frame of no size of frames, of which there are none, and then good ones. */
	assert_int_equal(write(fake.kernel, &frame, 10), 10);
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(fake.kernel, &frame, CAN_MTU), CAN_MTU);
	for (int i = 0; i < 4; i++)
		fake.on_frames(NULL, port.fd, EPOLLIN, &port);
	assert_int_equal(fake.n_got, 100);
	assert_int_equal(fake.n_signals, 8);
	close_one(&port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_interface_says_what_it_has),
		cmocka_unit_test(frames_go_out_as_the_kernel_has_them),
		cmocka_unit_test(frames_come_in),
		cmocka_unit_test(a_full_queue_is_waited_for_and_a_lost_interface_is_told),
		cmocka_unit_test(what_cannot_be_sent_is_lost_or_waits),
		cmocka_unit_test(errors_of_the_interface_are_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
