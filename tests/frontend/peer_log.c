/* SPDX-License-Identifier: MIT */
/* A front-end's dirty log, see peer_log.h. */
#include "frontend/peer_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_ALL (UINT64_C(1) << 26)

int peer_log_new(struct peer_log *log, const struct guest *guest)
{
	uint64_t end = 0;

	*log = (struct peer_log){.guest = guest, .fd = -1, .n_copies = guest->n_regions};
	for (uint32_t i = 0; i < guest->n_regions; i++)
		if (guest->regions[i].gpa + guest->regions[i].size > end)
			end = guest->regions[i].gpa + guest->regions[i].size;
	/* Rounded up as QEMU does. */
	log->bytes = (end / PEER_LOG_PAGE / 8 + PEER_LOG_PAGE) & ~(uint64_t)(PEER_LOG_PAGE - 1);
	log->copies = calloc(guest->n_regions, sizeof(*log->copies));
	for (uint32_t i = 0; log->copies && i < guest->n_regions; i++) {
		log->copies[i] = malloc(guest->regions[i].size);
		if (!log->copies[i])
			goto fail;
	}
	log->fd = memfd_create("dirty log", MFD_CLOEXEC);
	if (!log->copies || log->fd < 0 || ftruncate(log->fd, (off_t)log->bytes) < 0)
		goto fail;
	log->bits = mmap(NULL, log->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, log->fd, 0);
	if (log->bits != MAP_FAILED)
		return 0;
fail:
	log->bits = NULL;
	peer_log_free(log);
	return -ENOMEM;
}

void peer_log_free(struct peer_log *log)
{
	if (log->bits)
		munmap(log->bits, log->bytes);
	if (log->fd >= 0)
		close(log->fd);
	for (uint32_t i = 0; log->copies && i < log->n_copies; i++)
		free(log->copies[i]);
	free(log->copies);
}

int peer_log_ring(struct peer *peer, uint32_t index, uint32_t vring_flags)
{
	return frontend_set_ring_addr(&peer->frontend, peer->queues[index], vring_flags);
}

static int peer_log_rings(struct peer *peer, uint32_t vring_flags)
{
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = peer_log_ring(peer, i, vring_flags);
	return ret;
}

int peer_log_begin(struct peer *peer, const struct peer_log *log)
{
	struct frontend *f = &peer->frontend;
	int ret = frontend_set_log_base(f, log->bytes, 0, log->fd);

	if (ret == 0)
		ret = frontend_set_features(f, f->features | LOG_ALL);
	return ret ? ret : peer_log_rings(peer, WIRE_VRING_F_LOG);
}

int peer_log_end(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	int ret = frontend_set_features(f, f->features & ~LOG_ALL);

	return ret ? ret : peer_log_rings(peer, 0);
}

/* What was marked; nothing of it is any more.  Acquire: what was written before a mark is seen. */
static unsigned int peer_log_take(struct peer_log *log, uint64_t i)
{
	return __atomic_load_n(&log->bits[i], __ATOMIC_RELAXED)
		       ? __atomic_exchange_n(&log->bits[i], 0, __ATOMIC_ACQ_REL)
		       : 0;
}

void peer_log_copy_all(struct peer_log *log)
{
	/* First: a mark that comes while it is copied is of what the copy may lack. */
	for (uint64_t i = 0; i < log->bytes; i++)
		(void)peer_log_take(log, i);
	for (uint32_t i = 0; i < log->n_copies; i++)
		memcpy(log->copies[i], log->guest->regions[i].host, log->guest->regions[i].size);
}

static void peer_log_copy_page(struct peer_log *log, uint64_t gpa)
{
	for (uint32_t i = 0; i < log->n_copies; i++) {
		const struct guest_region *r = &log->guest->regions[i];
		uint64_t from = gpa > r->gpa ? gpa : r->gpa, end = r->gpa + r->size;

		if (end > gpa + PEER_LOG_PAGE)
			end = gpa + PEER_LOG_PAGE;
		if (from < end)
			memcpy(log->copies[i] + (from - r->gpa), r->host + (from - r->gpa),
			       end - from);
	}
}

uint64_t peer_log_copy_marked(struct peer_log *log)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < log->bytes; i++) {
		unsigned int bits = peer_log_take(log, i);

		for (uint32_t bit = 0; bit < 8; bit++) {
			if (!(bits >> bit & 1))
				continue;
			peer_log_copy_page(log, (i * 8 + bit) * PEER_LOG_PAGE);
			n++;
		}
	}
	return n;
}

uint64_t peer_log_differs(const struct peer_log *log)
{
	for (uint32_t i = 0; i < log->n_copies; i++) {
		const struct guest_region *r = &log->guest->regions[i];

		if (!memcmp(log->copies[i], r->host, r->size))
			continue;
		for (uint64_t at = 0; at < r->size; at++)
			if (log->copies[i][at] != r->host[at])
				return r->gpa + at;
	}
	return GUEST_NONE;
}

bool peer_log_is_same(const struct peer_log *log, uint64_t gpa, uint64_t len)
{
	for (uint32_t i = 0; i < log->n_copies; i++) {
		const struct guest_region *r = &log->guest->regions[i];

		if (gpa - r->gpa < r->size && len <= r->size - (gpa - r->gpa))
			return !memcmp(log->copies[i] + (gpa - r->gpa), r->host + (gpa - r->gpa),
				       len);
	}
	return false;
}

bool peer_log_has(const struct peer_log *log, uint64_t gpa)
{
	uint64_t page = gpa / PEER_LOG_PAGE;

	return page / 8 < log->bytes && log->bits[page / 8] >> page % 8 & 1;
}

uint64_t peer_log_count(const struct peer_log *log)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < log->bytes; i++)
		n += (unsigned int)__builtin_popcount(log->bits[i]);
	return n;
}
