/* SPDX-License-Identifier: MIT */
/* A device's state is saved and loaded, now or later; and what is refused, and leaves all as it
 * was. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/state_rig.h"

/* --- the good way --- */

static void try_move(size_t bulk, uint32_t hints)
{
	struct stateful source, destination;
	void *bytes;
	size_t len;

	open_source(&source);
	source.count = 0x123456789abcdef;
	source.bulk = bulk;
	source.hints = hints;
	save_ok(&source, &bytes, &len);
	assert_true(len > bulk);
	expect_goes_on(&source);
	rig_close(&source.rig);
	open_destination(&destination);
	if (frontend_load_state(frontend_of(&destination), bytes, len))
		fail_msg("%s\n%s", frontend_of(&destination)->error, destination.rig.log.text);
	assert_int_equal(destination.loaded, 1);
	assert_true(destination.count == source.count);
	assert_string_equal(destination.name, "second");
	expect_goes_on(&destination);
	rig_close(&destination.rig);
	free(bytes);
}

static void a_state_moves_from_one_device_to_another(void **state)
{
	(void)state;
	try_move(0, 0);
	try_move(1, 1);
}

static void a_large_state_moves_as_well(void **state)
{
	(void)state;
	try_move(12 << 20, 0);
	try_move(0, 60000);
}

static void a_state_can_be_saved_again(void **state)
{
	struct stateful s;
	void *first, *second;
	size_t n_first, n_second;

	(void)state;
	open_source(&s);
	save_ok(&s, &first, &n_first);
	save_ok(&s, &second, &n_second);
	assert_int_equal(n_first, n_second);
	assert_memory_equal(first, second, n_first);
	assert_int_equal(s.saved, 2);
	assert_ok(frontend_check_device_state(frontend_of(&s)));
	rig_close(&s.rig);
	free(first);
	free(second);
}

/* --- later --- */

static void *fill(void *opaque)
{
	struct stateful *s = opaque;

	vu_state_put(s->state, TAG_BULK, VU_STATE_OPTIONAL, "late", 4);
	return (void *)(intptr_t)vu_answer_give(s->answer, 0);
}

static void fill_elsewhere(struct stateful *s, int result)
{
	pthread_t thread;
	void *ret;

	assert_ok(pthread_create(&thread, NULL, fill, s));
	assert_ok(pthread_join(thread, &ret));
	assert_int_equal((intptr_t)ret, result);
}

static void send_set_fd(struct stateful *s, uint32_t direction)
{
	const struct wire_device_state params = {direction, 0};
	int fds[2];

	assert_ok(pipe(fds));
	assert_ok(frontend_send(frontend_of(s), WIRE_SET_DEVICE_STATE_FD, 0, &params,
				sizeof(params), &fds[!direction], 1));
	close(fds[0]);
	close(fds[1]);
	rig_pump(&s->rig);
}

static void a_device_may_save_on_another_thread(void **state)
{
	struct frontend_msg reply;
	struct stateful s;
	char bytes[1024];
	ssize_t n;

	(void)state;
	open_source(&s);
	s.says = VU_LATER;
	send_set_fd(&s, SAVE);
	rig_assert_no_reply(&s.rig);
	fill_elsewhere(&s, 0);
	rig_pump(&s.rig);
	assert_ok(frontend_recv(frontend_of(&s), &reply));
	assert_int_equal(reply.n_fds, 1);
	n = read(reply.fds[0], bytes, sizeof(bytes));
	assert_true(n > 0);
	assert_non_null(memmem(bytes, (size_t)n, "late", 4));
	/* It is what it is. */
	assert_int_equal(pwrite(reply.fds[0], "x", 1, 0), -1);
	frontend_msg_close_fds(&reply);
	assert_ok(frontend_check_device_state(frontend_of(&s)));
	rig_close(&s.rig);
}

static void a_state_that_is_being_saved_outlives_session_and_device(void **state)
{
	struct stateful s;

	(void)state;
	for (int freed = 0; freed < 2; freed++) {
		open_source(&s);
		s.says = VU_LATER;
		send_set_fd(&s, SAVE);
		peer_disconnect(s.rig.peer);
		rig_pump(&s.rig);
		if (freed)
			rig_close(&s.rig);
		fill_elsewhere(&s, -ESTALE);
		if (!freed)
			rig_close(&s.rig);
	}
}

static void a_device_may_load_later(void **state)
{
	struct stateful s;
	void *bytes;
	size_t len;

	(void)state;
	saved_state(5, 0, &bytes, &len);
	for (int failed = 0; failed < 2; failed++) {
		open_destination(&s);
		s.says = VU_LATER;
		frontend_of(&s)->timeout_ms = 10;
		assert_int_equal(frontend_load_state(frontend_of(&s), bytes, len), -ETIMEDOUT);
		frontend_of(&s)->timeout_ms = FRONTEND_TIMEOUT_MS;
		assert_int_equal(s.loaded, 1);
		assert_int_equal(vu_answer_give(s.answer, failed ? -EBADMSG : 0), 0);
		rig_pump(&s.rig);
		assert_int_equal(rig_recv_ack(&s.rig, WIRE_CHECK_DEVICE_STATE), failed);
		if (failed)
			rig_expect_errors(&s.rig, "the device's state is not loaded", 1);
		rig_close(&s.rig);
	}
	free(bytes);
}

