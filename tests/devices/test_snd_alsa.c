/* SPDX-License-Identifier: MIT */
/*
 * vu-snd's streams and a card of ALSA's whose clock is another: ten minutes of the test's own time,
 * in which the card neither runs dry nor over.  libasound is replaced by the card.
 */
#include <alsa/asoundlib.h>
#include <string.h>

#include "kit/test.h"
#include "snd_backend.h"

enum {
	RATE = 48000,
	FRAMES_A_MS = RATE / 1000,
	PERIOD = 480,
	PERIODS = 4,
	FRAME_BYTES = 4,
	BUFFER = RATE / 5, /* what vu-snd asks of a card */
	LEAD = RATE / 20,  /* what it keeps in there */
	TEN_MINUTES_MS = 600000,
	SETTLED_MS = 10000,
	MILLION = 1000000,
};

/* Frames in millionths, so that a clock can be that exact. */
static struct sound_card {
	bool captures, runs;
	int ppm;	 /* how much faster its clock is */
	uint64_t played; /* or recorded: by the card, in millionths */
	uint64_t moved;	 /* into its buffer, or out of it */
	uint64_t threshold;
	uint32_t xruns;
} sound;

static struct {
	struct card_stream stream;
	struct card_msg msgs[PERIODS];
	uint64_t now; /* ns */
	uint64_t completed;
	bool stopped;
} guest;

static int64_t held(void)
{
	int64_t frames = (int64_t)(sound.played / MILLION) - (int64_t)sound.moved;

	return sound.captures ? frames : -frames;
}

static void card_tick(void)
{
	if (!sound.runs)
		return;
	sound.played += (uint64_t)FRAMES_A_MS * (uint64_t)(MILLION + sound.ppm);
	if (held() < 0 || held() > BUFFER) {
		sound.xruns++;
		sound.runs = false;
	}
}

static void card_restart(void)
{
	sound.runs = false;
	sound.played = sound.moved = 0;
}

/* --- libasound --- */

struct _snd_pcm_hw_params {
	int any;
};
struct _snd_pcm_sw_params {
	int any;
};

int snd_pcm_open(snd_pcm_t **pcm, const char *name, snd_pcm_stream_t stream, int mode)
{
	(void)name;
	(void)mode;
	*pcm = (snd_pcm_t *)(void *)&sound;
	sound.captures = stream == SND_PCM_STREAM_CAPTURE;
	return 0;
}

int snd_pcm_close(snd_pcm_t *pcm)
{
	(void)pcm;
	return 0;
}

snd_pcm_state_t snd_pcm_state(snd_pcm_t *pcm)
{
	(void)pcm;
	return sound.runs ? SND_PCM_STATE_RUNNING : SND_PCM_STATE_SETUP;
}

int snd_pcm_prepare(snd_pcm_t *pcm)
{
	(void)pcm;
	card_restart();
	return 0;
}

int snd_pcm_start(snd_pcm_t *pcm)
{
	(void)pcm;
	sound.runs = true;
	return 0;
}

int snd_pcm_drop(snd_pcm_t *pcm)
{
	return snd_pcm_prepare(pcm);
}

int snd_pcm_drain(snd_pcm_t *pcm)
{
	return snd_pcm_prepare(pcm);
}

snd_pcm_sframes_t snd_pcm_avail_update(snd_pcm_t *pcm)
{
	(void)pcm;
	return sound.captures ? held() : BUFFER - held();
}

int snd_pcm_delay(snd_pcm_t *pcm, snd_pcm_sframes_t *frames)
{
	(void)pcm;
	*frames = held();
	return 0;
}

snd_pcm_sframes_t snd_pcm_writei(snd_pcm_t *pcm, const void *bytes, snd_pcm_uframes_t frames)
{
	(void)pcm;
	(void)bytes;
	sound.moved += frames;
	if (sound.moved >= sound.threshold)
		sound.runs = true;
	return (snd_pcm_sframes_t)frames;
}

snd_pcm_sframes_t snd_pcm_readi(snd_pcm_t *pcm, void *bytes, snd_pcm_uframes_t frames)
{
	(void)pcm;
	(void)bytes;
	sound.moved += frames;
	return (snd_pcm_sframes_t)frames;
}

/* It does what is asked of it. */
#define AGREES(name, ...)                                                                          \
	int snd_pcm_##name(__VA_ARGS__)                                                            \
	{                                                                                          \
		return 0;                                                                          \
	}
#define HW __attribute__((unused)) snd_pcm_t *pcm, __attribute__((unused)) snd_pcm_hw_params_t *hw
AGREES(hw_params_any, HW)
AGREES(hw_params, HW)
AGREES(hw_params_set_access, HW, __attribute__((unused)) snd_pcm_access_t access)
AGREES(hw_params_set_format, HW, __attribute__((unused)) snd_pcm_format_t format)
AGREES(hw_params_test_format, HW, __attribute__((unused)) snd_pcm_format_t format)
AGREES(hw_params_set_channels, HW, __attribute__((unused)) unsigned int n)
AGREES(hw_params_set_rate, HW, __attribute__((unused)) unsigned int n,
       __attribute__((unused)) int direction)
AGREES(hw_params_test_rate, HW, __attribute__((unused)) unsigned int n,
       __attribute__((unused)) int direction)
AGREES(hw_params_set_buffer_time_near, HW, __attribute__((unused)) unsigned int *us,
       __attribute__((unused)) int *direction)
