/* SPDX-License-Identifier: MIT */
/* vu-snd and drivers that do what they should not, end in the middle, or begin anew. */
#include "snd.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PERIOD = 480 * FRAME };

/* Commands in an order that there is not, by what the stream has seen before. */
static void commands_in_a_wrong_order_are_refused(void **state)
{
	static const uint32_t commands[] = {SET_PARAMS, PREPARE, START, STOP, RELEASE};
	/* Which of those are right, and what leads there. */
	static const struct {
		uint32_t right;
		uint32_t before[4];
	} rows[] = {
		{0x01, {0}},
		{0x13, {SET_PARAMS}},
		{0x17, {SET_PARAMS, PREPARE}},
		{0x18, {SET_PARAMS, PREPARE, START}},
		{0x14, {SET_PARAMS, PREPARE, START, STOP}},
	};
	struct rig *rig = *state;

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint32_t c = 0; c < 5; c++) {
			uint32_t status;

			if (!i && !c)
				snd_start(rig, NULL);
			else
				rig_connect(rig); /* a stream as at first */
			for (uint32_t b = 0; b < 4 && rows[i].before[b]; b++)
				assert_int_equal(
					rows[i].before[b] == SET_PARAMS
						? snd_set_params(rig, PLAYBACK, &usual)
						: snd_command(rig, rows[i].before[b], PLAYBACK),
					OK);
			status = commands[c] == SET_PARAMS
					 ? snd_set_params(rig, PLAYBACK, &usual)
					 : snd_command(rig, commands[c], PLAYBACK);
			if (status != (rows[i].right & 1u << c ? OK : BAD_MSG))
				fail_msg("state %u, command %#x: %#x", i, commands[c], status);
		}
	rig_stop(rig);
}

static void parameters_that_cannot_be_are_refused(void **state)
{
	static const struct {
		struct params p;
		uint32_t status;
	} rows[] = {
		{{1920, 1920, 0, 0, S16, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 3, S16, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 255, S16, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 2, VIRTIO_SND_PCM_FMT_U8, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 2, 25, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 2, 64 + S16, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 2, 255, HZ_48000}, NOT_SUPP},
		{{1920, 1920, 0, 2, S16, VIRTIO_SND_PCM_RATE_8000}, NOT_SUPP},
		{{1920, 1920, 0, 2, S16, 14}, NOT_SUPP},
		{{1920, 1920, 0, 2, S16, 255}, NOT_SUPP},
		{{1920, 1920, 1, 2, S16, HZ_48000}, NOT_SUPP},
		{{1920, 1920, UINT32_MAX, 2, S16, HZ_48000}, NOT_SUPP},
		{{1920, 0, 0, 2, S16, HZ_48000}, BAD_MSG},
		{{0, 0, 0, 2, S16, HZ_48000}, BAD_MSG},
		{{1920, 3, 0, 2, S16, HZ_48000}, BAD_MSG},
		{{1920, 1000, 0, 2, S16, HZ_48000}, BAD_MSG},
		{{960, 1920, 0, 2, S16, HZ_48000}, BAD_MSG},
		{{UINT32_MAX, UINT32_MAX, 0, 2, S16, HZ_48000}, BAD_MSG},
	};
	struct rig *rig = *state;

	snd_start(rig, NULL);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(snd_set_params(rig, PLAYBACK, &rows[i].p), rows[i].status);
	assert_int_equal(snd_set_params(rig, 2, &usual), BAD_MSG);
	assert_int_equal(snd_set_params(rig, UINT32_MAX, &usual), BAD_MSG);
	assert_int_equal(snd_command(rig, PREPARE, PLAYBACK), BAD_MSG);
	rig_stop(rig);
}

static void a_frame_of_half_a_byte_is_refused(void **state)
{
	struct rig *rig = *state;
	const char *card = rig_file(rig, "card", "playback null formats=IMA_ADPCM\n");
	const char *const args[] = {"--describe", card, NULL};
	struct params p = {480, 480, 0, 1, VIRTIO_SND_PCM_FMT_IMA_ADPCM, HZ_48000};

	snd_start(rig, args);
	assert_int_equal(snd_set_params(rig, 0, &p), NOT_SUPP);
	p.channels = 2;
	assert_int_equal(snd_set_params(rig, 0, &p), OK);
	rig_stop(rig);
}

