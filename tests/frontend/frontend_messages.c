/* SPDX-License-Identifier: MIT */
/* One helper a message: payloads filled in, replies taken apart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/driver.h"
#include "frontend/frontend.h"
#include "frontend/guest.h"

static int tell_u64(struct frontend *f, uint32_t request, uint64_t value)
{
	return frontend_tell(f, request, &value, sizeof(value), NULL, 0);
}

static int tell_state(struct frontend *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct wire_vring_state state = {.index = index, .num = num};

	return frontend_tell(f, request, &state, sizeof(state), NULL, 0);
}

static int ask_u64(struct frontend *f, uint32_t request, uint64_t *value)
{
	return frontend_ask(f, request, NULL, 0, value, sizeof(*value));
}

int frontend_get_features(struct frontend *f, uint64_t *features)
{
	int ret = ask_u64(f, WIRE_GET_FEATURES, &f->offered_features);

	*features = f->offered_features;
	return ret;
}

int frontend_set_features(struct frontend *f, uint64_t features)
{
	f->features = features;
	return tell_u64(f, WIRE_SET_FEATURES, features);
}

int frontend_get_protocol_features(struct frontend *f, uint64_t *features)
{
	int ret = ask_u64(f, WIRE_GET_PROTOCOL_FEATURES, &f->offered_protocol_features);

	*features = f->offered_protocol_features;
	return ret;
}

int frontend_set_protocol_features(struct frontend *f, uint64_t features)
{
	f->protocol_features = features;
	return tell_u64(f, WIRE_SET_PROTOCOL_FEATURES, features);
}

int frontend_set_owner(struct frontend *f)
{
	return frontend_tell(f, WIRE_SET_OWNER, NULL, 0, NULL, 0);
}

int frontend_reset_owner(struct frontend *f)
{
	return frontend_tell(f, WIRE_RESET_OWNER, NULL, 0, NULL, 0);
}

int frontend_reset_device(struct frontend *f)
{
	return frontend_tell(f, WIRE_RESET_DEVICE, NULL, 0, NULL, 0);
}

int frontend_get_queue_num(struct frontend *f, uint64_t *n)
{
	return ask_u64(f, WIRE_GET_QUEUE_NUM, n);
}

int frontend_get_max_mem_slots(struct frontend *f, uint64_t *n)
{
	return ask_u64(f, WIRE_GET_MAX_MEM_SLOTS, n);
}

static bool uses_gpa(const struct frontend *f)
{
	return frontend_has(f, WIRE_PF_GPA_ADDRESSES);
}

static struct wire_region to_wire(const struct frontend *f, const struct guest_region *r)
{
	return (struct wire_region){
		.guest_addr = r->gpa,
		.size = r->size,
		.user_addr = uses_gpa(f) ? r->gpa : r->uva,
		.mmap_offset = r->mmap_offset,
	};
}

int frontend_set_mem_table(struct frontend *f, const struct guest *guest)
{
	struct wire_mem_table table = {.n_regions = guest->n_regions};
	int fds[WIRE_TABLE_REGIONS];
	uint32_t i;

	if (guest->n_regions > WIRE_TABLE_REGIONS)
		return frontend_fail(f, -E2BIG, "%u regions do not fit a memory table",
				     guest->n_regions);
	for (i = 0; i < guest->n_regions; i++) {
		table.regions[i] = to_wire(f, &guest->regions[i]);
		fds[i] = guest->regions[i].fd;
	}
	return frontend_tell(f, WIRE_SET_MEM_TABLE, &table,
			     (uint32_t)(offsetof(struct wire_mem_table, regions) +
					guest->n_regions * sizeof(struct wire_region)),
			     fds, guest->n_regions);
}

int frontend_add_mem_reg(struct frontend *f, const struct guest_region *region)
{
	struct wire_mem_reg reg = {.region = to_wire(f, region)};

	return frontend_tell(f, WIRE_ADD_MEM_REG, &reg, sizeof(reg), &region->fd, 1);
}

int frontend_rem_mem_reg(struct frontend *f, const struct guest_region *region)
{
	struct wire_mem_reg reg = {.region = to_wire(f, region)};

	return frontend_tell(f, WIRE_REM_MEM_REG, &reg, sizeof(reg), NULL, 0);
}

int frontend_set_memory(struct frontend *f, const struct guest *guest)
{
	uint32_t i;

	if (!frontend_has(f, WIRE_PF_CONFIGURE_MEM_SLOTS))
		return frontend_set_mem_table(f, guest);
	for (i = 0; i < guest->n_regions; i++) {
		int ret = frontend_add_mem_reg(f, &guest->regions[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int frontend_set_vring_num(struct frontend *f, uint32_t index, uint32_t num)
{
	return tell_state(f, WIRE_SET_VRING_NUM, index, num);
}

int frontend_set_vring_base(struct frontend *f, uint32_t index, uint32_t base)
{
	return tell_state(f, WIRE_SET_VRING_BASE, index, base);
}

int frontend_get_vring_base(struct frontend *f, uint32_t index, uint32_t *base)
{
	struct wire_vring_state state = {.index = index}, reply;
	int ret =
		frontend_ask(f, WIRE_GET_VRING_BASE, &state, sizeof(state), &reply, sizeof(reply));

	if (ret < 0)
		return ret;
	if (reply.index != index)
		return frontend_fail(f, -EPROTO, "GET_VRING_BASE(%u) answered for queue %u", index,
				     reply.index);
	*base = reply.num;
	return 0;
}

int frontend_set_vring_addr(struct frontend *f, const struct wire_vring_addr *addr)
{
	return frontend_tell(f, WIRE_SET_VRING_ADDR, addr, sizeof(*addr), NULL, 0);
}

static int tell_vring_fd(struct frontend *f, uint32_t request, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? WIRE_VRING_NOFD : 0);

	return frontend_tell(f, request, &value, sizeof(value), &fd, fd < 0 ? 0 : 1);
}

int frontend_set_vring_kick(struct frontend *f, uint32_t index, int fd)
{
	return tell_vring_fd(f, WIRE_SET_VRING_KICK, index, fd);
}

int frontend_set_vring_call(struct frontend *f, uint32_t index, int fd)
{
	return tell_vring_fd(f, WIRE_SET_VRING_CALL, index, fd);
}

int frontend_set_vring_err(struct frontend *f, uint32_t index, int fd)
{
	return tell_vring_fd(f, WIRE_SET_VRING_ERR, index, fd);
}

int frontend_set_vring_enable(struct frontend *f, uint32_t index, bool enable)
{
	return tell_state(f, WIRE_SET_VRING_ENABLE, index, enable);
}

int frontend_vring_kick(struct frontend *f, uint32_t index)
{
	return tell_state(f, WIRE_VRING_KICK, index, 0);
}

/* Where the driver says that it is, as the front-end passes it on. */
static uint64_t area_addr(const struct frontend *f, const struct driver_ring *ring, uint64_t gpa)
{
	/* VIRTIO_F_ACCESS_PLATFORM: the driver's own address, which an IOMMU translates. */
	if (f->features >> 33 & 1)
		return gpa + ring->iova_offset;
	return uses_gpa(f) ? gpa : guest_uva(ring->guest, gpa);
}

