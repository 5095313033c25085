/* SPDX-License-Identifier: MIT */
/* vu-snd's files: raw ones, FIFOs and WAV, to the byte. */
#include "snd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PERIOD = 480 * FRAME };

/* A file of these bytes is recorded. */
static const char *file_of(struct rig *rig, const unsigned char *bytes, uint32_t len)
{
	const char *path = rig_file(rig, "in", NULL);
	FILE *file = fopen(path, "wx");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void what_is_played_arrives_in_the_file_in_every_format(void **state)
{
	/* Bytes of two samples, by the formats' numbers. */
	static const uint8_t sizes[] = {1, 2, 2, 2, 2, 4, 4, 6,	 6, 6, 6, 6, 6,
					8, 8, 8, 8, 8, 8, 8, 16, 2, 4, 8, 8};
	unsigned char bytes[sizeof(sizes) * 3 * 480 * 16];
	struct rig *rig = *state;
	struct snd_option line;
	const char *path = rig_file(rig, "out", NULL);
	const char *card;
	uint32_t at = 0;

	snprintf(line.text, sizeof(line.text), "playback file=%s formats=all\n", path);
	card = rig_file(rig, "card", line.text);
	const char *const args[] = {"--describe", card, NULL};

	snd_start(rig, args);
	snd_pattern(bytes, sizeof(bytes), 1);
	for (uint8_t f = 0; f < sizeof(sizes); f++) {
		uint32_t period = 480u * sizes[f];
		const struct params p = {.buffer = 3 * period,
					 .period = period,
					 .channels = 2,
					 .format = f,
					 .rate = HZ_48000};

		snd_prepare(rig, PLAYBACK, &p);
		snd_play_all(rig, bytes + at, 3, period);
		at += 3 * period;
	}
	rig_stop(rig);
	snd_expect_file(path, bytes, at);
}

static void a_file_is_recorded_from_its_start_and_then_there_is_silence(void **state)
{
	static const unsigned char silence[PERIOD];
	unsigned char bytes[2 * PERIOD - 100];
	struct rig *rig = *state;
	struct message m[4];
	struct snd_option what;

	snd_pattern(bytes, sizeof(bytes), 2);
	const char *const args[] = {
		snd_option(&what, "--capture=file=", file_of(rig, bytes, sizeof(bytes))), NULL};

	snd_start(rig, args);
	for (int again = 0; again < 2; again++) {
		snd_prepare(rig, CAPTURE, &usual);
		for (int i = 0; i < 3; i++)
			snd_offer(rig, &m[i], CAPTURE, NULL, PERIOD);
		snd_do(rig, START, CAPTURE);
		for (int i = 0; i < 3; i++)
			snd_expect(rig, SND_RX, &m[i], OK);
		assert_memory_equal(m[0].sound.data, bytes, PERIOD);
		assert_memory_equal(m[1].sound.data, bytes + PERIOD, PERIOD - 100);
		assert_memory_equal(m[1].sound.data + PERIOD - 100, silence, 100);
		assert_memory_equal(m[2].sound.data, silence, PERIOD);
		snd_do(rig, STOP, CAPTURE);
		snd_do(rig, RELEASE, CAPTURE);
	}
	rig_stop(rig);
}

static void a_fifo_that_is_full_loses_whole_frames(void **state)
{
	enum { FRAMES = 6 * 4096, LEN = FRAMES * 3, LARGEST = 1 << 20 };
	static unsigned char bytes[LEN], got[LARGEST];
	const struct params p = {.buffer = LEN,
				 .period = LEN,
				 .channels = 1,
				 .format = VIRTIO_SND_PCM_FMT_S24_3,
				 .rate = HZ_48000};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "fifo", NULL);
	char line[RIG_PATH + 80];
	struct message m;
	ssize_t n;
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(line, sizeof(line), "playback file=%s formats=S24_3\n", path);
	const char *const args[] = {"--describe", rig_file(rig, "card", line), NULL};

	snd_start(rig, args);
	for (uint32_t i = 0; i < LEN; i++)
		bytes[i] = (unsigned char)(i % 3);
	snd_prepare(rig, PLAYBACK, &p);
	snd_offer(rig, &m, PLAYBACK, bytes, LEN); /* more than it holds */
	snd_do(rig, START, PLAYBACK);
	snd_expect(rig, SND_TX, &m, IO_ERR);
	n = read(fd, got, sizeof(got));
	assert_true(n > 0 && n < LEN);
	snd_offer(rig, &m, PLAYBACK, bytes, 480 * 3);
	snd_expect(rig, SND_TX, &m, OK);
	n += read(fd, got + n, sizeof(got) - (size_t)n);
	assert_int_equal(n % 3, 0);
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(got[i], i % 3);
	close(fd);
	rig_stop(rig);
}

