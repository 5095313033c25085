/* SPDX-License-Identifier: MIT */
/*
 * A 24c02: 256 bytes in pages of 8.  The first byte of a write is the address, the others go into
 * its page and begin anew at the page's end; a read goes on from where the last access ended, from
 * the last byte to the first.
 *
 * Nothing is cached: the file is what the chip holds, and the host may read and change it.
 */
#include "i2c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../own_file.h"

enum { EEPROM_BYTES = 256, EEPROM_PAGE = 8, EEPROM_BLANK = 0xff };

struct eeprom {
	struct i2c_chip chip;
	int fd;
	bool read_only;
	uint8_t position;
};

/* The whole chip; a file that has become shorter has a blank end. */
static int eeprom_load(const struct eeprom *e, unsigned char bytes[EEPROM_BYTES])
{
	memset(bytes, EEPROM_BLANK, EEPROM_BYTES);
	return pread(e->fd, bytes, EEPROM_BYTES, 0) < 0 ? -errno : 0;
}

static int eeprom_store(const struct eeprom *e, const unsigned char *bytes, size_t len, off_t at)
{
	ssize_t n = pwrite(e->fd, bytes, len, at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int eeprom_write(struct i2c_chip *chip, const unsigned char *data, uint32_t len)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	unsigned char bytes[EEPROM_BYTES];
	uint8_t page, offset;
	int ret;

	if (!len)
		return 0;
	e->position = data[0];
	if (len == 1)
		return 0;
	if (e->read_only)
		return -EROFS;
	ret = eeprom_load(e, bytes);
	if (ret)
		return ret;
	page = e->position & (uint8_t) ~(EEPROM_PAGE - 1);
	offset = e->position % EEPROM_PAGE;
	for (uint32_t i = 1; i < len; i++) {
		bytes[page + offset] = data[i];
		offset = (offset + 1) % EEPROM_PAGE;
	}
	e->position = page + offset;
	return eeprom_store(e, bytes + page, EEPROM_PAGE, page);
}

static int eeprom_read(struct i2c_chip *chip, unsigned char *data, uint32_t len)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	unsigned char bytes[EEPROM_BYTES];
	int ret = eeprom_load(e, bytes);

	for (uint32_t i = 0; i < len && !ret; i++)
		data[i] = bytes[e->position++];
	return ret;
}

static int eeprom_get(struct i2c_chip *chip, uint8_t number, struct i2c_register *reg)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	unsigned char bytes[EEPROM_BYTES];
	int ret = eeprom_load(e, bytes);

	*reg = (struct i2c_register){bytes[number], 1, !e->read_only};
	return ret;
}

static int eeprom_set(struct i2c_chip *chip, uint8_t number, const struct i2c_register *reg)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	unsigned char byte = (unsigned char)reg->value;

	if (reg->bytes != 1)
		return -EINVAL;
	return e->read_only ? -EROFS : eeprom_store(e, &byte, 1, number);
}

static void eeprom_free(struct i2c_chip *chip)
{
	close(((struct eeprom *)(void *)chip)->fd);
	free(chip);
}

/* A regular file, not larger than the chip, filled up to its size, and nobody else's. */
static int eeprom_prepare(struct eeprom *e)
{
	unsigned char bytes[EEPROM_BYTES];
	struct stat st;
	int ret;

	if (fstat(e->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > EEPROM_BYTES)
		return -EFBIG;
	if (e->read_only)
		return 0;
	if (flock(e->fd, LOCK_EX | LOCK_NB))
		return -errno;
	ret = eeprom_load(e, bytes);
	return ret ? ret : eeprom_store(e, bytes, EEPROM_BYTES, 0);
}

int i2c_eeprom_new(const char *path, bool read_only, struct i2c_chip **chip)
{
	static const struct i2c_chip_ops ops = {"eeprom",   eeprom_write, eeprom_read,
						eeprom_get, eeprom_set,	  eeprom_free};
	struct eeprom *e = calloc(1, sizeof(*e));
	int ret;

	if (!e)
		return -ENOMEM;
	e->chip.ops = &ops;
	e->read_only = read_only;
	if (!path)
		e->fd = memfd_create("eeprom", MFD_CLOEXEC);
	else if (read_only)
		e->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	else
		e->fd = own_file_open(path, O_RDWR | O_NONBLOCK);
	if (e->fd >= 0)
		ret = eeprom_prepare(e);
	else
		ret = path && !read_only ? e->fd : -errno;
	if (ret) {
		if (e->fd >= 0)
			close(e->fd);
		free(e);
		return ret;
	}
	*chip = &e->chip;
	return 0;
}