int frontend_set_ring_addr(struct frontend *f, const struct driver_ring *ring, uint32_t vring_flags)
{
	struct wire_vring_addr addr = {
		.index = ring->index,
		.flags = vring_flags,
		.desc = area_addr(f, ring, ring->desc_gpa),
		.used = area_addr(f, ring, ring->used_gpa),
		.avail = area_addr(f, ring, ring->avail_gpa),
		.log = ring->used_gpa + ring->iova_offset,
	};

	return frontend_set_vring_addr(f, &addr);
}

int frontend_setup_ring(struct frontend *f, const struct driver_ring *ring, uint32_t vring_flags)
{
	int ret = frontend_set_vring_num(f, ring->index, ring->size);

	if (ret == 0)
		ret = frontend_set_vring_base(f, ring->index, ring->base);
	if (ret == 0)
		ret = frontend_set_ring_addr(f, ring, vring_flags);
	return ret;
}

int frontend_get_config(struct frontend *f, uint32_t offset, void *data, uint32_t size)
{
	const struct wire_config config = {.offset = offset, .size = size};
	struct frontend_msg reply = {0};
	struct wire_config got;
	int ret;

	if (size > WIRE_CONFIG_MAX)
		return frontend_fail(f, -E2BIG, "GET_CONFIG: %u bytes are too many", size);
	/* The request has room for the data: its buffer can be the reply's. */
	memcpy(reply.payload, &config, sizeof(config));
	ret = frontend_ask_msg(f, WIRE_GET_CONFIG, reply.payload, (uint32_t)sizeof(config) + size,
			       NULL, 0, &reply);
	if (ret < 0)
		return ret;
	frontend_msg_close_fds(&reply);
	if (reply.hdr.size == 0)
		return frontend_fail(f, -EREMOTEIO, "GET_CONFIG: refused");
	memcpy(&got, reply.payload, sizeof(got));
	/* An error may also keep the header and drop the data. */
	if (reply.hdr.size == sizeof(got) && got.size == 0 && size)
		return frontend_fail(f, -EREMOTEIO, "GET_CONFIG: refused");
	if (reply.hdr.size != sizeof(config) + size || got.offset != offset || got.size != size)
		return frontend_fail(f, -EPROTO, "GET_CONFIG: %u bytes, offset %u size %u",
				     reply.hdr.size, got.offset, got.size);
	memcpy(data, reply.payload + sizeof(got), size);
	return 0;
}

