/* SPDX-License-Identifier: MIT */
/*
 * A tap of the host's: an interface of Linux's whose wire ends here.  Headers pass through as they
 * are (IFF_VNET_HDR), so checksums and segments are left to who does them best; the kernel has the
 * driver's offloads (TUNSETOFFLOAD).  With several pairs each has a queue of the tap's, which is
 * detached while the guest does not use the pair.
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Later than Debian 12's header: Linux 6.2. */
enum { TAP_USO4 = 0x20, TAP_USO6 = 0x40 };

enum { MAX_READS = 1024 }; /* packets at a time */

const struct sandbox_ioctl net_tap_ioctls[NET_TAP_IOCTLS] = {
	{UINT32_MAX, TUNSETOFFLOAD},
	{UINT32_MAX, TUNSETVNETHDRSZ},
	{UINT32_MAX, TUNSETVNETLE},
	{UINT32_MAX, TUNSETQUEUE},
};

struct tap {
	int fd;
	bool many; /* it is one queue of several */
};

/* What the guest takes (GUEST_) and the kernel has to know. */
static const struct {
	uint8_t feature;
	uint8_t offload;
} offloads[] = {
	{VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM}, {VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4},
	{VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6}, {VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN},
	{NET_F_GUEST_USO4, TAP_USO4},	       {NET_F_GUEST_USO6, TAP_USO6},
};

static const uint64_t tap_features =
	NET_BIT(VIRTIO_NET_F_CSUM) | NET_BIT(VIRTIO_NET_F_GUEST_CSUM) |
	NET_BIT(VIRTIO_NET_F_GUEST_TSO4) | NET_BIT(VIRTIO_NET_F_GUEST_TSO6) |
	NET_BIT(VIRTIO_NET_F_GUEST_ECN) | NET_BIT(VIRTIO_NET_F_HOST_TSO4) |
	NET_BIT(VIRTIO_NET_F_HOST_TSO6) | NET_BIT(VIRTIO_NET_F_HOST_ECN);
static const uint64_t tap_uso =
	NET_BIT(NET_F_GUEST_USO4) | NET_BIT(NET_F_GUEST_USO6) | NET_BIT(NET_F_HOST_USO);

static int tap_send(struct net_end *end, const struct iovec *iov, int n)
{
	const struct tap *tap = end->own;

	return writev(tap->fd, iov, n) < 0 ? -errno : 0;
}

static ssize_t tap_receive(struct net_end *end, const struct iovec *iov, int n)
{
	const struct tap *tap = end->own;
	ssize_t got;

	if (!pair_may_read(end->pair, MAX_READS))
		return -EAGAIN;
	got = readv(tap->fd, iov, n);
	if (got >= 0)
		return got;
	return errno == EINTR || errno == EFAULT ? -EMSGSIZE : -errno;
}

static void tap_hung_up(struct net_end *end)
{
	pair_complain(end->pair, "the tap is gone", -ENODEV);
}

/* As far as what each needs is there, too (virtio 1.3 §5.1.3.1): else the kernel takes none. */
static unsigned long tap_offloads(uint64_t features)
{
	unsigned long chosen = 0;

	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		if (features & NET_BIT(offloads[i].feature))
			chosen |= offloads[i].offload;
	if (!(chosen & TUN_F_CSUM))
		return 0;
	if (!(chosen & (TUN_F_TSO4 | TUN_F_TSO6)))
		chosen &= ~(unsigned long)TUN_F_TSO_ECN;
	/* The kernel knows of USO for both or none. */
	if ((chosen & (TAP_USO4 | TAP_USO6)) != (TAP_USO4 | TAP_USO6))
		chosen &= ~(unsigned long)(TAP_USO4 | TAP_USO6);
	return chosen;
}

static int tap_configure(struct net_end *end, uint64_t features)
{
	const struct tap *tap = end->own;
	int header = (int)end->pair->header, little = 1;

	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &header) < 0 ||
	    ioctl(tap->fd, TUNSETVNETLE, &little) < 0 ||
	    ioctl(tap->fd, TUNSETOFFLOAD, tap_offloads(features)) < 0) {
		int ret = -errno;

		vu_device_log_peerf(end->pair->net->dev, VU_LOG_ERROR, "the tap's offloads: %s",
				    strerror(-ret));
		return ret;
	}
	return 0;
}

