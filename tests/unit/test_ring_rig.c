/* SPDX-License-Identifier: MIT */
/* The stand for ring tests, see test_ring_rig.h. */
#include "test_ring_rig.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Two pages that cannot be touched, around a mapping. */
struct rig_segs {
	struct rig_segs *next;
	struct driver_seg segs[];
};

enum { TABLES_BYTES = 1 << 19 };

static uint32_t split_add_to_base(uint32_t base, uint32_t size, uint32_t n)
{
	(void)size;
	return (uint16_t)(base + n);
}

static uint32_t split_base_before_wrap(uint32_t size, uint32_t n)
{
	(void)size;
	return (uint16_t)-n;
}

/* Slot and wrap counter, in both halves. */
static uint32_t packed_both(uint32_t slot, uint32_t wrap)
{
	return (slot | wrap << 15) * 0x10001u;
}

static uint32_t packed_add_to_base(uint32_t base, uint32_t size, uint32_t n)
{
	uint32_t slot = (base & 0x7fff) + n;

	return packed_both(slot % size, (base >> 15 & 1) ^ (slot / size & 1));
}

static uint32_t packed_base_before_wrap(uint32_t size, uint32_t n)
{
	return packed_both(size - n, 1);
}

static const struct rig_layout layouts[] = {
	{"split", false, split_base_before_wrap, split_add_to_base},
	{"packed", true, packed_base_before_wrap, packed_add_to_base},
};

const struct rig_layout *const rig_layout_split = &layouts[0];
const struct rig_layout *const rig_layout_packed = &layouts[1];

enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

/* A row of the run: a body on a layout. */
struct rig_row {
	const struct rig_layout *layout;
	const struct rig_test *test;
	char name[160];
};

static void rig_run_row(void **state)
{
	const struct rig_row *row = *state;
	struct rig rig = {.layout = row->layout};
	int before = count_guest_mappings();

	row->test->body(&rig);
	rig_stop(&rig);
	assert_int_equal(count_guest_mappings(), before);
}

int rig_main(const struct rig_test *tests, size_t n)
{
	struct CMUnitTest *units = calloc(n * LAYOUTS, sizeof(*units));
	struct rig_row *rows = calloc(n * LAYOUTS, sizeof(*rows));
	int failed;

	for (size_t i = 0; i < n * LAYOUTS; i++) {
		rows[i].layout = &layouts[i / n];
		rows[i].test = &tests[i % n];
		snprintf(rows[i].name, sizeof(rows[i].name), "%s: %s", rows[i].layout->name,
			 rows[i].test->name);
		units[i] = (struct CMUnitTest){rows[i].name, rig_run_row, NULL, NULL, &rows[i]};
	}
	failed = _cmocka_run_group_tests("ring", units, n * LAYOUTS, NULL, NULL);
	free(units);
	free(rows);
	return failed;
}

struct table *rig_map_table(struct rig *rig, unsigned int without)
{
	struct region *regions[RIG_MAX_REGIONS] = {NULL};
	struct table *table;
	uint32_t n = 0;

	for (uint32_t i = 0; i < rig->guest->n_regions; i++) {
		const struct guest_region *g = &rig->guest->regions[i];
		struct region_info info = {g->gpa, g->size, g->uva, g->mmap_offset};
		const char *why;

		if (without & 1u << i)
			continue;
		assert_int_equal(region_map(rig->mappings, &info, g->fd, &regions[n], &why), 0);
		n++;
	}
	assert_int_equal(table_new(regions, n, &table), 0);
	while (n)
		region_unref(regions[--n]);
	return table;
}

int rig_switch_table(struct rig *rig, unsigned int without)
{
	struct table *table = rig_map_table(rig, without);
	int rc = ring_set_table(rig->ring, table);

	table_unref(rig->table);
	rig->table = table;
	return rc;
}

