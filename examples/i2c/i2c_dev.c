/* SPDX-License-Identifier: MIT */
/*
 * An I2C adapter of this machine, by i2c-dev: chosen addresses of it.
 *
 * A transfer is one I2C_RDWR.  An adapter that can only do SMBus gets the SMBus transaction that
 * looks the same on the wire, if there is one.  Both wait for the bus: on the queue's own thread.
 */
#include "i2c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct dev {
	struct i2c_adapter adapter;
	int fd;
	unsigned long funcs;
	uint32_t n_addresses;
	uint16_t *addresses;
};

static bool dev_has(struct i2c_adapter *adapter, uint16_t address)
{
	const struct dev *dev = (struct dev *)(void *)adapter;

	for (uint32_t i = 0; i < dev->n_addresses; i++)
		if (dev->addresses[i] == address)
			return true;
	return false;
}

static int dev_rdwr(const struct dev *dev, const struct i2c_message *messages, uint32_t n)
{
	struct i2c_msg msgs[I2C_MESSAGES];
	struct i2c_rdwr_ioctl_data data = {msgs, n};
	int ret;

	for (uint32_t i = 0; i < n; i++) {
		const struct i2c_message *m = &messages[i];

		msgs[i].addr = m->address & (uint16_t)~I2C_TEN;
		msgs[i].flags = m->read ? I2C_M_RD : 0;
		if (m->address & I2C_TEN)
			msgs[i].flags |= I2C_M_TEN;
		msgs[i].len = (uint16_t)m->len;
		msgs[i].buf = m->data;
	}
	ret = ioctl(dev->fd, I2C_RDWR, &data);
	return ret < 0 ? -errno : ret;
}

/* One message, or the write of a command and the read that follows. */
static int smbus_plan(const struct i2c_message *m, uint32_t n, struct i2c_smbus_ioctl_data *args)
{
	const struct i2c_message *last = &m[n - 1];
	union i2c_smbus_data *data = args->data;
	/* Of what follows the command byte; a single read has none. */
	uint32_t len = last->len - (n == 1 && !last->read && last->len);

	args->read_write = last->read ? I2C_SMBUS_READ : I2C_SMBUS_WRITE;
	if (n > 2 || (n == 2 && (m[0].read || m[0].len != 1 || !m[1].read || !m[1].len ||
				 m[0].address != m[1].address)))
		return -EOPNOTSUPP;
	if (!m[0].read && m[0].len)
		args->command = m[0].data[0];
	if (n == 1 && !last->len)
		args->size = I2C_SMBUS_QUICK;
	else if (n == 1 && last->read)
		args->size = len == 1 ? I2C_SMBUS_BYTE : UINT32_MAX;
	else if (len <= 2)
		args->size =
			len ? len == 1 ? I2C_SMBUS_BYTE_DATA : I2C_SMBUS_WORD_DATA : I2C_SMBUS_BYTE;
	else
		args->size = len <= I2C_SMBUS_BLOCK_MAX ? I2C_SMBUS_I2C_BLOCK_DATA : UINT32_MAX;
	if (args->size == UINT32_MAX)
		return -EOPNOTSUPP;
	if (args->size == I2C_SMBUS_I2C_BLOCK_DATA)
		data->block[0] = (uint8_t)len;
	if (last->read)
		return 0;
	if (args->size == I2C_SMBUS_BYTE_DATA)
		data->byte = last->data[1];
	else if (args->size == I2C_SMBUS_WORD_DATA)
		data->word = (uint16_t)(last->data[1] | last->data[2] << 8);
	else if (args->size == I2C_SMBUS_I2C_BLOCK_DATA)
		memcpy(&data->block[1], last->data + 1, len);
	return 0;
}

