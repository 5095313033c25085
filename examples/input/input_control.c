/* SPDX-License-Identifier: MIT */
/*
 * The commands that drive a device, as words on its control script, and what the script is told:
 * "led NAME 0|1" and other status from the guest, "dropped", "replayed".
 */
#include "input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAP_MOST = 16 };

int input_control_event(struct input_control *c, struct input_ev ev)
{
	input_record_add(c->record, ev);
	return input_device_push(&c->device, ev.type, ev.code, ev.value);
}

/* One event of a command. */
static void control_emit(struct input_control *c, uint32_t type, uint32_t code, int32_t value)
{
	input_control_event(c, (struct input_ev){(uint16_t)type, (uint16_t)code, value});
}

void input_control_release(struct input_control *c)
{
	struct input_state *free_hands = malloc(sizeof(*free_hands));
	struct input_ev *events = calloc(INPUT_STATE, sizeof(*events));
	uint32_t n = 0;

	if (events && free_hands) {
		*free_hands = c->device.fifo.now;
		input_state_let_go(free_hands);
		n = input_state_changes(&c->device.fifo.now, free_hands, false, events);
	}
	for (uint32_t i = 0; i < n; i++)
		input_control_event(c, events[i]);
	if (n)
		control_emit(c, EV_SYN, SYN_REPORT, 0);
	free(free_hands);
	free(events);
}

/* If the device has it. */
static void control_emit_if(struct input_control *c, uint32_t type, uint32_t code, int32_t value)
{
	if (input_has(&c->device.about, type, code))
		control_emit(c, type, code, value);
}

/* The end of a packet, and of a command. */
static int control_report(struct input_control *c, struct vu_script *script)
{
	control_emit(c, EV_SYN, SYN_REPORT, 0);
	if (!c->device.fifo.listening)
		vu_script_answer(script, "no driver is there to take it");
	return 0;
}

static int control_lacks(struct vu_script *script, const char *word)
{
	char reason[100];

	snprintf(reason, sizeof(reason), "the device has no '%.60s'", word);
	return vu_script_fail(script, reason);
}

static int control_parse(struct input_control *c, struct vu_script *script, uint32_t type,
			 const char *word, uint32_t *code)
{
	if (input_code_parse(word, type, code) || !input_has(&c->device.about, type, *code))
		return control_lacks(script, word);
	return 0;
}

static int control_value(struct vu_script *script, const char *word, int32_t *value)
{
	return input_value_parse(word, value) ? vu_script_fail(script, "not a number") : 0;
}

static int control_key(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_control *c = opaque;
	uint32_t key;
	int32_t value;
	int ret = control_parse(c, script, EV_KEY, words[0], &key);

	if (!ret)
		ret = control_value(script, words[1], &value);
	if (ret)
		return ret;
	control_emit(c, EV_KEY, key, value);
	return control_report(c, script);
}

static void control_press(struct input_control *c, uint32_t key, int32_t value)
{
	control_emit(c, EV_KEY, key, value);
	control_emit(c, EV_SYN, SYN_REPORT, 0);
}

static int control_tap(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct input_control *c = opaque;
	uint32_t keys[TAP_MOST];

	for (uint32_t i = 0; i < n; i++) {
		int ret = control_parse(c, script, EV_KEY, words[i], &keys[i]);

		if (ret)
			return ret;
	}
	for (uint32_t i = 0; i < n; i++)
		control_press(c, keys[i], 1);
	for (uint32_t i = n; i-- > 1;)
		control_press(c, keys[i], 0);
	control_emit(c, EV_KEY, keys[0], 0);
	return control_report(c, script);
}