static void tap_rest(struct net_end *end, bool rests)
{
	const struct tap *tap = end->own;
	struct ifreq request = {.ifr_flags = rests ? IFF_DETACH_QUEUE : IFF_ATTACH_QUEUE};

	/* Without an interface there is nothing to be detached from. */
	if (tap->many && ioctl(tap->fd, TUNSETQUEUE, &request) < 0)
		pair_complain(end->pair, "a queue of the tap's", -errno);
}

static void tap_free(struct net_end *end)
{
	const struct tap *tap = end->own;

	if (tap->fd >= 0)
		close(tap->fd);
	free(end->own);
}

static int tap_begin(struct net_end *end)
{
	const struct tap *tap = end->own;

	return pair_set_fd(end->pair, tap->fd);
}

static const struct net_end_ops tap_ops = {
	.announces = true,
	.begin = tap_begin,
	.send = tap_send,
	.receive = tap_receive,
	.hung_up = tap_hung_up,
	.configure = tap_configure,
	.rest = tap_rest,
	.free = tap_free,
};

int net_tap_attach(const char *name, bool many)
{
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						     (many ? IFF_MULTI_QUEUE : 0))};
	int fd, ret, header = NET_HEADER, little = 1;

	if (!*name)
		return -EINVAL;
	if (strlen(name) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	strcpy(request.ifr_name, name);
	if (!ioctl(fd, TUNSETIFF, &request) && !ioctl(fd, TUNSETVNETHDRSZ, &header) &&
	    !ioctl(fd, TUNSETVNETLE, &little))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

void net_tap_explain(const char *name, int error)
{
	const char *hint = "";

	if (!*name || error == -ENAMETOOLONG)
		hint = "; a name of an interface has up to 15 characters, and one at least";
	else if (error == -EINVAL)
		hint = "; is it a tap, and made with multi_queue if --queues says more than 1, and "
		       "without if not?";
	else if (error == -EBUSY)
		hint = "; another program has it";
	else if (error == -EPERM)
		hint = "; it needs CAP_NET_ADMIN, or to be made for this user before (ip tuntap "
		       "add ... user ...)";
	fprintf(stderr, "vu-net: tap %s: %s%s\n", name, strerror(-error), hint);
}

uint64_t net_tap_take_all(int fd)
{
	const unsigned long all = tap_offloads(tap_features), uso = TAP_USO4 | TAP_USO6;

	if (!ioctl(fd, TUNSETOFFLOAD, all | uso))
		return tap_features | tap_uso;
	return ioctl(fd, TUNSETOFFLOAD, all) ? 0 : tap_features;
}

static int tap_open_queue(struct net_pair *pair, const char *name, bool many)
{
	struct ifreq request = {.ifr_flags = IFF_DETACH_QUEUE};
	struct tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return -ENOMEM;
	tap->many = many;
	pair->end.own = tap;
	pair->end.ops = &tap_ops;
	tap->fd = net_tap_attach(name, many);
	if (tap->fd < 0)
		return tap->fd;
	/* Until the guest has the pair. */
	return many && ioctl(tap->fd, TUNSETQUEUE, &request) < 0 ? -errno : 0;
}

static uint64_t tap_probe(const struct net_pair *pair)
{
	const struct tap *tap = pair->end.own;
	uint64_t features = net_tap_take_all(tap->fd);

	ioctl(tap->fd, TUNSETOFFLOAD, 0UL);
	return features;
}

int net_tap_open(struct net *net, const char *name)
{
	char path[NET_NAME];
	int ret = vu_program_path(name, net->index, path, sizeof(path));

	for (uint32_t i = 0; !ret && i < net->n_pairs; i++)
		ret = tap_open_queue(&net->pairs[i], path, net->n_pairs > 1);
	if (ret)
		net_tap_explain(name, ret);
	else
		net->offloads = tap_probe(&net->pairs[0]);
	return ret;
}
