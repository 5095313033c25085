/* SPDX-License-Identifier: MIT */
/* See state_rig.h. */
#include "rules/state_rig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int stateful_save(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		  void *opaque)
{
	struct stateful *s = opaque;
	void *bulk = calloc(1, s->bulk + 1);

	(void)dev;
	s->saved++;
	s->answer = answer;
	s->state = state;
	vu_state_put_u64(state, TAG_COUNT, 0, s->count);
	vu_state_put(state, TAG_NAME, 0, "first", 5);
	vu_state_put(state, TAG_NAME, 0, "second", 6);
	for (uint32_t i = 0; i < s->hints; i++)
		vu_state_put(state, TAG_HINT, VU_STATE_OPTIONAL, NULL, 0);
	if (s->bulk)
		vu_state_put(state, TAG_BULK, VU_STATE_OPTIONAL, bulk, s->bulk);
	if (s->extra)
		vu_state_put_u64(state, s->extra, 0, 0);
	free(bulk);
	return s->says;
}

int stateful_load(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		  void *opaque)
{
	struct stateful *s = opaque;
	const void *data;
	size_t len;
	int err;

	(void)dev;
	s->loaded++;
	s->answer = answer;
	s->state = state;
	err = vu_state_get_u64(state, TAG_COUNT, &s->count);
	if (!err)
		err = vu_state_get(state, TAG_NAME, 1, &data, &len);
	if (err)
		return err;
	memset(s->name, 0, sizeof(s->name));
	memcpy(s->name, data, len < sizeof(s->name) ? len : sizeof(s->name) - 1);
	assert_int_equal(vu_state_get(state, TAG_NAME, 2, &data, &len), -ENOENT);
	assert_int_equal(vu_state_get(state, 9, 0, &data, &len), -ENOENT);
	return s->says;
}

static const struct vu_state_ops state_ops = {
	.size = sizeof(state_ops), .version = 2, .save = stateful_save, .load = stateful_load};

void make_with(struct stateful *s, const struct vu_state_ops *ops)
{
	*s = (struct stateful){0};
	rig_make(&s->rig, NULL);
	assert_ok(vu_device_set_state_ops(s->rig.dev, ops));
	rig_connect(&s->rig);
}

void open_destination(struct stateful *s)
{
	make_with(s, &state_ops);
	assert_ok(peer_negotiate(s->rig.peer));
}

void open_source(struct stateful *s)
{
	make_with(s, &state_ops);
	assert_ok(peer_start(s->rig.peer));
	rig_roundtrip(&s->rig, 0, 3);
	assert_ok(peer_stop(s->rig.peer));
	s->is_source = true;
}

struct frontend *frontend_of(struct stateful *s)
{
	return &s->rig.peer->frontend;
}

void expect_goes_on(struct stateful *s)
{
	if (s->is_source) {
		rig_start_queue(&s->rig, 0);
	} else {
		assert_ok(peer_set_driver(s->rig.peer));
		assert_ok(peer_start_rings(s->rig.peer));
	}
	rig_roundtrip(&s->rig, 0, 3);
	rig_assert_idle(&s->rig);
}

void save_ok(struct stateful *s, void **bytes, size_t *len)
{
	if (frontend_save_state(frontend_of(s), bytes, len))
		fail_msg("%s\n%s", frontend_of(s)->error, s->rig.log.text);
}

void saved_state(uint64_t count, uint32_t extra, void **bytes, size_t *len)
{
	struct stateful source;

	open_source(&source);
	source.count = count;
	source.extra = extra;
	save_ok(&source, bytes, len);
	rig_close(&source.rig);
}

uint64_t set_fd(struct stateful *s, uint32_t direction, uint32_t phase, int *own)
{
	uint64_t value = 0;
	int fds[2];

	assert_ok(pipe(fds));
	(void)frontend_set_device_state_fd(frontend_of(s), direction, phase, fds[!direction],
					   &value, own);
	close(fds[0]);
	close(fds[1]);
	return value;
}
