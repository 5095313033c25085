/* SPDX-License-Identifier: MIT */
/* The DAX window: what is asked of the front-end, and what never reaches it. */
#include "window.h"

#include <sys/mman.h>

/* --- what works --- */

static void a_window_is_a_region_and_two_flags_and_without_one_there_are_none(void **state)
{
	struct client *c = *state;
	struct wire_shmem_config config;
	uint64_t flags;

	start_with_window(c);
	rig_check(&c->rig, frontend_ask(&c->rig.peer->frontend, WIRE_GET_SHMEM_CONFIG, NULL, 0,
					&config, sizeof(config)));
	assert_int_equal(config.n_regions, 1);
	assert_int_equal(config.size[0], WINDOW);
	flags = (uint64_t)c->init.flags2 << 32 | c->init.flags;
	assert_true(flags & FUSE_MAP_ALIGNMENT);
	assert_true(flags & FUSE_HAS_INODE_DAX);
	assert_int_equal(c->init.map_alignment, 12);
	client_stop(c);
	client_spawn(c, NULL);
	client_connect(c, 1);
	assert_int_equal(client_init(c, DAX_FLAGS), sizeof(c->init));
	assert_false(((uint64_t)c->init.flags2 << 32 | c->init.flags) &
		     (FUSE_MAP_ALIGNMENT | FUSE_HAS_INODE_DAX));
	assert_int_equal(c->init.map_alignment, 0);
	assert_int_equal(map_unheard(c, file_of(c, "f", RANGE, 0, ""), 0, RANGE, 0), -ENOSYS);
	assert_int_equal(unmap_unheard(c, 0, RANGE), -ENOSYS);
	client_stop(c);
}

static void a_piece_of_a_file_is_where_the_guest_wants_it(void **state)
{
	struct client *c = *state;
	struct frontend_msg msg;
	struct wire_mmap what;
	uint64_t node;
	char *piece;

	start_with_window(c);
	node = file_of(c, "file", 3 * RANGE, RANGE + 5, "hello");
	offer_map(c, 1, node, RANGE, RANGE, 2 * RANGE);
	hear(c, WIRE_BACKEND_SHMEM_MAP, 2 * RANGE, RANGE, &msg);
	memcpy(&what, msg.payload, sizeof(what));
	piece = mmap(NULL, RANGE, PROT_READ | PROT_WRITE, MAP_SHARED, msg.fds[0],
		     (off_t)what.fd_offset);
	assert_true(piece != MAP_FAILED);
	answer(c, &msg, 0);
	assert_int_equal(client_wait(c, 1, NULL, 0), 0);
	assert_memory_equal(piece + 5, "hello", 5);
	/* Both sides see each other's writes, without a request. */
	file_of(c, "file", 3 * RANGE, RANGE + 5, "HOST!");
	assert_memory_equal(piece + 5, "HOST!", 5);
	munmap(piece, RANGE);
	client_stop(c);
}

static void what_is_mapped_can_be_taken_away_and_mapped_again(void **state)
{
	const struct fuse_removemapping_one all[] = {{0, RANGE}, {2 * RANGE, 2 * RANGE}};
	struct client *c = *state;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", 4 * RANGE, 0, "");
	for (uint64_t at = 0; at < WINDOW; at += RANGE)
		map_well(c, node, at, RANGE, at);
	offer_unmap(c, all, 2);
	hear_and_answer(c, WIRE_BACKEND_SHMEM_UNMAP, 0, RANGE, 0);
	hear_and_answer(c, WIRE_BACKEND_SHMEM_UNMAP, 2 * RANGE, RANGE, 0);
	hear_and_answer(c, WIRE_BACKEND_SHMEM_UNMAP, 3 * RANGE, RANGE, 0);
	assert_int_equal(client_wait(c, 1, NULL, 0), 0);
	map_well(c, node, 0, RANGE, 2 * RANGE);
	/* Nothing is there: nothing to do. */
	assert_int_equal(unmap_unheard(c, 0, RANGE), 0);
	client_stop(c);
}