static int control_type(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct input_control *c = opaque;
	const struct input_about *about = &c->device.about;
	bool shift;

	for (const char *at = words[0]; *at; at++) {
		uint32_t key = input_key_of(*at, &shift);

		if (!key || !input_has(about, EV_KEY, key) ||
		    (shift && !input_has(about, EV_KEY, KEY_LEFTSHIFT)))
			return vu_script_fail(script,
					      "no key of the device makes such a character");
	}
	for (const char *at = words[0]; *at; at++) {
		uint32_t key = input_key_of(*at, &shift);

		if (shift)
			control_press(c, KEY_LEFTSHIFT, 1);
		control_press(c, key, 1);
		control_press(c, key, 0);
		if (shift)
			control_press(c, KEY_LEFTSHIFT, 0);
	}
	if (!c->device.fifo.listening)
		vu_script_answer(script, "no driver is there to take it");
	return 0;
}

static int control_event(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct input_control *c = opaque;
	uint32_t type, code;
	int32_t value;
	int ret;

	if (input_type_parse(words[0], &type) ||
	    (type != EV_SYN && !input_has_type(&c->device.about, type)))
		return control_lacks(script, words[0]);
	ret = control_parse(c, script, type, words[1], &code);
	if (!ret)
		ret = control_value(script, words[2], &value);
	if (ret)
		return ret;
	control_emit(c, type, code, value);
	if (!c->device.fifo.listening)
		vu_script_answer(script, "no driver is there to take it");
	return 0;
}

static int control_syn(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return control_report(opaque, script);
}

static int control_move(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct input_control *c = opaque;
	int32_t x, y;
	int ret = control_value(script, words[0], &x);

	if (!ret)
		ret = control_value(script, words[1], &y);
	if (ret)
		return ret;
	if (!input_has(&c->device.about, EV_REL, REL_X) ||
	    !input_has(&c->device.about, EV_REL, REL_Y))
		return control_lacks(script, "REL_X and REL_Y");
	if (x)
		control_emit(c, EV_REL, REL_X, x);
	if (y)
		control_emit(c, EV_REL, REL_Y, y);
	return control_report(c, script);
}

/* Fingers on the glass once this event is done with. */
static uint32_t control_contacts(const struct input_control *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < INPUT_SLOTS; i++)
		n += input_state_touched(&c->device.fifo.now, i);
	return n;
}

static void control_contact_down(struct input_control *c, uint32_t slot, int32_t x, int32_t y)
{
	bool first = !control_contacts(c);

	if (!input_state_touched(&c->device.fifo.now, slot)) {
		control_emit(c, EV_ABS, ABS_MT_TRACKING_ID, c->next_contact);
		c->next_contact = (c->next_contact + 1) & 0xffff;
	}
	control_emit_if(c, EV_ABS, ABS_MT_POSITION_X, x);
	control_emit_if(c, EV_ABS, ABS_MT_POSITION_Y, y);
	if (first)
		control_emit_if(c, EV_KEY, BTN_TOUCH, 1);
	/* Readers that know one finger only follow the first slot's. */
	if (slot == 0) {
		control_emit_if(c, EV_ABS, ABS_X, x);
		control_emit_if(c, EV_ABS, ABS_Y, y);
	}
}

static int control_slot(struct input_control *c, struct vu_script *script, const char *word,
			uint32_t *slot)
{
	uint64_t number;

	if (!input_has(&c->device.about, EV_ABS, ABS_MT_SLOT))
		return control_lacks(script, "ABS_MT_SLOT");
	if (vu_number_parse(word, 0, (uint32_t)c->device.about.abs[ABS_MT_SLOT].maximum, &number))
		return vu_script_fail(script, "the device has no such slot");
	*slot = (uint32_t)number;
	if ((int32_t)*slot != c->device.fifo.now.abs[ABS_MT_SLOT])
		control_emit(c, EV_ABS, ABS_MT_SLOT, (int32_t)*slot);
	return 0;
}

static int control_touch(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct input_control *c = opaque;
	uint32_t slot;
	int32_t x, y;
	int ret = control_value(script, words[1], &x);

	if (!ret)
		ret = control_value(script, words[2], &y);
	if (!ret)
		ret = control_slot(c, script, words[0], &slot);
	if (ret)
		return ret;
	control_contact_down(c, slot, x, y);
	return control_report(c, script);
}

