/* SPDX-License-Identifier: MIT */
/* Steps of a front-end whose machine moves or has an IOMMU: dirty log, device state, translations.
 */
#include "attack.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define F_LOG_ALL (UINT64_C(1) << 26)
#define F_IOMMU	  (UINT64_C(1) << 33)

enum { STATE_BYTES = 4096, ANSWERS = 8 };

/* Every ring, in memory that is known. */
static void start_rings(struct attack *a)
{
	for (uint32_t i = 0; i < a->peer->n_queues && !a->over; i++)
		attack_note(a, peer_start_queue(a->peer, i));
	for (uint32_t i = 0; i < a->peer->n_queues && !a->over; i++)
		attack_note(a, frontend_set_vring_enable(&a->peer->frontend, i, true));
}

/* A log that covers all memory, a bit of it, or none; sometimes it ends under who writes there. */
static void log_base(struct attack *a)
{
	static const uint64_t sizes[] = {4096, 4096, 64, 1, 1 << 20, 0};
	struct chance *c = &a->chance;
	uint64_t size = sizes[chance_below(c, 6)];
	uint64_t offset = chance_percent(c, 80) ? 0 : chance_below(c, 8192);
	int fd = memfd_create("dirty log", MFD_CLOEXEC);

	if (a->bad_frontend && chance_percent(c, 10))
		size = chance_value(c);
	if (fd < 0 || ftruncate(fd, size > 1 << 20 ? 1 << 20 : (off_t)(size + offset)))
		perror("dirty log");
	attack_note(a, frontend_set_log_base(&a->peer->frontend, size, offset, fd));
	if (a->bad_frontend && chance_percent(c, 10) && ftruncate(fd, 0))
		perror("ftruncate");
	if (fd >= 0)
		close(fd);
}

static void log_ring(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);

	if (ring)
		attack_note(a, frontend_set_ring_addr(
				       &a->peer->frontend, ring,
				       chance_percent(&a->chance, 70) ? WIRE_VRING_F_LOG : 0));
}

void step_log(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	int fd;

	if (!frontend_has(f, WIRE_PF_LOG_SHMFD) && !a->bad_frontend)
		return;
	switch (chance_below(&a->chance, 4)) {
	case 0:
		log_base(a);
		break;
	case 1:
		log_ring(a);
		break;
	case 2:
		fd = attack_odd_fd(a);
		if (a->bad_frontend && fd >= 0)
			attack_note(a, frontend_set_log_fd(f, fd));
		if (fd >= 0)
			close(fd);
		break;
	default:
		attack_note(a, frontend_set_features(f, f->features ^ F_LOG_ALL));
	}
}

/* Bytes for a device to load: nothing, anything, or what it saved with some of them changed. */
static void send_state(struct attack *a, int fd, const unsigned char *saved, size_t len)
{
	struct chance *c = &a->chance;
	unsigned char bytes[STATE_BYTES];

	if (!len || chance_percent(c, 20)) {
		len = chance_below(c, sizeof(bytes));
		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)chance_value(c);
	} else {
		memcpy(bytes, saved, len);
	}
	for (uint32_t n = chance_below(c, 4); n && len; n--)
		bytes[chance_below(c, (uint32_t)len)] = (unsigned char)chance_value(c);
	if (chance_percent(c, 20))
		len /= 2;
	if (write(fd, bytes, len) < 0)
		perror("state");
}

/* A device's state asked for, or sent, while its rings run or when they are stopped. */
void step_state(struct attack *a)
{
	static unsigned char saved[STATE_BYTES];
	static size_t saved_len;
	struct frontend *f = &a->peer->frontend;
	uint32_t direction = chance_below(&a->chance, a->bad_frontend ? 3 : 2);
	uint32_t phase = a->bad_frontend && chance_percent(&a->chance, 5);
	int fds[2], own = -1;
	bool keeps;
	uint64_t value;

	if ((!frontend_has(f, WIRE_PF_DEVICE_STATE) && !a->bad_frontend) || pipe(fds))
		return;
	if (chance_percent(&a->chance, 70))
		attack_note(a, peer_stop(a->peer));
	if (!a->over)
		attack_note(
			a, frontend_set_device_state_fd(f, direction, phase, fds[1], &value, &own));
	if (own >= 0 && direction == 1)
		send_state(a, own, saved, saved_len);
	if (own >= 0 && direction == 0) {
		ssize_t n = read(own, saved, sizeof(saved));

		saved_len = n > 0 ? (size_t)n : 0;
	}
	/* A front-end that keeps it open keeps itself waiting. */
	keeps = own >= 0 && chance_percent(&a->chance, 3);
	if (own >= 0 && !keeps)
		close(own);
	close(fds[0]);
	close(fds[1]);
	if (!a->over && chance_percent(&a->chance, 90))
		attack_note(a, frontend_check_device_state(f));
	if (keeps)
		close(own);
	start_rings(a);
}

static void tell_iotlb(struct attack *a, uint64_t iova)
{
	struct chance *c = &a->chance;
	const struct guest_region *r =
		&a->peer->guest->regions[chance_below(c, a->peer->guest->n_regions)];
	struct wire_iotlb m = {
		.iova = iova & ~UINT64_C(4095),
		.size = 4096u << chance_below(c, 12),
		.user_addr = r->uva + (iova & ~UINT64_C(4095)) % r->size,
		.perm = (uint8_t)(chance_percent(c, 70) ? 3 : chance_below(c, 5)),
		.type = WIRE_IOTLB_UPDATE,
	};

	if (chance_percent(c, 30))
		m.type = (uint8_t)(chance_percent(c, 90) ? WIRE_IOTLB_INVALIDATE
							 : chance_below(c, 6));
	if (chance_percent(c, 10))
		m.size = chance_value(c);
	if (chance_percent(c, 5))
		m.user_addr = chance_value(c);
	attack_note(a,
		    frontend_send(&a->peer->frontend, WIRE_IOTLB_MSG, 0, &m, sizeof(m), NULL, 0));
	attack_drain(a);
}

/* What is asked on the channel is answered, or not, or with something else. */
static void answer_misses(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	struct frontend_msg msg;

	for (int i = 0; i < ANSWERS && !a->over && f->channel_fd >= 0; i++) {
		struct wire_iotlb miss;

		if (frontend_recv_backend(f, &msg, 0))
			return;
		memcpy(&miss, msg.payload, sizeof(miss));
		frontend_msg_close_fds(&msg);
		if (msg.hdr.request == WIRE_BACKEND_IOTLB_MSG && chance_percent(&a->chance, 80))
			tell_iotlb(a, miss.iova);
		if (chance_percent(&a->chance, 90))
			(void)frontend_answer_backend(f, &msg, chance_percent(&a->chance, 10));
	}
}

/* Translations come and go, where they were asked for and where not. */
void step_iotlb(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;

	if (!(f->features & F_IOMMU) || chance_percent(&a->chance, 3)) {
		attack_note(a, frontend_set_features(f, f->features ^ F_IOMMU));
		if (!a->over && f->channel_fd < 0)
			attack_note(a, frontend_open_channel(f));
		start_rings(a);
	}
	for (uint32_t n = chance_below(&a->chance, 6); n && !a->over; n--)
		tell_iotlb(a, chance_percent(&a->chance, 90) ? chance_u64(&a->chance) % (8 << 20)
							     : chance_value(&a->chance));
	answer_misses(a);
}
