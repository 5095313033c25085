/* SPDX-License-Identifier: MIT */
/* vu-snd's card: what it has, as a description says, and what changes of it. */
#include "snd.h"

#include <stdio.h>
#include <stdlib.h>

static struct virtio_snd_pcm_info pcm_info(struct rig *rig, uint32_t id)
{
	struct virtio_snd_pcm_info info;

	assert_int_equal(snd_query(rig, INFO, id, 1, sizeof(info), &info, sizeof(info)), OK);
	return info;
}

static void the_usual_card_has_a_stream_each_way_with_jacks_and_channel_maps(void **state)
{
	struct virtio_snd_chmap_info chmaps[2];
	struct virtio_snd_jack_info jacks[2];
	struct virtio_snd_pcm_info pcm[2];
	struct rig *rig = *state;
	uint32_t config[3];

	snd_start(rig, NULL);
	rig_get_config(rig, 0, config, sizeof(config));
	assert_int_equal(le32toh(config[0]), 2);
	assert_int_equal(le32toh(config[1]), 2);
	assert_int_equal(le32toh(config[2]), 2);
	assert_int_equal(snd_query(rig, INFO, 0, 2, sizeof(pcm[0]), pcm, sizeof(pcm)), OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pcm[i].direction, i);
		assert_int_equal(pcm[i].channels_min, 1);
		assert_int_equal(pcm[i].channels_max, 2);
		assert_int_equal(le32toh(pcm[i].features), XRUNS);
		assert_true(le64toh(pcm[i].formats) & 1 << S16);
		assert_true(le64toh(pcm[i].rates) & 1 << HZ_48000);
	}
	assert_int_equal(snd_query(rig, VIRTIO_SND_R_JACK_INFO, 0, 2, sizeof(jacks[0]), jacks,
				   sizeof(jacks)),
			 OK);
	assert_true(jacks[0].connected && jacks[1].connected);
	assert_int_equal(le32toh(jacks[0].hda_reg_defconf), 0);
	assert_int_equal(le32toh(jacks[1].hda_reg_defconf), 0xa << 20);
	assert_int_equal(snd_query(rig, VIRTIO_SND_R_CHMAP_INFO, 0, 2, sizeof(chmaps[0]), chmaps,
				   sizeof(chmaps)),
			 OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(chmaps[i].direction, i);
		assert_int_equal(chmaps[i].channels, 2);
		assert_int_equal(chmaps[i].positions[0], VIRTIO_SND_CHMAP_FL);
		assert_int_equal(chmaps[i].positions[1], VIRTIO_SND_CHMAP_FR);
	}
	rig_stop(rig);
}

static void a_description_says_what_the_card_has(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "card",
				    "# two devices\n"
				    "playback null formats=S8,U8 rates=8000 channels=1\n"
				    "playback null formats=all rates=all channels=2-8 device=1\n"
				    "capture tone=100 formats=all\n"
				    "jack headphone unplugged device=1\n"
				    "chmap playback FL FR RL RR FC LFE device=1\n");
	const char *const args[] = {"--describe", path, NULL};
	struct virtio_snd_chmap_info chmap;
	struct virtio_snd_jack_info jack;
	struct virtio_snd_pcm_info info;
	uint32_t config[3];

	snd_start(rig, args);
	rig_get_config(rig, 0, config, sizeof(config));
	assert_int_equal(le32toh(config[0]), 1);
	assert_int_equal(le32toh(config[1]), 3);
	assert_int_equal(le32toh(config[2]), 1);
	info = pcm_info(rig, 0);
	assert_int_equal(le64toh(info.formats),
			 1 << VIRTIO_SND_PCM_FMT_S8 | 1 << VIRTIO_SND_PCM_FMT_U8);
	assert_int_equal(le64toh(info.rates), 1 << VIRTIO_SND_PCM_RATE_8000);
	assert_int_equal(info.channels_max, 1);
	info = pcm_info(rig, 1);
	assert_int_equal(le32toh(info.hdr.hda_fn_nid), 1);
	assert_int_equal(le64toh(info.formats), 0x1ffffff);
	assert_int_equal(le64toh(info.rates), 0x3fff);
	assert_int_equal(info.channels_min, 2);
	assert_int_equal(info.channels_max, 8);
	info = pcm_info(rig, 2);
	assert_int_equal(info.direction, VIRTIO_SND_D_INPUT);
	assert_false(le64toh(info.formats) & 1 << VIRTIO_SND_PCM_FMT_MU_LAW);
	assert_int_equal(
		snd_query(rig, VIRTIO_SND_R_JACK_INFO, 0, 1, sizeof(jack), &jack, sizeof(jack)),
		OK);
	assert_int_equal(le32toh(jack.hda_reg_defconf), 2 << 20);
	assert_false(jack.connected);
	assert_int_equal(
		snd_query(rig, VIRTIO_SND_R_CHMAP_INFO, 0, 1, sizeof(chmap), &chmap, sizeof(chmap)),
		OK);
	assert_int_equal(chmap.channels, 6);
	assert_int_equal(chmap.positions[5], VIRTIO_SND_CHMAP_LFE);
	rig_stop(rig);
}

