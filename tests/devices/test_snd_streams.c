/* SPDX-License-Identifier: MIT */
/*
 * vu-snd's streams: what is played and recorded, to the byte and to the frame, and when.
 *
 * Messages may be done late on a busy machine, so nothing here says that one is there in time; that
 * none comes early is tested.
 */
#include "snd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PERIOD = 480 * FRAME, PERIOD_NS = 10000000, MANY = 8 };

static uint64_t frames_of(struct rig *rig, uint32_t stream)
{
	char before[32];
	const char *at;

	snprintf(before, sizeof(before), "stream %u frames ", stream);
	at = strstr(rig_say(rig, "counters"), before);
	assert_non_null(at);
	return strtoull(at + strlen(before), NULL, 10);
}

static void sleep_ms(uint32_t ms)
{
	struct timespec t = {0, (long)ms * 1000000};

	nanosleep(&t, NULL);
}

static void silence_is_what_the_format_says(void **state)
{
	static const struct {
		uint8_t format, size;
		unsigned char sample[8];
	} rows[] = {
		{VIRTIO_SND_PCM_FMT_S16, 2, {0}},
		{VIRTIO_SND_PCM_FMT_U8, 1, {0x80}},
		{VIRTIO_SND_PCM_FMT_U16, 2, {0, 0x80}},
		{VIRTIO_SND_PCM_FMT_U18_3, 3, {0, 0, 2}},
		{VIRTIO_SND_PCM_FMT_U20, 4, {0, 0, 8, 0}},
		{VIRTIO_SND_PCM_FMT_U24, 4, {0, 0, 0x80, 0}},
		{VIRTIO_SND_PCM_FMT_U32, 4, {0, 0, 0, 0x80}},
		{VIRTIO_SND_PCM_FMT_FLOAT64, 8, {0}},
		{VIRTIO_SND_PCM_FMT_MU_LAW, 1, {0x7f}},
		{VIRTIO_SND_PCM_FMT_A_LAW, 1, {0x55}},
		{VIRTIO_SND_PCM_FMT_DSD_U8, 1, {0x69}},
	};
	struct rig *rig = *state;
	const char *card = rig_file(rig, "card", "capture null formats=all\n");
	const char *const args[] = {"--describe", card, NULL};
	struct message m;

	snd_start(rig, args);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t period = 48u * rows[i].size;
		const struct params p = {.buffer = period,
					 .period = period,
					 .channels = 1,
					 .format = rows[i].format,
					 .rate = HZ_48000};

		snd_prepare(rig, 0, &p);
		snd_offer(rig, &m, 0, NULL, period);
		snd_do(rig, START, 0);
		snd_expect(rig, SND_RX, &m, OK);
		for (uint32_t at = 0; at < period; at += rows[i].size)
			assert_memory_equal(m.sound.data + at, rows[i].sample, rows[i].size);
		snd_do(rig, STOP, 0);
		snd_do(rig, RELEASE, 0);
	}
	rig_stop(rig);
}

static void a_tone_is_a_sine(void **state)
{
	const char *const args[] = {"--capture=tone=1000", NULL};
	struct rig *rig = *state;
	struct message m;
	int16_t samples[960];

	snd_start(rig, args);
	snd_prepare(rig, CAPTURE, &usual);
	snd_offer(rig, &m, CAPTURE, NULL, PERIOD);
	snd_do(rig, START, CAPTURE);
	snd_expect(rig, SND_RX, &m, OK);
	memcpy(samples, m.sound.data, sizeof(samples));
	for (int i = 0; i < 480; i++) {
		/* 48 frames a turn: a quarter is 12. */
		static const int quarters[] = {0, 16384, 0, -16384};
		int value = (int16_t)le16toh((uint16_t)samples[2 * i]);

		if (i % 12 == 0)
			assert_true(abs(value - quarters[i / 12 % 4]) <= 1);
		assert_int_equal(samples[2 * i], samples[2 * i + 1]);
		assert_int_equal(samples[2 * i], samples[2 * (i % 48)]);
	}
	rig_stop(rig);
}

