/* SPDX-License-Identifier: MIT */
/* vu-snd's control elements: what drivers and the control socket see of them, and what one hears.
 */
#include "snd.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	CTL_INFO = 0x300,
	ENUM_ITEMS,
	CTL_READ,
	CTL_WRITE,
	TLV_READ,
	TLV_WRITE,
	CTL_NOTIFY = 0x1200
};
enum { INFO_SIZE = 96, VALUE = 512, PERIOD = 480 * FRAME };
enum { MASTER, MASTER_SWITCH, CAPTURE_VOLUME, CAPTURE_SWITCH };

static uint32_t word(const void *at, uint32_t index)
{
	uint32_t value;

	memcpy(&value, (const char *)at + 4 * index, sizeof(value));
	return le32toh(value);
}

static uint32_t ctl_read(struct rig *rig, uint32_t id, uint32_t *values)
{
	const uint32_t request[] = {htole32(CTL_READ), htole32(id)};
	uint32_t status, value[VALUE / 4];

	status = snd_ask(rig, request, sizeof(request), value, sizeof(value));
	values[0] = le32toh(value[0]);
	values[1] = le32toh(value[1]);
	return status;
}

static uint32_t ctl_write(struct rig *rig, uint32_t id, uint32_t left, uint32_t right)
{
	uint32_t request[2 + VALUE / 4] = {htole32(CTL_WRITE), htole32(id), htole32(left),
					   htole32(right)};

	return snd_ask(rig, request, sizeof(request), NULL, 0);
}

static void expect_values(struct rig *rig, uint32_t id, uint32_t left, uint32_t right)
{
	uint32_t values[2];

	assert_int_equal(ctl_read(rig, id, values), OK);
	assert_int_equal(values[0], left);
	assert_int_equal(values[1], right);
}

static void the_usual_card_has_volumes_and_switches(void **state)
{
	static const char *const names[] = {"Master Playback Volume", "Master Playback Switch",
					    "Capture Volume", "Capture Switch"};
	unsigned char infos[4 * INFO_SIZE];
	struct rig *rig = *state;
	uint32_t controls;

	snd_start(rig, NULL);
	rig_get_config(rig, 12, &controls, sizeof(controls));
	assert_int_equal(le32toh(controls), 4);
	assert_int_equal(snd_query(rig, CTL_INFO, 0, 4, INFO_SIZE, infos, sizeof(infos)), OK);
	for (uint32_t i = 0; i < 4; i++) {
		const unsigned char *info = infos + i * INFO_SIZE;

		/* A role and a direction, a type, access. */
		assert_int_equal(word(info, 1), (i % 2 ? 2 : 1) << 1 | i / 2);
		assert_int_equal(word(info, 2), i % 2 ? 0 : 1);
		assert_int_equal(word(info, 3), i % 2 ? 3 : 19);
		assert_int_equal(word(info, 4), 2);
		assert_string_equal(info + 24, names[i]);
		assert_int_equal(word(info, 18), 0);
		assert_int_equal(word(info, 19), i % 2 ? 1 : 100);
		expect_values(rig, i, i % 2 ? 1 : 100, i % 2 ? 1 : 100);
	}
	/* As the specification lists it, without padding. */
	assert_int_equal(snd_query(rig, CTL_INFO, 0, 1, 92, infos, 92), OK);
	assert_int_equal(word(infos, 18), 100);
	assert_int_equal(snd_query(rig, CTL_INFO, 0, 1, 91, infos, 92), BAD_MSG);
	assert_int_equal(snd_query(rig, CTL_INFO, 4, 1, INFO_SIZE, infos, INFO_SIZE), BAD_MSG);
	rig_stop(rig);
}

