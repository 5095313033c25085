/* SPDX-License-Identifier: MIT */
/*
 * Description files, and recordings in the format of evemu, whose lines begin with "N:", "I:" and
 * so on.  A file may have both kinds of lines.
 */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1 << 22, MAX_WORDS = 63 };

/* evemu's numbers are hexadecimal without saying so. */
static int input_hex_parse(const char *word, uint64_t max, uint64_t *number)
{
	char prefixed[24];

	if (strlen(word) > 16)
		return -EINVAL;
	snprintf(prefixed, sizeof(prefixed), "0x%s", word);
	return vu_number_parse(prefixed, 0, max, number);
}

static int text_name(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_text *text = opaque;
	char name[INPUT_STRING + 1] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < n; i++) {
		snprintf(name + len, sizeof(name) - len, "%s%s", i ? " " : "", words[i]);
		len = strlen(name);
	}
	if (text->about)
		input_set_string(text->about->name, name);
	return 0;
}

/* evemu's is the rest of the line. */
static int text_name_line(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	struct input_text *text = opaque;

	if (text->about)
		input_set_string(text->about->name, words[0]);
	return 0;
}

static int text_serial(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_text *text = opaque;

	if (text->about)
		input_set_string(text->about->serial, words[0]);
	return 0;
}

static void text_set_id(struct input_text *text, const uint32_t *id)
{
	if (text->about)
		text->about->id = (struct input_id){(uint16_t)id[0], (uint16_t)id[1],
						    (uint16_t)id[2], (uint16_t)id[3]};
}

static int text_id(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	uint32_t id[4];

	for (uint32_t i = 0; i < 4; i++)
		if (input_code_parse(words[i], INPUT_BUS_NAME, &id[i]))
			return vu_script_fail(script, "not a bus or a number up to 0xffff");
	text_set_id(opaque, id);
	return 0;
}

static int text_id_hex(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	uint32_t id[4];
	uint64_t number;

	for (uint32_t i = 0; i < 4; i++) {
		if (input_hex_parse(words[i], UINT16_MAX, &number))
			return -EINVAL;
		id[i] = (uint32_t)number;
	}
	text_set_id(opaque, id);
	return 0;
}

static int text_add(const struct input_text *text, uint32_t type, uint32_t code)
{
	return text->about ? input_add(text->about, type, code) : 0;
}

/* KEY_A, or all from KEY_A to KEY_L: KEY_A..KEY_L */
static int text_has_word(const struct input_text *text, const char *word)
{
	const char *dots = strstr(word, "..");
	uint32_t type, first, last;
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "%.*s", dots ? (int)(dots - word) : 63, word);
	ret = input_name_parse(name, &type, &first);
	last = first;
	if (!ret && dots)
		ret = input_code_parse(dots + 2, type, &last);
	if (ret || last < first)
		return -EINVAL;
	for (; first <= last && !ret; first++)
		ret = text_add(text, type, first);
	return ret;
}

static int text_has(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	char reason[128];

	for (uint32_t i = 0; i < n; i++) {
		if (!text_has_word(opaque, words[i]))
			continue;
		snprintf(reason, sizeof(reason), "'%.80s' names no event of a device", words[i]);
		return vu_script_fail(script, reason);
	}
	return 0;
}

static int text_set_axis(struct vu_script *script, const struct input_text *text, uint32_t axis,
			 uint32_t n, const char *const *words)
{
	int32_t v[5] = {0};

	for (uint32_t i = 0; i < n; i++)
		if (input_value_parse(words[i], &v[i]))
			return vu_script_fail(script, "not a number");
	if (text_add(text, EV_ABS, axis))
		return vu_script_fail(script, "there is no such axis");
	if (axis == ABS_MT_SLOT && (v[0] || v[1] < 0 || v[1] >= INPUT_SLOTS))
		return vu_script_fail(script, "slots begin with 0 and end with 1023 at most");
	if (text->about)
		text->about->abs[axis] = (struct input_absinfo){.minimum = v[0],
								.maximum = v[1],
								.fuzz = v[2],
								.flat = v[3],
								.resolution = v[4]};
	return 0;
}

static int text_abs(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_text *text = opaque;
	uint32_t axis;
	int ret;

	if (input_code_parse(words[0], EV_ABS, &axis))
		return vu_script_fail(script, "there is no such axis");
	ret = text_set_axis(script, text, axis, n - 1, words + 1);
	if (!ret && text->about && text->about->abs[axis].minimum > text->about->abs[axis].maximum)
		return vu_script_fail(script, "its minimum is above its maximum");
	return ret;
}

/* There are devices whose minimum is above their maximum: a recording shows them as they are. */
static int text_abs_hex(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	uint64_t axis;

	if (input_hex_parse(words[0], ABS_MAX, &axis))
		return vu_script_fail(script, "there is no such axis");
	return text_set_axis(script, opaque, (uint32_t)axis, n - 1, words + 1);
}

/* The next bytes of a bitmap. */
static int text_bitmap(const struct input_text *text, uint32_t type, uint32_t *at, uint32_t n,
		       const char *const *words)
{
	uint64_t byte;

	for (uint32_t i = 0; i < n; i++, (*at)++) {
		if (input_hex_parse(words[i], UINT8_MAX, &byte))
			return -EINVAL;
		for (uint32_t bit = 0; bit < 8; bit++)
			if (byte >> bit & 1 && text_add(text, type, *at * 8 + bit))
				return -ERANGE;
	}
	return 0;
}

