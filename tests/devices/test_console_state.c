/* SPDX-License-Identifier: MIT */
/* vu-console's driver moves to another host, where ports are as they were, or it hears that not. */
#include "console.h"

#include <stdlib.h>
#include <string.h>

const char *const rig_program = "VU_CONSOLE";

static const char *const names[] = {"org.test.one", "two"};
static const char *const two_ports[] = {"--port=org.test.one=echo", "--port=two=echo", NULL};
static const char *const other_ports[] = {"--port=org.test.one=echo", "--max-ports=4", NULL};

struct moved {
	void *bytes;
	size_t len;
};

/* The driver of the source has three ports, of which it has closed the last one again. */
static struct moved source(struct rig *rig)
{
	struct moved m;

	console_start(rig, 3, two_ports);
	console_begin(rig, 3, names, 7);
	console_tell(rig, 2, OPEN, 0);
	rig_check(rig, peer_stop(rig->peer));
	rig_check(rig, frontend_save_state(&rig->peer->frontend, &m.bytes, &m.len));
	rig_stop(rig);
	return m;
}

static int load(struct rig *rig, const struct moved *m)
{
	int ret;

	rig_check(rig, peer_stop(rig->peer));
	ret = frontend_load_state(&rig->peer->frontend, m->bytes, m->len);
	for (uint32_t i = 0; i < rig->config.n_queues; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
	return ret;
}

static void ports_are_as_they_were(void **state)
{
	struct rig *rig = *state;
	struct moved m = source(rig);

	console_start(rig, 3, two_ports);
	rig_check(rig, load(rig, &m));
	assert_string_equal(console_ports(rig), "0 console echo host-open guest-open\n"
						"1 org.test.one echo host-open guest-open\n"
						"2 two echo host-open guest-closed");
	/* Without another word of either side. */
	console_write(rig, 1, "hello", 5);
	console_expect(rig, 1, "hello");
	console_tell(rig, 2, OPEN, 1);
	console_write(rig, 2, "again", 5);
	console_expect(rig, 2, "again");
	console_hear_nothing(rig);
	rig_stop(rig);
	free(m.bytes);
}

static void the_driver_hears_what_is_not_as_it_was(void **state)
{
	struct rig *rig = *state;
	struct moved m = source(rig);

	/* Port 2 is not there, and there is room for one more. */
	console_start(rig, 4, other_ports);
	rig_check(rig, load(rig, &m));
	console_hear(rig, 2, REMOVE, 0);
	assert_string_equal(console_ports(rig), "0 console echo host-open guest-open\n"
						"1 org.test.one echo host-open guest-open");
	console_hear_nothing(rig);
	rig_stop(rig);
	free(m.bytes);
}

static void what_the_driver_was_to_be_told_it_is_told_there(void **state)
{
	struct rig *rig = *state;
	struct moved m;

	console_start(rig, 3, two_ports);
	console_tell(rig, 0, READY, 1);
	console_hear(rig, 0, ADD, 0);
	rig_check(rig, peer_stop(rig->peer));
	rig_check(rig, frontend_save_state(&rig->peer->frontend, &m.bytes, &m.len));
	rig_stop(rig);
	console_start(rig, 3, two_ports);
	rig_check(rig, load(rig, &m));
	console_hear(rig, 1, ADD, 0);
	console_hear(rig, 2, ADD, 0);
	console_tell(rig, 1, PORT_READY, 1);
	console_hear_more(rig, 1, NAME, 1, names[0], (uint32_t)strlen(names[0]));
	console_hear(rig, 1, OPEN, 1);
	console_hear_nothing(rig);
	rig_stop(rig);
	free(m.bytes);
}

static void a_state_with_a_port_that_cannot_be_is_refused(void **state)
{
	struct rig *rig = *state;
	struct moved m = source(rig);
	unsigned char *port = (unsigned char *)m.bytes + 24 + 24 + 16; /* head, driver, its head */

	port[4] |= 16;
	console_start(rig, 3, two_ports);
	assert_int_equal(load(rig, &m), -EREMOTEIO);
	port[4] &= 15;
	port[3] = 0x80;
	assert_int_equal(load(rig, &m), -EREMOTEIO);
	port[3] = 0;
	port[7] = 0x80;
	assert_int_equal(load(rig, &m), -EREMOTEIO);
	/* It begins as any other. */
	console_begin(rig, 3, names, 7);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "not loaded"), 3);
	free(m.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ports_are_as_they_were, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(the_driver_hears_what_is_not_as_it_was, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(what_the_driver_was_to_be_told_it_is_told_there,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_state_with_a_port_that_cannot_be_is_refused,
						rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