static void messages_that_are_none_are_refused_at_once(void **state)
{
	static const unsigned char bytes[5 * PERIOD];
	struct rig *rig = *state;
	struct message m;
	uint32_t head = 0, none[3] = {0};
	unsigned char status[8];

	snd_start(rig, NULL);
	snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
	snd_expect(rig, SND_TX, &m, IO_ERR); /* not prepared */
	snd_prepare(rig, PLAYBACK, &usual);
	snd_prepare(rig, CAPTURE, &usual);
	snd_offer(rig, &m, 2, bytes, PERIOD);
	snd_expect(rig, SND_TX, &m, BAD_MSG);
	snd_offer(rig, &m, UINT32_MAX, bytes, PERIOD);
	snd_expect(rig, SND_TX, &m, BAD_MSG);
	snd_offer(rig, &m, CAPTURE, bytes, PERIOD);
	snd_expect(rig, SND_TX, &m, BAD_MSG);
	snd_offer(rig, &m, PLAYBACK, NULL, PERIOD);
	snd_expect(rig, SND_RX, &m, BAD_MSG);
	snd_offer(rig, &m, PLAYBACK, bytes, PERIOD - 1);
	snd_expect(rig, SND_TX, &m, BAD_MSG);
	snd_offer(rig, &m, PLAYBACK, bytes, sizeof(bytes)); /* more than the buffer */
	snd_expect(rig, SND_TX, &m, BAD_MSG);
	/* No sound, no head, no room for a status. */
	assert_int_equal(rig_ask(rig, SND_TX, &head, 4, status, 8), 8);
	assert_int_equal(rig_ask(rig, SND_TX, &head, 3, status, 8), 8);
	assert_int_equal(rig_ask(rig, SND_TX, NULL, 0, status, 8), 8);
	assert_int_equal(rig_ask(rig, SND_TX, none, 12, status, 7), 7);
	assert_int_equal(rig_ask(rig, SND_TX, none, 12, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, SND_RX, &head, 4, status, 7), 7);
	assert_int_equal(rig_ask(rig, SND_RX, NULL, 0, status, 8), 8);
	snd_do(rig, START, PLAYBACK);
	snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
	snd_expect(rig, SND_TX, &m, OK);
	rig_stop(rig);
}

static void a_full_disk_is_told_to_the_driver_and_once_in_the_log(void **state)
{
	static const unsigned char bytes[PERIOD];
	const char *const args[] = {"--playback=file=/dev/full", NULL};
	struct rig *rig = *state;
	struct message m[3];

	snd_start(rig, args);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < 3; i++)
		snd_offer(rig, &m[i], PLAYBACK, bytes, PERIOD);
	snd_do(rig, START, PLAYBACK);
	for (int i = 0; i < 3; i++)
		snd_expect(rig, SND_TX, &m[i], IO_ERR);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "No space left"), 1);
}

/* --- ends and beginnings --- */

static void a_pause_of_the_guest_loses_nothing_and_plays_nothing_twice(void **state)
{
	enum { N = 12 };
	unsigned char bytes[N * PERIOD];
	struct rig *rig = *state;
	const char *path = snd_start_into_file(rig);
	struct message m[N];
	uint32_t done = 0;

	snd_pattern(bytes, sizeof(bytes), 1);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < N; i++)
		snd_offer(rig, &m[i], PLAYBACK, bytes + i * PERIOD, PERIOD);
	snd_do(rig, START, PLAYBACK);
	snd_expect(rig, SND_TX, &m[done++], OK);
	for (int pauses = 0; pauses < 3; pauses++) {
		snd_pause(rig);
		snd_resume(rig, false);
		snd_expect(rig, SND_TX, &m[done++], OK);
	}
	while (done < N)
		snd_expect(rig, SND_TX, &m[done++], OK);
	snd_do(rig, STOP, PLAYBACK);
	snd_do(rig, RELEASE, PLAYBACK);
	rig_stop(rig);
	snd_expect_file(path, bytes, sizeof(bytes));
}