static void a_volume_tells_its_decibels(void **state)
{
	const uint32_t request[] = {htole32(TLV_READ), htole32(MASTER)};
	const uint32_t other[] = {htole32(TLV_READ), htole32(MASTER_SWITCH)};
	const uint32_t write[] = {htole32(TLV_WRITE), htole32(MASTER), 0, 0, 0};
	struct rig *rig = *state;
	unsigned char tlv[64];

	snd_start(rig, NULL);
	assert_int_equal(snd_ask(rig, request, sizeof(request), tlv, sizeof(tlv)), OK);
	assert_int_equal(word(tlv, 0), 1);
	assert_int_equal(word(tlv, 1), 8);
	assert_int_equal((int32_t)word(tlv, 2), -6000);
	assert_int_equal(word(tlv, 3), 60 | 0x10000);
	/* As much as there is room for. */
	assert_int_equal(snd_ask(rig, request, sizeof(request), tlv, 6), OK);
	assert_int_equal(snd_ask(rig, request, sizeof(request), NULL, 0), OK);
	assert_int_equal(snd_ask(rig, other, sizeof(other), tlv, sizeof(tlv)), BAD_MSG);
	assert_int_equal(snd_ask(rig, write, sizeof(write), NULL, 0), NOT_SUPP);
	rig_stop(rig);
}

static void what_the_driver_sets_is_heard_and_told_to_the_control_socket(void **state)
{
	struct rig *rig = *state;
	uint32_t none[2];

	snd_start(rig, NULL);
	assert_int_equal(ctl_write(rig, MASTER, 50, 60), OK);
	assert_string_equal(rig_hear(rig), "control 0 \"Master Playback Volume\" 50 60");
	expect_values(rig, MASTER, 50, 60);
	assert_int_equal(ctl_write(rig, MASTER, 50, 60), OK); /* no news */
	assert_int_equal(ctl_write(rig, MASTER, 50, 101), BAD_MSG);
	assert_int_equal(ctl_write(rig, MASTER_SWITCH, 2, 0), BAD_MSG);
	assert_int_equal(ctl_write(rig, MASTER_SWITCH, UINT32_MAX, 0), BAD_MSG);
	assert_int_equal(ctl_write(rig, 4, 0, 0), BAD_MSG);
	assert_int_equal(ctl_read(rig, 4, none), BAD_MSG);
	expect_values(rig, MASTER, 50, 60);
	assert_int_equal(ctl_write(rig, MASTER_SWITCH, 0, 1), OK);
	assert_string_equal(rig_hear(rig), "control 1 \"Master Playback Switch\" 0 1");
	rig_stop(rig);
}

static void what_the_control_socket_sets_is_told_to_the_driver(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer events[2];

	snd_start(rig, NULL);
	for (int i = 0; i < 2; i++)
		snd_give_event(rig, &events[i]);
	rig_say(rig, "set 2 10");
	snd_expect_event(rig, CTL_NOTIFY, CAPTURE_VOLUME | 1 << 16);
	expect_values(rig, CAPTURE_VOLUME, 10, 10);
	rig_say(rig, "set 2 10 10");
	rig_expect_nothing(rig, SND_EVENTS);
	rig_say(rig, "set 2 10 20");
	snd_expect_event(rig, CTL_NOTIFY, CAPTURE_VOLUME | 1 << 16);
	expect_values(rig, CAPTURE_VOLUME, 10, 20);
	assert_non_null(strstr(rig_say(rig, "list"), "control 2 \"Capture Volume\" 10 20"));
	assert_non_null(strstr(rig_say_refused(rig, "set 4 1"), "which control"));
	assert_non_null(strstr(rig_say_refused(rig, "set 0 1 2 3"), "one value, or 2"));
	assert_non_null(strstr(rig_say_refused(rig, "set 0 101"), "0 to 100"));
	rig_stop(rig);
}

static void a_driver_without_controls_has_none(void **state)
{
	unsigned char info[INFO_SIZE];
	struct rig *rig = *state;
	struct rig_buffer event;
	uint32_t values[2];

	/* All but bit 0; VERSION_1, INDIRECT, EVENT_IDX, protocol features. */
	rig->config.features = UINT64_C(1) << 32 | 7 << 28;
	snd_start(rig, NULL);
	snd_give_event(rig, &event);
	assert_int_equal(snd_query(rig, CTL_INFO, 0, 1, INFO_SIZE, info, sizeof(info)), NOT_SUPP);
	assert_int_equal(ctl_read(rig, MASTER, values), BAD_MSG);
	assert_int_equal(ctl_write(rig, MASTER, 1, 1), BAD_MSG);
	rig_say(rig, "set 0 10");
	rig_expect_nothing(rig, SND_EVENTS);
	rig_stop(rig);
}

