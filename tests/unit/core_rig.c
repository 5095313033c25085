/* SPDX-License-Identifier: MIT */
/* The transport, the device and the driver of core_rig.h. */
#include "core_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem/region.h"
#include "mem/table.h"

static void note(struct core_rig *rig, const char *word)
{
	size_t used = strlen(rig->trace);

	snprintf(rig->trace + used, sizeof(rig->trace) - used, "%s%s", used ? " " : "", word);
}

static void rig_proceed(struct transport *t)
{
	(void)t;
}

static void rig_tell(struct transport *t)
{
	struct core_rig *rig = (struct core_rig *)t;
	uint32_t news;

	while (device_next_untold(rig->dev, &news))
		rig->told |= news;
	if (config_take_change(&rig->dev->config))
		note(rig, "config");
}

static void rig_silent(struct transport *t)
{
	note((struct core_rig *)t, "silent");
}

static void rig_disconnect(struct transport *t)
{
	note((struct core_rig *)t, "disconnect");
}

static void rig_release(struct transport *t)
{
	note((struct core_rig *)t, "release");
}

static const struct transport_ops rig_transport = {
	.proceed = rig_proceed,
	.tell = rig_tell,
	.silent = rig_silent,
	.disconnect = rig_disconnect,
	.release = rig_release,
};

static void rig_done(struct waiter *w)
{
	struct core_rig *rig =
		(struct core_rig *)(void *)((char *)w - offsetof(struct core_rig, waiter));

	if (!rig->waits)
		note(rig, "done");
	rig->waits = false;
}

static int dev_begin(struct vu_device *dev, void *opaque)
{
	struct core_rig *rig = opaque;

	(void)dev;
	note(rig, "begin");
	return rig->begin_result;
}

static void dev_end(struct vu_device *dev, int why, void *opaque)
{
	(void)dev;
	note(opaque, "end");
	((struct core_rig *)opaque)->why = why;
}

static int dev_started(struct vu_device *dev, void *opaque)
{
	struct core_rig *rig = opaque;

	(void)dev;
	note(rig, "started");
	return rig->started_result;
}

static void dev_stopped(struct vu_device *dev, void *opaque)
{
	(void)dev;
	note(opaque, "stopped");
}

static void dev_reset(struct vu_device *dev, void *opaque)
{
	(void)dev;
	note(opaque, "reset");
}

static void dev_ready(struct vu_queue *queue, void *opaque)
{
	struct core_rig *rig = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		unsigned char bytes[CORE_BYTES];
		size_t n = vu_req_read(req, 0, bytes, sizeof(bytes));

		if (rig->holds) {
			assert_true(rig->n_held < CORE_HELD);
			rig->held[rig->n_held++] = req;
			continue;
		}
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)~bytes[i];
		assert_int_equal(vu_req_complete(req, vu_req_write(req, 0, bytes, n)), 0);
	}
}

static void dev_stop(struct vu_queue *queue, void *opaque)
{
	struct core_rig *rig = opaque;

	rig->stops[vu_queue_index(queue)]++;
	note(rig, vu_queue_index(queue) ? "stop1" : "stop0");
}

void core_make(struct core_rig *rig, bool grouped)
{
	const struct vu_device_info info = {.size = sizeof(info),
					    .name = "core",
					    .n_queues = CORE_QUEUES,
					    .config_size = 4,
					    .log_fn = log_book_write,
					    .log_opaque = &rig->log};
	const struct vu_ops ops = {.size = sizeof(ops),
				   .session_begin = dev_begin,
				   .session_end = dev_end,
				   .started = dev_started,
				   .stopped = dev_stopped,
				   .reset = dev_reset,
				   .queue_ready = dev_ready,
				   .queue_stop = dev_stop};
	const struct guest_region region = {.size = 1 << 20, .uva = 1 << 30};

	memset(rig, 0, sizeof(*rig));
	log_book_open(&rig->log);
	rig->transport.ops = &rig_transport;
	rig->waiter.done = rig_done;
	assert_int_equal(vu_device_new(&info, &ops, rig, &rig->dev), 0);
	if (grouped) {
		assert_int_equal(vu_group_new(&rig->group), 0);
		assert_int_equal(vu_queue_set_group(vu_device_queue(rig->dev, 1), rig->group), 0);
	}
	assert_int_equal(guest_new(&rig->guest), 0);
	assert_int_equal(guest_add(rig->guest, &region), 0);
	for (uint32_t i = 0; i < CORE_QUEUES; i++) {
		const struct driver_config config = {
			.guest = rig->guest, .index = i, .size = CORE_SIZE};

		rig->buffers[i] = guest_alloc(rig->guest, 2 * CORE_BYTES, 8);
		assert_int_equal(driver_new(&config, &rig->driver[i]), 0);
	}
}

