/* SPDX-License-Identifier: MIT */
/* vu-net's switch: who reaches whom, and who is who. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "net_lan.h"

const char *const rig_program = "VU_NET";

static void begin(struct rig *rig, struct lan *lan, const char *one, const char *two,
		  const char *three)
{
	const char *const more[] = {one, two, three, NULL};

	lan_begin(rig, lan, more);
}

static void only_those_whom_a_rule_names_reach_each_other(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	begin(rig, &lan, "--switch-rule=0+1", "--switch-rule=1+2", NULL);
	for (int from = 0; from < GUESTS; from++) {
		lan_make(frame, LAN_ALL, from, (uint32_t)from);
		lan_says(&lan, from, frame);
		for (int to = 0; to < GUESTS; to++)
			if (from - to == 1 || to - from == 1)
				lan_hears(&lan, to, frame);
	}
	lan_is_quiet(&lan);
	/* Where the third one is is known, and the first one still may not get there. */
	lan_make(frame, 2, 0, 1);
	lan_says(&lan, 0, frame);
	lan_is_quiet(&lan);
	assert_int_equal(lan_count(rig, "port 0", "forbidden"), 1);
	assert_int_equal(net_stat(rig, "lost"), 1);
	lan_make(frame, 0, 1, 2);
	lan_says(&lan, 1, frame);
	lan_hears(&lan, 0, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
	assert_int_equal(rig_logged(rig, "for whom it may not reach"), 1);
}

static void who_is_alone_reaches_nobody(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;

	begin(*state, &lan, "--switch-rule=0-1+0-1", NULL, NULL);
	for (int to = -1; to < GUESTS; to++) {
		lan_make(frame, to, 2, 1);
		lan_says(&lan, 2, frame);
	}
	lan_is_quiet(&lan);
	lan_make(frame, LAN_ALL, 0, 1);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
}

/* Guests have the addresses 02::0, ::1 and ::2 there. */
static void with_pinned_addresses_nobody_speaks_for_another_one(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	begin(rig, &lan, "--switch-pin", "--mac=02:00:00:00:00:00", NULL);
	for (int as = 1; as < 9; as++) {
		lan_make(frame, LAN_ALL, as, 1);
		lan_says(&lan, 0, frame);
	}
	lan_is_quiet(&lan);
	assert_int_equal(lan_count(rig, "port 0", "spoofed"), 8);
	assert_int_equal(net_stat(rig, "lost"), 8);
	for (int from = 0; from < GUESTS; from++) {
		lan_make(frame, LAN_ALL, from, 2);
		lan_says(&lan, from, frame);
		for (int to = 0; to < GUESTS; to++)
			if (to != from)
				lan_hears(&lan, to, frame);
	}
	assert_non_null(strstr(rig_say(rig, "switch"), "port 2 address 02:00:00:00:00:02 pinned"));
	assert_null(strstr(rig_say(rig, "switch"), "learned"));
	lan_end(&lan);
}

/* Nobody had to speak before, and what is for somebody else is told to nobody. */
static void with_pinned_addresses_nobody_hears_what_is_for_another_one(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;

	begin(*state, &lan, "--switch-pin", "--mac=02:00:00:00:00:00", NULL);
	lan_make(frame, 2, 0, 1);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 2, frame);
	lan_make(frame, 9, 0, 1);
	lan_says(&lan, 0, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
}

/* A guest's source changes between the look at it and the copy, as often as a thread can. */
struct flipper {
	atomic_bool done;
	unsigned char *at, one, other;
};

