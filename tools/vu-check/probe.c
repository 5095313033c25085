/* SPDX-License-Identifier: MIT */
/* Connections, requests and verdicts: what checks are made of. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "child.h"
#include "cut.h"

enum {
	STEP_MS = 5,
	START_MS = 60000,
	STARTS = 2 /* of the command, for one connection */,
	SILENT = 3
};

static enum verdict probe_say(struct probe *p, enum verdict verdict, const char *format,
			      va_list args)
{
	vsnprintf(p->saw, sizeof(p->saw), format, args);
	return verdict;
}

enum verdict probe_pass(struct probe *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	probe_say(p, CHECK_PASS, format, args);
	va_end(args);
	return CHECK_PASS;
}

enum verdict probe_fail(struct probe *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	probe_say(p, CHECK_FAIL, format, args);
	va_end(args);
	return CHECK_FAIL;
}

enum verdict probe_lacks(struct probe *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	probe_say(p, CHECK_NOT_OFFERED, format, args);
	va_end(args);
	return CHECK_NOT_OFFERED;
}

enum verdict probe_failed(struct probe *p, const char *what)
{
	return probe_fail(p, "%s: %s", what, p->peer ? probe_frontend(p)->error : "no memory");
}

uint32_t probe_queue(const struct probe *p)
{
	return p->type ? p->type->queue : 0;
}

struct driver_ring *probe_ring(struct probe *p)
{
	return p->peer->queues[probe_queue(p)];
}

void probe_close(struct probe *p)
{
	peer_free(p->peer);
	p->peer = NULL;
}

/* Bits of the device that its driver would accept, and what the check is about. */
static uint64_t probe_features(const struct probe *p)
{
	uint64_t features = BIT(F_VERSION_1) | BIT(F_PROTOCOL);

	if (p->type)
		features |= p->type->features;
	return features | (p->check ? p->check->features & ~BIT(F_LOG_ALL) : 0);
}

/*
 * Who accepts an in-flight log brings its region before the rings start, as QEMU does, and there
 * are back-ends that start none without: it is accepted where a check is about it.
 */
static uint64_t probe_protocol(const struct probe *p, uint64_t wanted)
{
	uint64_t own = p->check ? p->check->protocol_features : 0;

	if (!wanted)
		wanted = CHECK_USUAL;
	return wanted & ~(BIT(WIRE_PF_INFLIGHT_SHMFD) & ~own);
}

/* A back-end may be ending its last session, or starting. */
static int probe_connect(struct probe *p)
{
	uint64_t end = frontend_deadline(p->timeout_ms);
	int starts = STARTS, ret;

	for (;;) {
		if (p->child && !child_runs(p->child)) {
			if (!starts-- || child_start(p->child))
				return frontend_fail(probe_frontend(p), -ECHILD,
						     "the command ends at once, or can't be run");
			/* It may take its time; should it end instead, that is seen. */
			if (p->timeout_ms < START_MS)
				end = frontend_deadline(START_MS);
		}
		ret = peer_connect(p->peer, p->path);
		if (!ret || (ret != -ECONNREFUSED && ret != -ENOENT && ret != -EAGAIN))
			return ret;
		if (frontend_deadline(0) >= end)
			return ret;
		poll(NULL, 0, STEP_MS);
	}
}

static int probe_connect_new(struct probe *p, const struct peer_config *own)
{
	int ret;

	probe_close(p);
	ret = peer_new(own, &p->peer);
	return ret ? ret : probe_connect(p);
}

/*
 * Who serves one connection and ends still listens for a moment in between, and who serves one at a
 * time may turn the next one away before it has seen that the last one is gone: connecting succeeds
 * then, and nobody answers.  That is no fault of the next session's.  One more message is sent to
 * none but those who were seen to do so.
 */
static int probe_connect_living(struct probe *p, const struct peer_config *own)
{
	uint64_t end = frontend_deadline(p->timeout_ms), features;
	int starts = STARTS, ret;

	for (;;) {
		ret = probe_connect_new(p, own);
		if (ret || !p->child || !p->is_shy)
			return ret;
		ret = frontend_get_features(probe_frontend(p), &features);
		if (!ret || ret == -ETIMEDOUT || frontend_deadline(0) >= end ||
		    (!child_runs(p->child) && !starts--))
			return ret;
		poll(NULL, 0, STEP_MS);
	}
}