/* --- when --- */

static void no_period_is_done_before_its_last_frame_is_played(void **state)
{
	unsigned char bytes[PERIOD];
	struct rig *rig = *state;
	struct message m[MANY];
	uint64_t start;

	snd_start(rig, NULL);
	snd_pattern(bytes, sizeof(bytes), 3);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < 4; i++)
		snd_offer(rig, &m[i], PLAYBACK, bytes, PERIOD);
	rig_expect_nothing(rig, SND_TX); /* prepared is not started */
	start = snd_clock();
	snd_do(rig, START, PLAYBACK);
	for (int i = 0; i < MANY; i++) {
		snd_expect(rig, SND_TX, &m[i], OK);
		assert_true(snd_clock() - start >= (uint64_t)(i + 1) * PERIOD_NS);
		assert_int_equal(snd_latency(&m[i]), 0);
		if (i + 4 < MANY)
			snd_offer(rig, &m[i + 4], PLAYBACK, bytes, PERIOD);
	}
	rig_stop(rig);
}

/* Both ways at once; frames of one byte, 40 ms of them. */
static void at_no_rate_is_a_period_done_early(void **state)
{
	static const uint32_t hz[] = {5512,  8000,  11025, 16000, 22050,  32000,  44100,
				      48000, 64000, 88200, 96000, 176400, 192000, 384000};
	static unsigned char bytes[384000 / 25];
	struct rig *rig = *state;
	const char *card = rig_file(rig, "card",
				    "playback null formats=all rates=all channels=1\n"
				    "capture null formats=all rates=all channels=1\n");
	const char *const args[] = {"--describe", card, NULL};
	struct message m[2];

	snd_start(rig, args);
	for (uint8_t rate = 0; rate < sizeof(hz) / sizeof(hz[0]); rate++) {
		uint32_t period = hz[rate] / 25;
		const struct params p = {.buffer = period,
					 .period = period,
					 .channels = 1,
					 .format = VIRTIO_SND_PCM_FMT_S8,
					 .rate = rate};
		uint64_t lasts = (uint64_t)period * 1000000000 / hz[rate], start;

		for (uint32_t i = 0; i < 2; i++) {
			snd_prepare(rig, i, &p);
			snd_offer(rig, &m[i], i, i == PLAYBACK ? bytes : NULL, period);
		}
		start = snd_clock();
		for (uint32_t i = 0; i < 2; i++)
			snd_do(rig, START, i);
		for (uint32_t i = 0; i < 2; i++) {
			snd_expect(rig, i == PLAYBACK ? SND_TX : SND_RX, &m[i], OK);
			assert_true(snd_clock() - start >= lasts);
			snd_do(rig, STOP, i);
			snd_do(rig, RELEASE, i);
		}
	}
	rig_stop(rig);
}

static void a_message_that_comes_late_takes_its_time_all_the_same(void **state)
{
	unsigned char bytes[PERIOD];
	struct rig *rig = *state;
	struct message m;
	uint64_t start;

	snd_start(rig, NULL);
	snd_pattern(bytes, sizeof(bytes), 4);
	snd_prepare(rig, PLAYBACK, &usual);
	snd_do(rig, START, PLAYBACK);
	for (int i = 0; i < 3; i++) {
		sleep_ms(30);
		start = snd_clock();
		snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
		snd_expect(rig, SND_TX, &m, OK);
		assert_true(snd_clock() - start >= PERIOD_NS);
	}
	rig_stop(rig);
}

static void a_recording_is_full_when_it_is_done_and_its_latency_is_told(void **state)
{
	struct rig *rig = *state;
	struct message m[2];
	uint64_t start;

	snd_start(rig, NULL);
	snd_prepare(rig, CAPTURE, &usual);
	for (int i = 0; i < 2; i++)
		snd_offer(rig, &m[i], CAPTURE, NULL, PERIOD);
	start = snd_clock();
	snd_do(rig, START, CAPTURE);
	for (int i = 0; i < 2; i++) {
		snd_expect(rig, SND_RX, &m[i], OK);
		assert_true(snd_clock() - start >= (uint64_t)(i + 1) * PERIOD_NS);
		/* As much as the device was late. */
		assert_true(snd_latency(&m[i]) <= usual.buffer);
		assert_int_equal(snd_latency(&m[i]) % FRAME, 0);
	}
	rig_stop(rig);
}