static int dev_smbus(const struct dev *dev, const struct i2c_message *m, uint32_t n)
{
	union i2c_smbus_data data = {0};
	struct i2c_smbus_ioctl_data args = {.data = &data};
	const struct i2c_message *last = &m[n - 1];
	int ret = smbus_plan(m, n, &args);

	if (ret)
		return ret;
	if (ioctl(dev->fd, I2C_SLAVE, (unsigned long)last->address) < 0 ||
	    ioctl(dev->fd, I2C_SMBUS, &args) < 0)
		return -errno;
	if (last->read && args.size == I2C_SMBUS_WORD_DATA) {
		last->data[0] = (uint8_t)data.word;
		last->data[1] = (uint8_t)(data.word >> 8);
	} else if (last->read && args.size == I2C_SMBUS_I2C_BLOCK_DATA) {
		if (data.block[0] != last->len)
			return -EIO;
		memcpy(last->data, &data.block[1], last->len);
	} else if (last->read && last->len) {
		last->data[0] = data.byte;
	}
	return (int)n;
}

static int dev_transfer(struct i2c_adapter *adapter, const struct i2c_message *messages, uint32_t n)
{
	const struct dev *dev = (struct dev *)(void *)adapter;

	if (dev->funcs & I2C_FUNC_I2C)
		return dev_rdwr(dev, messages, n);
	return dev_smbus(dev, messages, n);
}

static void dev_free(struct i2c_adapter *adapter)
{
	struct dev *dev = (struct dev *)(void *)adapter;

	if (dev->fd >= 0)
		close(dev->fd);
	free(dev->addresses);
	free(dev);
}

static int dev_complain(const char *what, const char *why, int ret)
{
	fprintf(stderr, "vu-i2c: %s: %s\n", what, why);
	return ret;
}

/* An address that a driver of this machine uses is none to give away. */
static int dev_claim(struct dev *dev, const char *text)
{
	uint16_t address, *addresses;

	if (i2c_address_parse(text, &address))
		return dev_complain(text, "no address (0x50, or 0x150/10 for one of 10 bits)",
				    -EINVAL);
	if (dev_has(&dev->adapter, address))
		return dev_complain(text, "named twice", -EEXIST);
	if (address & I2C_TEN &&
	    (~dev->funcs & (I2C_FUNC_I2C | I2C_FUNC_10BIT_ADDR) || ioctl(dev->fd, I2C_TENBIT, 1ul)))
		return dev_complain(text, "the adapter has no 10-bit addresses", -EOPNOTSUPP);
	if (ioctl(dev->fd, I2C_SLAVE, (unsigned long)(address & ~I2C_TEN)) < 0)
		return dev_complain(text,
				    errno == EBUSY ? "in use by a driver of this machine"
						   : strerror(errno),
				    -errno);
	if (address & I2C_TEN)
		ioctl(dev->fd, I2C_TENBIT, 0ul);
	addresses = reallocarray(dev->addresses, dev->n_addresses + 1, sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	addresses[dev->n_addresses++] = address;
	dev->addresses = addresses;
	return 0;
}

/* spec is a copy to take to pieces. */
static int dev_prepare(struct dev *dev, char *spec)
{
	char *list = strrchr(spec, ':'), *text;
	int ret = 0;

	if (!list || list == spec || !list[1])
		return dev_complain(spec, "not PATH:ADDRESS[,ADDRESS]...", -EINVAL);
	*list++ = '\0';
	dev->fd = open(spec, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0)
		return dev_complain(spec, strerror(errno), -errno);
	if (ioctl(dev->fd, I2C_FUNCS, &dev->funcs) < 0)
		return dev_complain(spec, "no I2C adapter", -errno);
	while (!ret && (text = strsep(&list, ",")))
		ret = dev_claim(dev, text);
	return ret;
}

int i2c_dev_open(const char *spec, struct i2c_adapter **adapter)
{
	static const struct i2c_adapter_ops ops = {dev_has, dev_transfer, dev_free};
	struct dev *dev = calloc(1, sizeof(*dev));
	char *copy = strdup(spec);
	int ret = -ENOMEM;

	if (dev && copy) {
		dev->adapter.ops = &ops;
		dev->fd = -1;
		ret = dev_prepare(dev, copy);
	}
	free(copy);
	if (!ret)
		*adapter = &dev->adapter;
	else if (dev)
		dev_free(&dev->adapter);
	return ret;
}
