/* SPDX-License-Identifier: MIT */
/* The device: making it, taking it down, and what it is. */
#include "core/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/hold.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "core/patience.h"
#include "mem/mappings.h"

enum { MAX_QUEUES = 256, MAX_PRIV = 65536, DEFAULT_SEGS = 1024, MAX_SEGS = 65536 };

/* Of addresses there are 2^47 on x86-64, 2^48 on arm64, 2^31 or so in 32 bits. */
#define DEFAULT_MEMORY (sizeof(void *) > 4 ? UINT64_C(8) << 40 : UINT64_C(1) << 30)

#define BIT(n) (UINT64_C(1) << (n))

/* The bits that belong to the ring and the transport: the library's, not the device's. */
static const uint64_t ring_bits = BIT(VU_F_VERSION_1) | BIT(VU_F_INDIRECT_DESC) |
				  BIT(VU_F_EVENT_IDX) | BIT(VU_F_RING_PACKED) |
				  BIT(VU_F_PROTOCOL_FEATURES) | BIT(VU_F_LOG_ALL);
static const uint64_t reserved_bits = BIT(VU_F_LOG_ALL) | BIT(VU_F_PROTOCOL_FEATURES) |
				      ((BIT(VU_F_RING_RESET + 1) - BIT(VU_F_NOTIFY_ON_EMPTY)) &
				       ~BIT(VU_F_IN_ORDER) & ~BIT(VU_F_ACCESS_PLATFORM));

static const char *device_check(const struct vu_device_info *info)
{
	if (!info->n_queues || info->n_queues > MAX_QUEUES)
		return "n_queues must be 1 to 256";
	if (info->config_size > CONFIG_MAX)
		return "config_size must be at most 4096";
	if ((info->config || info->config_writable) && !info->config_size)
		return "config or config_writable is given, but config_size is 0";
	if (info->max_queue_size > RING_MAX_SIZE)
		return "max_queue_size must be at most 32768";
	if (info->max_segs > MAX_SEGS)
		return "max_segs must be at most 65536";
	if (info->priv_size > MAX_PRIV)
		return "priv_size must be at most 65536";
	if (info->flags & ~(uint32_t)(VU_DEVICE_INBAND | VU_DEVICE_DEBUG | VU_DEVICE_LEGACY |
				      VU_DEVICE_ANY_MEMORY))
		return "flags has an unknown bit";
	if (info->features & reserved_bits)
		return "features may only have bits of the device type: the others are the "
		       "library's";
	if (info->required & ~(info->features | ring_bits) || info->required_high)
		return "required has a bit that is not offered";
	if (info->required & info->forbidden)
		return "required and forbidden share a bit";
	return NULL;
}

static void device_log_init(struct vu_device *dev, const struct vu_device_info *info)
{
	char name[32];

	snprintf(name, sizeof(name), "virtio%u", info->device_id);
	log_init(&dev->log, info->name ? info->name : name, info->log_level, info->log_fn,
		 info->log_opaque);
}

/* Fill in defaults; the caller's pointers are only used here. */
static int device_setup(struct vu_device *dev)
{
	struct vu_device_info *info = &dev->info;
	int err;

	if (device_check(info)) {
		log_error(&dev->log, "vu_device_new: %s", device_check(info));
		return -EINVAL;
	}
	if (!info->max_queue_size)
		info->max_queue_size = RING_MAX_SIZE;
	if (!info->max_segs)
		info->max_segs = DEFAULT_SEGS;
	dev->offered = info->features | ring_bits;
	/* virtio 1.3 §6.3: a device for legacy drivers must offer it; we take any layout. */
	if (info->flags & VU_DEVICE_LEGACY)
		dev->offered |= BIT(VU_F_ANY_LAYOUT);
	dev->offered &= ~info->forbidden;
	err = config_init(&dev->config, info);
	if (!err)
		err = answers_init(dev);
	if (err)
		return err;
	dev->mappings = mappings_new();
	if (!dev->mappings)
		return -ENOMEM;
	/* Once there are queues they are initialized, whatever else fails: see vu_device_free(). */
	dev->queues = calloc(info->n_queues, sizeof(*dev->queues));
	if (!dev->queues)
		return -ENOMEM;
	mappings_set_limit(dev->mappings, info->max_memory ? info->max_memory : DEFAULT_MEMORY);
	for (uint32_t i = 0; i < info->n_queues; i++) {
		queue_init(&dev->queues[i], dev, i);
		dev->queues[i].info = (struct vu_queue_info){
			.size = sizeof(struct vu_queue_info),
			.max_size = info->max_queue_size,
			.max_segs = info->max_segs,
			.priv_size = info->priv_size,
		};
	}
	dev->own.own_of = dev;
	err = group_init(&dev->own);
	/* A group's wake_fd is never read: it takes 2^64 wakes to fill it. */
	bell_init(&dev->bell, dev->own.wake_fd);
	return err;
}

