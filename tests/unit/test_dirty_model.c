/* SPDX-License-Identifier: MIT */
/*
 * The dirty log against a front-end that copies memory infinitely fast: before and after each mark
 * it takes what is marked, and copies those pages.  Whatever the device does, the copy is then as
 * the memory is; and whenever the driver sees that something was used, the copy has it all but for
 * the very word that says so.  So no mark is missing, too early or too late.
 *
 * The driver's own writes are copied as they are: the front-end of a real machine knows them.
 */
#include "dirty_rig.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "inflight_rig.h"

enum { SIZE = 1024, MAX_CHAIN = 6, OPS = 2500, BATCH = 8, OUT = 64, RING_BYTES = 512 << 10 };

static struct model {
	struct rig *rig;
	struct dirty_log log;
	uint64_t seed;
	unsigned char *copies[RIG_MAX_REGIONS];
	struct req *out[OUT];
	uint32_t n_out;
	uint32_t batch_slot; /* packed: where the last batch that was published begins */
	uint64_t added, n_marks, n_seen, n_finished, n_put_back;
	bool is_watched; /* the device is doing something */
} * model;

static uint32_t pick(uint32_t n)
{
	/* xorshift64* */
	model->seed ^= model->seed >> 12;
	model->seed ^= model->seed << 25;
	model->seed ^= model->seed >> 27;
	return (uint32_t)((model->seed * UINT64_C(2685821657736338717)) >> 33) % n;
}

static void copy_page(uint64_t gpa)
{
	const struct guest *guest = model->rig->guest;

	for (uint32_t i = 0; i < guest->n_regions; i++) {
		const struct guest_region *r = &guest->regions[i];
		uint64_t from = gpa > r->gpa ? gpa : r->gpa, end = r->gpa + r->size;

		if (end > gpa + DIRTY_PAGE)
			end = gpa + DIRTY_PAGE;
		if (from < end)
			memcpy(model->copies[i] + (from - r->gpa), r->host + (from - r->gpa),
			       end - from);
	}
}

/* What the front-end does all the time. */
static void harvest(void)
{
	const struct guest *guest = model->rig->guest;

	for (uint32_t i = 0; i < guest->n_regions; i++) {
		const struct guest_region *r = &guest->regions[i];
		uint64_t page = r->gpa / DIRTY_PAGE, end = (r->gpa + r->size - 1) / DIRTY_PAGE;

		for (; page <= end; page++) {
			if (!dirty_log_has(&model->log, page * DIRTY_PAGE))
				continue;
			copy_page(page * DIRTY_PAGE);
			model->log.bits[page / 8] &= (unsigned char)~(1u << page % 8);
		}
	}
}

static void copy_all(void)
{
	const struct guest *guest = model->rig->guest;

	for (uint32_t i = 0; i < guest->n_regions; i++)
		memcpy(model->copies[i], guest->regions[i].host, guest->regions[i].size);
}

/* The copy is as the memory, but for len bytes there. */
static void check_copy(uint64_t but, uint64_t len)
{
	const struct guest *guest = model->rig->guest;

	for (uint32_t i = 0; i < guest->n_regions; i++) {
		const struct guest_region *r = &guest->regions[i];

		if (!memcmp(model->copies[i], r->host, r->size))
			continue;
		for (uint64_t at = 0; at < r->size; at++)
			if (model->copies[i][at] != r->host[at] && r->gpa + at - but >= len)
				fail_msg("the copy lacks what was written at %#llx",
					 (unsigned long long)(r->gpa + at));
	}
}

/* The word that makes a batch visible. */
static uint64_t word_of_batch(void)
{
	const struct driver_ring *drv = model->rig->drv;

	if (model->rig->layout->packed)
		return drv->desc_gpa + model->batch_slot * 16 + 14;
	return drv->used_gpa + 2;
}

bool __real_dirty_mark(const struct region *log, uint64_t addr, uint64_t len);
bool __wrap_dirty_mark(const struct region *log, uint64_t addr, uint64_t len);

