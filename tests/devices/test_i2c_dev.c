/* SPDX-License-Identifier: MIT */
/*
 * vu-i2c's adapter of this machine (examples/i2c/i2c_dev.c), with ioctl() replaced: what it asks of
 * i2c-dev, and what it makes of the answers.  tests/guest/i2c.py has real ones.
 */
#include <errno.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <string.h>

#include "kit/test.h"
#include "i2c.h"

int __wrap_ioctl(int fd, unsigned long request, ...);

/* An i2c-dev whose chips return 1, 2, 3 ... */
static struct {
	unsigned long funcs;
	unsigned long slave;
	unsigned long tenbit;
	int rdwr_result; /* 0: all went well */
	int smbus_error;
	unsigned int n_rdwr;
	struct i2c_msg msgs[I2C_MESSAGES];
	uint32_t n_msgs;
	unsigned char first[4]; /* of the first message's data, or the block that was written */
	struct i2c_smbus_ioctl_data smbus;
	union i2c_smbus_data sent;
	uint8_t block_len; /* of a block read; 0: as asked */
} fake;

static const unsigned long BUSY = 0x18;

static int fake_rdwr(const struct i2c_rdwr_ioctl_data *data)
{
	fake.n_rdwr++;
	fake.n_msgs = data->nmsgs;
	for (uint32_t i = 0; i < data->nmsgs; i++) {
		fake.msgs[i] = data->msgs[i];
		for (int j = 0; data->msgs[i].flags & I2C_M_RD && j < data->msgs[i].len; j++)
			data->msgs[i].buf[j] = (uint8_t)(j + 1);
	}
	if (!(data->msgs[0].flags & I2C_M_RD))
		memcpy(fake.first, data->msgs[0].buf,
		       data->msgs[0].len < 4 ? data->msgs[0].len : 4);
	if (fake.rdwr_result < 0) {
		errno = -fake.rdwr_result;
		return -1;
	}
	return fake.rdwr_result ? fake.rdwr_result : (int)data->nmsgs;
}

static int fake_smbus(const struct i2c_smbus_ioctl_data *args)
{
	static const union i2c_smbus_data answer = {.block = {1, 2, 3, 4, 5, 6}};

	fake.smbus = *args;
	fake.sent = *args->data;
	if (fake.smbus_error) {
		errno = fake.smbus_error;
		return -1;
	}
	if (args->read_write == I2C_SMBUS_WRITE)
		return 0;
	if (args->size == I2C_SMBUS_I2C_BLOCK_DATA) {
		memcpy(&args->data->block[1], answer.block, 6);
		if (fake.block_len)
			args->data->block[0] = fake.block_len;
	} else if (args->size == I2C_SMBUS_WORD_DATA) {
		args->data->word = 0x0201;
	} else if (args->size != I2C_SMBUS_QUICK) {
		args->data->byte = 1;
	}
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	unsigned long arg;

	va_start(list, request);
	arg = va_arg(list, unsigned long);
	va_end(list);
	switch (request) {
	case I2C_FUNCS:
		*(unsigned long *)arg = fake.funcs;
		return 0;
	case I2C_SLAVE:
		fake.slave = arg;
		errno = EBUSY;
		return arg == BUSY ? -1 : 0;
	case I2C_TENBIT:
		fake.tenbit = arg;
		return 0;
	case I2C_RDWR:
		return fake_rdwr((const struct i2c_rdwr_ioctl_data *)arg);
	case I2C_SMBUS:
		return fake_smbus((const struct i2c_smbus_ioctl_data *)arg);
	}
	fail_msg("ioctl 0x%lx", request);
	return -1;
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake.funcs = I2C_FUNC_I2C | I2C_FUNC_10BIT_ADDR;
	return 0;
}

static struct i2c_adapter *open_dev(const char *spec)
{
	struct i2c_adapter *adapter = NULL;

	assert_int_equal(i2c_dev_open(spec, &adapter), 0);
	return adapter;
}

static struct i2c_message message(uint16_t address, bool read, void *data, uint32_t len)
{
	return (struct i2c_message){.address = address, .read = read, .len = len, .data = data};
}

