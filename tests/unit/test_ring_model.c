/* SPDX-License-Identifier: MIT */
/*
 * A ring against a model: random operations of driver and device, with fixed seeds.  The model
 * knows what the driver published and in which order, what is out, what was completed, and who has
 * been promised to be woken.
 */
#include "test_ring_rig.h"

#include <stdlib.h>

enum { SIZE = 32, MAX_CHAIN = 40, OPS = 20000, QUEUE = 4096 };

struct chain {
	struct driver_seg segs[MAX_CHAIN];
	uint32_t n;
	uint32_t entries; /* of the ring */
	uint64_t writable_len;
};

/* A request that is out, and the how-manieth it is. */
struct out {
	struct req *req;
	uint32_t id;
	uint64_t number;
};

struct model {
	struct rig *rig;
	uint64_t seed;
	struct chain chains[SIZE]; /* by id */
	uint32_t fifo[QUEUE];	   /* ids in the order of the available ring */
	uint64_t added, published, seen, taken;
	uint32_t entries; /* of what was taken */
	bool vague;	  /* a packed ring's look found a chain and went no further */
	struct out out[SIZE];
	uint32_t n_out;
	struct driver_used used[QUEUE]; /* in the order of completion */
	uint64_t completed, announced, collected;
	bool armed;	 /* arm said that a kick would come */
	bool wants_call; /* the driver was told that a call would come */
	bool polls;	 /* the driver said it wants none */
	bool decided;	 /* about a signal, at least once */
	uint64_t n_kicks, n_calls, n_refused;
};

static uint32_t pick(struct model *m, uint32_t n)
{
	/* xorshift64* */
	m->seed ^= m->seed >> 12;
	m->seed ^= m->seed << 25;
	m->seed ^= m->seed >> 27;
	return (uint32_t)((m->seed * UINT64_C(2685821657736338717)) >> 33) % n;
}

static void add(struct model *m)
{
	struct chain c = {.n = 1 + (pick(m, 4) ? pick(m, 6) : pick(m, MAX_CHAIN))};
	uint32_t readable = pick(m, c.n + 1), direct;
	uint64_t table = m->rig->tables_gpa + m->added % SIZE * MAX_CHAIN * 16;
	int id;

	for (uint32_t i = 0; i < c.n; i++) {
		/* Now and then across regions. */
		uint64_t gpa = pick(m, 8) ? RIG_DATA_GPA + pick(m, RIG_DATA_SIZE - 64)
					  : RIG_SMALL_GPA - pick(m, 30);

		c.segs[i] = (struct driver_seg){gpa, 1 + pick(m, 60), i >= readable};
		if (i >= readable)
			c.writable_len += c.segs[i].len;
	}
	if (pick(m, 2)) {
		id = driver_add(m->rig->drv, c.segs, c.n, NULL);
		c.entries = m->rig->layout->packed ? c.n : 1;
	} else {
		direct = m->rig->layout->packed ? 0 : pick(m, c.n);
		c.entries = 1;
		/* A table's place may still be another chain's: so they get all of them in turn. */
		if (m->added - m->collected >= SIZE)
			return;
		driver_write_table(m->rig->drv, table, c.segs + direct, c.n - direct);
		id = driver_add_table(m->rig->drv, c.segs, direct, table, (c.n - direct) * 16,
				      NULL);
	}
	if (id == -ENOSPC) {
		m->n_refused++;
		return;
	}
	assert_in_range(id, 0, SIZE - 1);
	m->chains[id] = c;
	m->fifo[m->added++ % QUEUE] = (uint32_t)id;
}

static void publish(struct model *m)
{
	bool news = m->published != m->added, kick;

	driver_publish(m->rig->drv);
	m->published = m->added;
	kick = driver_wants_kick(m->rig->drv);
	if (news && m->armed)
		assert_true(kick);
	if (!news)
		assert_false(kick && m->rig->options.event_idx);
	if (kick) {
		m->armed = false;
		m->n_kicks++;
	}
}