static void choices_have_names(void **state)
{
	struct rig *rig = *state;
	const char *card =
		rig_file(rig, "card",
			 "playback null\n"
			 "choice \"Input Source\" Mic \"Line In\" CD\n"
			 "volume \"Front Playback Volume\" playback channels=1 value=7\n");
	const char *const args[] = {"--describe", card, NULL};
	const uint32_t items[] = {htole32(ENUM_ITEMS), htole32(0)};
	const uint32_t none[] = {htole32(ENUM_ITEMS), htole32(1)};
	unsigned char info[INFO_SIZE];
	char names[3][64];

	snd_start(rig, args);
	assert_int_equal(snd_query(rig, CTL_INFO, 0, 1, INFO_SIZE, info, sizeof(info)), OK);
	assert_int_equal(word(info, 1), 0);
	assert_int_equal(word(info, 2), 3);
	assert_int_equal(word(info, 18), 3);
	assert_int_equal(snd_ask(rig, items, sizeof(items), names, sizeof(names)), OK);
	assert_string_equal(names[0], "Mic");
	assert_string_equal(names[1], "Line In");
	assert_string_equal(names[2], "CD");
	assert_int_equal(snd_ask(rig, items, sizeof(items), names, sizeof(names) - 1), BAD_MSG);
	assert_int_equal(snd_ask(rig, none, sizeof(none), names, sizeof(names)), BAD_MSG);
	assert_int_equal(ctl_write(rig, 0, 3, 0), BAD_MSG);
	assert_int_equal(ctl_write(rig, 0, 1, 0), OK);
	assert_string_equal(rig_hear(rig), "control 0 \"Input Source\" Line In");
	rig_say(rig, "set 0 CD");
	expect_values(rig, 0, 2, 0);
	expect_values(rig, 1, 7, 0);
	rig_stop(rig);
}

/* --- what one hears --- */

static void play_period(struct rig *rig, const void *sound, uint32_t len)
{
	struct message m;

	snd_offer(rig, &m, PLAYBACK, sound, len);
	snd_do(rig, START, PLAYBACK);
	snd_expect(rig, SND_TX, &m, OK);
	snd_do(rig, STOP, PLAYBACK);
	snd_do(rig, RELEASE, PLAYBACK);
}

/* A period of samples that are all the same, in a file when it was played. */
static void a_volume_makes_samples_smaller_channel_by_channel(void **state)
{
	static const struct {
		uint32_t left, right;
		int16_t wanted[2];
	} rows[] = {
		{100, 100, {10000, -10000}},
		{90, 100, {5011, -10000}},
		{0, 50, {0, -316}},
		{0, 0, {0, 0}},
	};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL);
	char where[RIG_PATH + 32];
	const char *const args[] = {where, NULL};
	int16_t sound[960], got[4][960];
	FILE *file;

	snprintf(where, sizeof(where), "--playback=file=%s", path);
	snd_start(rig, args);
	for (int i = 0; i < 960; i++)
		sound[i] = (int16_t)htole16((uint16_t)(i % 2 ? -10000 : 10000));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ctl_write(rig, MASTER, rows[i].left, rows[i].right), OK);
		snd_prepare(rig, PLAYBACK, &usual);
		play_period(rig, sound, PERIOD);
	}
	rig_stop(rig);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(got, 1, sizeof(got), file), sizeof(got));
	fclose(file);
	for (int i = 0; i < 4; i++)
		for (int s = 0; s < 960; s++)
			assert_true(abs((int16_t)le16toh((uint16_t)got[i][s]) -
					rows[i].wanted[s % 2]) <= 1);
}

