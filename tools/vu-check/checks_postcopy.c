/* SPDX-License-Identifier: MIT */
/* Postcopy (vhost-user "Migration", POSTCOPY_ADVISE): memory that comes while a guest runs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "checks.h"

enum { PAGE = 4096, PAGES = 64 /* that a request may have */ };

/* In postcopy each has to be told where the back-end has it: one region. */
struct postcopy {
	int fd;	       /* userfaultfd */
	uint64_t base; /* where the back-end has guest memory */
	/* What is on its way, and was asked for. */
	uint64_t first;
	uint32_t n, asked;
	unsigned char *pages;
};

static int advise(struct probe *p, int *fd)
{
	struct frontend *f = probe_frontend(p);
	struct frontend_msg reply;
	int ret = frontend_ask_msg(f, WIRE_POSTCOPY_ADVISE, NULL, 0, NULL, 0, &reply);

	if (ret)
		return ret;
	*fd = frontend_msg_take_fd(&reply);
	frontend_msg_close_fds(&reply);
	return *fd >= 0 ? 0 : frontend_fail(f, -EPROTO, "POSTCOPY_ADVISE: no descriptor came");
}

/* Connected, in the middle of a migration to here; the variant says how memory is told. */
static int begin(struct probe *p, struct postcopy *c)
{
	const struct peer_config config = {
		.protocol_features =
			~(BIT(WIRE_PF_GPA_ADDRESSES) | BIT(WIRE_PF_XEN_MMAP) |
			  BIT(WIRE_PF_CROSS_ENDIAN) | BIT(WIRE_PF_INBAND_NOTIFICATIONS) |
			  BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT) |
			  (p->check->variant == CHANGED_TABLE ? BIT(WIRE_PF_CONFIGURE_MEM_SLOTS)
							      : 0)),
	};
	int ret = probe_open(p, &config);

	*c = (struct postcopy){.fd = -1};
	if (!ret)
		ret = peer_negotiate(p->peer);
	return ret ? ret : advise(p, &c->fd);
}

enum verdict check_postcopy_advise(struct probe *p)
{
	struct postcopy c;
	char link[32], name[64] = "";