static void addresses_are_those_that_were_given(void **state)
{
	struct i2c_adapter *a = open_dev("/dev/null:0x50,81,0x150/10");

	for (uint16_t i = 0; i < 0x80; i++)
		assert_int_equal(a->ops->has(a, i), i == 0x50 || i == 0x51);
	for (uint16_t i = 0; i < 0x400; i++)
		assert_int_equal(a->ops->has(a, i | I2C_TEN), i == 0x150);
	/* What comes next is said to a 7-bit chip. */
	assert_int_equal(fake.tenbit, 0);
	a->ops->free(a);
}

static void wrong_lists_are_refused(void **state)
{
	static const struct {
		const char *spec;
		int error;
	} wrong[] = {
		{"/dev/null", -EINVAL},
		{"/dev/null:", -EINVAL},
		{":0x50", -EINVAL},
		{"/dev/null:0x50,", -EINVAL},
		{"/dev/null:0x50,,0x51", -EINVAL},
		{"/dev/null:0x80", -EINVAL},
		{"/dev/null:0x400/10", -EINVAL},
		{"/dev/null:0x50/7", -EINVAL},
		{"/dev/null:0x50,0x50", -EEXIST},
		{"/dev/null:0x50,0x18", -EBUSY},
		{"/nowhere:0x50", -ENOENT},
	};
	struct i2c_adapter *a;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(i2c_dev_open(wrong[i].spec, &a), wrong[i].error);
	fake.funcs = I2C_FUNC_I2C;
	assert_int_equal(i2c_dev_open("/dev/null:0x50/10", &a), -EOPNOTSUPP);
}

static void a_group_is_one_transfer(void **state)
{
	struct i2c_adapter *a = open_dev("/dev/null:0x50,0x150/10");
	unsigned char out[] = {7, 8}, in[3] = {0};
	struct i2c_message m[] = {message(0x50, false, out, 2), message(0x50, true, in, 3),
				  message(0x150 | I2C_TEN, true, in, 0)};

	assert_int_equal(a->ops->transfer(a, m, 3), 3);
	assert_int_equal(fake.n_rdwr, 1);
	assert_int_equal(fake.n_msgs, 3);
	assert_int_equal(fake.msgs[0].addr, 0x50);
	assert_int_equal(fake.msgs[0].flags, 0);
	assert_int_equal(fake.msgs[0].len, 2);
	assert_memory_equal(fake.first, "\x07\x08", 2);
	assert_int_equal(fake.msgs[1].addr, 0x50);
	assert_int_equal(fake.msgs[1].flags, I2C_M_RD);
	assert_memory_equal(in, "\1\2\3", 3);
	assert_int_equal(fake.msgs[2].addr, 0x150);
	assert_int_equal(fake.msgs[2].flags, I2C_M_RD | I2C_M_TEN);
	assert_int_equal(fake.msgs[2].len, 0);
	a->ops->free(a);
}

static void what_the_kernel_says_is_handed_on(void **state)
{
	struct i2c_adapter *a = open_dev("/dev/null:0x50");
	unsigned char byte = 0;
	struct i2c_message m[] = {message(0x50, false, &byte, 1), message(0x50, true, &byte, 1)};

	fake.rdwr_result = -ENXIO;
	assert_int_equal(a->ops->transfer(a, m, 2), -ENXIO);
	fake.rdwr_result = 1;
	assert_int_equal(a->ops->transfer(a, m, 2), 1);
	a->ops->free(a);
}

/* One message, or a write of 1 byte and then a read, on an adapter that has only SMBus. */
static int smbus(bool select, bool read, unsigned char *data, uint32_t len)
{
	struct i2c_adapter *a = open_dev("/dev/null:0x50,0x51");
	unsigned char command = 0x33;
	struct i2c_message m[] = {message(0x51, false, &command, 1),
				  message(0x51, read, data, len)};
	int ret = select ? a->ops->transfer(a, m, 2) : a->ops->transfer(a, m + 1, 1);

	assert_int_equal(fake.n_rdwr, 0);
	a->ops->free(a);
	return ret;
}