static struct table *core_map(struct core_rig *rig)
{
	const struct guest_region *g = &rig->guest->regions[0];
	const struct region_info info = {g->gpa, g->size, g->uva, g->mmap_offset};
	struct region *region;
	struct table *table;
	const char *why;

	assert_int_equal(region_map(rig->dev->mappings, &info, g->fd, &region, &why), 0);
	assert_int_equal(table_new(&region, 1, &table), 0);
	region_unref(region);
	return table;
}

void core_begin(struct core_rig *rig)
{
	assert_int_equal(control_begin(rig->dev, &rig->transport), 0);
	assert_int_equal(control_set_features(rig->dev, UINT64_C(1) << VU_F_VERSION_1), 0);
	assert_int_equal(core_wait(rig, control_use_features(rig->dev, &rig->waiter)), 0);
	assert_int_equal(core_wait(rig, control_set_memory(rig->dev, core_map(rig), &rig->waiter)),
			 0);
}

void core_set_up(struct core_rig *rig, uint32_t index)
{
	struct vu_queue *q = vu_device_queue(rig->dev, index);
	const struct driver_ring *d = rig->driver[index];
	const uint64_t user = rig->guest->regions[0].uva;

	driver_reset(rig->driver[index]);
	control_set_size(q, d->size);
	control_set_areas(q, user + d->desc_gpa, user + d->avail_gpa, user + d->used_gpa);
	control_set_base(q, 0);
	assert_int_equal(control_set_fd(q, QUEUE_KICK, dup(d->kick.device)), 0);
	assert_int_equal(control_set_fd(q, QUEUE_CALL, dup(d->call.device)), 0);
}

int core_wait(struct core_rig *rig, int rc)
{
	if (rc < 0)
		return rc;
	rig->waits = rc == VERB_LATER;
	core_pump(rig);
	assert_false(rig->waits);
	return rig->waiter.result;
}

void core_pump(struct core_rig *rig)
{
	bool more;

	do {
		int rc = vu_device_process(rig->dev);

		rig->reported += (rc & VU_PROCESS_ENDED) != 0;
		more = rc & VU_PROCESS_MORE;
		if (rig->group)
			more |= vu_group_process(rig->group, 0) > 0 || vu_group_arm(rig->group);
		more |= atomic_load(&rig->dev->attention);
	} while (more);
}

void core_free(struct core_rig *rig)
{
	vu_device_free(rig->dev);
	vu_group_free(rig->group);
	for (uint32_t i = 0; i < CORE_QUEUES; i++)
		driver_free(rig->driver[i]);
	guest_free(rig->guest);
}

void core_expect(struct core_rig *rig, const char *trace)
{
	assert_string_equal(rig->trace, trace);
	rig->trace[0] = '\0';
}

void core_offer(struct core_rig *rig, uint32_t index)
{
	const struct driver_seg segs[] = {{rig->buffers[index], CORE_BYTES, false},
					  {rig->buffers[index] + CORE_BYTES, CORE_BYTES, true}};

	assert_true(driver_add(rig->driver[index], segs, 2, NULL) >= 0);
	driver_publish(rig->driver[index]);
}

void core_expect_used(struct core_rig *rig, uint32_t index, uint32_t n)
{
	struct driver_used used[CORE_SIZE];

	assert_int_equal(driver_collect(rig->driver[index], used, CORE_SIZE), n);
}