	if (begin(p, &c))
		return probe_failed(p, "POSTCOPY_ADVISE");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", c.fd);
	if (readlink(link, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	close(c.fd);
	if (strcmp(name, "anon_inode:[userfaultfd]") != 0)
		return probe_fail(p, "the descriptor is %s, no userfaultfd", name);
	return probe_pass(p, "a userfaultfd came");
}

/* Tell of memory: the reply has it again, at the addresses that the back-end has. */
static int propose(struct probe *p, struct postcopy *c)
{
	const struct guest_region *r = &p->peer->guest->regions[0];
	const struct wire_region region = {r->gpa, r->size, r->uva, r->mmap_offset};
	const struct wire_mem_reg reg = {.region = region};
	const struct wire_mem_table table = {.n_regions = 1, .regions = {region}};
	struct frontend *f = probe_frontend(p);
	bool slots = frontend_has(f, WIRE_PF_CONFIGURE_MEM_SLOTS);
	uint32_t size = 8 + (uint32_t)sizeof(region);
	struct frontend_msg reply;
	struct wire_region got;
	const uint64_t nothing = 0;
	int ret = frontend_ask_msg(f, slots ? WIRE_ADD_MEM_REG : WIRE_SET_MEM_TABLE,
				   slots ? (const void *)&reg : &table, size, &r->fd, 1, &reply);

	if (ret)
		return ret;
	frontend_msg_close_fds(&reply);
	memcpy(&got, reply.payload + 8, sizeof(got));
	if (reply.hdr.size != size || got.guest_addr != r->gpa || got.size != r->size ||
	    !got.user_addr || got.user_addr == r->uva)
		return frontend_fail(f, -EPROTO,
				     "the reply has %u bytes: %#llx bytes of guest address %#llx "
				     "at %#llx",
				     reply.hdr.size, (unsigned long long)got.size,
				     (unsigned long long)got.guest_addr,
				     (unsigned long long)got.user_addr);
	c->base = got.user_addr;
	/* As QEMU says that it has understood, which is not answered. */
	return frontend_send(f, slots ? WIRE_ADD_MEM_REG : WIRE_SET_MEM_TABLE, 0, &nothing,
			     sizeof(nothing), NULL, 0);
}

static int propose_all(struct probe *p, struct postcopy *c)
{
	int ret = frontend_tell(probe_frontend(p), WIRE_POSTCOPY_LISTEN, NULL, 0, NULL, 0);

	if (!ret)
		ret = peer_set_driver(p->peer);
	return ret ? ret : propose(p, c);
}

static int end(struct probe *p)
{
	struct frontend *f = probe_frontend(p);
	uint64_t value;
	int ret = frontend_ask(f, WIRE_POSTCOPY_END, NULL, 0, &value, sizeof(value));

	if (!ret && value)
		ret = frontend_fail(f, -EREMOTEIO, "POSTCOPY_END: %#llx",
				    (unsigned long long)value);
	/* Whatever was answered that has no answer would be in the way here. */
	return ret ? ret : frontend_get_features(f, &p->features);
}

enum verdict check_postcopy_memory(struct probe *p)
{
	struct postcopy c;
	int ret = begin(p, &c);

	if (!ret)
		ret = propose_all(p, &c);
	if (!ret)
		ret = end(p);
	if (c.fd >= 0)
		close(c.fd);
	if (ret)
		return probe_failed(p, "memory told between POSTCOPY_LISTEN and POSTCOPY_END");
	return probe_pass(p, "the back-end has guest memory at %#llx", (unsigned long long)c.base);
}

/* Pages of a request, which go away. */
static int take_away(struct probe *p, struct postcopy *c, struct request *r)
{
	struct guest_region *region = &p->peer->guest->regions[0];
	int ret;

	region->used = (region->used + PAGE - 1) / PAGE * PAGE;
	c->first = region->used;
	ret = p->type->make(p->peer->guest, r);
	region->used = (region->used + PAGE - 1) / PAGE * PAGE;
	c->n = (uint32_t)((region->used - c->first) / PAGE);
	c->pages = malloc((size_t)c->n * PAGE);
	if (ret || !c->pages || c->n > PAGES)
		return frontend_fail(probe_frontend(p), -ENOMEM, "a request does not fit");
	memcpy(c->pages, region->host + c->first, (size_t)c->n * PAGE);
	if (fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(region->mmap_offset + c->first), (off_t)c->n * PAGE) < 0)
		return frontend_fail(probe_frontend(p), -errno, "fallocate: %s", strerror(errno));
	return 0;
}

/* A page that somebody waits for. */
static int supply(struct probe *p, struct postcopy *c)
{
	static const unsigned char zeros[2 * PAGE];
	struct uffdio_copy copy = {.len = PAGE};
	struct uffd_msg msg;
	uint64_t at;

	if (read(c->fd, &msg, sizeof(msg)) != sizeof(msg))
		return 0;
	at = msg.arg.pagefault.address - c->base;
	if (msg.event != UFFD_EVENT_PAGEFAULT || at >= p->peer->guest->regions[0].size)
		return frontend_fail(probe_frontend(p), -EPROTO,
				     "event %u at %#llx, which is not where the back-end said it "
				     "has guest memory",
				     msg.event, (unsigned long long)msg.arg.pagefault.address);
	at = at / PAGE * PAGE;
	copy.dst = c->base + at;
	copy.src = ((uintptr_t)zeros + PAGE - 1) / PAGE * PAGE;
	if (at >= c->first && at - c->first < (uint64_t)c->n * PAGE) {
		copy.src = (uintptr_t)c->pages + (at - c->first);
		c->asked++;
	}
	if (ioctl(c->fd, UFFDIO_COPY, &copy) && errno != EEXIST)
		return frontend_fail(probe_frontend(p), -errno, "UFFDIO_COPY: %s", strerror(errno));
	return 0;
}

/* Until the request is used. */
static int supply_all(struct probe *p, struct postcopy *c)
{
	uint64_t limit = frontend_deadline(p->timeout_ms);
	struct pollfd faults = {.fd = c->fd, .events = POLLIN};
	int ret = 0;

	fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
	while (!ret && !driver_has_used(probe_ring(p)) && frontend_deadline(0) < limit)
		if (poll(&faults, 1, 1) > 0)
			ret = supply(p, c);
	return ret;
}

/* Memory is told of and rings are started, with a request whose pages are nowhere yet. */
static int run_ahead(struct probe *p, struct postcopy *c, struct request *r)
{
	struct frontend *f = probe_frontend(p);
	int ret = propose_all(p, c);

	for (uint32_t i = 0; !ret && i < p->peer->n_queues; i++)
		ret = peer_start_queue(p->peer, i);
	for (uint32_t i = 0; !ret && i < p->peer->n_queues; i++)
		ret = frontend_set_vring_enable(f, i, true);
	if (!ret)
		ret = take_away(p, c, r);
	if (!ret && driver_add(probe_ring(p), r->segs, r->n, r) < 0)
		ret = frontend_fail(f, -ENOSPC, "a request does not fit");
	if (!ret)
		ret = probe_kick(p);
	return ret ? ret : supply_all(p, c);
}

enum verdict check_postcopy_fault(struct probe *p)
{
	struct postcopy c;
	struct request r;
	int ret = begin(p, &c);

	if (!ret)
		ret = run_ahead(p, &c, &r);
	if (!ret)
		ret = probe_await(p);
	if (!ret)
		ret = end(p);
	if (c.fd >= 0)
		close(c.fd);
	free(c.pages);
	if (ret)
		return probe_failed(p, "a request in memory that is on its way");
	if (!c.asked)
		return probe_fail(p, "none of the request's %u pages was waited for", c.n);
	return probe_pass(p, "served when the %u pages that it waited for had come", c.asked);
}