static void a_guest_that_reboots_finds_streams_as_at_first(void **state)
{
	unsigned char stale[PERIOD], bytes[2 * PERIOD];
	struct virtio_snd_pcm_info info[2];
	struct rig *rig = *state;
	const char *path = snd_start_into_file(rig);
	struct message m, other;

	snd_pattern(stale, sizeof(stale), 1);
	snd_pattern(bytes, sizeof(bytes), 2);
	for (int asks = 0; asks < 2; asks++) {
		struct params p = usual;

		p.buffer = p.period = 400 * PERIOD;
		snd_prepare(rig, CAPTURE, &p);
		snd_do(rig, START, CAPTURE);
		snd_offer(rig, &other, CAPTURE, NULL, 400 * PERIOD);
		snd_prepare(rig, PLAYBACK, &usual);
		snd_offer(rig, &m, PLAYBACK, stale, PERIOD); /* never started */
		rig_expect_nothing(rig, SND_TX);
		snd_pause(rig);
		/* A driver that knows nothing, and empty rings. */
		snd_resume(rig, true);
		if (asks)
			assert_int_equal(
				snd_query(rig, INFO, 0, 2, sizeof(info[0]), info, sizeof(info)),
				OK);
		snd_prepare(rig, CAPTURE, &usual);
		snd_prepare(rig, PLAYBACK, &usual);
		snd_offer(rig, &m, PLAYBACK, bytes + asks * PERIOD, PERIOD);
		snd_do(rig, START, PLAYBACK);
		snd_expect(rig, SND_TX, &m, OK);
		snd_do(rig, STOP, PLAYBACK);
		snd_do(rig, RELEASE, PLAYBACK);
		snd_do(rig, RELEASE, CAPTURE);
	}
	rig_stop(rig);
	snd_expect_file(path, bytes, sizeof(bytes));
}

static void a_front_end_that_dies_while_sound_is_played_leaves_nothing(void **state)
{
	static const unsigned char bytes[PERIOD];
	struct rig *rig = *state;
	struct message m[4];

	snd_start(rig, NULL);
	for (int again = 0; again < 3; again++) {
		snd_prepare(rig, PLAYBACK, &usual);
		snd_prepare(rig, CAPTURE, &usual);
		for (int i = 0; i < 2; i++) {
			snd_offer(rig, &m[i], PLAYBACK, bytes, PERIOD);
			snd_offer(rig, &m[2 + i], CAPTURE, NULL, PERIOD);
		}
		snd_do(rig, START, PLAYBACK);
		snd_do(rig, START, CAPTURE);
		snd_expect(rig, SND_TX, &m[0], OK);
		rig_connect(rig);
		assert_non_null(strstr(rig_say(rig, "list"), "stream 0 playback null idle"));
	}
	rig_stop(rig);
}

static void two_guests_play_at_once_each_into_its_file(void **state)
{
	enum { N = 8 };
	unsigned char bytes[2][N * PERIOD];
	struct rig *rig = *state, other;
	const char *paths[] = {rig_file(rig, "out", NULL), rig_file(rig, "out.1", NULL)};
	const char *socket = rig_file(rig, "second", NULL);
	struct rig *rigs[] = {rig, &other};
	struct snd_option where;
	const char *const args[] = {"--socket-path", socket,
				    snd_option(&where, "--playback=file=", paths[0]), NULL};
	struct message m[2][N];

	rig_file(rig, "control.1", NULL);
	snd_start(rig, args);
	other = *rig;
	other.peer = NULL;
	strcpy(other.socket, socket);
	rig_connect(&other);
	for (uint32_t g = 0; g < 2; g++) {
		snd_pattern(bytes[g], sizeof(bytes[g]), g);
		snd_prepare(rigs[g], PLAYBACK, &usual);
		for (int i = 0; i < N; i++)
			snd_offer(rigs[g], &m[g][i], PLAYBACK, bytes[g] + i * PERIOD, PERIOD);
		snd_do(rigs[g], START, PLAYBACK);
	}
	for (int i = 0; i < N; i++)
		for (uint32_t g = 0; g < 2; g++)
			snd_expect(rigs[g], SND_TX, &m[g][i], OK);
	peer_free(other.peer);
	rig_stop(rig);
	for (uint32_t g = 0; g < 2; g++)
		snd_expect_file(paths[g], bytes[g], sizeof(bytes[g]));
}

static void it_works_in_every_sandbox(void **state)
{
	static const char *const kinds[] = {"--sandbox=auto", "--sandbox=landlock",
					    "--sandbox=none"};
	unsigned char bytes[PERIOD];
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL);
	struct snd_option where;
	struct message m;

	snd_pattern(bytes, sizeof(bytes), 1);
	for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *const args[] = {snd_option(&where, "--playback=file=", path), kinds[i],
					    "--capture=tone=440", "--verbose", NULL};

		snd_start(rig, args);
		snd_prepare(rig, PLAYBACK, &usual);
		snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
		snd_do(rig, START, PLAYBACK);
		snd_expect(rig, SND_TX, &m, OK);
		snd_prepare(rig, CAPTURE, &usual);
		snd_offer(rig, &m, CAPTURE, NULL, PERIOD);
		snd_do(rig, START, CAPTURE);
		snd_expect(rig, SND_RX, &m, OK);
		rig_stop(rig);
		if (!rig_sandbox())
			assert_int_equal(rig_logged(rig, "sandbox: "), 1);
		snd_expect_file(path, bytes, sizeof(bytes));
	}
}