/* --- the end --- */

static void a_release_is_answered_behind_all_messages_and_none_of_them_is_played_later(void **state)
{
	unsigned char stale[PERIOD], bytes[2 * PERIOD];
	struct rig *rig = *state;
	const char *path = snd_start_into_file(rig);
	struct message m[4];

	snd_pattern(stale, sizeof(stale), 5);
	snd_pattern(bytes, sizeof(bytes), 6);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < 4; i++)
		snd_offer(rig, &m[i], PLAYBACK, stale, PERIOD);
	snd_do(rig, RELEASE, PLAYBACK);
	for (int i = 0; i < 4; i++) {
		assert_true(driver_has_used(rig->peer->queues[SND_TX]));
		snd_expect(rig, SND_TX, &m[i], OK);
	}
	/* One that comes when nobody waits for it. */
	snd_offer(rig, &m[0], PLAYBACK, stale, PERIOD);
	snd_expect(rig, SND_TX, &m[0], IO_ERR);
	/* PREPARE again, without parameters, as Linux does. */
	snd_do(rig, PREPARE, PLAYBACK);
	snd_offer(rig, &m[0], PLAYBACK, stale, PERIOD);
	snd_do(rig, PREPARE, PLAYBACK);
	snd_expect(rig, SND_TX, &m[0], OK);
	snd_play_all(rig, bytes, 2, PERIOD);
	rig_stop(rig);
	snd_expect_file(path, bytes, sizeof(bytes));
}

static void a_recording_that_is_released_gives_back_all_its_buffers(void **state)
{
	struct rig *rig = *state;
	struct message m[4];

	snd_start(rig, NULL);
	snd_prepare(rig, CAPTURE, &usual);
	for (int i = 0; i < 4; i++)
		snd_offer(rig, &m[i], CAPTURE, NULL, PERIOD);
	snd_do(rig, RELEASE, CAPTURE);
	for (int i = 0; i < 4; i++)
		snd_expect(rig, SND_RX, &m[i], OK);
	rig_stop(rig);
}

static void a_stop_is_exact_to_the_frame_and_goes_on_where_it_was(void **state)
{
	enum { LONG = 100 * PERIOD }; /* a second */
	static unsigned char bytes[LONG];
	const struct params p = {
		.buffer = LONG, .period = LONG, .channels = 2, .format = S16, .rate = HZ_48000};
	struct rig *rig = *state;
	const char *path = snd_start_into_file(rig);
	struct message m;
	uint64_t at, start;

	snd_pattern(bytes, sizeof(bytes), 7);
	snd_prepare(rig, PLAYBACK, &p);
	snd_offer(rig, &m, PLAYBACK, bytes, LONG);
	start = snd_clock();
	snd_do(rig, START, PLAYBACK);
	sleep_ms(30);
	snd_do(rig, STOP, PLAYBACK);
	at = frames_of(rig, PLAYBACK);
	assert_true(at > 0 && at <= (snd_clock() - start) * 48 / 1000000);
	sleep_ms(20);
	assert_int_equal(frames_of(rig, PLAYBACK), at);
	snd_expect_file(path, bytes, (uint32_t)at * FRAME);
	start = snd_clock();
	snd_do(rig, START, PLAYBACK);
	snd_expect(rig, SND_TX, &m, OK);
	assert_true(snd_clock() - start >= (48000 - at) * 1000000 / 48);
	rig_stop(rig);
	snd_expect_file(path, bytes, LONG);
}