static void a_description_that_is_wrong_is_refused_with_its_line(void **state)
{
	static const char *const lines[][2] = {
		{"playback tone", "does not play"},
		{"playback nowhere", "does not play (valid: null, file"},
		{"capture nowhere", "does not record (valid: null, file"},
		{"capture loopback=0", "no playback described before"},
		{"capture loopback=x", "which stream"},
		{"capture tone=0", "which tone"},
		{"capture tone formats=MU_LAW", "not in each of the formats"},
		{"playback file", "which file"},
		{"playback file=/proc/nonexistent/file", "No such file"},
		{"capture file=/proc/nonexistent/file", "No such file"},
		{"playback null formats=S16,", "formats= all"},
		{"playback null formats=S17", "formats= all"},
		{"playback null rates=44101", "rates= all"},
		{"playback null channels=0", "channels= a number"},
		{"playback null channels=3-2", "channels= a number"},
		{"playback null channels=2-65", "channels= a number"},
		{"playback null channels=1111111111111111111111111111111111-2", "channels="},
		{"playback null device=64", "device= a number"},
		{"playback null speed=9", "is no formats="},
		{"jack nose", "kinds: line-out"},
		{"jack mic plugged", "is no unplugged"},
		{"chmap neither FL", "playback or capture"},
		{"chmap playback UP", "is no position"},
		{"chmap playback device=1", "1 to 18 positions"},
		{"chmap playback FL FL FL FL FL FL FL FL FL FL FL FL FL FL FL FL FL FL FL",
		 "the 19th"},
		{"noise", "there is no command"},
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

static void options_that_do_not_go_together_are_refused(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "card", "playback null\n");
	const char *both[] = {getenv(rig_program),
			      "--socket-path",
			      rig->socket,
			      "--describe",
			      path,
			      "--playback=null",
			      NULL};
	const char *wrong[] = {getenv(rig_program), "--socket-path", rig->socket,
			       "--playback=loopback", NULL};

	spawn_expect(both, 1, "", "without --describe");
	spawn_expect(wrong, 1, "", "'loopback' does not play");
}

static void a_newer_driver_finds_zeroes_and_a_shorter_struct_is_refused(void **state)
{
	enum { MORE = sizeof(struct virtio_snd_pcm_info) + 8 };
	static const unsigned char none[8];
	unsigned char infos[2 * MORE];
	struct rig *rig = *state;

	snd_start(rig, NULL);
	assert_int_equal(snd_query(rig, INFO, 0, 2, MORE, infos, sizeof(infos)), OK);
	assert_memory_equal(infos + MORE - 8, none, 8);
	assert_memory_equal(infos + 2 * MORE - 8, none, 8);
	assert_int_equal(infos[MORE + 24], VIRTIO_SND_D_INPUT);
	assert_int_equal(snd_query(rig, INFO, 0, 2, MORE - 9, infos, sizeof(infos)), BAD_MSG);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "control request that is malformed"), 1);
}

static void queries_beyond_what_there_is_are_refused(void **state)
{
	enum { SIZE = sizeof(struct virtio_snd_pcm_info) };
	static const uint32_t wrong[][3] = {
		{2, 1, SIZE},	       {0, 3, SIZE}, {1, 2, SIZE},	 {UINT32_MAX, 1, SIZE},
		{1, UINT32_MAX, SIZE}, {0, 2, 513},  {0, 2, UINT32_MAX}, {0, 1, 0},
	};
	unsigned char infos[2 * SIZE];
	struct rig *rig = *state;

	snd_start(rig, NULL);
	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(snd_query(rig, INFO, wrong[i][0], wrong[i][1], wrong[i][2], infos,
					   sizeof(infos)),
				 BAD_MSG);
	/* Room for one and a half. */
	assert_int_equal(snd_query(rig, INFO, 0, 2, SIZE, infos, SIZE + SIZE / 2), BAD_MSG);
	assert_int_equal(snd_query(rig, INFO, 0, 2, SIZE, infos, 2 * SIZE), OK);
	assert_int_equal(snd_query(rig, INFO, 2, 0, SIZE, infos, 0), OK);
	rig_stop(rig);
}

