/* SPDX-License-Identifier: MIT */
/*
 * vu-snd with a PipeWire daemon and a session manager of the test's own: what is played comes back
 * from a sink that can be recorded.
 *
 * A sound server drops sound when it does not get a processor in time, and puts silence in its
 * place.  Its cycles are long here, and a sound has no silence of its own: gaps are taken out, and
 * a sound of which something was dropped, also because the manager is not there yet, is played
 * again.
 */
#include "pipewire.h"

#include <signal.h>
#include <stdlib.h>

enum { PERIOD = 2400 * FRAME, PERIODS = 12, IN_FLIGHT = 8, ATTEMPTS = 30, QUIET = 48000 * FRAME };

static const struct params periods = {
	.buffer = IN_FLIGHT * PERIOD,
	.period = PERIOD,
	.channels = 2,
	.format = S16,
	.rate = HZ_48000,
};

/* --- a guest that records all the time --- */

struct recorder {
	struct message messages[IN_FLIGHT];
	unsigned char *sound;	   /* without silence */
	uint32_t len, room, quiet; /* quiet: bytes of silence at the end */
};

static void give(struct rig *rig, struct message *m)
{
	struct driver_seg segs[3] = {rig_read_seg(&m->head, m->head.len),
				     rig_write_seg(&m->sound, m->sound.len),
				     rig_write_seg(&m->status, m->status.len)};

	rig_offer(rig, SND_RX, segs, 3, m);
}

static void record_start(struct rig *rig, struct recorder *r)
{
	r->room = 2 * PERIODS * PERIOD;
	r->sound = malloc(r->room);
	snd_prepare(rig, CAPTURE, &periods);
	for (int i = 0; i < IN_FLIGHT; i++)
		snd_offer(rig, &r->messages[i], CAPTURE, NULL, PERIOD);
	snd_do(rig, START, CAPTURE);
}

static void keep(struct recorder *r, const unsigned char *frame)
{
	static const unsigned char silence[FRAME];

	if (!memcmp(frame, silence, FRAME)) {
		r->quiet += FRAME;
		return;
	}
	r->quiet = 0;
	assert_true(r->len + FRAME <= r->room);
	memcpy(r->sound + r->len, frame, FRAME);
	r->len += FRAME;
}

/* The next message. */
static void record_some(struct rig *rig, struct recorder *r)
{
	struct message *m = snd_wait(rig, SND_RX);

	for (uint32_t at = 0; at < PERIOD; at += FRAME)
		keep(r, m->sound.data + at);
	give(rig, m);
}

/* --- a guest that plays --- */

/* No frame of silence. */
static void sound_of(unsigned char *bytes, uint32_t seed)
{
	snd_pattern(bytes, PERIODS * PERIOD, seed);
	for (uint32_t i = 0; i < PERIODS * PERIOD; i += FRAME)
		bytes[i] |= 1;
}

/* In so many messages that are on their way; the lowest and the highest latency that was told. */
static void play(struct rig *rig, struct recorder *r, const unsigned char *bytes, uint32_t *low,
		 uint32_t *high)
{
	static struct message m[PERIODS];
	uint32_t done = 0, offered;

	snd_prepare(rig, PLAYBACK, &periods);
	for (offered = 0; offered < IN_FLIGHT; offered++)
		snd_offer(rig, &m[offered], PLAYBACK, bytes + offered * PERIOD, PERIOD);
	snd_do(rig, START, PLAYBACK);
	*low = UINT32_MAX;
	*high = 0;
	for (; done < PERIODS; done++) {
		uint32_t latency;

		assert_ptr_equal(snd_wait(rig, SND_TX), &m[done]);
		latency = snd_latency(&m[done]);
		*low = latency < *low ? latency : *low;
		*high = latency > *high ? latency : *high;
		if (offered < PERIODS) {
			snd_offer(rig, &m[offered], PLAYBACK, bytes + offered * PERIOD, PERIOD);
			offered++;
		}
		record_some(rig, r); /* both go at the same pace */
	}
	snd_do(rig, STOP, PLAYBACK);
	snd_do(rig, RELEASE, PLAYBACK);
}

static void what_is_played_comes_back_from_the_sink(void **state)
{
	const char *const args[] = {"--playback=pipewire=vu-sink", "--capture=pipewire=vu-source",
				    NULL};
	unsigned char *bytes = malloc(PERIODS * PERIOD);
	struct recorder recorder = {.len = 0};
	struct server server = {.dir = ""};
	struct rig *rig = *state;
	uint32_t low, high;
	bool same = false;

	if (server_is_missing(rig))
		return;
	server_start(&server);
	snd_start(rig, args);
	record_start(rig, &recorder);
	for (uint32_t i = 0; i < ATTEMPTS && !same; i++) {
		sound_of(bytes, i);
		recorder.len = recorder.quiet = 0;
		play(rig, &recorder, bytes, &low, &high);
		while (recorder.quiet < (recorder.len ? QUIET : 5 * QUIET))
			record_some(rig, &recorder);
		same = recorder.len == PERIODS * PERIOD &&
		       !memcmp(recorder.sound, bytes, recorder.len);
		if (same)
			print_message("latency %u to %u bytes, %s\n", low, high,
				      rig_say(rig, "counters"));
		else
			print_message("%u of %u bytes came back; %s\n", recorder.len,
				      PERIODS * PERIOD, rig_say(rig, "counters"));
	}
	assert_true(same);
	/* A twentieth of a second and a cycle are ahead; more than the driver's buffer is not told.
	 */
	assert_true(high >= 2400 * FRAME && low <= high && high <= periods.buffer);
	rig_stop(rig);
	server_stop(&server);
	free(recorder.sound);
	free(bytes);
}