/* --- what is refused, and leaves the session alive --- */

static void expect_not_loaded(const void *bytes, size_t len, const char *why, uint32_t lines)
{
	struct stateful s;

	open_destination(&s);
	assert_int_equal(frontend_load_state(frontend_of(&s), bytes, len), -EREMOTEIO);
	if (!rig_logged(&s.rig, why))
		fail_msg("not \"%s\":\n%s", why, s.rig.log.text);
	rig_expect_errors(&s.rig, "not loaded", 1);
	s.rig.errors_expected += lines - 1;
	/* It said no, and is there. */
	assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
	expect_goes_on(&s);
	rig_close(&s.rig);
}

static void a_state_that_is_none_is_refused(void **state)
{
	char *bytes;
	size_t len;

	(void)state;
	saved_state(5, 0, (void **)&bytes, &len);
	expect_not_loaded("", 0, "it is empty", 1);
	expect_not_loaded("nonsense of some length, whatever", 33, "no state of a libvu", 1);
	/* Cut anywhere. */
	for (size_t cut = 1; cut < len; cut += 5)
		expect_not_loaded(bytes, cut, cut < 24 ? "no state of" : "cut off", 1);
	bytes[8]++;
	expect_not_loaded(bytes, len, "its format is newer", 1);
	bytes[8]--;
	bytes[12]++;
	expect_not_loaded(bytes, len, "another type of device", 1);
	bytes[12]--;
	bytes[16] = 3;
	expect_not_loaded(bytes, len, "a newer version of the device", 1);
	bytes[16] = 2;
	/* A length beyond everything, or an unknown flag, of the first record. */
	memset(bytes + 32, 0xff, 8);
	expect_not_loaded(bytes, len, "not whole", 1);
	memset(bytes + 32, 0, 8);
	bytes[32] = 8;
	bytes[28] = 2;
	expect_not_loaded(bytes, len, "not whole", 1);
	free(bytes);
}

static void an_older_version_is_loaded(void **state)
{
	struct stateful s;
	char *bytes;
	size_t len;

	(void)state;
	saved_state(5, 0, (void **)&bytes, &len);
	bytes[16] = 1;
	open_destination(&s);
	assert_ok(frontend_load_state(frontend_of(&s), bytes, len));
	assert_true(s.count == 5);
	rig_close(&s.rig);
	free(bytes);
}

static void a_tag_that_nobody_knows_is_refused_unless_it_is_optional(void **state)
{
	void *bytes;
	size_t len;

	(void)state;
	saved_state(5, 77, &bytes, &len);
	expect_not_loaded(bytes, len, "a record with tag 77", 2);
	free(bytes);
}

static void what_a_device_cannot_save_is_told_at_once(void **state)
{
	const struct vu_state_ops small = {.size = sizeof(small),
					   .max_size = 4096,
					   .save = stateful_save,
					   .load = stateful_load};
	struct stateful s;
	void *bytes;
	size_t len;

	(void)state;
	open_source(&s);
	s.says = -EIO;
	assert_int_equal(frontend_save_state(frontend_of(&s), &bytes, &len), -EREMOTEIO);
	assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
	rig_expect_errors(&s.rig, "not saved: Input/output error", 1);
	s.rig.errors_expected++;
	/* A migration that fails is no end. */
	expect_goes_on(&s);
	rig_stop_queue(&s.rig, 0);
	s.says = 0;
	save_ok(&s, &bytes, &len);
	free(bytes);
	rig_close(&s.rig);
	/* Too large: whatever the device says. */
	make_with(&s, &small);
	assert_ok(peer_negotiate(s.rig.peer));
	s.bulk = 4000;
	assert_int_equal(frontend_save_state(frontend_of(&s), &bytes, &len), -EREMOTEIO);
	rig_expect_errors(&s.rig, "not saved: File too large", 1);
	s.rig.errors_expected++;
	s.bulk = 3000;
	save_ok(&s, &bytes, &len);
	free(bytes);
	rig_close(&s.rig);
}