int probe_open(struct probe *p, const struct peer_config *config)
{
	struct peer_config own = config ? *config : (struct peer_config){0};

	own.n_queues = p->type ? p->type->n_queues : 1;
	own.packed = p->check && p->check->packed;
	own.timeout_ms = p->timeout_ms;
	if (!own.queue_size)
		own.queue_size = CHECK_QUEUE_SIZE;
	if (!own.features)
		own.features = probe_features(p);
	own.protocol_features = probe_protocol(p, own.protocol_features);
	return probe_connect_living(p, &own);
}

int probe_start(struct probe *p, const struct peer_config *config)
{
	int ret = probe_open(p, config);

	return ret ? ret : peer_start(p->peer);
}

int probe_add(struct probe *p, struct request *r)
{
	int ret = p->type->make(p->peer->guest, r);

	if (!ret)
		ret = driver_add(probe_ring(p), r->segs, r->n, r);
	return ret < 0 ? frontend_fail(probe_frontend(p), ret, "a request does not fit") : 0;
}

int probe_add_in_pieces(struct probe *p, struct request *r)
{
	struct driver_seg pieces[16];
	uint32_t n = 0;
	int ret = p->type->make(p->peer->guest, r);

	for (uint32_t i = 0; !ret && i < r->n; i++) {
		const struct driver_seg *seg = &r->segs[i];
		uint32_t half = seg->len / 2;

		if (half)
			pieces[n++] = (struct driver_seg){seg->gpa, half, seg->write};
		pieces[n++] = (struct driver_seg){seg->gpa + half, seg->len - half, seg->write};
	}
	if (!ret)
		ret = driver_add(probe_ring(p), pieces, n, r);
	return ret < 0 ? frontend_fail(probe_frontend(p), ret, "a request does not fit") : 0;
}

int probe_add_indirect(struct probe *p, struct request *r)
{
	int ret = p->type->make(p->peer->guest, r);

	if (!ret)
		ret = driver_add_indirect(probe_ring(p), r->segs, r->n, r);
	return ret < 0 ? frontend_fail(probe_frontend(p), ret, "a request does not fit") : 0;
}

/* The next used chain, without a kick. */
static int probe_collect(struct probe *p, struct driver_used *used)
{
	uint64_t end = frontend_deadline(p->timeout_ms);
	int ret;

	while (!(ret = driver_collect(probe_ring(p), used, 1))) {
		if (frontend_deadline(0) >= end)
			return frontend_fail(probe_frontend(p), -ETIMEDOUT,
					     "queue %u: nothing was used", probe_queue(p));
		poll(NULL, 0, 1);
	}
	return ret < 0 ? frontend_fail(probe_frontend(p), ret, "queue %u: used entry of no chain",
				       probe_queue(p))
		       : 0;
}

int probe_await(struct probe *p)
{
	const struct request *r;
	struct driver_used used;
	const char *flaw;
	int ret = probe_collect(p, &used);

	if (ret)
		return ret;
	r = used.cookie;
	if (used.len > r->writable)
		return frontend_fail(probe_frontend(p), -EPROTO,
				     "used with %u bytes written, of %u that can be", used.len,
				     r->writable);
	flaw = p->type->flaw(r, used.len);
	return flaw ? frontend_fail(probe_frontend(p), -EPROTO, "%s (%u bytes written)", flaw,
				    used.len)
		    : 0;
}

int probe_kick(struct probe *p)
{
	int ret = driver_kick(probe_ring(p));

	return ret < 0 ? frontend_fail(probe_frontend(p), ret, "kick: %s", strerror(-ret)) : 0;
}

int probe_answer(struct probe *p)
{
	int ret = probe_kick(p);

	return ret ? ret : probe_await(p);
}

int probe_serve(struct probe *p, uint32_t n)
{
	struct request r;
	int ret = 0;

	while (!ret && n--) {
		ret = probe_add(p, &r);
		if (!ret)
			ret = probe_answer(p);
	}
	return ret;
}

void probe_let_look(struct probe *p)
{
	uint64_t features;

	for (int i = 0; i < 2 && !frontend_get_features(probe_frontend(p), &features); i++)
		;
	/* Less if it hangs up. */
	poll(&(struct pollfd){probe_frontend(p)->fd, POLLIN, 0}, 1, CHECK_QUIET_MS);
}

bool probe_is_quiet(struct probe *p)
{
	probe_let_look(p);
	return !driver_has_used(probe_ring(p));
}

static int probe_greet_once(struct probe *p)
{
	int ret = probe_open(p, NULL);

	return ret ? ret : frontend_get_features(probe_frontend(p), &p->features);
}

