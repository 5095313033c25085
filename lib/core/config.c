/* SPDX-License-Identifier: MIT */
/* The configuration space.  Any thread. */
#include "core/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"

int config_init(struct config *c, const struct vu_device_info *info)
{
	c->size = info->config_size;
	if (!c->size)
		return 0;
	c->data = calloc(1, c->size);
	c->writable = calloc(1, c->size);
	if (!c->data || !c->writable)
		return -ENOMEM;
	if (info->config)
		memcpy(c->data, info->config, c->size);
	if (info->config_writable)
		memcpy(c->writable, info->config_writable, c->size);
	return 0;
}

void config_fini(struct config *c)
{
	free(c->data);
	free(c->writable);
	pthread_mutex_destroy(&c->lock);
}

static bool config_contains(const struct config *c, uint32_t offset, uint32_t len)
{
	return offset <= c->size && len <= c->size - offset;
}

void config_read(struct config *c, uint32_t offset, void *buf, uint32_t len)
{
	uint32_t have = offset < c->size ? c->size - offset : 0;

	if (have > len)
		have = len;
	pthread_mutex_lock(&c->lock);
	if (have)
		memcpy(buf, c->data + offset, have);
	pthread_mutex_unlock(&c->lock);
	memset((unsigned char *)buf + have, 0, len - have);
}

int config_write(struct config *c, uint32_t offset, const void *buf, uint32_t len)
{
	const unsigned char *from = buf;
	unsigned char any = 0;

	if (!config_contains(c, offset, len))
		return -EPERM;
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < len; i++) {
		unsigned char *to = &c->data[offset + i], mask = c->writable[offset + i];

		*to = (unsigned char)((*to & ~mask) | (from[i] & mask));
		any |= mask;
	}
	pthread_mutex_unlock(&c->lock);
	return any ? 0 : -EPERM;
}

int config_set(struct config *c, uint32_t offset, const void *buf, uint32_t len)
{
	int changed;

	if (!config_contains(c, offset, len))
		return -ERANGE;
	if (!len)
		return 0;
	pthread_mutex_lock(&c->lock);
	changed = memcmp(c->data + offset, buf, len) != 0;
	memcpy(c->data + offset, buf, len);
	pthread_mutex_unlock(&c->lock);
	return changed;
}

bool config_take_change(struct config *c)
{
	return atomic_exchange(&c->changed, false);
}

int vu_config_set(struct vu_device *dev, uint32_t offset, const void *data, uint32_t len)
{
	int changed = config_set(&dev->config, offset, data, len);

	if (changed <= 0)
		return changed;
	if (!atomic_exchange(&dev->config.changed, true))
		device_wake(dev);
	return 0;
}

int vu_config_get(struct vu_device *dev, uint32_t offset, void *data, uint32_t len)
{
	if (!config_contains(&dev->config, offset, len))
		return -ERANGE;
	config_read(&dev->config, offset, data, len);
	return 0;
}
