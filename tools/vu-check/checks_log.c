/* SPDX-License-Identifier: MIT */
/* The dirty log (vhost-user "Migration"). */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checks.h"

enum { LOG_PAGE = 4096, LOG_BYTES = 4096, SHORT_LOG = 8 };

/* The reply has whatever payload: front-ends look at none of them. */
static int tell_log_base(struct frontend *f, int fd)
{
	const struct wire_log log = {.size = LOG_BYTES};
	struct frontend_msg reply;
	int ret = frontend_ask_msg(f, WIRE_SET_LOG_BASE, &log, sizeof(log), &fd, 1, &reply);

	if (!ret)
		frontend_msg_close_fds(&reply);
	return ret;
}

/* A dirty log of all guest memory, mapped here; -errno. */
static int open_log(struct probe *p, unsigned char **bits)
{
	int fd = memfd_create("dirty log", MFD_CLOEXEC), ret = 0;
	void *map;

	if (fd < 0 || ftruncate(fd, LOG_BYTES) < 0)
		ret = -errno;
	map = ret ? MAP_FAILED : mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!ret && map == MAP_FAILED)
		ret = -errno;
	if (!ret)
		ret = tell_log_base(probe_frontend(p), fd);
	if (ret && map != MAP_FAILED)
		munmap(map, LOG_BYTES);
	if (fd >= 0)
		close(fd);
	*bits = map;
	return ret;
}

enum verdict check_log_base(struct probe *p)
{
	unsigned char *bits;

	if (probe_start(p, NULL) || open_log(p, &bits))
		return probe_failed(p, "SET_LOG_BASE");
	munmap(bits, LOG_BYTES);
	if (p->type && probe_serve(p, 1))
		return probe_failed(p, "a request after it");
	return probe_pass(p, "answered");
}

static bool is_marked(const unsigned char *bits, uint64_t gpa)
{
	uint64_t page = gpa / LOG_PAGE;

	return bits[page / 8] & 1 << page % 8;
}

static enum verdict look_at_marks(struct probe *p, const unsigned char *bits,
				  const struct request *r)
{
	const struct driver_ring *ring = probe_ring(p);
	uint64_t used = p->check->packed ? ring->desc_gpa : ring->used_gpa;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->segs[i].write && !is_marked(bits, r->segs[i].gpa))
			return probe_fail(p,
					  "the page of a buffer that was written, %#llx, is not "
					  "marked",
					  (unsigned long long)r->segs[i].gpa);
	if (!is_marked(bits, used))
		return probe_fail(p, "the page of the used ring, %#llx, is not marked",
				  (unsigned long long)used);
	return probe_pass(p, "the pages of the answer and of the used ring are marked");
}

/* As QEMU begins a migration: while rings run.  Or ends it. */
static int log_all(struct probe *p, bool is_on)
{
	struct frontend *f = probe_frontend(p);
	uint64_t features = f->features & ~BIT(F_LOG_ALL);
	int ret = frontend_set_features(f, features | (is_on ? BIT(F_LOG_ALL) : 0));

	for (uint32_t i = 0; !ret && i < p->peer->n_queues; i++)
		ret = frontend_set_ring_addr(f, p->peer->queues[i], is_on ? WIRE_VRING_F_LOG : 0);
	return ret;
}

/* Running, with a log that is on: *bits are mapped then. */
static int start_log(struct probe *p, unsigned char **bits)
{
	int ret = probe_start(p, NULL);

	*bits = MAP_FAILED;
	if (!ret)
		ret = probe_serve(p, 1);
	if (!ret)
		ret = open_log(p, bits);
	return ret ? ret : log_all(p, true);
}

static void end_log(unsigned char *bits)
{
	if (bits != MAP_FAILED)
		munmap(bits, LOG_BYTES);
}

static int serve(struct probe *p, struct request *r)
{
	int ret = probe_add(p, r);

	return ret ? ret : probe_answer(p);
}

static int serve_logged(struct probe *p, unsigned char **bits, struct request *r)
{
	int ret = start_log(p, bits);

	return ret ? ret : serve(p, r);
}

static bool is_empty(const unsigned char *bits)
{
	for (uint32_t i = 0; i < LOG_BYTES; i++)
		if (bits[i])
			return false;
	return true;
}