static int control_lift(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct input_control *c = opaque;
	uint32_t slot;
	int ret = control_slot(c, script, words[0], &slot);

	if (ret)
		return ret;
	control_emit(c, EV_ABS, ABS_MT_TRACKING_ID, -1);
	if (!control_contacts(c))
		control_emit_if(c, EV_KEY, BTN_TOUCH, 0);
	return control_report(c, script);
}

static int control_replay(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	struct input_control *c = opaque;
	int ret;

	if (!c->device.fifo.listening)
		return vu_script_fail(script, "no driver is there to take it");
	ret = input_replay_start(&c->replay, &c->device.about, words[0]);
	if (ret == -EINVAL)
		return vu_script_fail(script, "no recording for this device; the log says why");
	return ret;
}

static int control_stop(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct input_control *c = opaque;

	input_replay_stop(&c->replay);
	return 0;
}

static int control_state(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct input_control *c = opaque;
	const struct input_fifo *fifo = &c->device.fifo;
	char name[16];

	vu_script_answerf(script, "driver %s", fifo->listening ? "yes" : "no");
	vu_script_answerf(script, "waiting %u", fifo->n);
	vu_script_answerf(script, "dropped %" PRIu64, fifo->dropped);
	for (uint32_t key = 0; key < KEY_CNT; key++)
		if (input_state_pressed(&fifo->now, key))
			vu_script_answerf(script, "pressed %s", input_name(EV_KEY, key, name));
	for (uint32_t led = 0; led < LED_CNT; led++)
		if (c->leds >> led & 1)
			vu_script_answerf(script, "lit %s", input_name(EV_LED, led, name));
	return 0;
}

const struct vu_command input_commands[] = {
	{"key", "KEY 0|1|2", "release, press or repeat a key", 2, 2, control_key},
	{"tap", "KEY ...", "press these keys together and release them", 1, TAP_MOST, control_tap},
	{"type", "TEXT", "type it on a US keyboard", 1, 1, control_type},
	{"move", "DX DY", "move the pointer", 2, 2, control_move},
	{"touch", "SLOT X Y", "put a finger down, or move it", 3, 3, control_touch},
	{"lift", "SLOT", "take it away", 1, 1, control_lift},
	{"event", "TYPE CODE VALUE", "one event, without SYN_REPORT", 3, 3, control_event},
	{"syn", NULL, "SYN_REPORT: what the events before it say holds now", 0, 0, control_syn},
	{"replay", "FILE", "play a recording", 1, 1, control_replay},
	{"stop", NULL, "end it", 0, 0, control_stop},
	{"state", NULL, "what is pressed, lit, and waits for the guest", 0, 0, control_state},
	{NULL, NULL, NULL, 0, 0, NULL},
};

void input_control_status(struct input_control *c, struct input_ev ev)
{
	char type[16], code[16];

	if (ev.type == EV_LED && ev.code < LED_CNT) {
		c->leds &= ~(1U << ev.code);
		c->leds |= (uint32_t) !!ev.value << ev.code;
		vu_script_sayf(c->script, "led %s %d", input_name(EV_LED, ev.code, code),
			       !!ev.value);
	} else {
		vu_script_sayf(c->script, "status %s %s %d",
			       input_name(INPUT_TYPE_NAME, ev.type, type),
			       input_name(ev.type, ev.code, code), ev.value);
	}
}

void input_control_overflow(struct input_control *c)
{
	vu_script_say(c->script, "dropped: the guest is too slow");
}

static void control_on_replayed(void *opaque)
{
	struct input_control *c = opaque;

	vu_script_say(c->script, "replayed");
}

static void control_on_step(struct input_ev ev, void *opaque)
{
	input_control_event(opaque, ev);
}

int input_control_init(struct input_control *c, struct vu_program *program)
{
	int err;

	c->replay.event = control_on_step;
	c->replay.done = control_on_replayed;
	c->replay.opaque = c;
	err = input_replay_init(&c->replay, c->device.dev);
	return err ? err : vu_program_add_control(program, NULL, c, &c->script);
}

void input_control_fini(struct input_control *c)
{
	c->script = NULL; /* the program has freed it */
	input_replay_stop(&c->replay);
}
