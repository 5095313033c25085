/* SPDX-License-Identifier: MIT */
/*
 * The examples in other languages, each a program on a socket: random bytes come, or sectors go and
 * come back, a second front-end is served like the first, and SIGTERM ends it in peace.
 * GLIB_EXAMPLE is the command, its words separated by blanks; with GLIB_EXAMPLE_IS=blk a disk's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/folder.h"
#include "kit/test.h"
#include "run/spawn.h"

enum { WORDS = 8, PIECE = 64, PIECES = 200, LINES = 100000 };
/* virtio 1.3 §5.2.6: kinds of requests, and what the last byte says. */
enum {
	SECTOR = 512,
	BLK_IN = 0,
	BLK_OUT = 1,
	BLK_FLUSH = 4,
	BLK_OK = 0,
	BLK_IOERR = 1,
	BLK_UNSUPP = 2
};

struct example {
	char dir[FOLDER_PATH];
	char socket[FOLDER_PATH + 16];
	char source[FOLDER_PATH + 16];
	struct spawned program;
};

/* Numbered lines, so that what comes shows where it is from. */
static void write_source(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < LINES; i++)
		fprintf(file, "%07d\n", i);
	assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
	static char command[512];
	struct example *e = calloc(1, sizeof(*e));
	const char *argv[WORDS + 3], *text = getenv("GLIB_EXAMPLE");
	int n = 0;

	assert_non_null(e);
	assert_non_null(text);
	snprintf(command, sizeof(command), "%s", text);
	folder_make(e->dir, "glib");
	snprintf(e->socket, sizeof(e->socket), "%s/socket", e->dir);
	snprintf(e->source, sizeof(e->source), "%s/source", e->dir);
	write_source(e->source);
	for (char *word = strtok(command, " "); word && n < WORDS; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n++] = e->socket;
	argv[n++] = e->source;
	argv[n] = NULL;
	spawn_start(&e->program, argv, NULL);
	spawn_wait_up(&e->program, e->socket);
	*state = e;
	return 0;
}

static int end(void **state)
{
	struct example *e = *state;

	spawn_free(&e->program);
	unlink(e->source);
	assert_ok(rmdir(e->dir));
	free(e);
	return 0;
}

/* Pieces of the source, in order. */
static void read_pieces(struct peer *peer, uint64_t gpa, const char *room)
{
	long last = -1;

	for (int i = 0; i < PIECES; i++) {
		const struct driver_seg seg = {gpa, PIECE, true};
		struct driver_used used;

		assert_true(driver_add(peer->queues[0], &seg, 1, NULL) >= 0);
		if (peer_wait_used(peer, 0, &used) < 0)
			fail_msg("%s", peer->frontend.error);
		assert_int_equal(used.len, PIECE);
		assert_true(strtol(room, NULL, 10) > last);
		last = strtol(room, NULL, 10);
	}
}

/* Two front-ends, one after the other, and the program's end. */
static void serve_twice(struct example *e, void (*use)(struct peer *, int session))
{
	const struct peer_config config = {.n_queues = 1};
	struct peer *peer;

	assert_ok(peer_new(&config, &peer));
	for (int session = 0; session < 2; session++) {
		assert_ok(peer_connect(peer, e->socket));
		if (peer_start(peer) < 0)
			fail_msg("%s", peer->frontend.error);
		use(peer, session);
		assert_ok(peer_stop(peer));
		peer_disconnect(peer);
	}
	peer_free(peer);
	spawn_stop(&e->program);
	if (e->program.status || *e->program.err)
		fail_msg("status %d: %s", e->program.status, e->program.err);
	assert_int_equal(access(e->socket, F_OK), -1);
}

static void use_rng(struct peer *peer, int session)
{
	uint64_t gpa = guest_alloc(peer->guest, PIECE, 8);

	(void)session;
	read_pieces(peer, gpa, guest_ptr(peer->guest, gpa, PIECE));
}

static void front_ends_read_random_bytes(void **state)
{
	serve_twice(*state, use_rng);
}

struct disk {
	struct peer *peer;
	uint64_t header, data, status;
};

/* One request of @len bytes; its status. */
static int request(const struct disk *d, uint32_t kind, uint64_t sector, uint32_t len)
{
	const struct driver_seg segs[] = {
		{d->header, 16, false}, {d->data, len, kind == BLK_IN}, {d->status, 1, true}};
	const struct driver_seg no_data[] = {segs[0], segs[2]};
	uint8_t *header = guest_ptr(d->peer->guest, d->header, 16);
	uint8_t *status = guest_ptr(d->peer->guest, d->status, 1);
	struct driver_used used;

	memset(header, 0, 16);
	header[0] = (uint8_t)kind;
	for (int i = 0; i < 8; i++)
		header[8 + i] = (uint8_t)(sector >> 8 * i);
	*status = 0xff;
	assert_true(driver_add(d->peer->queues[0], len ? segs : no_data, len ? 3 : 2, NULL) >= 0);
	if (peer_wait_used(d->peer, 0, &used) < 0)
		fail_msg("%s", d->peer->frontend.error);
	assert_int_equal(used.len, kind == BLK_IN ? len + 1 : 1);
	return *status;
}

static void use_disk(struct peer *peer, int session)
{
	const struct disk d = {peer, guest_alloc(peer->guest, 16, 8),
			       guest_alloc(peer->guest, 4 * SECTOR, 8),
			       guest_alloc(peer->guest, 1, 1)};
	char *data = guest_ptr(peer->guest, d.data, 4 * SECTOR);
	uint8_t capacity[8];

	assert_ok(frontend_get_config(&peer->frontend, 0, capacity, sizeof(capacity)));
	assert_int_equal(capacity[0] | capacity[1] << 8, LINES * 8 / SECTOR);
	assert_int_equal(request(&d, BLK_IN, 1, 3 * SECTOR), BLK_OK);
	assert_int_equal(strtol(data, NULL, 10), SECTOR / 8);
	assert_int_equal(request(&d, BLK_IN, 8, SECTOR), BLK_OK);
	assert_int_equal(strtol(data, NULL, 10),
			 session ? 42 : SECTOR); /* what the first one wrote */
	snprintf(data, SECTOR, "%07d\n", 42);
	assert_int_equal(request(&d, BLK_OUT, 8, SECTOR), BLK_OK);
	memset(data, 0, SECTOR);
	assert_int_equal(request(&d, BLK_FLUSH, 0, 0), BLK_OK);
	assert_int_equal(request(&d, BLK_IN, 8, SECTOR), BLK_OK);
	assert_int_equal(strtol(data, NULL, 10), 42);
	assert_int_equal(request(&d, BLK_IN, LINES * 8 / SECTOR, SECTOR), BLK_IOERR);
	assert_int_equal(request(&d, BLK_OUT, UINT64_MAX / SECTOR, SECTOR), BLK_IOERR);
	assert_int_equal(request(&d, 99, 0, 0), BLK_UNSUPP);
}

static void front_ends_read_what_was_written(void **state)
{
	serve_twice(*state, use_disk);
}

int main(void)
{
	const struct CMUnitTest rng[] = {
		cmocka_unit_test_setup_teardown(front_ends_read_random_bytes, begin, end),
	};
	const struct CMUnitTest blk[] = {
		cmocka_unit_test_setup_teardown(front_ends_read_what_was_written, begin, end),
	};

	if (getenv("GLIB_EXAMPLE_IS"))
		return cmocka_run_group_tests(blk, NULL, NULL);
	return cmocka_run_group_tests(rng, NULL, NULL);
}
