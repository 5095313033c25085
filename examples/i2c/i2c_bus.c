/* SPDX-License-Identifier: MIT */
/* The bus: addresses, and which adapter a message goes to. */
#include "i2c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int i2c_address_parse(const char *text, uint16_t *address)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char number[I2C_TEXT];
	uint64_t value;
	int ret;

	if (len >= sizeof(number) || (slash && strcmp(slash, "/10")))
		return -EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	ret = vu_number_parse(number, 0, slash ? 0x3ff : 0x7f, &value);
	if (!ret)
		*address = (uint16_t)(value | (slash ? I2C_TEN : 0));
	return ret;
}

const char *i2c_address_format(uint16_t address, char text[I2C_TEXT])
{
	if (address & I2C_TEN)
		snprintf(text, I2C_TEXT, "0x%03x/10", address & 0x3ffu);
	else
		snprintf(text, I2C_TEXT, "0x%02x", address & 0x7fu);
	return text;
}

int i2c_bus_init(struct i2c_bus *bus)
{
	memset(bus, 0, sizeof(*bus));
	bus->data = calloc(I2C_MESSAGES, I2C_BYTES);
	return bus->data ? 0 : -ENOMEM;
}

void i2c_bus_fini(struct i2c_bus *bus)
{
	struct i2c_adapter *adapter;

	while ((adapter = bus->adapters)) {
		bus->adapters = adapter->next;
		adapter->ops->free(adapter);
	}
	free(bus->data);
	bus->data = NULL;
}

void i2c_bus_add(struct i2c_bus *bus, struct i2c_adapter *adapter)
{
	adapter->next = bus->adapters;
	bus->adapters = adapter;
}

static struct i2c_adapter *bus_find(const struct i2c_bus *bus, uint16_t address)
{
	struct i2c_adapter *adapter = bus->adapters;

	while (adapter && !adapter->ops->has(adapter, address))
		adapter = adapter->next;
	return adapter;
}

bool i2c_bus_has(const struct i2c_bus *bus, uint16_t address)
{
	return bus_find(bus, address) != NULL;
}

uint32_t i2c_bus_transfer(struct i2c_bus *bus, const struct i2c_message *messages, uint32_t n)
{
	uint32_t done = 0;

	if (n && bus->naks) {
		bus->naks--;
		return 0;
	}
	/* A group over chips of several adapters is a transfer on each of them. */
	while (done < n) {
		struct i2c_adapter *adapter = bus_find(bus, messages[done].address);
		uint32_t run = 1;
		int ret;

		if (!adapter)
			break;
		while (done + run < n && bus_find(bus, messages[done + run].address) == adapter)
			run++;
		bus->n_transfers++;
		bus->n_messages += run;
		ret = adapter->ops->transfer(adapter, &messages[done], run);
		bus->error = ret < 0 ? ret : 0;
		if (ret > 0)
			done += (uint32_t)ret;
		if (ret < (int)run)
			break;
	}
	return done;
}
