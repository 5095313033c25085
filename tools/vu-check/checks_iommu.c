/* SPDX-License-Identifier: MIT */
/* Behind an IOMMU (vhost-user "IOMMU support"): addresses that have to be asked for. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "checks.h"
#include "frontend/iommu.h"

enum { MARK = 0x5a, FRESH = 0xff };

#define OFFSET UINT64_C(0x5000000000)

/* A request, in pages of its own. */
struct placed {
	struct request r;
	uint64_t first, end; /* guest addresses */
};

/* Connected, with features; nothing is translated. */
static int begin(struct probe *p, struct iommu **iommu)
{
	int ret = probe_open(p, NULL);

	*iommu = NULL;
	if (!ret)
		ret = iommu_new(p->peer, OFFSET, iommu);
	if (!ret)
		ret = peer_negotiate(p->peer);
	return ret ? ret : peer_set_driver(p->peer);
}

/* Answer what is asked until the request is used, or nothing happens for a while. */
static int wait_used(struct probe *p, struct iommu *iommu, unsigned int ms)
{
	uint64_t limit = frontend_deadline(ms);
	int ret = 0;

	while (ret >= 0 && !driver_has_used(probe_ring(p)) && frontend_deadline(0) < limit) {
		ret = iommu_serve(iommu);
		if (!ret)
			poll(NULL, 0, 1);
	}
	return ret < 0 ? ret : 0;
}

static int submit(struct probe *p, struct iommu *iommu, struct request *r, unsigned int ms)
{
	int ret = 0;

	if (driver_add(probe_ring(p), r->segs, r->n, r) < 0)
		ret = frontend_fail(probe_frontend(p), -ENOSPC, "a request does not fit");
	if (!ret)
		ret = probe_kick(p);
	return ret ? ret : wait_used(p, iommu, ms);
}

static int place(struct probe *p, struct placed *placed)
{
	struct guest_region *region = &p->peer->guest->regions[0];
	int ret;

	region->used = (region->used + IOMMU_PAGE - 1) / IOMMU_PAGE * IOMMU_PAGE;
	placed->first = region->gpa + region->used;
	ret = p->type->make(p->peer->guest, &placed->r);
	region->used = (region->used + IOMMU_PAGE - 1) / IOMMU_PAGE * IOMMU_PAGE;
	placed->end = region->gpa + region->used;
	return ret;
}

static int serve(struct probe *p, struct iommu *iommu, struct request *r)
{
	int ret = submit(p, iommu, r, p->timeout_ms);

	return ret ? ret : probe_await(p);
}

enum verdict check_iommu_ack(struct probe *p)
{
	struct iommu *iommu;
	int ret = begin(p, &iommu);

	if (!ret)
		ret = frontend_set_memory(probe_frontend(p), p->peer->guest);
	/* Neither asks for an acknowledgement: the answer comes all the same. */
	probe_frontend(p)->need_reply = false;
	if (!ret)
		ret = iommu_update(iommu, OFFSET);
	if (!ret)
		ret = iommu_invalidate(iommu, 0, UINT64_MAX);
	iommu_free(iommu);
	if (ret)
		return probe_failed(p, "IOTLB_MSG");
	return probe_pass(p, "an update and an invalidation");
}

enum verdict check_iommu_request(struct probe *p)
{
	struct placed placed;
	struct iommu *iommu;
	uint32_t asked = 0;
	int ret = begin(p, &iommu);

	if (!ret)
		ret = peer_start_rings(p->peer);
	for (int i = 0; !ret && i < 3; i++) {
		ret = place(p, &placed);
		if (!ret)
			ret = serve(p, iommu, &placed.r);
	}
	if (iommu)
		asked = iommu->asked;
	iommu_free(iommu);
	if (ret)
		return probe_failed(p, "requests at addresses that have to be asked for");
	if (!asked)
		return probe_fail(p, "served without asking where anything is");
	return probe_pass(p, "three requests, and %u questions", asked);
}

static void fill(struct probe *p, const struct placed *placed, uint64_t shift, int byte)
{
	for (uint32_t i = 0; i < placed->r.n; i++)
		if (placed->r.segs[i].write)
			memset(guest_ptr(p->peer->guest, placed->r.segs[i].gpa + shift,
					 placed->r.segs[i].len),
			       byte, placed->r.segs[i].len);
}

static bool is_filled(struct probe *p, const struct placed *placed, uint64_t shift, int byte)
{
	for (uint32_t i = 0; i < placed->r.n; i++) {
		const struct driver_seg *seg = &placed->r.segs[i];
		const unsigned char *at = guest_ptr(p->peer->guest, seg->gpa + shift, seg->len);

		for (uint32_t b = 0; seg->write && b < seg->len; b++)
			if (at[b] != byte)
				return false;
	}
	return true;
}