static void requests_that_are_none_get_a_status_or_nothing(void **state)
{
	struct rig *rig = *state;
	const uint32_t unknown = htole32(0x7777), remap[] = {htole32(2), 0, 0, 0};
	const uint32_t start = htole32(START);
	unsigned char in[8];

	snd_start(rig, NULL);
	assert_int_equal(snd_ask(rig, &unknown, 4, NULL, 0), NOT_SUPP);
	assert_int_equal(snd_ask(rig, remap, sizeof(remap), NULL, 0), NOT_SUPP);
	assert_int_equal(snd_ask(rig, &start, 4, NULL, 0), BAD_MSG);
	assert_int_equal(snd_ask(rig, &start, 3, NULL, 0), BAD_MSG);
	assert_int_equal(rig_ask(rig, SND_CONTROL, NULL, 0, in, 4), 4);
	/* No room for a status. */
	assert_int_equal(rig_ask(rig, SND_CONTROL, &start, 4, in, 3), 0);
	assert_int_equal(rig_ask(rig, SND_CONTROL, &start, 4, NULL, 0), 0);
	assert_int_equal(snd_set_params(rig, PLAYBACK, &usual), OK);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "without room for a status"), 2);
}

static void jacks_change_from_outside_and_the_driver_is_told(void **state)
{
	struct virtio_snd_jack_info jack;
	struct rig *rig = *state;
	struct rig_buffer events[4];

	snd_start(rig, NULL);
	for (int i = 0; i < 2; i++)
		snd_give_event(rig, &events[i]);
	rig_say(rig, "unplug 1");
	snd_expect_event(rig, VIRTIO_SND_EVT_JACK_DISCONNECTED, 1);
	assert_int_equal(
		snd_query(rig, VIRTIO_SND_R_JACK_INFO, 1, 1, sizeof(jack), &jack, sizeof(jack)),
		OK);
	assert_false(jack.connected);
	assert_non_null(strstr(rig_say(rig, "list"), "jack 1 mic unplugged"));
	rig_say(rig, "plug 1");
	snd_expect_event(rig, VIRTIO_SND_EVT_JACK_CONNECTED, 1);
	rig_say(rig, "plug 1");
	rig_expect_nothing(rig, SND_EVENTS);
	/* Without a buffer: as it is when there is one. */
	rig_say(rig, "unplug 0");
	rig_say(rig, "plug 0");
	rig_say(rig, "unplug 0");
	for (int i = 2; i < 4; i++)
		snd_give_event(rig, &events[i]);
	snd_expect_event(rig, VIRTIO_SND_EVT_JACK_DISCONNECTED, 0);
	rig_expect_nothing(rig, SND_EVENTS);
	assert_non_null(strstr(rig_say_refused(rig, "plug 2"), "which jack"));
	rig_stop(rig);
}

static void a_buffer_that_is_too_small_for_an_event_costs_none(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer small, event;
	struct driver_seg seg;

	snd_start(rig, NULL);
	rig_buffer(rig, &small, 7);
	seg = rig_write_seg(&small, 7);
	rig_offer(rig, SND_EVENTS, &seg, 1, &small);
	rig_say(rig, "unplug 0");
	assert_ptr_equal(rig_wait(rig, SND_EVENTS, NULL), &small);
	snd_give_event(rig, &event);
	snd_expect_event(rig, VIRTIO_SND_EVT_JACK_DISCONNECTED, 0);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "too small for one"), 1);
}

static void a_second_card_has_files_of_its_own(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL), *second = rig_file(rig, "out.1", NULL);
	const char *socket = rig_file(rig, "second", NULL);
	const char *const args[] = {"--socket-path", socket, "--playback", NULL, NULL};
	const char *options[5];
	char where[RIG_PATH + 8];

	memcpy(options, args, sizeof(args));
	snprintf(where, sizeof(where), "file=%s", path);
	options[3] = where;
	rig_file(rig, "control.1", NULL);
	snd_start(rig, options);
	rig_stop(rig);
	snd_expect_file(path, NULL, 0);
	snd_expect_file(second, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(the_usual_card_has_a_stream_each_way_with_jacks_and_channel_maps),
		SND_TEST(a_description_says_what_the_card_has),
		SND_TEST(a_description_that_is_wrong_is_refused_with_its_line),
		SND_TEST(options_that_do_not_go_together_are_refused),
		SND_TEST(a_newer_driver_finds_zeroes_and_a_shorter_struct_is_refused),
		SND_TEST(queries_beyond_what_there_is_are_refused),
		SND_TEST(requests_that_are_none_get_a_status_or_nothing),
		SND_TEST(jacks_change_from_outside_and_the_driver_is_told),
		SND_TEST(a_buffer_that_is_too_small_for_an_event_costs_none),
		SND_TEST(a_second_card_has_files_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