static void asking_once_more_for_the_same_changes_nothing(void **state)
{
	struct client *c = *state;
	struct fuse_setupmapping_in in = setup_in(0, RANGE, 0);
	uint64_t node, other;

	start_with_window(c);
	node = file_of(c, "file", 2 * RANGE, 0, "");
	other = file_of(c, "other", 2 * RANGE, 0, "");
	map_well(c, node, 0, RANGE, 0);
	/* Linux does, when it is to be written. */
	in.flags = READ_IT | WRITE_TOO;
	assert_int_equal(client_ask(c, FUSE_SETUPMAPPING, node, &in, sizeof(in), NULL, 0, NULL, 0),
			 0);
	assert_int_equal(map_unheard(c, other, 0, RANGE, 0), -EEXIST);
	assert_int_equal(map_unheard(c, node, RANGE, RANGE, 0), -EEXIST);
	assert_int_equal(map_unheard(c, node, 0, PAGE, RANGE - PAGE), -EEXIST);
	hear_nothing(c);
	client_stop(c);
}

static void files_that_fill_ranges_are_marked_for_it(void **state)
{
	static const struct {
		const char *name;
		uint64_t len;
		bool marked;
	} rows[] = {{"empty", 0, false},	 {"page", PAGE, false},
		    {"short", RANGE - 1, false}, {"range", RANGE, true},
		    {"long", RANGE + 1, false},	 {"ranges", 3 * RANGE, true}};
	struct client *c = *state;
	struct fuse_attr attr;

	start_with_window(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t node = file_of(c, rows[i].name, rows[i].len, 0, "");

		assert_int_equal(client_getattr(c, node, &attr), 0);
		assert_int_equal(!!(attr.flags & FUSE_ATTR_DAX), rows[i].marked);
	}
	client_stop(c);
}

/* --- what does not reach the front-end --- */

static void offsets_that_lead_out_of_the_window_or_the_file_are_refused(void **state)
{
	static const struct {
		uint64_t file_at, len, at, flags;
		int error;
	} rows[] = {
		{0, 0, 0, READ_IT, -EINVAL},
		{0, RANGE, 1, READ_IT, -EINVAL},
		{1, RANGE, 0, READ_IT, -EINVAL},
		{0, RANGE + 1, 0, READ_IT, -EINVAL},
		{0, PAGE - 1, 0, READ_IT, -EINVAL},
		{0, RANGE, 0, 4 | READ_IT, -EINVAL},
		{0, RANGE, 0, UINT64_MAX, -EINVAL},
		{0, RANGE, WINDOW, READ_IT, -EINVAL},
		{0, RANGE, WINDOW - PAGE, READ_IT, -EINVAL},
		{0, WINDOW + PAGE, 0, READ_IT, -EINVAL},
		{0, RANGE, UINT64_MAX - PAGE + 1, READ_IT, -EINVAL},
		{0, UINT64_MAX - PAGE + 1, 0, READ_IT, -EINVAL},
		{0, UINT64_MAX - PAGE + 1, PAGE, READ_IT, -EINVAL},
		{UINT64_MAX - PAGE + 1, PAGE, 0, READ_IT, -EINVAL},
		{INT64_MAX - PAGE + 1, PAGE, 0, READ_IT, -EINVAL},
		{INT64_MAX - 2 * PAGE + 1, PAGE, 0, READ_IT, -EOPNOTSUPP},
		/* Its file has one range: a guest would read zeros when it grows. */
		{RANGE, RANGE, 0, READ_IT, -EOPNOTSUPP},
		{PAGE, RANGE, 0, READ_IT, -EOPNOTSUPP},
		{0, 2 * RANGE, 0, READ_IT, -EOPNOTSUPP},
	};
	struct client *c = *state;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fuse_setupmapping_in in = setup_in(rows[i].file_at, rows[i].len, rows[i].at);

		in.flags = rows[i].flags;
		assert_int_equal(
			client_ask(c, FUSE_SETUPMAPPING, node, &in, sizeof(in), NULL, 0, NULL, 0),
			rows[i].error);
	}
	hear_nothing(c);
	client_stop(c);
}

