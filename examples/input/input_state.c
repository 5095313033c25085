/* SPDX-License-Identifier: MIT */
/*
 * What of a device is pressed, switched, touched.
 *
 * Kept twice: as it is, and as the guest was told.  Events that the guest never got leave a
 * difference, and the events that make it good are found here.
 */
#include "input.h"

#include <string.h>

enum { TRACKING = ABS_MT_TRACKING_ID - INPUT_MT_FIRST };

void input_state_init(struct input_state *state, const struct input_about *about)
{
	memset(state, 0, sizeof(*state));
	state->slots = input_has(about, EV_ABS, ABS_MT_SLOT);
	for (uint32_t i = 0; i < INPUT_SLOTS; i++)
		state->mt[i][TRACKING] = -1;
}

static void input_set_bit(uint8_t *bitmap, uint32_t bytes, uint32_t bit, bool on)
{
	if (bit / 8 >= bytes)
		return;
	if (on)
		bitmap[bit / 8] = (uint8_t)(bitmap[bit / 8] | 1 << bit % 8);
	else
		bitmap[bit / 8] = (uint8_t)(bitmap[bit / 8] & ~(1 << bit % 8));
}

void input_state_apply(struct input_state *state, const struct input_ev *ev)
{
	int32_t slot = state->abs[ABS_MT_SLOT];

	switch (ev->type) {
	case EV_KEY:
		input_set_bit(state->keys, sizeof(state->keys), ev->code, ev->value);
		break;
	case EV_SW:
		input_set_bit(state->switches, sizeof(state->switches), ev->code, ev->value);
		break;
	case EV_ABS:
		if (ev->code < INPUT_MT_FIRST)
			state->abs[ev->code] = ev->value;
		else if (ev->code < INPUT_MT_FIRST + INPUT_MT_AXES && slot >= 0 &&
			 slot < INPUT_SLOTS)
			state->mt[slot][ev->code - INPUT_MT_FIRST] = ev->value;
		break;
	}
}

bool input_state_pressed(const struct input_state *state, uint32_t key)
{
	return key / 8 < sizeof(state->keys) && state->keys[key / 8] >> key % 8 & 1;
}

bool input_state_touched(const struct input_state *state, uint32_t slot)
{
	return slot < INPUT_SLOTS && state->mt[slot][TRACKING] >= 0;
}

void input_state_let_go(struct input_state *state)
{
	memset(state->keys, 0, sizeof(state->keys));
	for (uint32_t i = 0; i < INPUT_SLOTS; i++)
		state->mt[i][TRACKING] = -1;
}

struct input_list {
	struct input_ev *events;
	uint32_t n;
};

static void input_list_add(struct input_list *list, uint32_t type, uint32_t code, int32_t value)
{
	list->events[list->n++] = (struct input_ev){(uint16_t)type, (uint16_t)code, value};
}

static void input_bit_changes(struct input_list *list, uint32_t type, const uint8_t *from,
			      const uint8_t *to, uint32_t bytes, bool again)
{
	for (uint32_t i = 0; i < bytes * 8; i++) {
		bool was = from[i / 8] >> i % 8 & 1, is = to[i / 8] >> i % 8 & 1;

		if (was != is || (again && is))
			input_list_add(list, type, i, is);
	}
}

/* The slot's axes, once it is selected. */
static void input_slot_changes(struct input_list *list, const int32_t *from, const int32_t *to,
			       bool again)
{
	/* The contact first: what follows is of this one. */
	if (from[TRACKING] != to[TRACKING] || again)
		input_list_add(list, EV_ABS, ABS_MT_TRACKING_ID, to[TRACKING]);
	for (uint32_t i = 0; i < INPUT_MT_AXES; i++)
		if (i != TRACKING && (from[i] != to[i] || (again && to[i])))
			input_list_add(list, EV_ABS, INPUT_MT_FIRST + i, to[i]);
}

static void input_contact_changes(struct input_list *list, const struct input_state *from,
				  const struct input_state *to, bool again)
{
	int32_t selected = from->abs[ABS_MT_SLOT], wanted = to->abs[ABS_MT_SLOT];

	for (int32_t i = 0; i < INPUT_SLOTS; i++) {
		bool touched = again && to->mt[i][TRACKING] >= 0;

		if (!touched && !memcmp(from->mt[i], to->mt[i], sizeof(from->mt[i])))
			continue;
		input_list_add(list, EV_ABS, ABS_MT_SLOT, i);
		input_slot_changes(list, from->mt[i], to->mt[i], touched);
		selected = i;
	}
	if (selected != wanted || (again && wanted))
		input_list_add(list, EV_ABS, ABS_MT_SLOT, wanted);
}

uint32_t input_state_changes(const struct input_state *from, const struct input_state *to,
			     bool again, struct input_ev *events)
{
	struct input_list list = {.events = events};

	input_bit_changes(&list, EV_KEY, from->keys, to->keys, sizeof(from->keys), again);
	input_bit_changes(&list, EV_SW, from->switches, to->switches, sizeof(from->switches),
			  again);
	for (uint32_t i = 0; i < ABS_MT_SLOT; i++)
		if (from->abs[i] != to->abs[i] || (again && to->abs[i]))
			input_list_add(&list, EV_ABS, i, to->abs[i]);
	if (to->slots)
		input_contact_changes(&list, from, to, again);
	return list.n;
}