/* For a device without queue_ready, which takes requests when it sees fit. */
static void device_ignore_queue(struct vu_queue *q, void *opaque)
{
	(void)q;
	(void)opaque;
}

int vu_device_new(const struct vu_device_info *info, const struct vu_ops *ops, void *opaque,
		  struct vu_device **out)
{
	struct vu_device *dev = calloc(1, sizeof(*dev));
	int err;

	if (!dev)
		return -ENOMEM;
	dev->opaque = opaque;
	dev->own.epoll_fd = dev->own.wake_fd = dev->own.again_fd = -1;
	dev->userfault = -1;
	dev->message_timeout_ns = DEFAULT_MESSAGE_TIMEOUT_NS;
	patience_init(&dev->patience);
	closer_init(&dev->closer);
	pthread_mutex_init(&dev->config.lock, NULL);
	/* A size that says that these members are not there leaves only the usual log. */
	if (info->size >= FIRST_DEVICE_INFO && info->size <= SIZE_STRUCT_MAX)
		device_log_init(dev, info);
	else
		log_init(&dev->log, "vu_device_new", VU_LOG_ERROR, NULL, NULL);
	err = size_struct_take(&dev->log, &dev->info, sizeof(dev->info), info, FIRST_DEVICE_INFO,
			       "struct vu_device_info");
	if (!err && ops)
		err = size_struct_take(&dev->log, &dev->ops, sizeof(dev->ops), ops, FIRST_OPS,
				       "struct vu_ops");
	if (!dev->ops.queue_ready)
		dev->ops.queue_ready = device_ignore_queue;
	if (!err)
		err = device_setup(dev);
	if (err) {
		vu_device_free(dev);
		return err;
	}
	/* These belong to the caller and may be gone tomorrow. */
	dev->info.name = NULL;
	dev->info.config = dev->info.config_writable = NULL;
	*out = dev;
	return 0;
}

static uint32_t device_count_queues(const struct vu_device *dev)
{
	return dev->queues ? dev->info.n_queues : 0;
}

/* Is a callback running, of the device's thread or, as far as that is this one, of a group's? */
static bool device_is_inside(const struct vu_device *dev)
{
	bool inside = group_is_inside(&dev->own);

	for (uint32_t i = 0; i < device_count_queues(dev); i++)
		inside |= group_is_inside_here(dev->queues[i].group);
	return inside;
}

/* What queues' threads were told has been done after this: here, if there is no such thread. */
static void device_flush_groups(struct vu_device *dev)
{
	const struct vu_group *flushed = &dev->own;

	for (uint32_t i = 0; i < device_count_queues(dev); i++) {
		struct vu_group *g = dev->queues[i].group;

		if (g != &dev->own && g != flushed)
			group_flush(g);
		flushed = g;
	}
	for (uint32_t i = 0; i < device_count_queues(dev); i++)
		group_settle(&dev->queues[i]);
}

/* No group's thread has anything to do with the device's queues after this. */
static void device_leave_groups(struct vu_device *dev)
{
	device_take_last(dev);
	for (uint32_t i = 0; i < device_count_queues(dev); i++) {
		group_settle(&dev->queues[i]);
		group_move_queue(&dev->queues[i], &dev->own);
	}
}

/* Does a thread that holds no group serve one of its queues now? */
static bool device_is_served_elsewhere(const struct vu_device *dev)
{
	for (uint32_t i = 0; i < device_count_queues(dev); i++)
		if (group_is_used(dev->queues[i].group))
			return true;
	return false;
}

/* What cannot be freed: NULL, or why. */
static const char *device_why_kept(const struct vu_device *dev)
{
	if (device_is_inside(dev))
		return "vu_device_free() inside a callback of the device is ignored: free it when "
		       "that has returned";
	if (atomic_load(&dev->holders))
		return "vu_device_free() of a device that a runner serves is ignored: "
		       "vu_runner_remove() it, or free the runner first";
	if (device_is_served_elsewhere(dev))
		return "vu_device_free() while another thread serves its queues is ignored: end "
		       "that thread first, or let it take the group by vu_group_hold()";
	return NULL;
}

