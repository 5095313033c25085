/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of an input device; runs in guests.
 *
 *	guest-evread about NAME             what the device is, a fact on each line
 *	guest-evread events NAME TYPE CODE  events as "TYPE CODE VALUE", to the first of that kind
 *	guest-evread status NAME TYPE CODE VALUE  an event for the device
 *
 * NAME is the device's own; numbers are decimal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NODES = 32, PATIENCE = 200, STEP_US = 50000 };

static int check(int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	perror(what);
	exit(1);
}

static int open_named(const char *wanted)
{
	for (int i = 0; i < NODES; i++) {
		char path[32], name[128] = "";
		int fd;

		snprintf(path, sizeof(path), "/dev/input/event%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		ioctl(fd, EVIOCGNAME(sizeof(name)), name);
		if (!strcmp(name, wanted))
			return fd;
		close(fd);
	}
	return -1;
}

static void print_bits(int fd, const char *what, unsigned long request)
{
	uint8_t bits[KEY_CNT / 8] = {0};

	if (ioctl(fd, request, bits) < 0)
		return;
	printf("%s", what);
	for (int i = 0; i < KEY_CNT; i++)
		if (bits[i / 8] >> i % 8 & 1)
			printf(" %d", i);
	printf("\n");
}

static void about(int fd)
{
	struct input_id id;
	char serial[128] = "";

	check(ioctl(fd, EVIOCGID, &id), "EVIOCGID");
	printf("id %d %d %d %d\n", id.bustype, id.vendor, id.product, id.version);
	ioctl(fd, EVIOCGUNIQ(sizeof(serial)), serial);
	printf("serial %s\n", serial);
	print_bits(fd, "properties", EVIOCGPROP(KEY_CNT / 8));
	print_bits(fd, "types", EVIOCGBIT(0, KEY_CNT / 8));
	for (int type = EV_KEY; type < EV_CNT; type++) {
		char what[16];

		snprintf(what, sizeof(what), "type%d", type);
		print_bits(fd, what, EVIOCGBIT(type, KEY_CNT / 8));
	}
	for (int axis = 0; axis < ABS_CNT; axis++) {
		struct input_absinfo abs = {0};

		if (ioctl(fd, EVIOCGABS(axis), &abs) < 0 || abs.minimum == abs.maximum)
			continue;
		printf("abs%d %d %d %d %d %d\n", axis, abs.minimum, abs.maximum, abs.fuzz, abs.flat,
		       abs.resolution);
	}
	print_bits(fd, "pressed", EVIOCGKEY(KEY_CNT / 8));
	print_bits(fd, "switched", EVIOCGSW(KEY_CNT / 8));
}

static void events(int fd, int type, int code)
{
	struct input_event ev;

	printf("listening\n");
	do {
		fflush(stdout);
		check(read(fd, &ev, sizeof(ev)) == sizeof(ev) ? 0 : -1, "read");
		printf("%d %d %d\n", ev.type, ev.code, ev.value);
	} while (ev.type != type || ev.code != code);
}

static void status(int fd, int type, int code, int value)
{
	const struct input_event ev[] = {
		{.type = (uint16_t)type, .code = (uint16_t)code, .value = value},
		{.type = EV_SYN, .code = SYN_REPORT}};

	check(write(fd, ev, sizeof(ev)) == sizeof(ev) ? 0 : -1, "write");
}

int main(int argc, char **argv)
{
	int fd = -1;

	/* The node comes a moment after the driver. */
	for (int i = 0; argc > 2 && fd < 0 && i < PATIENCE; i++) {
		fd = open_named(argv[2]);
		if (fd < 0)
			usleep(STEP_US);
	}
	if (fd < 0) {
		fprintf(stderr, "guest-evread: no such input device\n");
		return 1;
	}
	if (argc == 3 && !strcmp(argv[1], "about"))
		about(fd);
	else if (argc == 5 && !strcmp(argv[1], "events"))
		events(fd, atoi(argv[3]), atoi(argv[4]));
	else if (argc == 6 && !strcmp(argv[1], "status"))
		status(fd, atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	else
		return 2;
	return 0;
}