/* What is left of a frame is nothing that another sound's frames can begin with. */
static void a_fifo_is_recorded_after_a_change_of_format(void **state)
{
	enum { LEFT = 7, SHORT = 4 };
	const struct params large = {.buffer = 8,
				     .period = 8,
				     .channels = 2,
				     .format = VIRTIO_SND_PCM_FMT_FLOAT,
				     .rate = HZ_48000};
	const struct params small = {
		.buffer = SHORT, .period = SHORT, .channels = 1, .format = S16, .rate = HZ_48000};
	static const unsigned char silence[8], next[SHORT] = {1, 2, 3, 4};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "fifo", NULL);
	struct snd_option where;
	struct message m;
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	const char *const args[] = {snd_option(&where, "--capture=file=", path), NULL};

	snd_start(rig, args);
	assert_int_equal(write(fd, "abcdefg", LEFT), LEFT);
	snd_prepare(rig, CAPTURE, &large);
	snd_offer(rig, &m, CAPTURE, NULL, large.period);
	snd_do(rig, START, CAPTURE);
	snd_expect(rig, SND_RX, &m, OK);
	assert_memory_equal(m.sound.data, silence, large.period);
	snd_do(rig, RELEASE, CAPTURE);
	assert_int_equal(write(fd, next, SHORT), SHORT);
	snd_prepare(rig, CAPTURE, &small);
	snd_offer(rig, &m, CAPTURE, NULL, small.period);
	snd_do(rig, START, CAPTURE);
	snd_expect(rig, SND_RX, &m, OK);
	assert_memory_equal(m.sound.data, next, SHORT);
	close(fd);
	rig_stop(rig);
}

/* --- WAV --- */

/* vu-snd was built without libsndfile: that is told. */
static bool is_without_wav(struct rig *rig)
{
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket, "--capture=wav=x",
			      NULL};
	struct spawned s;
	bool without;

	spawn_run(&s, argv);
	assert_int_equal(s.status, 1);
	without = strstr(s.err, "built without libsndfile");
	spawn_free(&s);
	if (without)
		print_message("skipped: built without libsndfile\n");
	return without;
}

static void a_wav_file_is_recorded_as_it_was_played(void **state)
{
	unsigned char bytes[3 * PERIOD], head[44];
	struct rig *rig = *state;
	struct params other = usual;
	struct snd_option where;
	struct message m[3];
	const char *path;
	FILE *file;

	if (is_without_wav(rig))
		return;
	path = rig_file(rig, "sound.wav", NULL);
	snd_pattern(bytes, sizeof(bytes), 10);
	{
		const char *const args[] = {snd_option(&where, "--playback=wav=", path), NULL};

		snd_start(rig, args);
	}
	snd_prepare(rig, PLAYBACK, &usual);
	snd_play_all(rig, bytes, 2, PERIOD);
	/* Another format has no place in it. */
	other.channels = 1;
	assert_int_equal(snd_set_params(rig, PLAYBACK, &other), NOT_SUPP);
	snd_prepare(rig, PLAYBACK, &usual);
	snd_play_all(rig, bytes + 2 * PERIOD, 1, PERIOD);
	/* The header is right at all times, also if the program is killed. */
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(head, 1, sizeof(head), file), sizeof(head));
	fclose(file);
	assert_memory_equal(head + 8, "WAVEfmt ", 8);
	assert_int_equal(head[40] | head[41] << 8, sizeof(bytes));
	rig_stop(rig);

	const char *const args[] = {snd_option(&where, "--capture=wav=", path), NULL};

	snd_start(rig, args);
	assert_int_equal(snd_set_params(rig, CAPTURE, &other), NOT_SUPP);
	snd_prepare(rig, CAPTURE, &usual);
	for (int i = 0; i < 3; i++)
		snd_offer(rig, &m[i], CAPTURE, NULL, PERIOD);
	snd_do(rig, START, CAPTURE);
	for (int i = 0; i < 3; i++) {
		snd_expect(rig, SND_RX, &m[i], OK);
		assert_memory_equal(m[i].sound.data, bytes + i * PERIOD, PERIOD);
	}
	rig_stop(rig);
}

