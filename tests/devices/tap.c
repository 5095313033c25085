/* SPDX-License-Identifier: MIT */
/* See tap.h. */
#include "tap.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "client.h"

enum { LONGEST = 4096 };

int tap_open(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_UP};
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	strcpy(request.ifr_name, name);
	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &request), errno);
	address.sll_ifindex = (int)if_nametoindex(name);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

void tap_expect(int fd, const void *frame, uint32_t len)
{
	unsigned char got[LONGEST];
	ssize_t n;

	do {
		n = client_read_some(fd, got, sizeof(got));
		assert_true(n > 0);
	} while (n != len || memcmp(got, frame, len));
}

void tap_guest_hears(struct rig *rig, uint32_t queue, const void *frame, uint32_t len)
{
	struct rig_buffer *buffer;
	struct driver_seg seg;
	uint32_t got;

	for (;;) {
		buffer = rig_wait(rig, queue, &got);
		if (got == 12 + len && !memcmp(buffer->data + 12, frame, len))
			return;
		seg = rig_write_seg(buffer, buffer->len);
		rig_offer(rig, queue, &seg, 1, buffer);
	}
}