static void sound_is_late_and_not_torn_when_the_device_is_held_up(void **state)
{
	enum { HELD_MS = 100 };
	unsigned char bytes[4 * PERIOD];
	struct rig *rig = *state;
	const char *path = snd_start_into_file(rig);
	struct message m[4];
	uint64_t start;

	snd_pattern(bytes, sizeof(bytes), 11);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < 4; i++)
		snd_offer(rig, &m[i], PLAYBACK, bytes + i * PERIOD, PERIOD);
	snd_do(rig, START, PLAYBACK);
	start = snd_clock();
	assert_int_equal(kill(rig->program.pid, SIGSTOP), 0);
	sleep_ms(HELD_MS);
	assert_int_equal(kill(rig->program.pid, SIGCONT), 0);
	for (int i = 0; i < 4; i++)
		snd_expect(rig, SND_TX, &m[i], OK);
	/* Held up, and then at least the second half of them: not all at once. */
	assert_true(snd_clock() - start >= (HELD_MS + 20) * UINT64_C(1000000) ||
		    strstr(rig_say(rig, "counters"), "slips 0"));
	rig_stop(rig);
	snd_expect_file(path, bytes, sizeof(bytes));
}

static void a_release_waits_for_messages_that_a_budget_leaves_in_the_ring(void **state)
{
	enum { LARGE = 1 << 20, N = 8 };
	static unsigned char bytes[LARGE];
	const struct params p = {
		.buffer = LARGE, .period = LARGE, .channels = 2, .format = S16, .rate = HZ_48000};
	struct rig *rig = *state;
	struct message m[N];

	snd_start(rig, NULL);
	snd_prepare(rig, PLAYBACK, &p);
	/* Refused at once, which uses the budget up. */
	for (int i = 0; i < 2; i++)
		snd_add(rig, &m[i], CAPTURE, bytes, LARGE);
	for (int i = 2; i < N; i++)
		snd_add(rig, &m[i], PLAYBACK, bytes, LARGE / 8);
	driver_publish(rig->peer->queues[SND_TX]); /* seen with the request */
	snd_do(rig, RELEASE, PLAYBACK);
	for (int i = 0; i < N; i++) {
		assert_true(driver_has_used(rig->peer->queues[SND_TX]));
		snd_expect(rig, SND_TX, &m[i], i < 2 ? BAD_MSG : OK);
	}
	rig_stop(rig);
}

/* --- xruns --- */

static void a_stream_that_runs_dry_is_told_once_if_it_wants_to_know(void **state)
{
	static const unsigned char bytes[PERIOD];
	struct params wants = usual;
	struct rig *rig = *state;
	struct rig_buffer events[3];
	struct message m;

	wants.features = XRUNS;
	snd_start(rig, NULL);
	for (int i = 0; i < 3; i++)
		snd_give_event(rig, &events[i]);
	snd_prepare(rig, PLAYBACK, &wants);
	snd_do(rig, START, PLAYBACK);
	snd_expect_event(rig, VIRTIO_SND_EVT_PCM_XRUN, PLAYBACK);
	sleep_ms(30);
	rig_expect_nothing(rig, SND_EVENTS);
	snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
	snd_expect(rig, SND_TX, &m, OK);
	snd_expect_event(rig, VIRTIO_SND_EVT_PCM_XRUN, PLAYBACK); /* again */
	snd_do(rig, STOP, PLAYBACK);
	snd_prepare(rig, CAPTURE, &wants);
	snd_do(rig, START, CAPTURE);
	snd_expect_event(rig, VIRTIO_SND_EVT_PCM_XRUN, CAPTURE);
	assert_non_null(strstr(rig_say(rig, "counters"), "xruns 2"));
	rig_stop(rig);
}

static void a_stream_that_does_not_want_to_know_of_xruns_is_told_of_none(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer event;

	snd_start(rig, NULL);
	snd_give_event(rig, &event);
	snd_prepare(rig, PLAYBACK, &usual);
	snd_do(rig, START, PLAYBACK);
	while (!strstr(rig_say(rig, "counters"), "xruns 1"))
		sleep_ms(5);
	rig_expect_nothing(rig, SND_EVENTS);
	rig_stop(rig);
}

/* --- loopback --- */

