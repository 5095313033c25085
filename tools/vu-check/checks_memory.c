/* SPDX-License-Identifier: MIT */
/* Guest memory: where requests may be, and that it comes and goes while rings run. */
#include <errno.h>

#include "checks.h"

#define MIB  (UINT64_C(1) << 20)
#define USER UINT64_C(0x7f1200000000)

/* Allocate the next requests in this region alone. */
static void fill_others(struct probe *p, uint32_t region)
{
	struct guest *guest = p->peer->guest;

	for (uint32_t i = 0; i < guest->n_regions; i++)
		if (i != region)
			guest->regions[i].used = guest->regions[i].size;
}

static enum verdict serve_in(struct probe *p, const struct guest_region *regions, uint32_t n,
			     const char *what)
{
	const struct peer_config config = {.regions = regions, .n_regions = n};

	if (probe_start(p, &config) || probe_serve(p, 1))
		return probe_failed(p, "a request in the first region");
	for (uint32_t i = 1; i < n; i++) {
		p->peer->guest->regions[i].used = 0;
		fill_others(p, i);
		if (probe_serve(p, 1))
			return probe_failed(p, "a request in another region");
	}
	return probe_pass(p, "%s", what);
}

enum verdict check_mem_offset(struct probe *p)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = MIB, .uva = USER, .mmap_offset = 0x3000},
		{.gpa = 16 * MIB, .size = MIB, .uva = USER + 64 * MIB, .mmap_offset = 2 * MIB},
	};

	return serve_in(p, regions, 2, "two regions that begin inside of their files");
}

enum verdict check_mem_high(struct probe *p)
{
	static const struct guest_region regions[] = {
		{.gpa = UINT64_C(5) << 40, .size = MIB, .uva = 0x1000},
		{.gpa = 0, .size = MIB, .uva = UINT64_C(0xffff800000000000)},
	};

	return serve_in(p, regions, 2,
			"guest addresses of 5 TiB, user addresses of the other half");
}

/* The first buffer of the request, moved so that it is half in each region. */
enum verdict check_mem_straddle(struct probe *p)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = MIB, .uva = USER},
		{.gpa = MIB, .size = MIB, .uva = USER + 64 * MIB},
	};
	const struct peer_config config = {.regions = regions, .n_regions = 2};
	struct request r;
	struct driver_seg *seg;

	if (probe_start(p, &config) || p->type->make(p->peer->guest, &r))
		return probe_failed(p, "start");
	seg = &r.segs[0];
	if (seg->len < 2)
		return probe_lacks(p, "a buffer of two bytes");
	if (!seg->write) {
		const unsigned char *from = guest_ptr(p->peer->guest, seg->gpa, seg->len);

		for (uint32_t i = 0; i < seg->len; i++) {
			uint64_t to = MIB - seg->len / 2 + i;

			*(unsigned char *)guest_ptr(p->peer->guest, to, 1) = from[i];
		}
	}
	seg->gpa = MIB - seg->len / 2;
	if (driver_add(probe_ring(p), r.segs, r.n, &r) < 0 || probe_answer(p))
		return probe_failed(p, "a buffer half in one region and half in the next");
	return probe_pass(p, "a buffer half in one region and half in the next");
}

static const struct guest_region another = {
	.gpa = 64 * MIB,
	.size = MIB,
	.uva = USER + 512 * MIB,
};

/* A second region, told in either way, for a ring that runs. */
static int add_another(struct probe *p)
{
	struct peer_config config = {0};
	struct guest *guest;
	int ret;

	if (p->check->variant == CHANGED_TABLE)
		config.protocol_features = CHECK_USUAL & ~BIT(WIRE_PF_CONFIGURE_MEM_SLOTS);
	ret = probe_start(p, &config);
	if (!ret)
		ret = probe_serve(p, 1);
	if (ret)
		return ret;
	guest = p->peer->guest;
	ret = guest_add(guest, &another);
	if (ret < 0)
		return ret;
	fill_others(p, 1);
	return p->check->variant == CHANGED_TABLE
		       ? frontend_set_mem_table(probe_frontend(p), guest)
		       : frontend_add_mem_reg(probe_frontend(p), &guest->regions[1]);
}

enum verdict check_mem_changed(struct probe *p)
{
	if (add_another(p) || probe_serve(p, 2))
		return probe_failed(p, "memory added while a ring runs");
	return probe_pass(p, "requests in memory that was added while the ring ran");
}

enum verdict check_mem_removed(struct probe *p)
{
	struct guest *guest;

	if (add_another(p) || probe_serve(p, 1))
		return probe_failed(p, "memory added while a ring runs");
	guest = p->peer->guest;
	if (frontend_rem_mem_reg(probe_frontend(p), &guest->regions[1]))
		return probe_failed(p, "REM_MEM_REG");
	guest->regions[1].used = guest->regions[1].size;
	/* Behind the rings, and what the first request had. */
	guest->regions[0].used = guest->regions[0].size / 2;
	if (probe_serve(p, 2))
		return probe_failed(p, "requests after memory was removed");
	return probe_pass(p, "requests after memory was removed again");
}

enum verdict check_gpa_addresses(struct probe *p)
{
	const struct peer_config config = {
		.protocol_features = CHECK_USUAL | BIT(WIRE_PF_GPA_ADDRESSES),
	};

	if (probe_start(p, &config) || probe_serve(p, 2))
		return probe_failed(p, "a request where all addresses are the guest's");
	return probe_pass(p, "two requests, with memory at address 0");
}

enum verdict check_shmem_config(struct probe *p)
{
	struct wire_shmem_config config;
	uint32_t n = 0;

	if (probe_open(p, NULL) || peer_negotiate(p->peer) ||
	    frontend_ask(probe_frontend(p), WIRE_GET_SHMEM_CONFIG, NULL, 0, &config,
			 sizeof(config)))
		return probe_failed(p, "GET_SHMEM_CONFIG");
	for (uint32_t i = 0; i < 256; i++) {
		n += config.size[i] > 0;
		if (config.size[i] % 4096)
			return probe_fail(p, "region %u has %#llx bytes, not whole pages", i,
					  (unsigned long long)config.size[i]);
	}
	if (n != config.n_regions)
		return probe_fail(p, "it says %u regions, and %u have a size", config.n_regions, n);
	return probe_pass(p, "%u regions", n);
}