/* The request's pages are somewhere else from now on, *shift behind, with what is in them. */
static int move_away(struct probe *p, struct iommu *iommu, const struct placed *placed,
		     uint64_t *shift)
{
	uint64_t len = placed->end - placed->first;
	uint64_t to = guest_alloc(p->peer->guest, len, IOMMU_PAGE);
	int ret = to == GUEST_NONE ? -ENOMEM : 0;

	*shift = to - placed->first;
	if (ret)
		return ret;
	memcpy(guest_ptr(p->peer->guest, to, len), guest_ptr(p->peer->guest, placed->first, len),
	       len);
	for (uint64_t at = placed->first; !ret && at < placed->end; at += IOMMU_PAGE)
		ret = iommu_map(iommu, at + OFFSET, at + *shift, IOMMU_READ | IOMMU_WRITE);
	fill(p, placed, 0, MARK);
	fill(p, placed, *shift, FRESH);
	return ret ? ret : iommu_invalidate(iommu, placed->first + OFFSET, len);
}

enum verdict check_iommu_invalidate(struct probe *p)
{
	struct placed placed;
	struct iommu *iommu;
	uint64_t shift = 0;
	int ret = begin(p, &iommu);

	if (!ret)
		ret = peer_start_rings(p->peer);
	if (!ret)
		ret = place(p, &placed);
	if (!ret)
		ret = serve(p, iommu, &placed.r);
	if (!ret)
		ret = move_away(p, iommu, &placed, &shift);
	if (!ret)
		ret = submit(p, iommu, &placed.r, p->timeout_ms);
	iommu_free(iommu);
	if (ret)
		return probe_failed(p, "a request whose pages have moved");
	if (!is_filled(p, &placed, 0, MARK))
		return probe_fail(p, "the answer is where the page was before the invalidation");
	if (placed.r.writable && is_filled(p, &placed, shift, FRESH))
		return probe_fail(p, "a request whose pages have moved is not served");
	return probe_pass(p, "the answer is where the page is now");
}

/* Answer until it asks nothing more: its questions come one by one, and the machine may be busy. */
static int wait_quiet(struct probe *p, struct iommu *iommu)
{
	uint64_t limit = frontend_deadline(p->timeout_ms);
	uint32_t asked;
	int ret;

	do {
		asked = iommu->asked;
		ret = wait_used(p, iommu, CHECK_QUIET_MS);
		probe_let_look(p);
		if (!ret)
			ret = iommu_serve(iommu);
	} while (ret >= 0 && iommu->asked != asked && frontend_deadline(0) < limit);
	return ret < 0 ? ret : 0;
}

/* What may be done with the request's pages is perm; then it is submitted. */
static int restrict_to(struct probe *p, struct iommu *iommu, struct placed *placed, uint8_t perm)
{
	int ret = peer_start_rings(p->peer);

	if (!ret)
		ret = place(p, placed);
	for (uint64_t at = placed->first; !ret && at < placed->end; at += IOMMU_PAGE)
		ret = iommu_map(iommu, at + OFFSET, at, perm);
	if (!ret)
		fill(p, placed, 0, MARK);
	if (!ret)
		ret = submit(p, iommu, &placed->r, CHECK_QUIET_MS);
	return ret ? ret : wait_quiet(p, iommu);
}

enum verdict check_iommu_read_only(struct probe *p)
{
	struct placed placed;
	struct iommu *iommu;
	int ret = begin(p, &iommu);

	if (!ret)
		ret = restrict_to(p, iommu, &placed, IOMMU_READ);
	iommu_free(iommu);
	if (ret == -ENOMEM)
		return probe_failed(p, "a request");
	/* That the session ended, or the queue broke, is as good. */
	if (!is_filled(p, &placed, 0, MARK))
		return probe_fail(p, "a page that may only be read was written");
	return probe_survived(p);
}

enum verdict check_hostile_iommu_unmapped(struct probe *p)
{
	struct placed placed;
	struct iommu *iommu;

	if (!begin(p, &iommu))
		(void)restrict_to(p, iommu, &placed, 0);
	iommu_free(iommu);
	return probe_survived(p);
}

enum verdict check_hostile_iommu_message(struct probe *p)
{
	static const struct wire_iotlb bad[] = {
		{.iova = 0, .size = 0, .perm = 3, .type = WIRE_IOTLB_UPDATE},
		{.iova = UINT64_MAX, .size = 2, .perm = 3, .type = WIRE_IOTLB_UPDATE},
		{.iova = 0,
		 .size = UINT64_MAX,
		 .user_addr = 9,
		 .perm = 3,
		 .type = WIRE_IOTLB_UPDATE},
		{.iova = 0, .size = 4096, .perm = 0xff, .type = WIRE_IOTLB_UPDATE},
		{.iova = 1, .size = UINT64_MAX, .type = WIRE_IOTLB_INVALIDATE},
		{.iova = 0, .size = 4096, .perm = 3, .type = 77},
	};
	struct iommu *iommu;
	uint64_t ack;

	if (begin(p, &iommu) || frontend_set_memory(probe_frontend(p), p->peer->guest)) {
		iommu_free(iommu);
		return probe_failed(p, "negotiation");
	}
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (iommu_tell(iommu, &bad[i], &ack))
			break;
	iommu_free(iommu);
	return probe_survived(p);
}