static int text_bits(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_text *text = opaque;
	uint64_t type;

	if (input_hex_parse(words[0], EV_MAX, &type))
		return -EINVAL;
	if (type == EV_SYN) /* the types themselves, which follow */
		return 0;
	return text_bitmap(text, (uint32_t)type, &text->n_bits[type], n - 1, words + 1);
}

static int text_props(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_text *text = opaque;

	return text_bitmap(text, INPUT_PROP_NAME, &text->n_props, n, words);
}

/* Lights and switches as they were: the events say what changes. */
static int text_ignore(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return 0;
}

/* SECONDS.MICROSECONDS */
static int text_time_parse(const char *word, uint64_t *ns)
{
	const char *dot = strchr(word, '.');
	char seconds[16];
	uint64_t s, us;

	if (!dot || dot - word >= (ptrdiff_t)sizeof(seconds) || strlen(dot + 1) != 6)
		return -EINVAL;
	snprintf(seconds, sizeof(seconds), "%.*s", (int)(dot - word), word);
	if (vu_number_parse(seconds, 0, UINT32_MAX, &s) || vu_number_parse(dot + 1, 0, 999999, &us))
		return -EINVAL;
	*ns = (s * 1000000 + us) * 1000;
	return 0;
}

static int text_add_step(struct input_text *text, const struct input_step *step)
{
	if (text->n_steps == text->max_steps) {
		uint32_t max = text->max_steps ? text->max_steps * 2 : 256;
		struct input_step *steps =
			max > MAX_STEPS ? NULL : realloc(text->steps, max * sizeof(*steps));

		if (!steps)
			return max > MAX_STEPS ? -E2BIG : -ENOMEM;
		text->steps = steps;
		text->max_steps = max;
	}
	text->steps[text->n_steps++] = *step;
	return 0;
}

static int text_event(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_text *text = opaque;
	struct input_step step;
	uint64_t type, code;

	if (!text->player)
		return 0;
	if (text_time_parse(words[0], &step.ns) || input_hex_parse(words[1], EV_MAX, &type) ||
	    input_hex_parse(words[2], UINT16_MAX, &code) ||
	    input_value_parse(words[3], &step.ev.value))
		return vu_script_fail(script, "wants SECONDS.MICROSECONDS TYPE CODE VALUE");
	if (text->n_steps && step.ns < text->steps[text->n_steps - 1].ns)
		return vu_script_fail(script, "is earlier than the line before");
	if (!input_has(text->player, (uint32_t)type, (uint32_t)code))
		return vu_script_fail(script, "the device has no such event");
	step.ev.type = (uint16_t)type;
	step.ev.code = (uint16_t)code;
	return text_add_step(text, &step);
}

static const struct vu_command commands[] = {
	{"name", "TEXT", "what the device is called", 1, MAX_WORDS, text_name},
	{"serial", "TEXT", "its serial number", 1, 1, text_serial},
	{"id", "BUS VENDOR PRODUCT VERSION", "its ids; BUS_USB and so on, or numbers", 4, 4,
	 text_id},
	{"has", "NAME|FIRST..LAST ...", "events (KEY_A, REL_X, LED_CAPSL) and INPUT_PROP_...", 1,
	 MAX_WORDS, text_has},
	{"abs", "AXIS MIN MAX [FUZZ [FLAT [RESOLUTION]]]", "an absolute axis", 3, 6, text_abs},
	{"N:", "TEXT", "evemu: name", 1, VU_COMMAND_LINE, text_name_line},
	{"I:", "BUS VENDOR PRODUCT VERSION", "evemu: ids", 4, 4, text_id_hex},
	{"P:", "BYTE ...", "evemu: properties", 1, MAX_WORDS, text_props},
	{"B:", "TYPE BYTE ...", "evemu: codes of a type", 2, MAX_WORDS, text_bits},
	{"A:", "AXIS MIN MAX FUZZ FLAT [RESOLUTION]", "evemu: axis", 5, 6, text_abs_hex},
	{"L:", "...", "evemu: light", 0, MAX_WORDS, text_ignore},
	{"S:", "...", "evemu: switch", 0, MAX_WORDS, text_ignore},
	{"E:", "TIME TYPE CODE VALUE", "evemu: event", 4, 4, text_event},
	{NULL, NULL, NULL, 0, 0, NULL},
};

int input_text_read(struct input_text *text, const char *path)
{
	const struct vu_script_info info = {
		.size = sizeof(info),
		.name = "vu-input",
		.commands = commands,
		.command_size = sizeof(commands[0]),
		.opaque = text,
	};

	return vu_script_run_file(&info, path);
}

void input_about_keyboard(struct input_about *about)
{
	input_set_string(about->name, "libvu keyboard");
	about->id.bustype = BUS_VIRTUAL;
	for (uint32_t key = KEY_ESC; key <= KEY_COMPOSE; key++)
		input_add(about, EV_KEY, key);
	for (uint32_t led = LED_NUML; led <= LED_SCROLLL; led++)
		input_add(about, EV_LED, led);
	input_add(about, EV_REP, REP_DELAY);
	input_add(about, EV_REP, REP_PERIOD);
}
