/* SPDX-License-Identifier: MIT */
/*
 * Blobs of the host's that are made, mapped and taken away at random, by a guest that waits for no
 * answer, while the renderer stands still for a while and the front-end answers late, or refuses.
 * In the end nothing is mapped, and no descriptor is left.
 */
#include "blobs.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "bad_renderer.h"
#include "kit/counts.h"

enum { CONTEXT = 1, STEPS = 3000, IDS = 4, PLACES = 4, SLOTS = 16, HEARD = 64 };

static struct rig *rig;
static uint64_t seed;
static bool stands_still;
static int renderer;

/* Commands that are not answered yet. */
static struct slot {
	bool used;
	struct rig_buffer out, in;
} slots[SLOTS];

/* What the front-end is to answer, the oldest first. */
static struct frontend_msg heard[HEARD];
static uint32_t n_heard;

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

/* --- the front-end --- */

static void hear(void)
{
	while (n_heard < HEARD && !frontend_recv_backend(&rig->peer->frontend, &heard[n_heard], 0))
		n_heard++;
}

static void answer(uint64_t value)
{
	if (!n_heard)
		return;
	blob_answer(&heard[0], value);
	memmove(heard, heard + 1, --n_heard * sizeof(heard[0]));
}

/* --- the guest --- */

static void take_answers(void)
{
	while (driver_has_used(rig->peer->queues[GPU_CONTROL]))
		((struct slot *)rig_wait(rig, GPU_CONTROL, NULL))->used = false;
}

static bool waits(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (slots[i].used)
			return true;
	return false;
}

static void offer(const void *command, uint32_t len)
{
	struct driver_seg segs[2];
	struct slot *slot = slots;

	while (slot < slots + SLOTS && slot->used)
		slot++;
	if (slot == slots + SLOTS)
		return;
	slot->used = true;
	memcpy(slot->out.data, command, len);
	segs[0] = rig_read_seg(&slot->out, len);
	segs[1] = rig_write_seg(&slot->in, slot->in.len);
	rig_offer(rig, GPU_CONTROL, segs, 2, slot);
}

static struct virtio_gpu_ctrl_hdr head(uint32_t type)
{
	return (struct virtio_gpu_ctrl_hdr){.type = htole32(type),
					    .flags = htole32(any(4) ? 0 : VIRTIO_GPU_FLAG_FENCE),
					    .ctx_id = htole32(CONTEXT)};
}

static void offer_create(uint32_t id)
{
	const struct virtio_gpu_resource_create_blob c = {
		.hdr = head(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
		.resource_id = htole32(id),
		.blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_HOST3D),
		.blob_flags = htole32(BLOB_MAPPABLE),
		.blob_id = htole64(any(8) ? BLOB_GOOD : BLOB_REFUSED),
		.size = htole64(BAD_BLOB),
	};

	offer(&c, sizeof(c));
}

static void offer_map(uint32_t id)
{
	const struct virtio_gpu_resource_map_blob c = {
		.hdr = head(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB),
		.resource_id = htole32(id),
		.offset = htole64((uint64_t)any(PLACES) * BLOB_PAGE),
	};

	offer(&c, sizeof(c));
}

/* RESOURCE_UNMAP_BLOB and RESOURCE_UNREF look the same. */
static void offer_id(uint32_t type, uint32_t id)
{
	const struct virtio_gpu_resource_unmap_blob c = {.hdr = head(type),
							 .resource_id = htole32(id)};

	offer(&c, sizeof(c));
}

/* --- both --- */

static void stand_still(bool still)
{
	assert_return_code(kill(renderer, still ? SIGSTOP : SIGCONT), errno);
	stands_still = still;
}

static void restart(void)
{
	stand_still(false);
	rig_check(rig, peer_stop(rig->peer));
	take_answers();
	for (uint32_t q = 0; q < GPU_QUEUES; q++) {
		rig_check(rig, peer_start_queue(rig->peer, q));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, q, true));
	}
}

static void step(void)
{
	const uint32_t id = 1 + any(IDS);

	switch (any(12)) {
	case 0:
	case 1:
		offer_create(id);
		break;
	case 2:
	case 3:
	case 4:
		offer_map(id);
		break;
	case 5:
	case 6:
		offer_id(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, id);
		break;
	case 7:
		offer_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, id);
		break;
	case 8:
		if (!any(4))
			stand_still(!stands_still);
		break;
	case 9:
		if (!any(16))
			restart();
		break;
	default:
		gpu_expect_state(0, "resource 0"); /* it had its turn */
		hear();
		answer(!any(8));
	}
	take_answers();
}

static void finish(void)
{
	stand_still(false);
	while (waits()) {
		hear();
		answer(0);
		take_answers();
		usleep(1000);
	}
	for (uint32_t id = 1; id <= IDS; id++)
		gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, id);
	do {
		rig_say(rig, "state");
		for (hear(); n_heard; hear())
			answer(0);
	} while (!strstr(rig_say(rig, "state"), "blobs mapped 0"));
}

static void whatever_overtakes_what_leaves_nothing(void **state)
{
	int before;

	rig = *state;
	seed = 1;
	n_heard = 0;
	three_start_blobs(rig, NULL);
	for (uint32_t i = 0; i < SLOTS; i++) {
		slots[i].used = false;
		rig_buffer(rig, &slots[i].out, 128);
		rig_buffer(rig, &slots[i].in, sizeof(struct virtio_gpu_resp_map_info));
	}
	gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
	renderer = three_renderer(rig, 0);
	before = count_fds_of(rig->program.pid);
	for (uint32_t i = 0; i < STEPS; i++)
		step();
	finish();
	assert_int_equal(count_fds_of(rig->program.pid), before);
	assert_non_null(strstr(rig_say(rig, "state"), "resources 0 bytes 0 of"));
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(whatever_overtakes_what_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