enum verdict check_log_marks(struct probe *p)
{
	enum verdict verdict;
	unsigned char *bits;
	struct request r;
	int ret = serve_logged(p, &bits, &r);

	verdict =
		ret ? probe_failed(p, "a request while the log is on") : look_at_marks(p, bits, &r);
	end_log(bits);
	return verdict;
}

enum verdict check_log_off(struct probe *p)
{
	enum verdict verdict;
	unsigned char *bits;
	struct request r;
	int ret = serve_logged(p, &bits, &r);

	if (!ret)
		ret = log_all(p, false);
	if (!ret)
		memset(bits, 0, LOG_BYTES);
	if (!ret)
		ret = serve(p, &r);
	if (ret)
		verdict = probe_failed(p, "a request after the log was switched off");
	else if (!is_empty(bits))
		verdict = probe_fail(p, "pages are marked though the log is off");
	else
		verdict = probe_pass(p, "nothing is marked any more");
	end_log(bits);
	return verdict;
}

enum verdict check_log_replaced(struct probe *p)
{
	unsigned char *bits, *other = MAP_FAILED;
	enum verdict verdict;
	struct request r;
	int ret = start_log(p, &bits);

	if (!ret)
		ret = open_log(p, &other);
	if (!ret) {
		memset(bits, 0, LOG_BYTES);
		ret = serve(p, &r);
	}
	if (ret)
		verdict = probe_failed(p, "a request after another log came");
	else if (!is_empty(bits))
		verdict = probe_fail(p, "the log that was replaced is marked");
	else
		verdict = look_at_marks(p, other, &r);
	end_log(bits);
	end_log(other);
	return verdict;
}

/* The ring's used entries are logged as if they were written there. */
enum verdict check_log_address(struct probe *p)
{
	const uint64_t place = UINT64_C(100) * LOG_PAGE;
	enum verdict verdict;
	unsigned char *bits;
	struct request r;
	int ret = start_log(p, &bits);

	if (!ret) {
		struct frontend *f = probe_frontend(p);
		const struct driver_ring *ring = probe_ring(p);
		const struct wire_vring_addr addr = {
			.index = ring->index,
			.flags = WIRE_VRING_F_LOG,
			.desc = guest_uva(p->peer->guest, ring->desc_gpa),
			.used = guest_uva(p->peer->guest, ring->used_gpa),
			.avail = guest_uva(p->peer->guest, ring->avail_gpa),
			.log = place,
		};

		ret = frontend_set_vring_addr(f, &addr);
	}
	if (!ret) {
		memset(bits, 0, LOG_BYTES);
		ret = serve(p, &r);
	}
	if (ret)
		verdict = probe_failed(p, "a request while the log is on");
	else if (!is_marked(bits, place))
		verdict = probe_fail(p, "the page of the ring's log address, %#llx, is not marked",
				     (unsigned long long)place);
	else
		verdict = probe_pass(p, "the page of the ring's log address is marked");
	end_log(bits);
	return verdict;
}

enum verdict check_hostile_log_short(struct probe *p)
{
	const struct wire_log log = {.size = SHORT_LOG};
	int fd = memfd_create("dirty log", MFD_CLOEXEC);
	struct frontend_msg reply;
	unsigned char byte = 0;
	struct request r;

	if (fd < 0 || ftruncate(fd, LOG_BYTES) < 0 || probe_start(p, NULL)) {
		if (fd >= 0)
			close(fd);
		return probe_failed(p, "start");
	}
	/* Buffers behind what the log has bits for. */
	p->peer->guest->regions[0].used = UINT64_C(9) * SHORT_LOG * LOG_PAGE;
	if (!frontend_ask_msg(probe_frontend(p), WIRE_SET_LOG_BASE, &log, sizeof(log), &fd, 1,
			      &reply)) {
		frontend_msg_close_fds(&reply);
		/* Who ends the session does not answer. */
		if (!log_all(p, true) && !probe_add(p, &r) && !probe_kick(p))
			(void)probe_is_quiet(p);
	}
	if (pread(fd, &byte, 1, 9) < 0 || byte) {
		close(fd);
		return probe_fail(p, "a page is marked past the end of the log");
	}
	close(fd);
	return probe_survived(p);
}
