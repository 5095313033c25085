/* SPDX-License-Identifier: MIT */
/*
 * Rules: no piece of shared memory is waited for, by no thread and whatever the front-end answers;
 * all are forgotten when the device stops.
 */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "rules/shmem_rig.h"

static void a_front_end_that_never_answers_is_served_all_the_same(void **state)
{
	struct asked asked;
	uint64_t features;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_ok(map(&rig, FIRST, 0, 12, &asked));
	for (int i = 0; i < 3; i++) {
		rig_roundtrip(&rig, 0, 5);
		assert_ok(frontend_get_features(&rig.peer->frontend, &features));
		rig_assert_idle(&rig);
	}
	assert_int_equal(asked.times, 0);
	/* It goes, and the answer never came. */
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_ended(&asked, -ENOTCONN);
	rig_close(&rig);
}

static void an_answer_too_many_ends_only_the_channel(void **state)
{
	struct frontend_msg msg;
	struct asked asked;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_ok(map(&rig, FIRST, 0, 1, &asked));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 0, 1, &msg);
	answer(&rig, &msg, 0);
	answer(&rig, &msg, 0);
	assert_ended(&asked, 0);
	assert_int_equal(rig_logged(&rig, "no reply to the oldest request"), 1);
	assert_ok(map(&rig, FIRST, 1, 1, &asked));
	rig_pump(&rig);
	assert_ended(&asked, -ENOTCONN);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_stop_forgets_what_was_mapped_and_a_new_piece_takes_it_away(void **state)
{
	struct frontend_msg msg[3];
	struct asked asked;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	map_well(&rig, FIRST, 0, 2);
	map_well(&rig, FIRST, 2, 2);
	map_well(&rig, FIRST, 8, 1);
	assert_ok(peer_stop(rig.peer));
	assert_int_equal(shmem_lost, 1);
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_set_mem_table(&rig.peer->frontend, rig.peer->guest));
	rig_start_queue(&rig, 0);
	rig_pump(&rig);
	hear_nothing(&rig);
	/* It kept what is in the way, of one piece: away with all that was there, and again. */
	assert_ok(map(&rig, FIRST, 1, 2, &asked));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 1, 2, &msg[2]);
	answer(&rig, &msg[2], 1);
	for (int i = 0; i < 2; i++) {
		struct wire_mmap what;

		assert_ok(frontend_recv_backend(&rig.peer->frontend, &msg[i], 1000));
		assert_int_equal(msg[i].hdr.request, WIRE_BACKEND_SHMEM_UNMAP);
		memcpy(&what, msg[i].payload, sizeof(what));
		assert_true(what.len == 2 * PAGE);
	}
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 1, 2, &msg[2]);
	assert_int_equal(asked.times, 0);
	answer(&rig, &msg[0], 0);
	answer(&rig, &msg[1], 1);
	answer(&rig, &msg[2], 0);
	assert_ended(&asked, 0);
	assert_int_equal(rig_logged(&rig, "refuses"), 0);
	/* Or it kept nothing, and nobody asks it to take that away. */
	assert_ok(peer_stop(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	rig_start_queue(&rig, 0);
	map_well(&rig, FIRST, 1, 4);
	hear_nothing(&rig);
	assert_int_equal(map(&rig, FIRST, 2, 1, &asked), -EEXIST);
	/* A device that knows better than to forget may take away what was lost. */
	assert_ok(unmap(&rig, FIRST, 8, &asked));
	hear(&rig, WIRE_BACKEND_SHMEM_UNMAP, FIRST, 8, 1, &msg[0]);
	answer(&rig, &msg[0], 1);
	assert_ended(&asked, 0);
	assert_int_equal(unmap(&rig, FIRST, 8, &asked), -ENOENT);
	rig_close(&rig);
	assert_int_equal(shmem_lost, 3);
}

static void a_device_that_has_nothing_mapped_is_not_told_of_losses(void **state)
{
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_ok(peer_stop(rig.peer));
	rig_close(&rig);
	assert_int_equal(shmem_lost, 0);
}

static void a_stop_overtakes_what_was_asked_for(void **state)
{
	struct frontend_msg msg[2];
	struct asked asked[3];
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	map_well(&rig, FIRST, 4, 1);
	assert_ok(map(&rig, FIRST, 0, 1, &asked[0]));
	assert_ok(unmap(&rig, FIRST, 4, &asked[1]));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 0, 1, &msg[0]);
	hear(&rig, WIRE_BACKEND_SHMEM_UNMAP, FIRST, 4, 1, &msg[1]);
	assert_ok(frontend_reset_device(&rig.peer->frontend));
	assert_int_equal(shmem_lost, 1);
	/* Its answers are about what the reset took away. */
	answer(&rig, &msg[0], 0);
	answer(&rig, &msg[1], 0);
	assert_ended(&asked[0], -ECANCELED);
	assert_ended(&asked[1], -ECANCELED);
	/* Suspended, a device says nothing. */
	assert_ok(map(&rig, FIRST, 6, 1, &asked[2]));
	rig_pump(&rig);
	hear_nothing(&rig);
	assert_ended(&asked[2], -ECANCELED);
	rig_close(&rig);
}