static void a_switch_makes_silence_of_what_is_played_and_recorded(void **state)
{
	static const unsigned char silence[PERIOD];
	const char *const args[] = {"--capture=tone=1000", NULL};
	struct rig *rig = *state;
	struct message m;

	snd_start(rig, args);
	rig_say(rig, "set 3 0");
	snd_prepare(rig, CAPTURE, &usual);
	snd_offer(rig, &m, CAPTURE, NULL, PERIOD);
	snd_do(rig, START, CAPTURE);
	snd_expect(rig, SND_RX, &m, OK);
	assert_memory_equal(m.sound.data, silence, PERIOD);
	rig_say(rig, "set 3 1");
	snd_offer(rig, &m, CAPTURE, NULL, PERIOD);
	snd_expect(rig, SND_RX, &m, OK);
	assert_memory_not_equal(m.sound.data, silence, PERIOD);
	rig_stop(rig);
}

/* Every format that has numbers is made smaller; of the others every bit stays. */
static void a_volume_holds_in_every_format(void **state)
{
	static const uint8_t sizes[] = {0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3,
					4, 4, 4, 4, 4, 4, 4, 8, 1, 2, 4, 4};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL);
	char line[RIG_PATH + 80];
	unsigned char sound[480 * 8], got[480 * 8];
	FILE *file;

	snprintf(line, sizeof(line),
		 "playback file=%s formats=all channels=1\nvolume Volume playback\n", path);
	const char *const args[] = {"--describe", rig_file(rig, "card", line), NULL};

	snd_start(rig, args);
	for (uint8_t format = 1; format < sizeof(sizes); format++) {
		uint32_t len = 480u * sizes[format];
		const struct params p = {len, len, 0, 1, format, HZ_48000};

		memset(sound, 0x3f, sizeof(sound));
		rig_say(rig, "set 0 100");
		snd_prepare(rig, PLAYBACK, &p);
		play_period(rig, sound, len);
		rig_say(rig, "set 0 50");
		snd_prepare(rig, PLAYBACK, &p);
		play_period(rig, sound, len);
	}
	rig_stop(rig);
	file = fopen(path, "r");
	assert_non_null(file);
	for (uint8_t format = 1; format < sizeof(sizes); format++) {
		uint32_t len = 480u * sizes[format];
		bool coded = format < 3 || format > VIRTIO_SND_PCM_FMT_FLOAT64;

		assert_int_equal(fread(got, 1, len, file), len);
		assert_memory_equal(got, sound, len);
		assert_int_equal(fread(got, 1, len, file), len);
		for (uint32_t at = 0; at < len; at += sizes[format])
			assert_int_equal(!memcmp(got + at, sound, sizes[format]), coded);
	}
	fclose(file);
}

static void controls_that_cannot_be_are_refused(void **state)
{
	static const char *const lines[][2] = {
		{"volume Volume", "wants"},
		{"volume \"\" playback", "a name has 1 to 43"},
		{"volume 12345678901234567890123456789012345678901234 playback", "a name has 1"},
		{"volume Volume neither", "a name, and playback or capture"},
		{"volume Volume playback value=101", "no value= up to 100"},
		{"switch Switch playback value=2", "no value= up to 1"},
		{"volume Volume playback channels=9", "channels= up to 8"},
		{"volume Volume playback loud", "no value="},
		{"choice Choice \"\"", "an item has 1 to 63"},
		{"choice Choice One One", "there is 'One' twice"},
		{"volume A playback\nswitch A playback", "another control"},
	};
	struct rig *rig = *state;

	for (uint32_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *path = rig_file(rig, "card", lines[i][0]);
		const char *argv[] = {getenv(rig_program),
				      "--socket-path",
				      rig->socket,
				      "--describe",
				      path,
				      NULL};

		spawn_expect(argv, 1, "", lines[i][1]);
		assert_int_equal(remove(path), 0);
		rig->n_files--;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(the_usual_card_has_volumes_and_switches),
		SND_TEST(a_volume_tells_its_decibels),
		SND_TEST(what_the_driver_sets_is_heard_and_told_to_the_control_socket),
		SND_TEST(what_the_control_socket_sets_is_told_to_the_driver),
		SND_TEST(a_driver_without_controls_has_none),
		SND_TEST(choices_have_names),
		SND_TEST(a_volume_makes_samples_smaller_channel_by_channel),
		SND_TEST(a_switch_makes_silence_of_what_is_played_and_recorded),
		SND_TEST(a_volume_holds_in_every_format),
		SND_TEST(controls_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