static void smbus_writes_look_the_same_on_the_wire(void **state)
{
	unsigned char data[34] = {0x10, 0x21, 0x32, 0x43, 0x54};

	fake.funcs = 0;
	assert_int_equal(smbus(false, false, data, 0), 1);
	assert_int_equal(fake.slave, 0x51);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_QUICK);
	assert_int_equal(fake.smbus.read_write, I2C_SMBUS_WRITE);
	assert_int_equal(smbus(false, false, data, 1), 1);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_BYTE);
	assert_int_equal(fake.smbus.command, 0x10);
	assert_int_equal(smbus(false, false, data, 2), 1);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_BYTE_DATA);
	assert_int_equal(fake.smbus.command, 0x10);
	assert_int_equal(fake.sent.byte, 0x21);
	assert_int_equal(smbus(false, false, data, 3), 1);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_WORD_DATA);
	assert_int_equal(fake.sent.word, 0x3221);
	assert_int_equal(smbus(false, false, data, 5), 1);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_I2C_BLOCK_DATA);
	assert_int_equal(fake.smbus.command, 0x10);
	assert_memory_equal(fake.sent.block, "\x04\x21\x32\x43\x54", 5);
	assert_int_equal(smbus(false, false, data, 33), 1);
	assert_int_equal(fake.sent.block[0], 32);
	assert_int_equal(smbus(false, false, data, 34), -EOPNOTSUPP);
}

static void smbus_reads_look_the_same_on_the_wire(void **state)
{
	unsigned char data[33] = {0};

	fake.funcs = 0;
	assert_int_equal(smbus(false, true, data, 0), 1);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_QUICK);
	assert_int_equal(fake.smbus.read_write, I2C_SMBUS_READ);
	assert_int_equal(smbus(false, true, data, 1), 1);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_BYTE);
	assert_int_equal(data[0], 1);
	assert_int_equal(smbus(true, true, memset(data, 0, 33), 1), 2);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_BYTE_DATA);
	assert_int_equal(fake.smbus.command, 0x33);
	assert_int_equal(data[0], 1);
	assert_int_equal(smbus(true, true, memset(data, 0, 33), 2), 2);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_WORD_DATA);
	assert_memory_equal(data, "\1\2", 3);
	assert_int_equal(smbus(true, true, memset(data, 0, 33), 5), 2);
	assert_int_equal(fake.smbus.size, I2C_SMBUS_I2C_BLOCK_DATA);
	assert_int_equal(fake.sent.block[0], 5);
	assert_memory_equal(data, "\1\2\3\4\5", 6);
	fake.block_len = 4; /* the chip had less */
	assert_int_equal(smbus(true, true, data, 5), -EIO);
	fake.smbus_error = ENXIO;
	assert_int_equal(smbus(true, true, data, 1), -ENXIO);
}

static void what_smbus_cannot_say_is_refused(void **state)
{
	struct i2c_adapter *a;
	unsigned char data[40] = {0};
	struct i2c_message m[] = {message(0x50, false, data, 1), message(0x50, false, data, 1),
				  message(0x50, true, data, 1)};

	fake.funcs = 0;
	/* A read of some bytes without a command, or of too many. */
	assert_int_equal(smbus(false, true, data, 2), -EOPNOTSUPP);
	assert_int_equal(smbus(true, true, data, 33), -EOPNOTSUPP);
	assert_int_equal(smbus(true, true, data, 0), -EOPNOTSUPP);
	/* Two writes, a longer command, three messages, two chips. */
	a = open_dev("/dev/null:0x50,0x51");
	assert_int_equal(a->ops->transfer(a, m, 2), -EOPNOTSUPP);
	assert_int_equal(a->ops->transfer(a, m, 3), -EOPNOTSUPP);
	m[1].len = 2;
	assert_int_equal(a->ops->transfer(a, m + 1, 2), -EOPNOTSUPP);
	m[1] = message(0x51, false, data, 1);
	assert_int_equal(a->ops->transfer(a, m + 1, 2), -EOPNOTSUPP);
	assert_int_equal(fake.smbus.size, 0); /* nothing was tried */
	a->ops->free(a);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_are_those_that_were_given),
		TEST(wrong_lists_are_refused),
		TEST(a_group_is_one_transfer),
		TEST(what_the_kernel_says_is_handed_on),
		TEST(smbus_writes_look_the_same_on_the_wire),
		TEST(smbus_reads_look_the_same_on_the_wire),
		TEST(what_smbus_cannot_say_is_refused),
	};

	return cmocka_run_group_tests_name("i2c-dev", tests, NULL, NULL);
}