/* How large a file of the program's may become, as on a disk that runs full and has room again. */
static void limit_files(struct rig *rig, rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(prlimit(rig->program.pid, RLIMIT_FSIZE, NULL, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(prlimit(rig->program.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static void a_wav_file_goes_on_where_it_was_when_its_disk_was_full(void **state)
{
	enum { HEAD = 44, FITS = HEAD + PERIOD + 100 * FRAME + 1 };
	unsigned char bytes[3 * PERIOD], got[HEAD + sizeof(bytes)];
	struct rig *rig = *state;
	struct snd_option where;
	struct message m[3];
	const char *path;
	FILE *file;

	if (is_without_wav(rig))
		return;
	path = rig_file(rig, "sound.wav", NULL);
	const char *const args[] = {snd_option(&where, "--playback=wav=", path), NULL};

	snd_start(rig, args);
	snd_pattern(bytes, sizeof(bytes), 11);
	snd_prepare(rig, PLAYBACK, &usual);
	limit_files(rig, FITS);
	snd_do(rig, START, PLAYBACK);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			limit_files(rig, RLIM_INFINITY);
		snd_offer(rig, &m[i], PLAYBACK, bytes + i * PERIOD, PERIOD);
		snd_expect(rig, SND_TX, &m[i], i == 1 ? IO_ERR : OK);
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "wav: "), 1);
	/* What did not fit as a whole is not there. */
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(got, 1, sizeof(got), file), HEAD + 2 * PERIOD);
	fclose(file);
	assert_int_equal(got[40] | got[41] << 8, 2 * PERIOD);
	assert_memory_equal(got + HEAD, bytes, PERIOD);
	assert_memory_equal(got + HEAD + PERIOD, bytes + 2 * PERIOD, PERIOD);
}

static void a_wav_file_begins_when_there_is_room_for_it(void **state)
{
	enum { HEAD = 44 };
	unsigned char bytes[PERIOD], got[HEAD + 2 * PERIOD];
	struct rig *rig = *state;
	struct snd_option where;
	struct message m;
	const char *path;
	FILE *file;

	if (is_without_wav(rig))
		return;
	path = rig_file(rig, "sound.wav", NULL);
	const char *const args[] = {snd_option(&where, "--playback=wav=", path), NULL};

	snd_start(rig, args);
	snd_pattern(bytes, sizeof(bytes), 12);
	limit_files(rig, HEAD / 2);
	snd_prepare(rig, PLAYBACK, &usual);
	snd_offer(rig, &m, PLAYBACK, bytes, PERIOD);
	snd_do(rig, START, PLAYBACK);
	snd_expect(rig, SND_TX, &m, IO_ERR);
	snd_do(rig, RELEASE, PLAYBACK);
	limit_files(rig, RLIM_INFINITY);
	snd_prepare(rig, PLAYBACK, &usual);
	snd_play_all(rig, bytes, 1, PERIOD);
	rig_stop(rig);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(got, 1, sizeof(got), file), HEAD + PERIOD);
	fclose(file);
	assert_memory_equal(got + 8, "WAVEfmt ", 8);
	assert_memory_equal(got + HEAD, bytes, PERIOD);
}

static void a_file_that_is_no_wav_is_refused(void **state)
{
	struct rig *rig = *state;
	struct snd_option where;
	const char *path;

	if (is_without_wav(rig))
		return;
	path = rig_file(rig, "sound.wav", "this is no sound, and was never meant to be any");
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket,
			      snd_option(&where, "--capture=wav=", path), NULL};

	spawn_expect(argv, 1, "", "sound.wav: ");
}

/* vu-snd does not start, with this way to play or record, and says why. */
static void expect_refused(struct rig *rig, const char *way, const char *path, const char *why)
{
	struct snd_option where;
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket,
			      snd_option(&where, way, path), NULL};

	spawn_expect(argv, 1, "", why);
}

/* RIFX: a WAV file whose numbers, samples too, have their highest byte first. */
static void sound_whose_bytes_are_in_another_order_is_no_wav(void **state)
{
	static const unsigned char rifx[] = "RIFX\0\0\0\x28WAVEfmt \0\0\0\x10\0\1\0\1"
					    "\0\0\xbb\x80\0\1\x77\0\0\2\0\x10"
					    "data\0\0\0\4\1\2\3\4";
	struct rig *rig = *state;

	if (!is_without_wav(rig))
		expect_refused(rig, "--capture=wav=", file_of(rig, rifx, sizeof(rifx) - 1),
			       "sound, but no WAV file");
}

/* A start that waits for somebody to write to a FIFO is none. */
static void what_cannot_be_a_file_of_sound_is_refused_at_the_start(void **state)
{
	struct rig *rig = *state;
	const char *fifo = rig_file(rig, "fifo", NULL);

	assert_int_equal(mkfifo(fifo, 0600), 0);
	expect_refused(rig, "--playback=file=", fifo, "a FIFO that nobody reads");
	expect_refused(rig, "--playback=file=", rig->dir, "Is a directory");
	expect_refused(rig, "--capture=file=", rig->dir, "Is a directory");
	if (is_without_wav(rig))
		return;
	expect_refused(rig, "--capture=wav=", fifo, "no file that a WAV can be in");
	expect_refused(rig, "--playback=wav=", "/dev/full", "no file that a WAV can be in");
	expect_refused(rig, "--capture=wav=", rig->dir, "no file that a WAV can be in");
}

