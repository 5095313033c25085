/* SPDX-License-Identifier: MIT */
/*
 * CAN frames for programs in guests, as text of the form that cansend(1) has.
 *
 *	guest-can IFACE up             or down: as ip(8), which wants a kernel with IP
 *	guest-can IFACE send FRAME...  send them
 *	guest-can IFACE dump           "ready", then each frame that is received, for ever;
 *	                               "busoff" is the controller's
 */
#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_interface(const char *name)
{
	const can_err_mask_t errors = CAN_ERR_BUSOFF;
	const int on = 1;
	struct sockaddr_can address = {.can_family = AF_CAN,
				       .can_ifindex = (int)if_nametoindex(name)};
	int fd = socket(PF_CAN, SOCK_RAW, CAN_RAW);

	if (fd < 0 || setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors, sizeof(errors)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(name);
	return fd;
}

static void set_up(int fd, const char *name, int up)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		die(name);
	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die(name);
}

static void send_frame(int fd, const char *text)
{
	struct canfd_frame frame = {0};
	size_t size = CAN_MTU, id = strcspn(text, "#");

	frame.can_id =
		(canid_t)strtoul(text, NULL, 16) | (id == 8 ? (canid_t)CAN_EFF_FLAG : (canid_t)0);
	text += id + 1;
	if (*text == '#') {
		size = CANFD_MTU;
		text += 2;
	} else if (*text == 'R') {
		frame.can_id |= CAN_RTR_FLAG;
		frame.len = (__u8)atoi(text + 1);
		text = "";
	}
	for (; *text && frame.len < CANFD_MAX_DLEN; text += 2) {
		const char byte[3] = {text[0], text[1], '\0'};

		frame.data[frame.len++] = (__u8)strtoul(byte, NULL, 16);
	}
	if (write(fd, &frame, size) != (ssize_t)size)
		die("send");
}

static void say_frame(const struct canfd_frame *frame, ssize_t size)
{
	if (frame->can_id & CAN_ERR_FLAG) {
		puts(frame->can_id & CAN_ERR_BUSOFF ? "busoff" : "error");
		return;
	}
	if (frame->can_id & CAN_EFF_FLAG)
		printf("%08X#", frame->can_id & CAN_EFF_MASK);
	else
		printf("%03X#", frame->can_id & CAN_SFF_MASK);
	if (size == CANFD_MTU)
		printf("#0");
	if (frame->can_id & CAN_RTR_FLAG)
		printf("R%d", frame->len);
	for (int i = 0; i < frame->len && !(frame->can_id & CAN_RTR_FLAG); i++)
		printf("%02X", frame->data[i]);
	puts("");
}

static void dump(int fd)
{
	struct canfd_frame frame;
	ssize_t size;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	for (;;) {
		size = read(fd, &frame, sizeof(frame));
		if (size == CAN_MTU || size == CANFD_MTU)
			say_frame(&frame, size);
		else
			puts("down");
	}
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 3) {
		fputs("guest-can IFACE up | down | send FRAME... | dump\n", stderr);
		return 2;
	}
	fd = open_interface(argv[1]);
	if (!strcmp(argv[2], "dump"))
		dump(fd);
	if (strcmp(argv[2], "send"))
		set_up(fd, argv[1], !strcmp(argv[2], "up"));
	for (int i = 3; i < argc; i++)
		send_frame(fd, argv[i]);
	return 0;
}