static bool is_silence(const unsigned char *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Where the sound begins in what was recorded; NULL: not all of it is there yet. */
static const unsigned char *find_sound(const unsigned char *got, uint32_t len, uint32_t wanted)
{
	const unsigned char *at = got;

	while (at < got + len && !*at)
		at++;
	return at + wanted <= got + len ? at : NULL;
}

static void what_is_played_is_recorded_bit_by_bit(void **state)
{
	enum { PLAYED = 8, OFFERED = 16, MOST = 2000 };
	const char *const args[] = {"--capture=loopback", NULL};
	static unsigned char bytes[PLAYED * PERIOD], got[MOST * PERIOD];
	static struct message out[PLAYED], in[MOST];
	const unsigned char *sound = NULL;
	struct rig *rig = *state;
	uint32_t n = 0;

	snd_start(rig, args);
	snd_pattern(bytes, sizeof(bytes), 8);
	bytes[0] = 1; /* not silence */
	snd_prepare(rig, CAPTURE, &usual);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < OFFERED; i++)
		snd_offer(rig, &in[i], CAPTURE, NULL, PERIOD);
	for (int i = 0; i < PLAYED; i++)
		snd_offer(rig, &out[i], PLAYBACK, bytes + i * PERIOD, PERIOD);
	snd_do(rig, START, CAPTURE);
	snd_do(rig, START, PLAYBACK);
	for (; !sound; n++) {
		assert_true(n + OFFERED < MOST);
		snd_expect(rig, SND_RX, &in[n], OK);
		memcpy(got + n * PERIOD, in[n].sound.data, PERIOD);
		snd_offer(rig, &in[n + OFFERED], CAPTURE, NULL, PERIOD);
		sound = find_sound(got, (n + 1) * PERIOD, sizeof(bytes));
	}
	assert_memory_equal(sound, bytes, sizeof(bytes));
	sound += sizeof(bytes);
	assert_true(is_silence(sound, (uint32_t)(got + n * PERIOD - sound)));
	rig_stop(rig);
}

static void a_loopback_of_other_parameters_is_silent(void **state)
{
	const char *const args[] = {"--capture=loopback", NULL};
	unsigned char bytes[PERIOD];
	struct params mono = usual;
	struct rig *rig = *state;
	struct message out, in[2];

	mono.channels = 1;
	snd_start(rig, args);
	snd_pattern(bytes, sizeof(bytes), 9);
	snd_prepare(rig, CAPTURE, &mono);
	snd_prepare(rig, PLAYBACK, &usual);
	for (int i = 0; i < 2; i++)
		snd_offer(rig, &in[i], CAPTURE, NULL, PERIOD);
	snd_offer(rig, &out, PLAYBACK, bytes, PERIOD);
	snd_do(rig, START, CAPTURE);
	snd_do(rig, START, PLAYBACK);
	for (int i = 0; i < 2; i++) {
		snd_expect(rig, SND_RX, &in[i], OK);
		assert_true(is_silence(in[i].sound.data, PERIOD));
	}
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(silence_is_what_the_format_says),
		SND_TEST(a_tone_is_a_sine),
		SND_TEST(no_period_is_done_before_its_last_frame_is_played),
		SND_TEST(at_no_rate_is_a_period_done_early),
		SND_TEST(a_message_that_comes_late_takes_its_time_all_the_same),
		SND_TEST(a_recording_is_full_when_it_is_done_and_its_latency_is_told),
		SND_TEST(
			a_release_is_answered_behind_all_messages_and_none_of_them_is_played_later),
		SND_TEST(a_recording_that_is_released_gives_back_all_its_buffers),
		SND_TEST(a_stop_is_exact_to_the_frame_and_goes_on_where_it_was),
		SND_TEST(sound_is_late_and_not_torn_when_the_device_is_held_up),
		SND_TEST(a_release_waits_for_messages_that_a_budget_leaves_in_the_ring),
		SND_TEST(a_stream_that_runs_dry_is_told_once_if_it_wants_to_know),
		SND_TEST(a_stream_that_does_not_want_to_know_of_xruns_is_told_of_none),
		SND_TEST(what_is_played_is_recorded_bit_by_bit),
		SND_TEST(a_loopback_of_other_parameters_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
