/* SPDX-License-Identifier: MIT */
/* See life.h. */
#include "life.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/device.h"
#include "kit/counts.h"
#include "kit/patience.h"

/* Of answers that a failure may keep from coming; on a busy machine they may only be late. */
enum { SOON_MS = 500, LATE_MS = 60000 };
enum { PASSES = 1000, ENOUGH = 2000 };

static void life_ready(struct vu_queue *queue, void *opaque)
{
	struct life *l = opaque;
	struct vu_req *req;

	if (l->kind->ready)
		l->kind->ready(l, queue);
	while (vu_queue_next(queue, &req) == 1) {
		vu_req_complete(req, vu_req_write(req, 0, "x", 1));
		l->served++;
	}
}

static void life_pump(void *opaque)
{
	struct life *l = opaque;
	int more = 1;

	if (!l->spared)
		fault_on();
	for (int i = 0; more > 0 && i < PASSES; i++) {
		more = vu_device_process(l->dev);
		more |= vu_group_process(l->group, 0);
		if (!more)
			more = vu_group_arm(l->group);
	}
	fault_off();
}

bool life_refused(struct life *l, int err)
{
	l->refused += err < 0;
	return err < 0;
}

bool life_make(struct life *l)
{
	static const unsigned char config[8];
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = life_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "life",
		.device_id = 4,
		.n_queues = LIFE_QUEUES,
		.config_size = sizeof(config),
		.config = config,
		.log_level = VU_LOG_WARNING,
		.log_fn = log_book_write,
		.log_opaque = &l->log,
	};
	int err;

	fault_on();
	err = vu_device_new(&info, &ops, l, &l->dev);
	if (!err)
		err = vu_group_new(&l->group);
	if (!err)
		err = vu_queue_set_group(vu_device_queue(l->dev, 1), l->group);
	if (!err && l->kind->make)
		err = l->kind->make(l);
	fault_off();
	return !life_refused(l, err);
}

bool life_attach(struct life *l)
{
	int fd, err;

	assert_ok(peer_open(l->peer, &fd));
	fault_on();
	err = vu_device_attach(l->dev, fd);
	fault_off();
	if (err)
		close(fd);
	return !life_refused(l, err);
}

bool life_requests(struct life *l)
{
	for (uint32_t q = 0; q < LIFE_QUEUES; q++) {
		const struct driver_seg seg = {guest_alloc(l->peer->guest, 64, 8), 64, true};
		struct driver_used used;

		if (driver_add(l->peer->queues[q], &seg, 1, NULL) < 0 ||
		    peer_wait_used(l->peer, q, &used))
			return false;
	}
	return true;
}

void life_end(struct life *l)
{
	fault_on();
	if (l->dev)
		vu_device_detach(l->dev);
	vu_group_free(l->group);
	if (l->dev)
		l->kept = l->dev->closer.kept;
	vu_device_free(l->dev);
	fault_off();
}

void life_open(struct life *l, const struct life_kind *kind, unsigned int patience_ms)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = 4 << 20, .uva = 0x7f0000000000},
		{.gpa = 4 << 20, .size = 1 << 20, .uva = 0x7f0000400000},
	};
	const struct peer_config config = {
		.n_queues = LIFE_QUEUES,
		.n_regions = 2,
		.regions = regions,
		.timeout_ms = patience_ms,
		.pump = life_pump,
		.pump_opaque = l,
	};

	memset(l, 0, sizeof(*l));
	l->kind = kind;
	log_book_open(&l->log);
	fault_order(0, false);
	assert_ok(peer_new(&config, &l->peer));
}

/* One life; how many calls it took. */
static uint32_t life_live(struct life *l, const struct life_kind *kind, uint32_t nth, bool all,
			  unsigned int patience_ms)
{
	life_open(l, kind, patience_ms);
	fault_order(nth, all);
	l->went_through = life_make(l) && life_attach(l) && kind->session(l);
	life_end(l);
	peer_free(l->peer);
	return fault_calls();
}

/* Nobody was told why not everything was done. */
static bool life_is_silent(const struct life *l)
{
	return !l->went_through && !log_book_complaints(&l->log) && !l->refused;
}

/* Descriptors that are left for good. */
static int life_fail(struct life *l, const struct life_kind *kind, uint32_t nth, bool all)
{
	int kept;

	life_live(l, kind, nth, all, SOON_MS);
	kept = (int)l->kept;
	if (!life_is_silent(l))
		return kept;
	life_live(l, kind, nth, all, LATE_MS);
	return kept + (int)l->kept;
}

void life_with_each(const struct life_kind *kind, bool all, const char *const *names, uint32_t n)
{
	bool failed[32] = {false};
	int fds = count_fds(), mappings = count_guest_mappings();
	struct life l;
	uint32_t calls = life_live(&l, kind, 0, false, HANG_MS), survived = 0, wrong = 0;

	assert_true(n <= sizeof(failed));
	if (!l.went_through)
		fail_msg("without a failure: %s", l.log.text);
	assert_int_equal(log_book_complaints(&l.log), 0);
	for (uint32_t nth = 1; nth <= calls && nth < ENOUGH; nth++) {
		fds += life_fail(&l, kind, nth, all);
		if (life_is_silent(&l)) {
			print_error("call %u, %s(), failed, and nobody was told\n", nth,
				    fault_failed());
			wrong++;
		}
		if (count_fds() != fds || count_guest_mappings() != mappings)
			fail_msg("call %u, %s(), failed: %d descriptors and %d mappings are left",
				 nth, fault_failed(), count_fds() - fds,
				 count_guest_mappings() - mappings);
		survived += l.went_through;
		for (uint32_t i = 0; i < n; i++)
			failed[i] |= fault_failed() && !strcmp(fault_failed(), names[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		if (!failed[i])
			fail_msg("%s() was never asked", names[i]);
	assert_int_equal(wrong, 0);
	printf("%u calls, each failed once%s; %u lives went through all the same\n", calls,
	       all ? " with all that followed" : "", survived);
}
