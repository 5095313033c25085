/* SPDX-License-Identifier: MIT */
/*
 * Handlers: the memory table.  A change makes a new table; the answer goes when every started
 * ring uses it.  Requests handed out keep the old one.  Device thread.
 */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"
#include "mem/mappings.h"
#include "mem/table.h"

static struct region_info region_info(const struct wire_region *r)
{
	return (struct region_info){r->guest_addr, r->size, r->user_addr, r->mmap_offset};
}

static int memory_map(struct session *s, const struct region_info *info, int fd,
		      struct region **region)
{
	const char *why;
	int err = region_map(s->dev->mappings, info, fd, region, &why);

	if (err == -EDQUOT)
		log_peer_error(
			&s->dev->log,
			"memory at %#llx, %#llx bytes: the device has mapped %llu bytes, and may "
			"map %llu (vu_device_info.max_memory, --max-memory)",
			(unsigned long long)info->guest_addr, (unsigned long long)info->size,
			(unsigned long long)mappings_bytes(s->dev->mappings),
			(unsigned long long)mappings_limit(s->dev->mappings));
	else if (err)
		log_peer_error(&s->dev->log, "memory at %#llx, %#llx bytes: %s (%s)",
			       (unsigned long long)info->guest_addr, (unsigned long long)info->size,
			       why, strerror(-err));
	else if (s->dev->keep_files)
		region_keep_file(*region, fd);
	return err;
}

/* Let every started ring switch. */
static int memory_use(struct session *s, struct wire_msg *msg, struct table *table)
{
	return session_wait(s, msg, control_set_memory(s->dev, table, &s->wait.waiter), NULL);
}

/* The acknowledgement itself has none. */
static int memory_accepted(struct session *s, struct wire_msg *msg)
{
	(void)msg;
	return s->wait.waiter.result < 0 ? s->wait.waiter.result : MESSAGE_REPLIED;
}

/* Postcopy's second half: it knows where all is mapped. */
static int memory_accept(struct session *s, struct wire_msg *msg)
{
	struct table *table = postcopy_accept(s);

	if (!table)
		return -EPROTO;
	return session_wait(s, msg, control_set_memory(s->dev, table, &s->wait.waiter),
			    memory_accepted);
}

static void memory_log(const struct session *s, int err)
{
	if (err == -EEXIST)
		log_peer_error(&s->dev->log, "two memory regions overlap");
	else if (err == -ENOSPC)
		log_peer_error(&s->dev->log, "more than %d memory regions", TABLE_MAX_REGIONS);
	else if (err == -ENOMEM)
		log_peer_error(&s->dev->log, "out of memory for the memory table");
}

/* A table with these n new regions, which are in the payload from `at` on. */
static int memory_take(struct session *s, struct wire_msg *msg, struct table *table,
		       struct region *const *regions, uint32_t n, uint32_t at)
{
	return s->postcopy.listening ? postcopy_propose(s, msg, table, regions, n, at)
				     : memory_use(s, msg, table);
}

int on_set_mem_table(struct session *s, struct wire_msg *msg)
{
	struct region *regions[WIRE_TABLE_REGIONS] = {0};
	struct table *table;
	uint32_t n, mapped;
	int err = 0;

	if (s->postcopy.awaited)
		return memory_accept(s, msg);
	memcpy(&n, msg->payload, sizeof(n));
	for (mapped = 0; mapped < n; mapped++) {
		struct wire_region r;
		struct region_info info;

		memcpy(&r,
		       msg->payload + offsetof(struct wire_mem_table, regions) + mapped * sizeof(r),
		       sizeof(r));
		info = region_info(&r);
		err = memory_map(s, &info, msg->fds[mapped], &regions[mapped]);
		if (err)
			break;
	}
	if (!err) {
		err = table_new(regions, n, &table);
		memory_log(s, err);
	}
	if (!err)
		err = memory_take(s, msg, table, regions, n,
				  offsetof(struct wire_mem_table, regions));
	while (mapped)
		region_unref(regions[--mapped]);
	return err;
}

int on_get_max_mem_slots(struct session *s, struct wire_msg *msg)
{
	int err = session_reply_u64(s, msg, TABLE_MAX_REGIONS);

	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_add_mem_reg(struct session *s, struct wire_msg *msg)
{
	struct wire_mem_reg reg;
	struct region_info info;
	struct region *region;
	struct table *table;
	int err;

	if (s->postcopy.awaited)
		return memory_accept(s, msg);
	memcpy(&reg, msg->payload, sizeof(reg));
	info = region_info(&reg.region);
	err = memory_map(s, &info, msg->fds[0], &region);
	if (err)
		return err;
	/* QEMU 7.2 tells of it once for each pair of a network card's queues. */
	if (!s->postcopy.listening && table_has(control_memory(s->dev), region)) {
		s->added_again++;
		region_unref(region);
		return MESSAGE_DONE;
	}
	err = table_with(control_memory(s->dev), region, &table);
	memory_log(s, err);
	if (!err)
		err = memory_take(s, msg, table, &region, 1, offsetof(struct wire_mem_reg, region));
	region_unref(region);
	return err;
}

/* An fd may come with it; the validator closes it (vhost-user REM_MEM_REG). */
int on_rem_mem_reg(struct session *s, struct wire_msg *msg)
{
	struct wire_mem_reg reg;
	struct region_info info;
	struct table *table;
	int err;

	memcpy(&reg, msg->payload, sizeof(reg));
	info = region_info(&reg.region);
	err = table_without(control_memory(s->dev), &info, &table);
	/* ... and removes it as often; the first time does it. */
	if (err == -ENOENT && s->added_again) {
		s->added_again--;
		return MESSAGE_DONE;
	}
	if (err)
		log_peer_error(&s->dev->log, "memory at %#llx, %#llx bytes: cannot be removed (%s)",
			       (unsigned long long)info.guest_addr, (unsigned long long)info.size,
			       strerror(-err));
	return err ? err : memory_use(s, msg, table);
}
