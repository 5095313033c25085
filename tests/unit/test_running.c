/* SPDX-License-Identifier: MIT */
/* Every event in every state of a device's session and its rings. */
#include "core_rig.h"

#include "core/running.h"

/* How a state is reached from the first. */
static const struct {
	uint32_t n;
	enum running_event events[4];
} paths[RUNNING_STATES] = {
	[RUNNING_FREE] = {0, {0}},
	[RUNNING_SUSPENDED] = {1, {RUNNING_BEGIN}},
	[RUNNING_ON] = {2, {RUNNING_BEGIN, RUNNING_START}},
	[RUNNING_STOPPING] = {3, {RUNNING_BEGIN, RUNNING_START, RUNNING_STOP}},
	[RUNNING_ENDING] = {2, {RUNNING_BEGIN, RUNNING_END}},
	[RUNNING_ENDING_ON] = {3, {RUNNING_BEGIN, RUNNING_START, RUNNING_END}},
};

/* What is to happen: the table of docs/architecture.md.  No trace: it is refused. */
static const struct {
	enum running_state next;
	const char *trace;
} expected[RUNNING_STATES][RUNNING_EVENTS] = {
	[RUNNING_FREE] = {[RUNNING_BEGIN] = {RUNNING_SUSPENDED, "begin"}},
	[RUNNING_SUSPENDED] = {[RUNNING_START] = {RUNNING_ON, "started"},
			       [RUNNING_SETTLE] = {RUNNING_SUSPENDED, ""},
			       [RUNNING_END] = {RUNNING_ENDING, ""}},
	[RUNNING_ON] = {[RUNNING_START] = {RUNNING_ON, ""},
			[RUNNING_STOP] = {RUNNING_STOPPING, ""},
			[RUNNING_SETTLE] = {RUNNING_ON, ""},
			[RUNNING_END] = {RUNNING_ENDING_ON, ""}},
	[RUNNING_STOPPING] = {[RUNNING_START] = {RUNNING_ON, ""},
			      [RUNNING_SETTLE] = {RUNNING_SUSPENDED, "stopped"},
			      [RUNNING_END] = {RUNNING_ENDING_ON, ""}},
	[RUNNING_ENDING] =
		{[RUNNING_SETTLE] = {RUNNING_ENDING, ""}, [RUNNING_LET_GO] = {RUNNING_FREE, "end"}},
	[RUNNING_ENDING_ON] = {[RUNNING_SETTLE] = {RUNNING_ENDING, "stopped"}},
};

static void reach(struct core_rig *rig, enum running_state state)
{
	core_make(rig, false);
	rig->dev->transport = &rig->transport;
	for (uint32_t i = 0; i < paths[state].n; i++)
		assert_int_equal(running_step(rig->dev, paths[state].events[i]), 0);
	assert_int_equal(rig->dev->running.state, state);
	rig->trace[0] = '\0';
}

/* Go on to the end, so that the device can be freed. */
static void leave(struct core_rig *rig)
{
	if (running_has_session(rig->dev))
		assert_int_equal(running_step(rig->dev, RUNNING_END), 0);
	if (vu_device_is_attached(rig->dev)) {
		assert_int_equal(running_step(rig->dev, RUNNING_SETTLE), 0);
		assert_int_equal(running_step(rig->dev, RUNNING_LET_GO), 0);
	}
	rig->dev->transport = NULL;
	core_free(rig);
}

static void every_event_in_every_state_does_what_the_table_says(void **state)
{
	for (uint32_t i = 0; i < RUNNING_STATES * RUNNING_EVENTS; i++) {
		const enum running_state from = i / RUNNING_EVENTS;
		const enum running_event event = i % RUNNING_EVENTS;
		const char *trace = expected[from][event].trace;
		struct core_rig rig;

		reach(&rig, from);
		assert_int_equal(running_step(rig.dev, event), trace ? 0 : -EPERM);
		assert_int_equal(rig.dev->running.state, trace ? expected[from][event].next : from);
		assert_int_equal(rig.log.lines[VU_LOG_ERROR], !trace);
		core_expect(&rig, trace ? trace : "");
		leave(&rig);
	}
}

static void a_callback_that_refuses_leaves_the_state_as_it_was(void **state)
{
	struct core_rig rig;

	reach(&rig, RUNNING_FREE);
	rig.begin_result = -EACCES;
	assert_int_equal(running_step(rig.dev, RUNNING_BEGIN), -EACCES);
	assert_int_equal(rig.dev->running.state, RUNNING_FREE);
	leave(&rig);
	reach(&rig, RUNNING_SUSPENDED);
	rig.started_result = -EIO;
	assert_int_equal(running_step(rig.dev, RUNNING_START), -EIO);
	assert_int_equal(rig.dev->running.state, RUNNING_SUSPENDED);
	leave(&rig);
}

static void the_first_reason_for_an_end_counts(void **state)
{
	struct core_rig rig;

	reach(&rig, RUNNING_SUSPENDED);
	running_doom(rig.dev, -ETIMEDOUT);
	running_doom(rig.dev, -EFAULT);
	assert_int_equal(rig.dev->running.why, -ETIMEDOUT);
	leave(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state_does_what_the_table_says),
		cmocka_unit_test(a_callback_that_refuses_leaves_the_state_as_it_was),
		cmocka_unit_test(the_first_reason_for_an_end_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
