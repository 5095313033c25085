/* SPDX-License-Identifier: MIT */
/* vu-vsock's connections between guests: of one process, and of one guest with itself. */
#include "vsock.h"

#include <stdio.h>

const char *const rig_program = "VU_VSOCK";

enum { OTHER_CID = 9 };

/* A guest, whose own ports are the other end. */
static const char *const hairpin[] = {"--forward=*=hairpin", NULL};

/* One guest asks the other one, or itself, which accepts: the other end. */
static struct line join(struct line *asking, struct guest_end *other)
{
	struct line accepted;

	line_send(asking, REQUEST, 0);
	accepted = line_accept(other, asking->type, asking->peer_port);
	line_get(asking, RESPONSE);
	return accepted;
}

/* A guest and itself: its port 5000 with its port 1000. */
static void hairpin_start(struct rig *rig, struct guest_end *guest, uint16_t type, struct line *a,
			  struct line *b)
{
	vsock_start(rig, guest, hairpin);
	*a = line_new(guest, type, 5000, 1000);
	*b = join(a, guest);
}

/* It will not receive, for now. */
static void close_window(struct line *line, struct line *other)
{
	line->buf_alloc = 0;
	line_send(line, CREDIT_UPDATE, 0);
	line_get(other, CREDIT_UPDATE);
}

static void a_hairpin_leads_back_to_the_guest(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line a, b;

	hairpin_start(rig, &guest, STREAM, &a, &b);
	assert_int_equal(b.peer_cid, HOST_CID);
	assert_int_equal(b.peer_port, 5000);
	line_write(&a, "there", 5, 0);
	line_expect(&b, "there");
	line_write(&b, "and back", 8, 0);
	line_expect(&a, "and back");
	line_send(&a, SHUTDOWN, BOTH);
	line_get_shutdown(&b, BOTH);
	line_send(&b, RST, 0);
	line_get(&a, RST);
	vsock_get_nothing(&guest);
	assert_string_equal(rig_say(rig, "list"), "");
	rig_stop(rig);
}

static void what_a_guest_says_of_its_credit_is_what_the_other_is_told(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line a, b;

	vsock_start(rig, &guest, hairpin);
	a = line_new(&guest, STREAM, 5000, 1000);
	a.buf_alloc = 12345;
	b = join(&a, &guest);
	assert_int_equal(b.peer_alloc, 12345);
	assert_int_equal(a.peer_alloc, 256 << 10);
	/* Not more than what is held here at most. */
	b.buf_alloc = 1 << 30;
	line_send(&b, CREDIT_UPDATE, 0);
	line_get(&a, CREDIT_UPDATE);
	assert_int_equal(a.peer_alloc, 256 << 10);
	line_write(&a, "abc", 3, 0);
	line_expect(&b, "abc");
	line_send(&b, CREDIT_UPDATE, 0);
	line_get(&a, CREDIT_UPDATE);
	assert_int_equal(a.peer_fwd, 3);
	/* Asked for, it is told at once, and asked for at the other end. */
	line_send(&a, CREDIT_REQUEST, 0);
	for (int i = 0; i < 2; i++) {
		struct got got = vsock_get(&guest);
		uint16_t op = le16toh(got.header.op);

		assert_int_equal(op, le32toh(got.header.dst_port) == a.port ? CREDIT_UPDATE
									    : CREDIT_REQUEST);
	}
	rig_stop(rig);
}

/* The next packet of either: a reader answers, and tells nothing by itself.  Bytes for it. */
static uint32_t get_for_reader(struct line *writer, struct line *reader)
{
	struct got got = vsock_get(reader->guest);

	switch (le16toh(got.header.op)) {
	case RW:
		return le32toh(got.header.len);
	case CREDIT_REQUEST:
		line_send(reader, CREDIT_UPDATE, 0);
		return 0;
	default:
		assert_int_equal(le16toh(got.header.op), CREDIT_UPDATE);
		assert_int_equal(le32toh(got.header.dst_port), writer->port);
		writer->peer_alloc = le32toh(got.header.buf_alloc);
		writer->peer_fwd = le32toh(got.header.fwd_cnt);
		return 0;
	}
}

/* Linux before 6.7 tells of nothing while more than 64 KiB of its own buffer are free. */
static void who_has_a_larger_buffer_than_the_other_may_fill_is_asked(void **state)
{
	enum { MOST = 256 << 10, LEN = 4000 };
	static const unsigned char data[LEN];
	struct rig *rig = *state;
	struct guest_end guest;
	struct line a, b;

	hairpin_start(rig, &guest, STREAM, &a, &b);
	b.buf_alloc = 4 * MOST;
	line_send(&b, CREDIT_UPDATE, 0);
	line_get(&a, CREDIT_UPDATE);
	assert_int_equal(a.peer_alloc, MOST);
	for (int times = 0; times < 3; times++) {
		while (a.tx_cnt - a.peer_fwd + LEN <= a.peer_alloc) {
			line_write(&a, data, LEN, 0);
			for (uint32_t at = 0; at < LEN;)
				at += get_for_reader(&a, &b);
		}
		/* It reads later than it was asked for the first time. */
		b.fwd_cnt = a.tx_cnt;
		while (a.peer_fwd != a.tx_cnt)
			assert_int_equal(get_for_reader(&a, &b), 0);
	}
	/* All is read: nobody is asked any more. */
	vsock_get_nothing(&guest);
	rig_stop(rig);
}