static void rig_make_memory(struct rig *rig)
{
	const uint64_t ring_bytes = rig->options.ring_bytes;
	const struct guest_region regions[RIG_REGIONS] = {
		[RIG_RING] = {.size = ring_bytes ? ring_bytes : 4 << 20, .uva = RIG_USER_GAP},
		[RIG_DATA] = {.gpa = RIG_DATA_GPA,
			      .size = RIG_DATA_SIZE,
			      .uva = RIG_USER_GAP + RIG_DATA_GPA,
			      .mmap_offset = 0x3000},
		[RIG_SMALL] = {.gpa = RIG_SMALL_GPA,
			       .size = RIG_SMALL_SIZE,
			       .uva = RIG_USER_GAP + RIG_SMALL_GPA,
			       .mmap_offset = 0x1810},
		[RIG_TAIL] = {.gpa = RIG_TAIL_GPA,
			      .size = RIG_TAIL_SIZE,
			      .uva = RIG_USER_GAP + RIG_TAIL_GPA},
	};

	assert_int_equal(guest_new(&rig->guest), 0);
	for (int i = 0; i < RIG_REGIONS; i++)
		assert_int_equal(guest_add(rig->guest, &regions[i]), i);
	rig->mappings = mappings_new();
	rig->table = rig_map_table(rig, 0);
}

void rig_prepare(struct rig *rig, const struct rig_options *options)
{
	const struct rig_options *o = &rig->options;
	struct driver_config config = {.notifier = DRIVER_NO_KICKS};
	uint64_t gap;

	rig->options = *options;
	if (!o->size)
		rig->options.size = 256;
	if (!o->max_segs)
		rig->options.max_segs = 1024;
	rig_make_memory(rig);
	config.guest = rig->guest;
	config.size = o->size;
	config.event_idx = o->event_idx;
	config.packed = rig->layout->packed;
	assert_int_equal(driver_new(&config, &rig->drv), 0);
	if (o->base)
		driver_set_base(rig->drv, o->base);
	gap = o->user_space ? RIG_USER_GAP : 0;
	rig->config = (struct ring_config){
		.size = o->size,
		.packed = rig->layout->packed,
		.event_idx = o->event_idx,
		.indirect = !o->no_indirect && !o->indirect_offered,
		.indirect_offered = !o->no_indirect,
		.in_order = o->in_order,
		.space = o->user_space ? TABLE_USER : TABLE_GUEST,
		.desc = rig->drv->desc_gpa + gap,
		.driver = rig->drv->avail_gpa + gap,
		.device = rig->drv->used_gpa + gap,
		.mappings = rig->mappings,
		.base = rig->drv->base,
		.max_segs = o->max_segs,
		.priv_size = o->priv_size,
	};
}

int rig_new_ring(struct rig *rig, const char **why)
{
	return ring_new(&rig->config, rig->table, &rig->ring, why);
}

void rig_expect_flaw(struct rig *rig, const char *text)
{
	const char *why = NULL;

	assert_int_equal(rig_new_ring(rig, &why), 0);
	assert_null(why);
	if (!rig->ring->why || !strstr(rig->ring->why, text))
		fail_msg("not '%s' but '%s'", text, rig->ring->why);
	assert_true(rig->ring->blameless);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_int_equal(ring_look(rig->ring), -EIO);
	assert_false(ring_is_available(rig->ring));
	assert_int_equal(ring_outstanding(rig->ring), 0);
	/* A stop may answer with its lower half: that is all there is of a split ring's. */
	assert_int_equal((uint16_t)ring_base(rig->ring), (uint16_t)rig->config.base);
	/* New memory does not mend it. */
	(void)rig_switch_table(rig, 0);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	ring_stop(rig->ring);
	ring_free(rig->ring);
	rig->ring = NULL;
}

void rig_start(struct rig *rig, const struct rig_options *options)
{
	const char *why;

	rig_prepare(rig, options);
	assert_int_equal(rig_new_ring(rig, &why), 0);
}

