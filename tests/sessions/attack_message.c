/* SPDX-License-Identifier: MIT */
/* Steps of the front-end: messages of every kind, right, nearly right and wrong. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define F_PACKED   (UINT64_C(1) << 34)
#define F_STANDARD (UINT64_C(1) << 32 | UINT64_C(1) << 30)

static int odd_memfd(struct attack *a)
{
	int fd = memfd_create("odd", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)chance_below(&a->chance, 100000)))
		perror("ftruncate");
	return fd;
}

static int odd_pair(int (*make)(int *pair))
{
	int pair[2];

	if (make(pair))
		return -1;
	close(pair[1]);
	return pair[0];
}

static int make_sockets(int *pair)
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int make_pipe(int *pair)
{
	return pipe2(pair, O_CLOEXEC);
}

int attack_odd_fd(struct attack *a)
{
	uint32_t kind = chance_below(&a->chance, 12);

	/* Without /proc a file of a disk, or a socket in which something waits, may block. */
	if (a->is_shut_in && (kind == 3 || kind == 4 || kind == 6 || kind == 8 || kind == 10))
		kind = 11;
	switch (kind) {
	case 0:
		return odd_memfd(a);
	case 1:
		return odd_pair(make_sockets);
	case 2:
		return odd_pair(make_pipe);
	case 3:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 4:
		/* Where / is an overlay, it would be put aside, as those below. */
		return open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 5:
		return epoll_create1(EPOLL_CLOEXEC);
	case 6:
		return open("/proc", O_PATH | O_CLOEXEC);
	case 7:
		/* Of another family they stay open for good (decision 0007): target_check() counts.
		 */
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case 8:
		return dup(a->peer->frontend.fd);
	case 9:
		return dup(a->peer->guest->regions[0].fd);
	case 10:
		return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	default:
		return eventfd(0, EFD_CLOEXEC);
	}
}

/* Any message: an id, a payload of a size that some message has, descriptors of any kind. */
void step_message(struct attack *a)
{
	static const uint32_t sizes[] = {0,  8,	 8,  8,	 8,  12, 16,  20,
					 24, 24, 32, 40, 40, 72, 264, 268};
	struct frontend *f = &a->peer->frontend;
	uint32_t size = sizes[chance_below(&a->chance, sizeof(sizes) / sizeof(sizes[0]))];
	uint32_t request = 1 + chance_below(&a->chance, WIRE_REQUEST_END + 1);
	uint32_t flags = chance_percent(&a->chance, 50) ? WIRE_NEED_REPLY : 0;
	uint64_t payload[40];
	int fds[8], n = 0;

	for (uint32_t i = 0; i < 40; i++)
		payload[i] = chance_value(&a->chance);
	if (chance_percent(&a->chance, 60))
		((uint32_t *)payload)[0] = chance_below(&a->chance, a->peer->n_queues + 2);
	if (chance_percent(&a->chance, 40))
		n = 1 + (int)chance_below(&a->chance, 3);
	for (int i = 0; i < n; i++)
		fds[i] = attack_odd_fd(a);
	while (n > 0 && fds[n - 1] < 0)
		n--;
	attack_note(a, frontend_send(f, request, flags, payload, size, fds, (unsigned int)n));
	while (n > 0)
		close(fds[--n]);
	attack_drain(a);
}

void step_vring(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	struct chance *c = &a->chance;
	uint32_t index = chance_below(c, a->peer->n_queues + chance_percent(c, 5));
	struct wire_vring_addr addr = {
		.index = index,
		.desc = a->peer->guest->regions[0].uva + chance_below(c, 1 << 20) * 16,
		.avail = a->peer->guest->regions[0].uva + chance_value(c) % (4 << 20) * 2,
		.used = a->peer->guest->regions[0].uva + chance_value(c) % (4 << 20) * 4,
	};
	uint32_t base;
	int fd = -1;

	switch (chance_below(c, 7)) {
	case 0:
		attack_note(a, frontend_set_vring_num(f, index, 1u << chance_below(c, 16)));
		break;
	case 1:
		attack_note(a, frontend_set_vring_addr(f, &addr));
		break;
	case 2:
		attack_note(a, frontend_set_vring_base(f, index, (uint32_t)chance_value(c)));
		break;
	case 3:
		attack_note(a, frontend_set_vring_enable(f, index, chance_percent(c, 60)));
		break;
	case 4:
		attack_note(a, frontend_get_vring_base(f, index, &base));
		break;
	case 5:
		attack_note(a, frontend_vring_kick(f, index));
		break;
	default:
		fd = chance_percent(c, 60) ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
		attack_note(a, chance_percent(c, 50) ? frontend_set_vring_call(f, index, fd)
						     : frontend_set_vring_kick(f, index, fd));
		if (fd >= 0)
			close(fd);
	}
}

void step_memory(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	struct guest *guest = a->peer->guest;
	struct guest_region r = guest->regions[chance_below(&a->chance, guest->n_regions)];

	switch (chance_below(&a->chance, 6)) {
	case 0:
		attack_note(a, frontend_set_mem_table(f, guest));
		break;
	case 1:
		attack_note(a, frontend_rem_mem_reg(f, &r));
		break;
	case 2:
		r.gpa += UINT64_C(1) << 32;
		r.uva += UINT64_C(1) << 32;
		/* fall through */
	case 3:
		attack_note(a, frontend_add_mem_reg(f, &r));
		break;
	case 4:
		attack_note(a, frontend_rem_mem_reg(f, &r));
		if (!a->over)
			attack_note(a, frontend_add_mem_reg(f, &r));
		break;
	default:
		if (!a->bad_frontend)
			break;
		r.size = chance_value(&a->chance);
		r.mmap_offset = chance_value(&a->chance);
		attack_note(a, frontend_add_mem_reg(f, &r));
	}
}