int frontend_set_config(struct frontend *f, uint32_t offset, const void *data, uint32_t size,
			uint32_t flags)
{
	const struct wire_config config = {.offset = offset, .size = size, .flags = flags};
	unsigned char request[sizeof(config) + WIRE_CONFIG_MAX];

	if (size > WIRE_CONFIG_MAX)
		return frontend_fail(f, -E2BIG, "SET_CONFIG: %u bytes are too many", size);
	memcpy(request, &config, sizeof(config));
	memcpy(request + sizeof(config), data, size);
	return frontend_tell(f, WIRE_SET_CONFIG, request, (uint32_t)sizeof(config) + size, NULL, 0);
}

int frontend_get_status(struct frontend *f, uint64_t *status)
{
	return ask_u64(f, WIRE_GET_STATUS, status);
}

int frontend_set_status(struct frontend *f, uint64_t status)
{
	return tell_u64(f, WIRE_SET_STATUS, status);
}

int frontend_get_inflight_fd(struct frontend *f, struct wire_inflight *inflight, int *fd)
{
	struct frontend_msg reply;
	int ret = frontend_ask_msg(f, WIRE_GET_INFLIGHT_FD, inflight, sizeof(*inflight), NULL, 0,
				   &reply);

	if (ret < 0)
		return ret;
	if (reply.n_fds != 1 || reply.hdr.size != sizeof(*inflight)) {
		frontend_msg_close_fds(&reply);
		return frontend_fail(f, -EPROTO, "GET_INFLIGHT_FD: %u bytes, %u fds",
				     reply.hdr.size, reply.n_fds);
	}
	memcpy(inflight, reply.payload, sizeof(*inflight));
	*fd = frontend_msg_take_fd(&reply);
	return 0;
}

int frontend_set_inflight_fd(struct frontend *f, const struct wire_inflight *inflight, int fd)
{
	return frontend_tell(f, WIRE_SET_INFLIGHT_FD, inflight, sizeof(*inflight), &fd, 1);
}

int frontend_set_log_fd(struct frontend *f, int fd)
{
	return frontend_tell(f, WIRE_SET_LOG_FD, NULL, 0, &fd, 1);
}

int frontend_set_log_base(struct frontend *f, uint64_t size, uint64_t offset, int fd)
{
	const struct wire_log log = {.size = size, .offset = offset};
	struct frontend_msg reply;
	uint64_t value;
	int ret = frontend_ask_msg(f, WIRE_SET_LOG_BASE, &log, sizeof(log), &fd, 1, &reply);

	if (ret < 0)
		return ret;
	frontend_msg_close_fds(&reply);
	if (reply.hdr.size != sizeof(value))
		return frontend_fail(f, -EPROTO, "SET_LOG_BASE: a reply of %u bytes",
				     reply.hdr.size);
	memcpy(&value, reply.payload, sizeof(value));
	return value ? frontend_fail(f, -EREMOTEIO, "SET_LOG_BASE: refused") : 0;
}
