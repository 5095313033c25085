/* SPDX-License-Identifier: MIT */
/*
 * What an input device is, and how its configuration space says so (virtio 1.3 §5.8.4): the answer
 * depends on the two bytes that the driver selected with.
 */
#include "input.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

bool input_has(const struct input_about *about, uint32_t type, uint32_t code)
{
	if (type == EV_SYN)
		return code <= SYN_DROPPED;
	return type < EV_CNT && code < INPUT_BITMAP * 8 &&
	       about->bits[type][code / 8] >> code % 8 & 1;
}

static uint8_t input_bitmap_size(const uint8_t *bitmap)
{
	uint8_t n = INPUT_BITMAP;

	while (n && !bitmap[n - 1])
		n--;
	return n;
}

bool input_has_type(const struct input_about *about, uint32_t type)
{
	return type < EV_CNT && input_bitmap_size(about->bits[type]);
}

int input_add(struct input_about *about, uint32_t type, uint32_t code)
{
	uint8_t *bitmap = type == INPUT_PROP_NAME ? about->props : NULL;

	if (type > EV_SYN && type < EV_CNT)
		bitmap = about->bits[type];
	if (!bitmap || code >= INPUT_BITMAP * 8 || (type == EV_ABS && code >= ABS_CNT))
		return -ERANGE;
	bitmap[code / 8] = (uint8_t)(bitmap[code / 8] | 1 << code % 8);
	return 0;
}

void input_set_string(char *string, const char *text)
{
	size_t n = strnlen(text, INPUT_STRING);

	memcpy(string, text, n);
	string[n] = '\0';
}

static uint8_t input_config_string(struct virtio_input_config *c, const char *string)
{
	size_t n = strnlen(string, INPUT_STRING);

	memcpy(c->u.string, string, n);
	return (uint8_t)n;
}

static uint8_t input_config_ids(struct virtio_input_config *c, const struct input_id *id)
{
	c->u.ids.bustype = htole16(id->bustype);
	c->u.ids.vendor = htole16(id->vendor);
	c->u.ids.product = htole16(id->product);
	c->u.ids.version = htole16(id->version);
	return sizeof(c->u.ids);
}

static uint8_t input_config_bitmap(struct virtio_input_config *c, const uint8_t *bitmap)
{
	memcpy(c->u.bitmap, bitmap, INPUT_BITMAP);
	return input_bitmap_size(bitmap);
}

static uint8_t input_config_abs(struct virtio_input_config *c, const struct input_absinfo *abs)
{
	c->u.abs.min = htole32((uint32_t)abs->minimum);
	c->u.abs.max = htole32((uint32_t)abs->maximum);
	c->u.abs.fuzz = htole32((uint32_t)abs->fuzz);
	c->u.abs.flat = htole32((uint32_t)abs->flat);
	c->u.abs.res = htole32((uint32_t)abs->resolution);
	return sizeof(c->u.abs);
}

static uint8_t input_config_simple(const struct input_about *about, uint8_t select,
				   struct virtio_input_config *c)
{
	switch (select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		return input_config_string(c, about->name);
	case VIRTIO_INPUT_CFG_ID_SERIAL:
		return input_config_string(c, about->serial);
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		return input_config_ids(c, &about->id);
	case VIRTIO_INPUT_CFG_PROP_BITS:
		return input_config_bitmap(c, about->props);
	}
	return 0;
}

void input_config(const struct input_about *about, uint8_t select, uint8_t subsel,
		  struct virtio_input_config *c)
{
	memset(c, 0, sizeof(*c));
	c->select = select;
	c->subsel = subsel;
	if (select == VIRTIO_INPUT_CFG_EV_BITS) {
		if (subsel < EV_CNT)
			c->size = input_config_bitmap(c, about->bits[subsel]);
	} else if (select == VIRTIO_INPUT_CFG_ABS_INFO) {
		if (input_has(about, EV_ABS, subsel))
			c->size = input_config_abs(c, &about->abs[subsel]);
	} else if (subsel == 0) {
		c->size = input_config_simple(about, select, c);
	}
}