static void ranges_that_cut_a_piece_or_are_none_take_nothing_away(void **state)
{
	static const struct fuse_removemapping_one bad[] = {
		{0, PAGE},	    {PAGE, RANGE},  {RANGE - PAGE, RANGE}, {0, 0},
		{0, WINDOW + PAGE}, {WINDOW, PAGE}, {PAGE, UINT64_MAX},	   {UINT64_MAX, UINT64_MAX},
	};
	struct client *c = *state;
	struct fuse_removemapping_in many = {.count = UINT32_MAX};
	struct fuse_removemapping_one ranges[] = {{0, RANGE}, {0, 0}};

	start_with_window(c);
	map_well(c, file_of(c, "file", RANGE, 0, ""), 0, RANGE, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(unmap_unheard(c, bad[i].moffset, bad[i].len), -EINVAL);
	/* None of several, if one is bad; more than there are. */
	offer_unmap(c, ranges, 2);
	assert_int_equal(client_wait(c, 1, NULL, 0), -EINVAL);
	assert_int_equal(
		client_ask(c, FUSE_REMOVEMAPPING, ROOT, &many, sizeof(many), ranges, 32, NULL, 0),
		-EINVAL);
	many.count = 0;
	assert_int_equal(
		client_ask(c, FUSE_REMOVEMAPPING, ROOT, &many, sizeof(many), NULL, 0, NULL, 0), 0);
	hear_nothing(c);
	/* It is still there. */
	offer_unmap(c, ranges, 1);
	hear_and_answer(c, WIRE_BACKEND_SHMEM_UNMAP, 0, RANGE, 0);
	assert_int_equal(client_wait(c, 1, NULL, 0), 0);
	client_stop(c);
}

static void only_regular_files_that_can_be_written_are_mapped(void **state)
{
	struct client *c = *state;
	struct fuse_entry_out link;
	uint64_t fifo;

	start_with_window(c);
	client_make_dir(c, "dir");
	assert_ok(mkfifo(client_path(c, "fifo"), 0600));
	fifo = client_walk(c, "fifo");
	assert_int_equal(client_symlink(c, ROOT, "link", "/etc/passwd", &link), 0);
	assert_int_equal(map_unheard(c, client_walk(c, "dir"), 0, PAGE, 0), -EOPNOTSUPP);
	assert_int_equal(map_unheard(c, fifo, 0, PAGE, 0), -EOPNOTSUPP);
	assert_int_equal(map_unheard(c, link.nodeid, 0, PAGE, 0), -EOPNOTSUPP);
	assert_int_equal(map_unheard(c, 12345, 0, PAGE, 0), -ESTALE);
	hear_nothing(c);
	client_stop(c);
}

static void pieces_have_a_bound(void **state)
{
	struct client *c = *state;
	uint64_t node;

	start_with_window(c);
	node = file_of(c, "file", RANGE, 0, "");
	for (uint64_t i = 0; i < PIECES; i++)
		map_well(c, node, i * PAGE, PAGE, i * PAGE);
	assert_int_equal(map_unheard(c, node, 0, PAGE, PIECES * PAGE), -ENOSPC);
	hear_nothing(c);
	client_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(a_window_is_a_region_and_two_flags_and_without_one_there_are_none),
		CLIENT_TEST(a_piece_of_a_file_is_where_the_guest_wants_it),
		CLIENT_TEST(what_is_mapped_can_be_taken_away_and_mapped_again),
		CLIENT_TEST(asking_once_more_for_the_same_changes_nothing),
		CLIENT_TEST(files_that_fill_ranges_are_marked_for_it),
		CLIENT_TEST(offsets_that_lead_out_of_the_window_or_the_file_are_refused),
		CLIENT_TEST(ranges_that_cut_a_piece_or_are_none_take_nothing_away),
		CLIENT_TEST(only_regular_files_that_can_be_written_are_mapped),
		CLIENT_TEST(pieces_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