static void inflight_map(struct attack *a)
{
	attack_scribble(a, false);
	if (a->log)
		munmap(a->log, a->log_size);
	a->log = NULL;
	a->log_size = a->inflight.mmap_size;
	if (a->log_size < 64 || a->log_size > 64 << 20)
		return;
	a->log = mmap(NULL, a->log_size, PROT_READ | PROT_WRITE, MAP_SHARED, a->inflight_fd, 0);
	if (a->log == MAP_FAILED)
		a->log = NULL;
}

/* Have one made, or give back the one there is: as it is, or under another layout. */
void step_inflight(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	struct chance *c = &a->chance;

	if (!frontend_has(f, WIRE_PF_INFLIGHT_SHMFD) && !a->bad_frontend)
		return;
	if (a->inflight_fd < 0) {
		a->inflight.n_queues = (uint16_t)a->peer->n_queues;
		a->inflight.queue_size = (uint16_t)a->peer->config.queue_size;
		if (a->bad_frontend && chance_percent(c, 10))
			a->inflight.queue_size = (uint16_t)chance_value(c);
		if (chance_percent(c, 30))
			frontend_set_features(f, f->features ^ F_PACKED);
		attack_note(a, frontend_get_inflight_fd(f, &a->inflight, &a->inflight_fd));
		if (a->inflight_fd < 0)
			return;
		inflight_map(a);
	}
	if (a->log && a->bad_frontend && chance_percent(c, 30))
		for (int i = 0; i < 8; i++)
			a->log[chance_u64(c) % a->log_size] = (unsigned char)chance_value(c);
	if (a->bad_frontend && chance_percent(c, 5))
		a->inflight.queue_size = (uint16_t)chance_value(c);
	attack_note(a, frontend_set_inflight_fd(f, &a->inflight, a->inflight_fd));
	if (!a->over && chance_percent(c, 30))
		attack_note(a, frontend_set_features(f, f->features ^ F_PACKED));
	if (!a->over)
		step_restart(a);
}

void step_config(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	unsigned char bytes[WIRE_CONFIG_MAX] = {0};
	uint32_t offset = chance_percent(&a->chance, 80) ? chance_below(&a->chance, 64)
							 : (uint32_t)chance_value(&a->chance);
	uint32_t size = chance_percent(&a->chance, 80) ? 1 + chance_below(&a->chance, 64)
						       : chance_below(&a->chance, WIRE_CONFIG_MAX);

	if (!frontend_has(f, WIRE_PF_CONFIG) && !a->bad_frontend)
		return;
	for (uint32_t i = 0; i < 64; i++)
		bytes[i] = (unsigned char)chance_value(&a->chance);
	if (chance_percent(&a->chance, 50))
		attack_note(a, frontend_get_config(f, offset, bytes, size));
	else
		attack_note(a, frontend_set_config(f, offset, bytes, size,
						   chance_below(&a->chance, 3)));
}

void step_status(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;

	if (!frontend_has(f, WIRE_PF_STATUS) && !a->bad_frontend)
		return;
	if (chance_percent(&a->chance, 30))
		attack_note(a, frontend_reset_device(f));
	else
		attack_note(a, frontend_set_status(f, chance_percent(&a->chance, 40)
							      ? 0
							      : chance_below(&a->chance, 256)));
}

void step_features(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	uint64_t bits = f->offered_features;

	switch (chance_below(&a->chance, 4)) {
	case 0:
		bits = chance_u64(&a->chance) | F_STANDARD;
		break;
	case 1:
		bits ^= F_PACKED;
		break;
	case 2:
		bits &= chance_u64(&a->chance);
		break;
	default:
		attack_note(a, frontend_set_protocol_features(f, f->offered_protocol_features &
									 chance_u64(&a->chance)));
		return;
	}
	attack_note(a, frontend_set_features(f, bits));
}

void step_channel(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;

	if (!frontend_has(f, WIRE_PF_BACKEND_REQ) && !a->bad_frontend)
		return;
	if (f->channel_fd >= 0 && chance_percent(&a->chance, 50)) {
		close(f->channel_fd);
		f->channel_fd = -1;
	} else if (f->channel_fd < 0) {
		attack_note(a, frontend_open_channel(f));
	}
}

/* Stop a queue and start it again, with what is set by now. */
void step_restart(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);
	struct frontend *f = &a->peer->frontend;
	uint32_t base = 0;
	int err;

	if (!ring)
		return;
	err = frontend_get_vring_base(f, ring->index, &base);
	attack_note(a, err);
	if (!err && !a->cut && chance_percent(&a->chance, 50)) {
		driver_reset(ring);
		ring->base = a->peer->config.packed ? 0x80008000 : 0;
	}
	if (!a->over)
		attack_note(a, peer_start_queue(a->peer, ring->index));
	if (!a->over)
		attack_note(a, frontend_set_vring_enable(f, ring->index, true));
}

/* A kick, call or error descriptor of any kind. */
void step_fds(struct attack *a)
{
	struct frontend *f = &a->peer->frontend;
	struct driver_ring *ring = attack_queue(a);
	int fd = attack_odd_fd(a);

	if (ring && fd >= 0) {
		uint32_t which = chance_below(&a->chance, 3);

		attack_note(a, which == 0   ? frontend_set_vring_kick(f, ring->index, fd)
			       : which == 1 ? frontend_set_vring_call(f, ring->index, fd)
					    : frontend_set_vring_err(f, ring->index, fd));
	}
	if (fd >= 0)
		close(fd);
}