AGREES(sw_params, __attribute__((unused)) snd_pcm_t *pcm,
       __attribute__((unused)) snd_pcm_sw_params_t *sw)
AGREES(sw_params_current, __attribute__((unused)) snd_pcm_t *pcm,
       __attribute__((unused)) snd_pcm_sw_params_t *sw)

size_t snd_pcm_hw_params_sizeof(void)
{
	return sizeof(struct _snd_pcm_hw_params);
}

size_t snd_pcm_sw_params_sizeof(void)
{
	return sizeof(struct _snd_pcm_sw_params);
}

int snd_pcm_hw_params_get_channels_min(const snd_pcm_hw_params_t *hw, unsigned int *n)
{
	(void)hw;
	*n = 1;
	return 0;
}

int snd_pcm_hw_params_get_channels_max(const snd_pcm_hw_params_t *hw, unsigned int *n)
{
	(void)hw;
	*n = 2;
	return 0;
}

int snd_pcm_hw_params_get_buffer_size(const snd_pcm_hw_params_t *hw, snd_pcm_uframes_t *frames)
{
	(void)hw;
	*frames = BUFFER;
	return 0;
}

int snd_pcm_sw_params_set_start_threshold(snd_pcm_t *pcm, snd_pcm_sw_params_t *sw,
					  snd_pcm_uframes_t frames)
{
	(void)pcm;
	(void)sw;
	sound.threshold = frames;
	return 0;
}

const char *snd_strerror(int error)
{
	return strerror(-error);
}

/* --- the driver --- */

void card_move(struct card_stream *s, struct card_msg *m, uint64_t n)
{
	static unsigned char bytes[BUFFER * FRAME_BYTES];
	uint32_t len = (uint32_t)n * FRAME_BYTES;

	assert_int_equal(s->backend->move(s, bytes, len), 0);
	m->done += len;
}

void card_msg_complete(struct card_stream *s, struct card_msg *m, uint32_t latency)
{
	(void)latency;
	TAILQ_REMOVE(&s->msgs, m, link);
	guest.completed++;
	m->done = 0;
	if (!guest.stopped)
		card_stream_add(s, m, guest.now);
}

void card_flush(struct card_stream *s)
{
	struct card_msg *m;

	while ((m = TAILQ_FIRST(&s->msgs)))
		card_msg_complete(s, m, 0);
}

static void guest_begin(uint8_t direction, int ppm)
{
	const struct card_params params = {.buffer_bytes = PERIODS * PERIOD * FRAME_BYTES,
					   .period_bytes = PERIOD * FRAME_BYTES,
					   .channels = 2,
					   .format = VIRTIO_SND_PCM_FMT_S16,
					   .rate = VIRTIO_SND_PCM_RATE_48000};
	struct card_stream *s = &guest.stream;

	memset(&guest, 0, sizeof(guest));
	memset(&sound, 0, sizeof(sound));
	sound.ppm = ppm;
	guest.now = SND_NS;
	card_stream_init(s, NULL, 0);
	s->formats = s->rates = UINT64_MAX;
	s->channels_min = 1;
	s->channels_max = 2;
	s->direction = direction;
	s->backend = &card_alsa;
	assert_int_equal(s->backend->open(s, "any"), 0);
	card_stream_set(s, &params);
	card_stream_prepare(s);
	for (int i = 0; i < PERIODS; i++) {
		guest.msgs[i].len = params.period_bytes;
		card_stream_add(s, &guest.msgs[i], guest.now);
	}
	card_stream_start(s, guest.now);
}

static void guest_end(void)
{
	guest.stopped = true;
	card_stream_release(&guest.stream);
	guest.stream.backend->close(&guest.stream);
}

static void a_millisecond(void)
{
	struct card_stream *s = &guest.stream;

	guest.now += SND_NS / 1000;
	card_tick();
	if (s->wake && s->wake <= guest.now)
		card_stream_advance(s, guest.now);
}

/* The guest has as much time as the card, and not as this side's clock says. */
static void expect_the_cards_time(void)
{
	uint64_t ms = TEN_MINUTES_MS;
	uint64_t wanted = ms * FRAMES_A_MS * (uint64_t)(MILLION + sound.ppm) / MILLION;

	assert_int_equal(sound.xruns, 0);
	assert_in_range(guest.completed * PERIOD, wanted - 2 * LEAD, wanted + 2 * LEAD);
}

static void a_clock_that_is_off_is_followed(uint8_t direction)
{
	static const int clocks[] = {0, 1000, -1000, 100, -5000};

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		guest_begin(direction, clocks[i]);
		for (uint32_t ms = 0; ms < TEN_MINUTES_MS; ms++) {
			a_millisecond();
			if (ms > SETTLED_MS)
				assert_in_range(held(), LEAD / 2, 2 * LEAD);
		}
		expect_the_cards_time();
		guest_end();
	}
}

static void a_card_with_another_clock_is_played_to_for_ten_minutes_without_a_gap(void **state)
{
	(void)state;
	a_clock_that_is_off_is_followed(VIRTIO_SND_D_OUTPUT);
}

static void a_card_with_another_clock_is_recorded_for_ten_minutes_without_a_loss(void **state)
{
	(void)state;
	a_clock_that_is_off_is_followed(VIRTIO_SND_D_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_card_with_another_clock_is_played_to_for_ten_minutes_without_a_gap),
		cmocka_unit_test(
			a_card_with_another_clock_is_recorded_for_ten_minutes_without_a_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