static void *flip(void *opaque)
{
	struct flipper *f = opaque;

	while (!atomic_load(&f->done)) {
		__atomic_store_n(f->at, f->one, __ATOMIC_RELAXED);
		__atomic_store_n(f->at, f->other, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What the second guest heard has this byte. */
static void expect_heard(struct lan *lan, const struct rig_buffer *out, uint32_t at,
			 unsigned char wanted)
{
	struct rig *to = lan->guests.rigs[1];

	while (driver_has_used(to->peer->queues[NET_RX])) {
		struct rig_buffer *buffer;
		struct driver_seg again;
		uint32_t len;

		buffer = rig_wait(to, NET_RX, &len);
		assert_int_equal(len, out->len);
		assert_int_equal(buffer->data[at], wanted);
		again = rig_write_seg(buffer, LAN_ROOM);
		rig_offer(to, NET_RX, &again, 1, buffer);
	}
}

/* The same buffer many times, while a byte of it changes; many at once, so that it is the program
 * that has a processor beside the one that this takes. */
static void send_flipping(struct lan *lan, struct rig_buffer *out, uint32_t at, unsigned char one,
			  unsigned char other)
{
	enum { ROUNDS = 60, EACH = 200 };
	static struct flipper flipper; /* its thread is there after a failure, too */
	struct driver_seg seg = rig_read_seg(out, out->len);
	struct rig *from = lan->guests.rigs[0];
	pthread_t thread;

	flipper = (struct flipper){false, out->data + at, one, other};
	assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 1; k < EACH; k++)
			rig_check(from, driver_add(from->peer->queues[NET_TX], &seg, 1, from));
		rig_offer(from, NET_TX, &seg, 1, from);
		for (int k = 0; k < EACH; k++)
			rig_wait(from, NET_TX, NULL);
		expect_heard(lan, out, at, one);
	}
	atomic_store(&flipper.done, true);
	pthread_join(thread, NULL);
	out->data[at] = one;
}

static void what_changes_while_it_is_looked_at_gets_nobody_through(void **state)
{
	enum { HEADER = sizeof(struct virtio_net_hdr_v1), SOURCE_END = HEADER + 11 };
	const struct virtio_net_hdr_v1 segments = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
		.gso_size = htole16(1000),
	};
	struct rig *rig = *state;
	struct rig_buffer out;
	struct lan lan;

	begin(rig, &lan, "--switch-pin", "--mac=02:00:00:00:00:00", NULL);
	rig_buffer(rig, &out, HEADER + LAN_LEN);
	memset(out.data, 0, HEADER);
	lan_make(out.data + HEADER, 1, 0, 1);
	send_flipping(&lan, &out, SOURCE_END, 0, 2);
	/* Such a header, with which it would be segments of nothing. */
	memcpy(out.data, &segments, sizeof(segments));
	out.data[0] = 0;
	send_flipping(&lan, &out, offsetof(struct virtio_net_hdr_v1, gso_type), 0,
		      VIRTIO_NET_HDR_GSO_TCPV4);
	lan_end(&lan);
}

static void what_is_for_bridges_goes_on_to_nobody(void **state)
{
	static const unsigned char tree[] = {0x01, 0x80, 0xc2, 0, 0, 0};
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(rig, &lan, NULL);
	lan_make(frame, LAN_ALL, 0, 1);
	memcpy(frame, tree, sizeof(tree));
	lan_says(&lan, 0, frame);
	lan_is_quiet(&lan);
	assert_int_equal(lan_count(rig, "port 0", "refused"), 1);
	frame[5] = 0x10;
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	lan_hears(&lan, 2, frame);
	lan_end(&lan);
}

static void addresses_are_told_and_go_with_their_driver(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(rig, &lan, NULL);
	lan_make(frame, 1, 9, 1);
	lan_says(&lan, 0, frame);
	assert_non_null(strstr(rig_say(rig, "switch"), "port 0 address 02:00:00:00:00:09 learned"));
	rig_connect(rig);
	assert_null(strstr(rig_say(rig, "switch"), "address"));
	lan_end(&lan);
}

static void options_that_cannot_be_are_refused(void **state)
{
	struct rig *rig = *state;
	static const char *const elsewhere[] = {"--switch-rule=0+1", "--switch-pin",
						"--switch-uplink=tap:vu0"};
	static const struct {
		const char *option, *words;
	} rows[] = {
		{"--switch-rule=0+2", "there is no port 2: the last one is 0"},
		{"--switch-rule=all+uplink", "there is no uplink"},
		{"--switch-rule=a+b", "--switch-rule=a+b: WHO+WHO, please"},
		{"--switch-pin", "to which address?"},
		{"--switch-uplink=socket:x", "tap:NAME, please"},
		{"--switch-uplink=tap:", "and one at least"},
		{"--switch-uplink=tap:a-name-of-many-letters", "up to 15 characters"},
	};

	rig_expect_refused(rig, elsewhere, sizeof(elsewhere) / sizeof(elsewhere[0]),
			   "is for --backend=switch");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const argv[] = {getenv(rig_program), "--socket-path", rig->socket,
					    "--backend=switch",	 rows[i].option,  NULL};

		spawn_expect(argv, 1, "", rows[i].words);
	}
	net_start(rig, "null", NULL);
	assert_string_equal(rig_say_refused(rig, "switch"), "there is no switch: --backend=switch");
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_those_whom_a_rule_names_reach_each_other),
		TEST(who_is_alone_reaches_nobody),
		TEST(with_pinned_addresses_nobody_speaks_for_another_one),
		TEST(with_pinned_addresses_nobody_hears_what_is_for_another_one),
		TEST(what_changes_while_it_is_looked_at_gets_nobody_through),
		TEST(what_is_for_bridges_goes_on_to_nobody),
		TEST(addresses_are_told_and_go_with_their_driver),
		TEST(options_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