void rig_stop(struct rig *rig)
{
	ring_free(rig->ring);
	driver_free(rig->drv);
	table_unref(rig->table);
	mappings_unref(rig->mappings);
	guest_free(rig->guest);
	while (rig->segs) {
		struct rig_segs *segs = rig->segs;

		rig->segs = segs->next;
		free(segs);
	}
	*rig = (struct rig){.layout = rig->layout};
}

void rig_make_chain(struct rig *rig, struct rig_chain *chain, uint32_t n_readable,
		    uint32_t n_writable)
{
	uint32_t n = n_readable + n_writable;
	struct rig_segs *segs = malloc(sizeof(*segs) + n * sizeof(segs->segs[0]));

	segs->next = rig->segs;
	rig->segs = segs;
	chain->segs = segs->segs;
	chain->n_readable = n_readable;
	chain->n_writable = n_writable;
	chain->readable_len = chain->writable_len = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = 1 + rig->n_segs % 61;
		bool write = i >= n_readable;

		chain->segs[i].gpa = RIG_DATA_GPA + rig->n_segs * 64 % RIG_DATA_SIZE;
		chain->segs[i].len = len;
		chain->segs[i].write = write;
		*(write ? &chain->writable_len : &chain->readable_len) += len;
		rig->n_segs++;
	}
}

/* Those in front of a table. */
static uint32_t rig_direct(const struct rig *rig, uint32_t n, enum rig_how how)
{
	return how == RIG_MIXED && !rig->layout->packed ? n / 2 : 0;
}

uint32_t rig_entries(const struct rig *rig, const struct rig_chain *chain, enum rig_how how)
{
	return rig->layout->packed && how == RIG_DIRECT ? chain->n_readable + chain->n_writable : 1;
}

uint32_t rig_add(struct rig *rig, const struct rig_chain *chain, enum rig_how how)
{
	uint32_t n = chain->n_readable + chain->n_writable, direct = rig_direct(rig, n, how);
	uint32_t bytes = (n - direct) * 16;
	uint64_t table;
	int id;

	if (how == RIG_DIRECT) {
		id = driver_add(rig->drv, chain->segs, n, NULL);
	} else {
		if (!rig->tables_gpa)
			rig->tables_gpa = guest_alloc_in(rig->guest, RIG_RING, TABLES_BYTES, 16);
		assert_true(rig->tables_gpa != GUEST_NONE);
		if (rig->tables_used + bytes > TABLES_BYTES)
			rig->tables_used = 0;
		table = rig->tables_gpa + rig->tables_used;
		rig->tables_used += bytes;
		assert_int_equal(
			driver_write_table(rig->drv, table, chain->segs + direct, n - direct), 0);
		id = driver_add_table(rig->drv, chain->segs, direct, table, bytes, NULL);
	}
	assert_true(id >= 0);
	return (uint32_t)id;
}

uint32_t rig_offer_byte(struct rig *rig)
{
	const struct driver_seg seg = {RIG_DATA_GPA, 1, false};
	int id = driver_add(rig->drv, &seg, 1, NULL);

	assert_true(id >= 0);
	driver_publish(rig->drv);
	return (uint32_t)id;
}

struct req *rig_take(struct rig *rig)
{
	struct vu_req *req = NULL;
	int rc = ring_take(rig->ring, &req, 1);

	if (rig->ring->why)
		print_error("broken: %s\n", rig->ring->why);
	assert_int_equal(rc, 1);
	return (struct req *)req;
}

int rig_take_nothing(struct rig *rig)
{
	uint32_t outstanding = ring_outstanding(rig->ring);
	struct vu_req *req = NULL;
	int rc = ring_take(rig->ring, &req, 1);

	assert_null(req);
	assert_int_equal(ring_outstanding(rig->ring), outstanding);
	return rc;
}