static void check_segs(struct model *m, const struct vu_req *req, const struct chain *c)
{
	const struct iovec *iov = req->readable;
	uint32_t left = req->n_readable + req->n_writable;

	for (uint32_t i = 0; i < c->n; i++) {
		uint64_t gpa = c->segs[i].gpa, len = c->segs[i].len;

		while (len) {
			uint64_t room = gpa < RIG_SMALL_GPA ? RIG_SMALL_GPA - gpa : UINT64_MAX;
			uint64_t piece = len < room ? len : room;

			assert_true(left--);
			assert_ptr_equal(iov->iov_base,
					 table_translate(m->rig->table, TABLE_GUEST, gpa, piece));
			assert_int_equal(iov->iov_len, piece);
			assert_true((iov >= req->writable) == c->segs[i].write);
			gpa += piece;
			len -= piece;
			iov++;
		}
	}
	assert_int_equal(left, 0);
	assert_int_equal(req->writable_len, c->writable_len);
}

/* A split ring's index is read when nothing is left; of a packed ring each entry is looked at. */
static bool reads_again(const struct model *m)
{
	return m->rig->layout->packed || m->taken == m->seen;
}

static void take(struct model *m)
{
	struct vu_req *reqs[8];
	uint32_t max = 1 + pick(m, 8);
	uint64_t known = reads_again(m) ? m->published : m->seen;
	int n = ring_take(m->rig->ring, reqs, max);

	assert_int_equal(n, known - m->taken < max ? known - m->taken : max);
	if (!m->rig->layout->packed || (uint32_t)n < max || m->taken + (uint32_t)n >= m->seen)
		m->seen = known;
	if (m->taken + (uint32_t)n >= m->seen)
		m->vague = false;
	for (int i = 0; i < n; i++) {
		struct req *req = (struct req *)reqs[i];
		uint32_t id = m->fifo[m->taken % QUEUE];

		assert_int_equal(req->id, id);
		check_segs(m, reqs[i], &m->chains[id]);
		m->entries += m->chains[id].entries;
		m->out[m->n_out++] = (struct out){req, id, m->taken++};
	}
}

static void drop_out(struct model *m, uint32_t i)
{
	m->out[i] = m->out[--m->n_out];
}

static void complete(struct model *m, uint32_t i)
{
	const struct out *o = &m->out[i];
	uint64_t most = m->chains[o->id].writable_len, written = pick(m, (uint32_t)most + 1);

	assert_int_equal(ring_complete(m->rig->ring, o->req, most + 1), -ERANGE);
	assert_int_equal(ring_complete(m->rig->ring, o->req, written), 0);
	m->used[m->completed++ % QUEUE] = (struct driver_used){o->id, (uint32_t)written, NULL};
	drop_out(m, i);
}

static void complete_one(struct model *m)
{
	if (m->n_out)
		complete(m, pick(m, m->n_out));
}

static void put_back(struct model *m)
{
	uint32_t i;

	if (!m->n_out)
		return;
	i = pick(m, m->n_out);
	if (m->out[i].number == m->taken - 1) {
		assert_int_equal(ring_put_back(m->rig->ring, m->out[i].req), 0);
		m->taken--;
		m->entries -= m->chains[m->out[i].id].entries;
		drop_out(m, i);
	} else {
		assert_int_equal(ring_put_back(m->rig->ring, m->out[i].req), -EINVAL);
	}
}

static void announce(struct model *m)
{
	bool news = m->completed != m->announced, call;

	ring_publish(m->rig->ring);
	m->announced = m->completed;
	call = ring_wants_signal(m->rig->ring);
	if (!news)
		assert_false(call);
	else if (m->wants_call || !m->decided)
		assert_true(call);
	else if (m->polls)
		assert_false(call);
	m->decided |= news;
	if (call) {
		m->wants_call = false;
		m->n_calls++;
	}
}