static void too_much_is_not_taken(void **state)
{
	enum { MAX = 8192 };
	const struct vu_state_ops small = {.size = sizeof(small),
					   .max_size = MAX,
					   .save = stateful_save,
					   .load = stateful_load};
	static char bytes[1 << 20];
	struct stateful s;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	for (size_t len = MAX; len < sizeof(bytes); len = len == MAX ? MAX + 1 : len * 4) {
		make_with(&s, &small);
		assert_ok(peer_negotiate(s.rig.peer));
		/* Nobody reads it any more, or it is answered by CHECK: nothing hangs. */
		assert_true(frontend_load_state(frontend_of(&s), bytes, len) < 0);
		assert_int_equal(rig_logged(&s.rig, "at most 8192 bytes are taken"), len > MAX);
		assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
		s.rig.errors_expected++;
		assert_int_equal(s.loaded, 0);
		expect_goes_on(&s);
		rig_close(&s.rig);
	}
}

static void a_state_may_have_no_limit(void **state)
{
	const struct vu_state_ops unlimited = {.size = sizeof(unlimited),
					       .max_size = UINT64_MAX,
					       .save = stateful_save,
					       .load = stateful_load};
	struct stateful s;
	char *bytes;
	size_t len;

	(void)state;
	saved_state(5, 0, (void **)&bytes, &len);
	bytes[16] = 0; /* the version of these */
	make_with(&s, &unlimited);
	assert_ok(peer_negotiate(s.rig.peer));
	assert_ok(frontend_load_state(frontend_of(&s), bytes, len));
	assert_true(s.count == 5);
	rig_close(&s.rig);
	free(bytes);
}

static void only_a_suspended_device_gives_or_takes_a_state(void **state)
{
	struct stateful s;
	int own;

	(void)state;
	open_destination(&s);
	assert_ok(peer_set_driver(s.rig.peer));
	assert_ok(peer_start_rings(s.rig.peer));
	assert_int_equal(set_fd(&s, SAVE, 0, &own), REFUSED);
	assert_int_equal(set_fd(&s, LOAD, 0, &own), REFUSED);
	rig_expect_errors(&s.rig, "rings are started", 2);
	rig_roundtrip(&s.rig, 0, 1);
	assert_int_equal(s.saved + s.loaded, 0);
	rig_close(&s.rig);
}

static void a_state_is_not_loaded_under_rings_that_were_started_meanwhile(void **state)
{
	struct stateful s;
	void *bytes;
	size_t len;
	int own;

	(void)state;
	saved_state(5, 0, &bytes, &len);
	open_destination(&s);
	assert_int_equal(set_fd(&s, LOAD, 0, &own), 0);
	assert_int_equal(write(own, bytes, len), len);
	close(own);
	assert_ok(peer_set_driver(s.rig.peer));
	assert_ok(peer_start_rings(s.rig.peer));
	assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
	rig_expect_errors(&s.rig, "rings were started before", 1);
	assert_int_equal(s.loaded, 0);
	rig_roundtrip(&s.rig, 0, 1);
	rig_close(&s.rig);
	free(bytes);
}

static void unknown_directions_and_phases_are_refused(void **state)
{
	struct stateful s;
	int own;

	(void)state;
	open_source(&s);
	assert_int_equal(set_fd(&s, 2, 0, &own), REFUSED);
	assert_int_equal(set_fd(&s, UINT32_MAX, 0, &own), REFUSED);
	assert_int_equal(set_fd(&s, SAVE, 1, &own), REFUSED);
	rig_expect_errors(&s.rig, "no such direction", 2);
	rig_expect_errors(&s.rig, "no such migration phase", 1);
	/* Without any transfer there is nothing to check. */
	assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
	expect_goes_on(&s);
	rig_close(&s.rig);
}

static void a_check_without_a_transfer_says_no(void **state)
{
	struct stateful s;

	(void)state;
	open_destination(&s);
	assert_int_equal(frontend_check_device_state(frontend_of(&s)), -EREMOTEIO);
	assert_int_equal(rig_logged(&s.rig, "no state was saved or sent"), 1);
	expect_goes_on(&s);
	rig_close(&s.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_moves_from_one_device_to_another),
		cmocka_unit_test(a_large_state_moves_as_well),
		cmocka_unit_test(a_state_can_be_saved_again),
		cmocka_unit_test(a_device_may_save_on_another_thread),
		cmocka_unit_test(a_state_that_is_being_saved_outlives_session_and_device),
		cmocka_unit_test(a_device_may_load_later),
		cmocka_unit_test(a_state_that_is_none_is_refused),
		cmocka_unit_test(an_older_version_is_loaded),
		cmocka_unit_test(a_tag_that_nobody_knows_is_refused_unless_it_is_optional),
		cmocka_unit_test(what_a_device_cannot_save_is_told_at_once),
		cmocka_unit_test(too_much_is_not_taken),
		cmocka_unit_test(a_state_may_have_no_limit),
		cmocka_unit_test(only_a_suspended_device_gives_or_takes_a_state),
		cmocka_unit_test(a_state_is_not_loaded_under_rings_that_were_started_meanwhile),
		cmocka_unit_test(unknown_directions_and_phases_are_refused),
		cmocka_unit_test(a_check_without_a_transfer_says_no),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
