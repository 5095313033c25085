/* SPDX-License-Identifier: MIT */
/*
 * What a guest says of a packet (virtio 1.3 §5.1.6), and the framing of a stream: checked here,
 * before anything of it goes on.  No state, no I/O.
 */
#ifndef NET_HEADER_H
#define NET_HEADER_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	NET_HEADER = sizeof(struct virtio_net_hdr_v1),
	/* Without VERSION_1 and MRG_RXBUF there is no num_buffers (§5.1.6.1). */
	NET_LEGACY_HEADER = sizeof(struct virtio_net_hdr),
	NET_ADDRESS = 6, /* bytes of one */
	NET_ETHERNET = 14,
	NET_AROUND = NET_ETHERNET + 4, /* and a VLAN tag: what the MTU does not count */
	NET_MAX_FRAME = 65535 + NET_AROUND,
	NET_PREFIX = 4,	    /* of a frame in a stream */
	NET_MIN_SEGMENT = 8 /* of TCP: Linux makes none that are shorter */
};

/* Later than Debian 12's <linux/virtio_net.h>. */
enum {
	NET_GSO_UDP_L4 = 5,
	NET_F_GUEST_USO4 = 54,
	NET_F_GUEST_USO6 = 55,
	NET_F_HOST_USO = 56,
};

#define NET_BIT(number) (UINT64_C(1) << (number))

/*
 * A header as the guest wrote it, of a frame of len bytes, under these features.  mtu 0: there is
 * none.  NULL, and the header has only what was checked; or what is wrong with it.
 */
const char *net_header_check(struct virtio_net_hdr_v1 *header, uint64_t len, uint64_t features,
			     uint32_t mtu);

/* The length of a frame in QEMU's streams, as 4 bytes before it; -EPROTO where it cannot be one. */
int net_prefix_read(const unsigned char prefix[NET_PREFIX], uint32_t *len);
void net_prefix_write(unsigned char prefix[NET_PREFIX], uint32_t len);

/* Copy to the place offset of a list: how many bytes found room. */
size_t net_scatter(const struct iovec *iov, int n, size_t offset, const void *data, size_t len);
/* Copy all of a list from offset on, which data has room for; how many bytes. */
size_t net_gather(const struct iovec *iov, int n, size_t offset, void *data, size_t room);

#endif