bool __wrap_dirty_mark(const struct region *log, uint64_t addr, uint64_t len)
{
	bool is_all;

	if (!model || !model->is_watched)
		return __real_dirty_mark(log, addr, len);
	model->n_marks++;
	if (driver_has_used(model->rig->drv)) {
		model->n_seen++;
		check_copy(word_of_batch(), sizeof(uint16_t));
	}
	is_all = __real_dirty_mark(log, addr, len);
	assert_true(is_all);
	harvest();
	return is_all;
}

static void collect(void)
{
	struct driver_used used[BATCH];

	while (driver_collect(model->rig->drv, used, BATCH) > 0)
		continue;
}

static void device_begins(void)
{
	collect();
	copy_all();
	dirty_log_clear(&model->log);
	model->is_watched = true;
}

static void device_ends(void)
{
	model->is_watched = false;
	check_copy(0, 0);
}

static void add(struct model *m)
{
	struct driver_seg segs[MAX_CHAIN];
	uint32_t n = 1 + pick(MAX_CHAIN), readable = pick(n + 1);
	uint64_t table = m->rig->tables_gpa + m->added++ % SIZE * MAX_CHAIN * 16;

	for (uint32_t i = 0; i < n; i++) {
		/* Now and then across regions, and across pages. */
		uint64_t gpa = pick(8) ? RIG_DATA_GPA + pick(RIG_DATA_SIZE - 9000)
				       : RIG_SMALL_GPA - pick(30);

		segs[i] = (struct driver_seg){gpa, 1 + pick(gpa < RIG_SMALL_GPA - 9000 ? 9000 : 60),
					      i >= readable};
	}
	if (pick(2)) {
		(void)driver_add(m->rig->drv, segs, n, NULL);
	} else {
		driver_write_table(m->rig->drv, table, segs, n);
		(void)driver_add_table(m->rig->drv, segs, 0, table, n * 16, NULL);
	}
	driver_publish(m->rig->drv);
}

static void take(struct model *m)
{
	struct vu_req *reqs[BATCH];
	uint32_t max = 1 + pick(BATCH);
	int n;

	if (max > OUT - m->n_out)
		return;
	device_begins();
	n = ring_take(m->rig->ring, reqs, max);
	assert_true(n >= 0);
	device_ends();
	for (int i = 0; i < n; i++)
		m->out[m->n_out++] = (struct req *)reqs[i];
}

/* Every byte of the first `len` changes. */
static void write_to(const struct req *req, uint64_t len)
{
	for (uint32_t i = 0; i < req->pub.n_writable && len; i++) {
		unsigned char *p = req->pub.writable[i].iov_base;
		uint64_t n =
			req->pub.writable[i].iov_len < len ? req->pub.writable[i].iov_len : len;

		for (uint64_t j = 0; j < n; j++)
			p[j] = (unsigned char)(p[j] + 1 + pick(255));
		len -= n;
	}
}

static void finish(struct model *m)
{
	uint32_t n = 1 + pick(BATCH);

	device_begins();
	while (n-- && m->n_out) {
		uint32_t i = pick(m->n_out);
		struct req *req = m->out[i];
		uint64_t written = pick((uint32_t)req->pub.writable_len + 1);

		write_to(req, written);
		assert_int_equal(ring_complete(m->rig->ring, req, written), 0);
		m->out[i] = m->out[--m->n_out];
		m->n_finished++;
	}
	m->batch_slot = m->rig->ring->batch_slot;
	ring_publish(m->rig->ring);
	(void)ring_wants_signal(m->rig->ring);
	device_ends();
}

static void put_back(struct model *m)
{
	/* Only the newest can be. */
	for (uint32_t i = 0; i < m->n_out; i++) {
		struct req *req = m->out[i];

		if (req->again_at || req->pos + req->slots != m->rig->ring->next_pos)
			continue;
		device_begins();
		write_to(req, req->pub.writable_len);
		assert_int_equal(ring_put_back(m->rig->ring, req), 0);
		device_ends();
		m->out[i] = m->out[--m->n_out];
		m->n_put_back++;
		return;
	}
}