static void messages_pass_with_their_boundaries_and_records(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line a, b;
	char data[10000] = "";

	hairpin_start(rig, &guest, SEQPACKET, &a, &b);
	line_write(&a, "ab", 2, EOM);
	line_write(&a, data, sizeof(data), EOM | EOR);
	line_write(&a, "", 0, EOM);
	line_write(&a, "cd", 2, 0);
	line_write(&a, "ef", 2, EOM);
	assert_int_equal(le32toh(line_get(&b, RW).header.flags), EOM);
	for (uint32_t at = 0; at < sizeof(data);) {
		struct got got = line_get(&b, RW);

		at += le32toh(got.header.len);
		assert_int_equal(le32toh(got.header.flags), at == sizeof(data) ? EOM | EOR : 0);
	}
	assert_int_equal(line_get(&b, RW).header.len, 0);
	line_expect(&b, "cd");
	line_expect(&b, "ef");
	rig_stop(rig);
}

static void without_credit_bytes_wait_and_then_arrive_before_the_end(void **state)
{
	enum { LEN = 60000 };
	struct rig *rig = *state;
	unsigned char data[LEN], got[LEN];
	struct guest_end guest;
	struct line a, b;

	hairpin_start(rig, &guest, STREAM, &a, &b);
	close_window(&b, &a); /* it changed its mind while they were on the way */
	fill(data, LEN, 6);
	line_write(&a, data, LEN, 0);
	line_send(&a, SHUTDOWN, BOTH);
	line_send(&a, RST, 0);
	b.buf_alloc = 1 << 20;
	line_send(&b, CREDIT_UPDATE, 0);
	for (uint32_t at = 0; at < LEN;) {
		struct got part = vsock_get(&guest);

		if (le16toh(part.header.op) != RW) /* SHUTDOWN says first that it reads no more */
			continue;
		memcpy(got + at, part.data, le32toh(part.header.len));
		at += le32toh(part.header.len);
	}
	assert_memory_equal(got, data, LEN);
	line_get_shutdown(&b, BOTH);
	line_get(&b, RST);
	assert_string_equal(rig_say(rig, "list"), "");
	rig_stop(rig);
}

static void nobody_who_listens_is_a_refusal(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line a, b;

	vsock_start(rig, &guest, hairpin);
	a = line_new(&guest, STREAM, 5000, 1000);
	line_send(&a, REQUEST, 0);
	b = line_new(&guest, STREAM, 1000, 5000);
	line_get(&b, REQUEST);
	line_send(&b, RST, 0);
	line_get(&a, RST);
	/* The asker gives up before there is an answer. */
	line_send(&a, REQUEST, 0);
	line_get(&b, REQUEST);
	line_send(&a, RST, 0);
	line_get(&b, RST);
	/* An answer that comes too late is for nobody. */
	line_send(&b, RESPONSE, 0);
	line_get(&b, RST);
	assert_string_equal(rig_say(rig, "list"), "");
	rig_stop(rig);
}

static void a_packet_too_many_ends_both_ends(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	struct line a, b;
	unsigned char data[VSOCK_LARGEST] = "";

	hairpin_start(rig, &guest, STREAM, &a, &b);
	close_window(&b, &a);
	for (int i = 0; i < 4; i++)
		line_write(&a, data, VSOCK_LARGEST, 0);
	line_write(&a, data, 1, 0);
	for (int rsts = 0; rsts < 2;)
		rsts += le16toh(vsock_get(&guest).header.op) == RST;
	assert_string_equal(rig_say(rig, "list"), "");
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "it ignores its credit"), 1);
}

/* --- two guests --- */

struct pair {
	struct rig rig; /* the second guest's: its driver, and nothing else */
	struct guest_end first, second;
};

static void pair_start_with(struct rig *rig, struct pair *p, const char *sibling, const char *more)
{
	const char *const args[] = {"--guest-cid=3",
				    "--guest-cid=9",
				    "--socket-path",
				    p->rig.socket,
				    sibling,
				    more,
				    NULL};

	p->rig = (struct rig){.config.n_queues = VSOCK_QUEUES};
	snprintf(p->rig.socket, sizeof(p->rig.socket), "%.60s/second", rig->dir);
	vsock_start(rig, &p->first, args);
	spawn_wait_listening(p->rig.socket);
	rig_connect(&p->rig);
	vsock_begin(&p->rig, &p->second, OTHER_CID);
}