static void when_the_daemon_dies_time_goes_on_in_silence(void **state)
{
	const char *const args[] = {"--playback=pipewire=vu-sink", "--capture=pipewire=vu-source",
				    NULL};
	static unsigned char bytes[PERIOD];
	struct server server = {.dir = ""};
	struct rig *rig = *state;
	struct message m[4];

	if (server_is_missing(rig))
		return;
	server_start(&server);
	snd_start(rig, args);
	snd_prepare(rig, PLAYBACK, &periods);
	snd_prepare(rig, CAPTURE, &periods);
	snd_offer(rig, &m[0], PLAYBACK, bytes, PERIOD);
	snd_do(rig, START, PLAYBACK);
	assert_ptr_equal(snd_wait(rig, SND_TX), &m[0]);
	server_stop(&server);
	for (int again = 0; again < 2; again++) {
		uint64_t began = snd_clock();

		for (int i = 0; i < 2; i++) {
			snd_offer(rig, &m[i], PLAYBACK, bytes, PERIOD);
			snd_offer(rig, &m[2 + i], CAPTURE, NULL, PERIOD);
		}
		if (!again)
			snd_do(rig, START, CAPTURE);
		for (int i = 0; i < 2; i++) {
			assert_ptr_equal(snd_wait(rig, SND_TX), &m[i]);
			assert_ptr_equal(snd_wait(rig, SND_RX), &m[2 + i]);
			for (uint32_t at = 0; at < PERIOD; at++)
				assert_int_equal(m[2 + i].sound.data[at], 0);
		}
		assert_int_equal(snd_status(&m[1]), IO_ERR);
		assert_int_equal(snd_status(&m[3]), IO_ERR);
		/* Not at once. */
		assert_true(snd_clock() - began >= UINT64_C(50000000));
	}
	snd_do(rig, RELEASE, PLAYBACK);
	snd_do(rig, RELEASE, CAPTURE);
	snd_prepare(rig, PLAYBACK, &periods);
	rig_stop(rig);
	/* Of each stream. */
	assert_int_equal(rig_logged(rig, "the daemon is gone"), 2);
}

/* What is played next has this status, after some that have not, maybe. */
static void play_until(struct rig *rig, uint32_t status)
{
	static const unsigned char bytes[PERIOD];
	struct message m;

	do {
		snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
		assert_ptr_equal(snd_wait(rig, SND_TX), &m);
	} while (snd_status(&m) != status);
}

/* It is stopped (SIGSTOP), which nobody notices by its socket. */
static void a_daemon_that_stands_still_holds_nobody_up(void **state)
{
	const char *const args[] = {"--playback=pipewire=vu-sink", "--capture=pipewire=vu-source",
				    NULL};
	struct server server = {.dir = ""};
	struct rig *rig = *state;

	if (server_is_missing(rig))
		return;
	server_start(&server);
	snd_start(rig, args);
	snd_prepare(rig, PLAYBACK, &periods);
	snd_do(rig, START, PLAYBACK);
	play_until(rig, OK);
	assert_return_code(kill(server.daemon.pid, SIGSTOP), errno);
	play_until(rig, IO_ERR);
	snd_do(rig, STOP, PLAYBACK);
	snd_do(rig, RELEASE, PLAYBACK);
	/* Streams begin and end without it, more of them than it is sent in one go. */
	for (int again = 0; again < 500; again++) {
		snd_prepare(rig, PLAYBACK, &periods);
		snd_prepare(rig, CAPTURE, &periods);
		snd_do(rig, START, CAPTURE);
		snd_do(rig, START, PLAYBACK);
		snd_do(rig, STOP, PLAYBACK);
		snd_do(rig, RELEASE, PLAYBACK);
		snd_do(rig, STOP, CAPTURE);
		snd_do(rig, RELEASE, CAPTURE);
	}
	snd_prepare(rig, PLAYBACK, &periods);
	snd_do(rig, START, PLAYBACK);
	play_until(rig, IO_ERR);
	assert_return_code(kill(server.daemon.pid, SIGCONT), errno);
	play_until(rig, OK);
	/* Nor does the end wait for it. */
	assert_return_code(kill(server.daemon.pid, SIGSTOP), errno);
	rig_stop(rig);
	assert_return_code(kill(server.daemon.pid, SIGCONT), errno);
	server_stop(&server);
}

static void without_a_session_manager_time_goes_on(void **state)
{
	const char *const args[] = {"--playback=pipewire", NULL};
	static const unsigned char bytes[PERIOD];
	struct server server = {.dir = ""};
	struct rig *rig = *state;
	struct message m;

	if (server_is_missing(rig))
		return;
	server_start(&server);
	server_end(&server.manager);
	snd_start(rig, args);
	snd_prepare(rig, PLAYBACK, &periods);
	snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
	snd_do(rig, START, PLAYBACK);
	snd_expect(rig, SND_TX, &m, IO_ERR);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "nothing takes its sound"), 1);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(what_is_played_comes_back_from_the_sink),
		SND_TEST(when_the_daemon_dies_time_goes_on_in_silence),
		SND_TEST(a_daemon_that_stands_still_holds_nobody_up),
		SND_TEST(without_a_session_manager_time_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