/* Negotiation alone, where no request is known. */
static int probe_greet(struct probe *p)
{
	int ret = probe_greet_once(p);

	if (!ret || ret == -ETIMEDOUT || !p->child || p->is_shy)
		return ret;
	p->is_shy = true;
	return probe_greet_once(p);
}

enum verdict probe_survived(struct probe *p)
{
	static const struct check plain;
	const struct check *own = p->check;
	int ret;

	/* What the check was about may be what the back-end cannot do. */
	p->check = &plain;
	ret = p->type ? probe_start(p, NULL) : probe_greet(p);
	if (!ret && p->type)
		ret = probe_serve(p, 1);
	p->check = own;
	if (ret)
		return probe_failed(p, "afterwards, on a new connection");
	return probe_pass(p, p->type ? "a new connection is served, with a request"
				     : "a new connection is served");
}

static int probe_look(struct probe *p)
{
	int ret = probe_greet(p);

	p->protocol_features = 0;
	if (!ret && p->features & BIT(F_PROTOCOL))
		ret = frontend_get_protocol_features(probe_frontend(p), &p->protocol_features);
	return ret;
}

int probe_reach(struct probe *p)
{
	int ret = probe_greet(p);

	if (ret && p->peer)
		fprintf(stderr, "vu-check: %s\n", probe_frontend(p)->error);
	probe_close(p);
	return ret;
}

static const char *feature_name(uint64_t bits)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = {
		{BIT(F_LOG_ALL), "VHOST_F_LOG_ALL"},
		{BIT(F_INDIRECT), "VIRTIO_F_INDIRECT_DESC"},
		{BIT(F_EVENT_IDX), "VIRTIO_F_EVENT_IDX"},
		{BIT(F_PROTOCOL), "VHOST_USER_F_PROTOCOL_FEATURES"},
		{BIT(F_VERSION_1), "VIRTIO_F_VERSION_1"},
		{BIT(F_IOMMU), "VIRTIO_F_ACCESS_PLATFORM"},
		{BIT(F_PACKED), "VIRTIO_F_RING_PACKED"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bits & names[i].bit)
			return names[i].name;
	return "a feature";
}

/* May the check be run?  CHECK_PASS: yes. */
static enum verdict probe_needs(struct probe *p, const struct check *check)
{
	uint64_t features = check->features | (check->packed ? BIT(F_PACKED) : 0);
	uint64_t missing = features & ~p->features;

	if (check->protocol_features)
		features |= BIT(F_PROTOCOL);
	missing = features & ~p->features;
	if (missing)
		return probe_lacks(p, "%s", feature_name(missing));
	missing = check->protocol_features & ~p->protocol_features;
	if (missing)
		return probe_lacks(p, "protocol feature %d", __builtin_ctzll(missing));
	if (check->request && !p->type)
		return probe_lacks(p, "a request: --type says which the back-end would serve");
	if (check->type && strcmp(check->type, p->type ? p->type->name : ""))
		return probe_lacks(p, "a device of type %s", check->type);
	return CHECK_PASS;
}

static enum verdict probe_try(struct probe *p, const struct check *check)
{
	enum verdict verdict;
	int ret = probe_look(p);

	if (ret) {
		p->silent++;
		return probe_failed(p, "before the check began");
	}
	p->silent = 0;
	verdict = probe_needs(p, check);
	if (verdict != CHECK_PASS)
		return verdict;
	p->check = check;
	return check->run(p);
}

enum verdict probe_run(struct probe *p, const struct check *check)
{
	enum verdict verdict;
	int crash;

	p->check = NULL;
	p->saw[0] = '\0';
	/* Whoever waits for the report does not wait for each of the rest in vain. */
	if (p->silent >= SILENT)
		return probe_fail(p,
				  "not tried: before the last %d checks the back-end could not "
				  "be asked",
				  SILENT);
	verdict = probe_try(p, check);
	p->check = NULL;
	if (cut_take())
		verdict = probe_fail(p, "the back-end cut off memory that it shares with others");
	/* The next connection shows what became of it; who is stuck harms no other check. */
	if (p->child && probe_greet(p) && child_runs(p->child)) {
		if (verdict != CHECK_FAIL)
			verdict = probe_failed(p, "the back-end does not answer any more");
		child_kill(p->child);
	}
	crash = p->child ? child_take_crash(p->child) : 0;
	probe_close(p);
	if (crash)
		verdict = probe_fail(p, "the back-end was killed by signal %d (%s)", crash,
				     strsignal(crash));
	return verdict;
}