static void pair_start(struct rig *rig, struct pair *p, const char *sibling)
{
	pair_start_with(rig, p, sibling, NULL);
}

static void pair_stop(struct rig *rig, struct pair *p)
{
	peer_free(p->rig.peer);
	rig_stop(rig);
}

/* A connection from the first guest, that is not asked for yet. */
static struct line pair_line(struct pair *p, uint32_t peer_port)
{
	struct line line = line_new(&p->first, STREAM, 5000, peer_port);

	line.peer_cid = OTHER_CID;
	return line;
}

static void two_guests_reach_each_others_ports_that_are_named(void **state)
{
	struct rig *rig = *state;
	struct pair p;
	struct line a, b;

	pair_start(rig, &p, "--sibling=1000-1010");
	a = pair_line(&p, 1005);
	b = join(&a, &p.second);
	assert_int_equal(b.peer_cid, GUEST_CID);
	line_write(&a, "hello", 5, 0);
	line_expect(&b, "hello");
	line_write(&b, "hi", 2, 0);
	line_expect(&a, "hi");
	/* And no others. */
	a.peer_port = 1011;
	line_expect_refused(&a);
	/* Nor its own by its own address. */
	a.peer_port = 1005;
	a.peer_cid = GUEST_CID;
	line_expect_refused(&a);
	pair_stop(rig, &p);
}

static void without_a_rule_guests_do_not_reach_each_other(void **state)
{
	struct rig *rig = *state;
	struct pair p;
	struct line a;

	pair_start(rig, &p, "--verbose");
	a = pair_line(&p, 1005);
	line_expect_refused(&a);
	vsock_get_nothing(&p.second);
	pair_stop(rig, &p);
}

static void a_guest_that_dies_resets_what_it_had_with_the_other(void **state)
{
	struct rig *rig = *state;
	struct pair p;
	struct line a;

	pair_start(rig, &p, "--sibling=*");
	a = pair_line(&p, 1);
	join(&a, &p.second);
	peer_disconnect(p.rig.peer);
	line_get(&a, RST);
	/* It is not there any more. */
	line_expect_refused(&a);
	pair_stop(rig, &p);
}

static void a_guest_that_gives_no_buffers_stops_nobody_else(void **state)
{
	struct rig *rig = *state;
	struct pair p;
	struct line a, b, h[2];
	unsigned char data[VSOCK_LARGEST] = "";

	pair_start(rig, &p, "--sibling=*");
	a = pair_line(&p, 1);
	b = join(&a, &p.second);
	/* Its sixteen buffers are full after the first of these. */
	for (int i = 0; i < 4; i++)
		line_write(&a, data, VSOCK_LARGEST, 0);
	for (int i = 0; i < 2; i++) {
		h[i] = line_new(&p.first, STREAM, 6000 + (uint32_t)i, 2);
		line_send(&h[i], REQUEST, 0); /* nobody: it is the host's */
		line_get(&h[i], RST);
	}
	for (uint32_t at = 0; at < sizeof(data);)
		at += le32toh(line_get(&b, RW).header.len);
	pair_stop(rig, &p);
}

static void a_guest_cannot_use_up_all_connections_of_another(void **state)
{
	struct rig *rig = *state;
	struct pair p;
	struct line a, c;

	pair_start_with(rig, &p, "--sibling=*", "--max-connections=4");
	for (uint32_t i = 0; i < 3; i++) {
		a = pair_line(&p, 1 + i);
		a.port += i;
		if (i < 2) {
			join(&a, &p.second);
			continue;
		}
		line_expect_refused(&a);
	}
	vsock_get_nothing(&p.second);
	/* The second one has some for itself, and there is room for one more when one ends. */
	c = line_new(&p.second, STREAM, 5000, 1);
	c.peer_cid = GUEST_CID;
	join(&c, &p.first);
	a = pair_line(&p, 1);
	line_send(&a, RST, 0);
	a = line_new(&p.second, STREAM, 1, 5000);
	a.peer_cid = GUEST_CID;
	line_get(&a, RST);
	a = pair_line(&p, 3);
	join(&a, &p.second);
	pair_stop(rig, &p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_hairpin_leads_back_to_the_guest),
		TEST(what_a_guest_says_of_its_credit_is_what_the_other_is_told),
		TEST(who_has_a_larger_buffer_than_the_other_may_fill_is_asked),
		TEST(messages_pass_with_their_boundaries_and_records),
		TEST(without_credit_bytes_wait_and_then_arrive_before_the_end),
		TEST(nobody_who_listens_is_a_refusal),
		TEST(a_packet_too_many_ends_both_ends),
		TEST(two_guests_reach_each_others_ports_that_are_named),
		TEST(without_a_rule_guests_do_not_reach_each_other),
		TEST(a_guest_that_dies_resets_what_it_had_with_the_other),
		TEST(a_guest_that_gives_no_buffers_stops_nobody_else),
		TEST(a_guest_cannot_use_up_all_connections_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