/* --- stops behind which something was done already --- */

/* Two streams into one ring, the second of which is done before the first: so that stays there. */
static const char *start_two_streams(struct rig *rig, const struct params *first)
{
	const char *path = rig_file(rig, "out", NULL);
	char line[2 * RIG_PATH];

	snprintf(line, sizeof(line), "playback file=%s\nplayback null\n", path);
	const char *const args[] = {"--describe", rig_file(rig, "card", line), NULL};

	snd_start(rig, args);
	snd_prepare(rig, 0, first);
	snd_prepare(rig, 1, &usual);
	return path;
}

/* The second stream's message, until it is done; and the stop. */
static void overtake_and_pause(struct rig *rig)
{
	static const unsigned char bytes[PERIOD];
	struct message m;

	snd_offer(rig, &m, 1, bytes, PERIOD);
	snd_do(rig, START, 0);
	snd_do(rig, START, 1);
	snd_expect(rig, SND_TX, &m, OK);
	snd_pause(rig);
}

static void what_cannot_go_back_at_a_stop_is_played_in_its_order(void **state)
{
	enum { N = 4, LEN = 100 * PERIOD };
	const struct params p = {
		.buffer = N * LEN, .period = LEN, .channels = 2, .format = S16, .rate = HZ_48000};
	unsigned char *bytes = malloc(N * LEN);
	struct rig *rig = *state;
	const char *path = start_two_streams(rig, &p);
	struct message m[N];

	assert_non_null(bytes);
	snd_pattern(bytes, N * LEN, 1);
	for (int i = 0; i < N; i++)
		snd_offer(rig, &m[i], 0, bytes + i * LEN, LEN);
	overtake_and_pause(rig);
	for (int i = 0; i < N; i++)
		snd_expect(rig, SND_TX, &m[i], OK);
	rig_stop(rig);
	snd_expect_file(path, bytes, N * LEN);
	free(bytes);
}

/* No more than the driver said that its buffer has, of however many messages of that size. */
static void a_stop_plays_no_more_than_a_buffer_at_once(void **state)
{
	enum { N = 6, SECONDS = 10, SECOND = 48000 * FRAME, LEN = SECONDS * SECOND };
	const struct params large = {
		.buffer = LEN, .period = LEN, .channels = 2, .format = S16, .rate = HZ_48000};
	unsigned char *bytes = calloc(1, LEN);
	struct rig *rig = *state;
	const char *path = start_two_streams(rig, &large);
	uint64_t began = snd_clock(), heard;
	struct message m[N];
	struct stat st;

	assert_non_null(bytes);
	for (int i = 0; i < N; i++)
		snd_offer(rig, &m[i], 0, bytes, LEN);
	free(bytes);
	overtake_and_pause(rig);
	heard = (snd_clock() - began) / 1000000000 + 1;
	for (int i = 0; i < N; i++)
		assert_ptr_equal(snd_wait(rig, SND_TX), &m[i]);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, LEN, LEN + heard * SECOND);
	/* What was not played says so. */
	assert_int_equal(snd_status(&m[N - 1]), st.st_size < N * LEN ? IO_ERR : OK);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(commands_in_a_wrong_order_are_refused),
		SND_TEST(parameters_that_cannot_be_are_refused),
		SND_TEST(a_frame_of_half_a_byte_is_refused),
		SND_TEST(messages_that_are_none_are_refused_at_once),
		SND_TEST(a_full_disk_is_told_to_the_driver_and_once_in_the_log),
		SND_TEST(a_pause_of_the_guest_loses_nothing_and_plays_nothing_twice),
		SND_TEST(a_guest_that_reboots_finds_streams_as_at_first),
		SND_TEST(a_front_end_that_dies_while_sound_is_played_leaves_nothing),
		SND_TEST(two_guests_play_at_once_each_into_its_file),
		SND_TEST(it_works_in_every_sandbox),
		SND_TEST(what_cannot_go_back_at_a_stop_is_played_in_its_order),
		SND_TEST(a_stop_plays_no_more_than_a_buffer_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