static void arm(struct model *m)
{
	device_begins();
	(void)ring_arm(m->rig->ring);
	device_ends();
}

static void disarm(struct model *m)
{
	device_begins();
	ring_disarm(m->rig->ring);
	device_ends();
}

/* As after a migration that was given up: nobody marks, then everybody does again. */
static void toggle(struct model *m)
{
	if (pick(8))
		return;
	dirty_off(m->rig);
	dirty_log_clear(&m->log);
	ring_disarm(m->rig->ring);
	(void)ring_arm(m->rig->ring);
	assert_int_equal(dirty_log_count(&m->log), 0);
	dirty_on(m->rig, &m->log);
}

/* The back-end dies; what it wrote last, before it could mark that, is copied all the same. */
static void crash(struct model *m)
{
	uint32_t n = 0;

	if (!m->rig->config.log || pick(16))
		return;
	device_begins();
	while (m->n_out && n++ < 3)
		assert_int_equal(ring_complete(m->rig->ring, m->out[--m->n_out], 0), 0);
	marks_pushed(m->rig->ring);
	m->batch_slot = m->rig->ring->batch_slot;
	if (m->rig->layout->packed)
		packed_publish(m->rig->ring);
	else
		split_publish(m->rig->ring);
	log_crash(m->rig);
	dirty_on(m->rig, &m->log);
	device_ends();
	m->n_out = 0;
}

static void (*const ops[])(struct model *m) = {
	add, add, add, add, take, take, finish, finish, put_back, arm, disarm, toggle, crash,
};

static void run_model(struct rig *rig, uint64_t seed, bool event_idx, bool in_order, bool inflight)
{
	const struct rig_options options = {
		.size = SIZE,
		.event_idx = event_idx,
		.in_order = in_order,
		.base = rig->layout->base_before_wrap(SIZE, 100),
		.ring_bytes = RING_BYTES,
	};

	model = calloc(1, sizeof(*model));
	model->rig = rig;
	model->seed = seed;
	if (inflight)
		log_start(rig, &options, 0);
	else
		rig_start(rig, &options);
	rig->tables_gpa = guest_alloc_in(rig->guest, RIG_RING, SIZE * MAX_CHAIN * 16, 16);
	for (uint32_t i = 0; i < rig->guest->n_regions; i++)
		model->copies[i] = malloc(rig->guest->regions[i].size);
	dirty_log_new(rig, &model->log, DIRTY_BYTES, 24);
	dirty_on(rig, &model->log);
	(void)driver_set_interrupts(rig->drv, true);
	for (int i = 0; i < OPS; i++) {
		ops[pick(sizeof(ops) / sizeof(ops[0]))](model);
		assert_null(rig->ring->why);
	}
	/* It went round, and everything happened. */
	assert_true(model->n_finished > 400 && model->n_put_back > 20);
	assert_true(model->n_marks > 1500 && model->n_seen > 100);
	if (inflight)
		log_free(rig);
	for (uint32_t i = 0; i < rig->guest->n_regions; i++)
		free(model->copies[i]);
	rig_stop(rig);
	dirty_log_free(&model->log);
	free(model);
	model = NULL;
}

static void a_copy_that_follows_the_log_is_as_the_memory(struct rig *rig)
{
	run_model(rig, 1, false, false, false);
	run_model(rig, 2, true, false, false);
}

static void it_is_when_requests_are_used_in_order(struct rig *rig)
{
	run_model(rig, 3, true, true, false);
}

static void it_is_with_an_in_flight_log_and_crashes(struct rig *rig)
{
	run_model(rig, 4, true, false, true);
	run_model(rig, 5, false, true, true);
}

static const struct rig_test tests[] = {
	RIG_TEST(a_copy_that_follows_the_log_is_as_the_memory),
	RIG_TEST(it_is_when_requests_are_used_in_order),
	RIG_TEST(it_is_with_an_in_flight_log_and_crashes),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