static void collect(struct model *m)
{
	struct driver_used used[8];
	uint32_t max = 1 + pick(m, 8);
	uint64_t ready = m->announced - m->collected;
	int n = driver_collect(m->rig->drv, used, max);

	assert_int_equal(n, ready < max ? ready : max);
	for (int i = 0; i < n; i++, m->collected++) {
		assert_int_equal(used[i].id, m->used[m->collected % QUEUE].id);
		assert_int_equal(used[i].len, m->used[m->collected % QUEUE].len);
	}
	if (!m->polls && m->collected == m->announced)
		m->wants_call = true;
}

static void set_interrupts(struct model *m)
{
	bool waiting;

	m->polls = pick(m, 2);
	waiting = driver_set_interrupts(m->rig->drv, !m->polls);
	assert_int_equal(waiting, m->collected != m->announced);
	m->wants_call = !m->polls && !waiting;
}

/* News are what came since the last look or take; told too often at most once, never too rarely. */
static void check_news(const struct model *m, bool news)
{
	if (!news || !m->vague)
		assert_int_equal(news, m->seen != m->published);
}

static void arm(struct model *m)
{
	bool news = ring_arm(m->rig->ring);

	check_news(m, news);
	m->armed = !news;
}

static void disarm(struct model *m)
{
	ring_disarm(m->rig->ring);
	m->armed = false;
}

static void look(struct model *m)
{
	bool nothing_left = m->seen == m->taken, news = ring_look(m->rig->ring);

	check_news(m, news);
	m->vague = m->rig->layout->packed && news && nothing_left;
	m->seen = m->vague ? m->taken + 1 : m->published;
}

/* No look: what was asked about stays news. */
static void available(struct model *m)
{
	assert_int_equal(ring_is_available(m->rig->ring), m->taken != m->published);
}

static void switch_table(struct model *m)
{
	if (!pick(m, 8))
		assert_int_equal(rig_switch_table(m->rig, 0), 0);
}

static void restart(struct model *m)
{
	const char *why;

	if (pick(m, 8))
		return;
	while (m->n_out)
		complete(m, 0);
	announce(m);
	m->rig->config.base = ring_base(m->rig->ring);
	assert_int_equal(m->rig->config.base,
			 m->rig->layout->add_to_base(m->rig->options.base, SIZE, m->entries));
	ring_free(m->rig->ring);
	assert_int_equal(rig_new_ring(m->rig, &why), 0);
	m->seen = m->taken;
	m->armed = m->decided = m->vague = false;
}

static void (*const ops[])(struct model *m) = {
	add,	  add,	    add,	  add,		add,	      publish,	      publish,
	take,	  take,	    complete_one, complete_one, complete_one, complete_one,   complete_one,
	put_back, announce, announce,	  collect,	collect,      set_interrupts, arm,
	arm,	  disarm,   look,	  available,	switch_table, restart,
};

static void run_model(struct rig *rig, uint64_t seed, bool event_idx)
{
	struct model *m = calloc(1, sizeof(*m));

	m->rig = rig;
	m->seed = seed;
	rig_start(rig, &(struct rig_options){.size = SIZE,
					     .event_idx = event_idx,
					     .base = rig->layout->base_before_wrap(SIZE, 6)});
	rig->tables_gpa = guest_alloc_in(rig->guest, RIG_RING, SIZE * MAX_CHAIN * 16, 16);
	m->wants_call = !driver_set_interrupts(rig->drv, true);
	for (int i = 0; i < OPS; i++) {
		ops[pick(m, sizeof(ops) / sizeof(ops[0]))](m);
		assert_null(rig->ring->why);
		assert_int_equal(ring_outstanding(rig->ring), m->n_out);
	}
	/* It went round, and everything happened. */
	assert_true(m->taken > 1000 && m->collected > 1000);
	assert_true(m->n_kicks > 100 && m->n_calls > 100 && m->n_refused > 10);
	free(m);
	rig_stop(rig);
}

static void random_operations_agree_with_the_model(struct rig *rig)
{
	run_model(rig, 1, false);
	run_model(rig, 2, true);
	run_model(rig, 0x9e3779b97f4a7c15, true);
}

static const struct rig_test tests[] = {
	RIG_TEST(random_operations_agree_with_the_model),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