void vu_device_hold(struct vu_device *dev)
{
	atomic_fetch_add(&dev->holders, 1);
}

void vu_device_release(struct vu_device *dev)
{
	atomic_fetch_sub(&dev->holders, 1);
}

void vu_device_free(struct vu_device *dev)
{
	const char *why = dev ? device_why_kept(dev) : NULL;

	if (!dev)
		return;
	if (why) {
		log_peer_error(&dev->log, "%s", why);
		return;
	}
	dev->running.beginning = true;
	vu_device_detach(dev);
	vu_device_unguard(dev);
	device_enter(dev);
	group_run_last_posts(&dev->own);
	device_flush_groups(dev);
	answers_fini(dev);
	device_leave_groups(dev);
	while (dev->parts) {
		struct part *part = dev->parts;

		dev->parts = part->next;
		part->ops->free(part);
	}
	log_tell_left_out(&dev->log);
	for (uint32_t i = 0; dev->queues && i < dev->info.n_queues; i++)
		queue_fini(&dev->queues[i]);
	patience_fini(&dev->patience);
	closer_fini(&dev->closer);
	bell_close(&dev->bell);
	group_fini(&dev->own);
	config_fini(&dev->config);
	mappings_unref(dev->mappings);
	if (dev->userfault >= 0)
		close(dev->userfault);
	free(dev->queues);
	free(dev);
}

int vu_device_limit_memory(struct vu_device *dev, uint64_t max_memory, int any)
{
	if (vu_device_is_attached(dev))
		return -EBUSY;
	if (max_memory)
		mappings_set_limit(dev->mappings, max_memory);
	if (any)
		dev->info.flags |= VU_DEVICE_ANY_MEMORY;
	return 0;
}

int vu_device_offer_iommu(struct vu_device *dev)
{
	if (vu_device_is_attached(dev))
		return -EBUSY;
	if (dev->info.forbidden & BIT(VU_F_ACCESS_PLATFORM))
		return -ENOTSUP;
	dev->offered |= BIT(VU_F_ACCESS_PLATFORM);
	return 0;
}

void vu_device_set_message_timeout(struct vu_device *dev, uint64_t ns)
{
	dev->message_timeout_ns = ns;
}

uint64_t vu_device_message_timeout(const struct vu_device *dev)
{
	return dev->message_timeout_ns;
}

int vu_device_fd(const struct vu_device *dev)
{
	return dev->own.epoll_fd;
}

int vu_device_fault(struct vu_device *dev, const void *addr)
{
	if (!mappings_fault(dev->mappings, addr))
		return 0;
	atomic_store(&dev->faulted, true);
	device_wake(dev);
	return 1;
}

struct vu_queue *vu_device_queue(struct vu_device *dev, uint32_t index)
{
	return index < dev->info.n_queues ? &dev->queues[index] : NULL;
}

void *vu_device_opaque(const struct vu_device *dev)
{
	return dev->opaque;
}

const char *vu_device_name(const struct vu_device *dev)
{
	return dev->log.name;
}

uint64_t vu_device_features(const struct vu_device *dev)
{
	return atomic_load(&dev->features);
}

int vu_device_has_feature(const struct vu_device *dev, uint32_t bit)
{
	return bit < 64 && vu_device_features(dev) >> bit & 1;
}

void vu_device_log(struct vu_device *dev, enum vu_log_level level, const char *line)
{
	log_at(&dev->log, level, "%s", line);
}

void vu_device_log_peer(struct vu_device *dev, enum vu_log_level level, const char *line)
{
	log_peer(&dev->log, level, "%s", line);
}

int vu_queue_configure(struct vu_queue *q, const struct vu_queue_info *info)
{
	struct vu_queue_info in;
	int err = size_struct_take(&q->dev->log, &in, sizeof(in), info, FIRST_QUEUE_INFO,
				   "struct vu_queue_info");

	if (err)
		return err;
	if (vu_device_is_attached(q->dev))
		return -EBUSY;
	if (in.max_size > RING_MAX_SIZE || in.max_segs > MAX_SEGS || in.priv_size > MAX_PRIV)
		return -EINVAL;
	if (in.max_size)
		q->info.max_size = in.max_size;
	if (in.max_segs)
		q->info.max_segs = in.max_segs;
	if (in.priv_size)
		q->info.priv_size = in.priv_size;
	q->info.discard_when_disabled = in.discard_when_disabled;
	return 0;
}