/* --- ALSA, with its plug-ins that need no sound card --- */

static bool is_without_alsa(struct rig *rig)
{
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket,
			      "--playback=alsa=nowhere", NULL};
	struct spawned s;
	bool without;

	spawn_run(&s, argv);
	assert_int_equal(s.status, 1);
	without = strstr(s.err, "built without libasound");
	spawn_free(&s);
	if (without)
		print_message("skipped: built without libasound\n");
	return without;
}

/* The plug-in opens its file late: no sandbox. */
static void alsa_plays_behind_its_lead_and_records(void **state)
{
	enum { LEAD = 2400 * FRAME };
	static const unsigned char silence[LEAD];
	static unsigned char bytes[4 * PERIOD], got[LEAD + sizeof(bytes) + 1];
	const char *const args[] = {"--playback=alsa=tofile", "--capture=alsa=fromfile",
				    "--sandbox=none", NULL};
	struct rig *rig = *state;
	const char *out = rig_file(rig, "out", NULL), *in;
	struct message m[4];
	char text[400];
	FILE *file;

	if (is_without_alsa(rig))
		return;
	snd_pattern(bytes, sizeof(bytes), 12);
	in = file_of(rig, bytes, sizeof(bytes));
	snprintf(text, sizeof(text),
		 "pcm.tofile { type file slave.pcm { type null } file %s format raw }\n"
		 "pcm.fromfile { type file slave.pcm { type null } file /dev/null infile %s format "
		 "raw }\n",
		 out, in);
	setenv("ALSA_CONFIG_PATH", rig_file(rig, "asound", text), 1);
	snd_start(rig, args);
	snd_prepare(rig, PLAYBACK, &usual);
	snd_play_all(rig, bytes, 4, PERIOD);
	snd_prepare(rig, CAPTURE, &usual);
	for (int i = 0; i < 4; i++)
		snd_offer(rig, &m[i], CAPTURE, NULL, PERIOD);
	snd_do(rig, START, CAPTURE);
	for (int i = 0; i < 4; i++) {
		snd_expect(rig, SND_RX, &m[i], OK);
		assert_memory_equal(m[i].sound.data, bytes + i * PERIOD, PERIOD);
	}
	rig_stop(rig);
	unsetenv("ALSA_CONFIG_PATH");
	file = fopen(out, "r");
	assert_non_null(file);
	assert_int_equal(fread(got, 1, sizeof(got), file), LEAD + sizeof(bytes));
	fclose(file);
	assert_memory_equal(got, silence, LEAD);
	assert_memory_equal(got + LEAD, bytes, sizeof(bytes));
}

static void alsa_is_played_to_from_the_sandbox(void **state)
{
	static const unsigned char bytes[PERIOD];
	const char *const args[] = {"--playback=alsa=nothing", "--capture=alsa=nothing", NULL};
	struct rig *rig = *state;
	struct message m;

	if (is_without_alsa(rig))
		return;
	setenv("ALSA_CONFIG_PATH", rig_file(rig, "asound", "pcm.nothing { type null }\n"), 1);
	snd_start(rig, args);
	for (int again = 0; again < 2; again++) {
		snd_prepare(rig, PLAYBACK, &usual);
		snd_play_all(rig, bytes, 1, PERIOD);
		snd_prepare(rig, CAPTURE, &usual);
		snd_offer(rig, &m, CAPTURE, NULL, PERIOD);
		snd_do(rig, START, CAPTURE);
		snd_expect(rig, SND_RX, &m, OK);
		snd_do(rig, RELEASE, CAPTURE);
	}
	rig_stop(rig);
	unsetenv("ALSA_CONFIG_PATH");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(what_is_played_arrives_in_the_file_in_every_format),
		SND_TEST(a_file_is_recorded_from_its_start_and_then_there_is_silence),
		SND_TEST(a_fifo_that_is_full_loses_whole_frames),
		SND_TEST(a_fifo_is_recorded_after_a_change_of_format),
		SND_TEST(a_wav_file_is_recorded_as_it_was_played),
		SND_TEST(a_wav_file_goes_on_where_it_was_when_its_disk_was_full),
		SND_TEST(a_wav_file_begins_when_there_is_room_for_it),
		SND_TEST(a_file_that_is_no_wav_is_refused),
		SND_TEST(sound_whose_bytes_are_in_another_order_is_no_wav),
		SND_TEST(what_cannot_be_a_file_of_sound_is_refused_at_the_start),
		SND_TEST(alsa_plays_behind_its_lead_and_records),
		SND_TEST(alsa_is_played_to_from_the_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