static unsigned char rig_pattern(const struct driver_seg *seg, uint32_t i)
{
	return (unsigned char)(seg->gpa / 64 * 7 + i * 31 + (seg->write ? 128 : 1));
}

/* The guest's byte at an address: buffers may go from one region to the next. */
static unsigned char *rig_byte(const struct rig *rig, uint64_t gpa)
{
	unsigned char *byte = guest_ptr(rig->guest, gpa, 1);

	assert_non_null(byte);
	return byte;
}

static uint64_t rig_sum(const struct iovec *iov, uint32_t n)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* Byte after byte along both; from_guest: the guest writes and the device reads. */
static void rig_compare(const struct rig *rig, const struct iovec *iov,
			const struct driver_seg *segs, uint32_t n_segs, bool from_guest)
{
	size_t at = 0;

	for (uint32_t s = 0; s < n_segs; s++) {
		for (uint32_t i = 0; i < segs[s].len; i++) {
			volatile unsigned char *guest = rig_byte(rig, segs[s].gpa + i), *host;

			if (at == iov->iov_len) {
				iov++;
				at = 0;
			}
			host = (unsigned char *)iov->iov_base + at++;
			*(from_guest ? guest : host) = rig_pattern(&segs[s], i);
			if (*guest != *host)
				fail_msg("byte %u of buffer %u differs", i, s);
		}
	}
}

void rig_check(struct rig *rig, const struct req *req, const struct rig_chain *chain)
{
	const struct vu_req *pub = &req->pub;

	assert_int_equal(pub->readable_len, chain->readable_len);
	assert_int_equal(pub->writable_len, chain->writable_len);
	assert_true(pub->n_readable >= chain->n_readable);
	assert_true(pub->n_writable >= chain->n_writable);
	assert_int_equal(rig_sum(pub->readable, pub->n_readable), chain->readable_len);
	assert_int_equal(rig_sum(pub->writable, pub->n_writable), chain->writable_len);
	assert_int_equal(pub->flags, 0);
	rig_compare(rig, pub->readable, chain->segs, chain->n_readable, true);
	rig_compare(rig, pub->writable, chain->segs + chain->n_readable, chain->n_writable, false);
}

void rig_finish(struct rig *rig, struct req *req, uint64_t written)
{
	assert_int_equal(ring_complete(rig->ring, req, written), 0);
	ring_publish(rig->ring);
}

void rig_expect_used(struct rig *rig, uint32_t id, uint32_t len)
{
	struct driver_used used[2];

	assert_int_equal(driver_collect(rig->drv, used, 2), 1);
	assert_int_equal(used[0].id, id);
	assert_int_equal(used[0].len, len);
}

void rig_expect_nothing_used(struct rig *rig)
{
	struct driver_used used;

	assert_int_equal(driver_collect(rig->drv, &used, 1), 0);
}

void rig_pass(struct rig *rig, const struct rig_chain *chain, enum rig_how how)
{
	uint32_t id = rig_add(rig, chain, how);
	struct req *req;

	assert_int_equal(rig_take_nothing(rig), 0);
	driver_publish(rig->drv);
	req = rig_take(rig);
	assert_int_equal(rig_take_nothing(rig), 0);
	rig_check(rig, req, chain);
	assert_int_equal(ring_complete(rig->ring, req, chain->writable_len + 1), -ERANGE);
	assert_int_equal(ring_outstanding(rig->ring), 1);
	assert_int_equal(ring_complete(rig->ring, req, chain->writable_len), 0);
	rig_expect_nothing_used(rig);
	ring_publish(rig->ring);
	rig_expect_used(rig, id, (uint32_t)chain->writable_len);
	assert_int_equal(ring_outstanding(rig->ring), 0);
}

void rig_pass_byte(struct rig *rig)
{
	uint32_t id = rig_offer_byte(rig);

	rig_finish(rig, rig_take(rig), 0);
	rig_expect_used(rig, id, 0);
}
