/* SPDX-License-Identifier: MIT */
/*
 * The examples in other languages, each a program on a socket: random bytes come, a second
 * front-end is served like the first, and SIGTERM ends it in peace.  GLIB_EXAMPLE is the command,
 * its words separated by blanks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/peer.h"
#include "kit/folder.h"
#include "kit/test.h"
#include "run/spawn.h"

enum { WORDS = 8, PIECE = 64, PIECES = 200 };

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
	for (int i = 0; i < 100000; i++)
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

static void front_ends_read_random_bytes(void **state)
{
	const struct peer_config config = {.n_queues = 1};
	struct example *e = *state;
	struct peer *peer;
	uint64_t gpa;

	assert_ok(peer_new(&config, &peer));
	gpa = guest_alloc(peer->guest, PIECE, 8);
	for (int session = 0; session < 2; session++) {
		assert_ok(peer_connect(peer, e->socket));
		if (peer_start(peer) < 0)
			fail_msg("%s", peer->frontend.error);
		read_pieces(peer, gpa, guest_ptr(peer->guest, gpa, PIECE));
		assert_ok(peer_stop(peer));
		peer_disconnect(peer);
	}
	peer_free(peer);
	spawn_stop(&e->program);
	if (e->program.status || *e->program.err)
		fail_msg("status %d: %s", e->program.status, e->program.err);
	assert_int_equal(access(e->socket, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(front_ends_read_random_bytes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