static void without_its_features_nothing_is_asked(void **state)
{
	static const uint64_t without[] = {WIRE_PF_SHMEM_MAP, WIRE_PF_BACKEND_SEND_FD,
					   WIRE_PF_REPLY_ACK, WIRE_PF_BACKEND_REQ};
	struct asked asked;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct rig rig;

		rig_make(&rig, &(struct rig_config){
				       .peer = {.protocol_features =
							~(RIG_BIT(WIRE_PF_INBAND_NOTIFICATIONS) |
							  RIG_BIT(without[i]))}});
		shmem_declare_usual(&rig);
		/* And before there is anybody to ask. */
		assert_ok(map(&rig, FIRST, 0, 1, &asked));
		rig_pump(&rig);
		assert_ended(&asked, -ENOTCONN);
		rig_connect(&rig);
		assert_ok(peer_start(rig.peer));
		assert_ok(map(&rig, FIRST, 0, 1, &asked));
		rig_pump(&rig);
		assert_ended(&asked, without[i] == WIRE_PF_BACKEND_REQ ? -ENOTCONN : -EOPNOTSUPP);
		rig_close(&rig);
		assert_int_equal(shmem_lost, 0);
	}
}

static void a_device_may_be_freed_with_everything_outstanding(void **state)
{
	struct asked asked[3] = {{0}};
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	map_well(&rig, FIRST, 4, 1);
	assert_ok(map(&rig, FIRST, 0, 1, &asked[0]));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 0, 1, &msg);
	assert_ok(unmap(&rig, FIRST, 4, &asked[1]));
	assert_ok(map(&rig, SECOND, 0, 1, &asked[2]));
	vu_device_free(rig.dev);
	rig.dev = NULL;
	assert_ended(&asked[0], -ENOTCONN);
	/* These were not even sent. */
	assert_ended(&asked[1], -ECANCELED);
	assert_ended(&asked[2], -ECANCELED);
	rig_close(&rig);
}

enum { THREADS = 4, ROUNDS = 100 };

struct mapper {
	struct rig *rig;
	uint32_t page;
	_Atomic uint32_t answered, refused;
};

static void on_mapper_asked(struct vu_device *dev, int result, void *opaque)
{
	struct mapper *m = opaque;

	(void)dev;
	m->refused += result != 0;
	m->answered++;
}

/* Map and unmap three pages of its own again and again; the fourth is everybody's. */
static void *map_and_unmap(void *opaque)
{
	struct mapper *m = opaque;
	int fd = file_of(3 * PAGE);
	struct vu_shmem_piece own = piece_of(FIRST, m->page, 3, fd),
			      common = piece_of(SECOND, 0, 1, fd);

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t before = m->answered;
		int ret;

		assert_ok(vu_device_map_shmem(m->rig->dev, &own, on_mapper_asked, m));
		while (m->answered == before)
			usleep(50);
		ret = vu_device_map_shmem(m->rig->dev, &common, NULL, NULL);
		assert_true(ret == 0 || ret == -EEXIST);
		ret = vu_device_unmap_shmem(m->rig->dev, SECOND, 0, NULL, NULL);
		assert_true(ret == 0 || ret == -ENOENT || ret == -EBUSY || ret == -EALREADY);
		assert_ok(
			vu_device_unmap_shmem(m->rig->dev, FIRST, own.offset, on_mapper_asked, m));
		while (m->answered == before + 1)
			usleep(50);
	}
	close(fd);
	return NULL;
}

static bool all_answered(const struct mapper *m)
{
	for (int i = 0; i < THREADS; i++)
		if (m[i].answered < 2 * ROUNDS)
			return false;
	return true;
}

static void several_threads_map_and_unmap_at_once(void **state)
{
	struct mapper mappers[THREADS] = {{0}};
	bool mapped[FIRST_LEN / PAGE] = {false};
	pthread_t threads[THREADS];
	struct frontend_msg msg;
	struct wire_mmap what;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	for (uint32_t i = 0; i < THREADS; i++) {
		mappers[i].rig = &rig;
		mappers[i].page = 3 * i;
		assert_ok(pthread_create(&threads[i], NULL, map_and_unmap, &mappers[i]));
	}
	while (!all_answered(mappers)) {
		if (frontend_recv_backend(&rig.peer->frontend, &msg, 0))
			continue;
		frontend_msg_close_fds(&msg);
		memcpy(&what, msg.payload, sizeof(what));
		if (what.shmid == FIRST) {
			bool *page = &mapped[what.shm_offset / PAGE];

			assert_int_equal(*page, msg.hdr.request == WIRE_BACKEND_SHMEM_UNMAP);
			*page = !*page;
		}
		answer(&rig, &msg, 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		assert_ok(pthread_join(threads[i], NULL));
		assert_int_equal(mappers[i].refused, 0);
	}
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_request_that_the_front_end_does_not_answer_is_named(void **state)
{
	struct asked asked = {0};
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	shmem_open(&rig);
	assert_ok(map(&rig, FIRST, 0, 1, &asked));
	hear(&rig, WIRE_BACKEND_SHMEM_MAP, FIRST, 0, 1, &msg);
	/* However long its timer takes. */
	while (!rig_logged(&rig, "the front-end has not answered SHMEM_MAP")) {
		poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, -1);
		rig_pump(&rig);
	}
	answer(&rig, &msg, 0);
	assert_ended(&asked, 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_front_end_that_never_answers_is_served_all_the_same),
		cmocka_unit_test(an_answer_too_many_ends_only_the_channel),
		cmocka_unit_test(a_stop_forgets_what_was_mapped_and_a_new_piece_takes_it_away),
		cmocka_unit_test(a_device_that_has_nothing_mapped_is_not_told_of_losses),
		cmocka_unit_test(a_stop_overtakes_what_was_asked_for),
		cmocka_unit_test(without_its_features_nothing_is_asked),
		cmocka_unit_test(a_device_may_be_freed_with_everything_outstanding),
		cmocka_unit_test(several_threads_map_and_unmap_at_once),
		cmocka_unit_test(a_request_that_the_front_end_does_not_answer_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
