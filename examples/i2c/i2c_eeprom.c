/* SPDX-License-Identifier: MIT */
/*
 * EEPROMs of the 24c family.  The first byte of a write, or the first two of a chip of 4 KiB and
 * more, is the address, the others go into its page and begin anew at the page's end; a read goes
 * on from where the last access ended, from the last byte to the first.
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

#include "../common/own_file.h"

enum { EEPROM_PAGE_MOST = 128, EEPROM_BLANK = 0xff };

struct i2c_eeprom_type {
	const char *name;
	uint32_t bytes;
	uint8_t page;
	uint8_t address; /* bytes of it */
};

/* As Atmel's and most others' are; those that need several addresses on the bus are left out. */
static const struct i2c_eeprom_type eeprom_types[] = {
	{"24c02", 256, 8, 1},	  {"24c32", 4096, 32, 2},   {"24c64", 8192, 32, 2},
	{"24c128", 16384, 64, 2}, {"24c256", 32768, 64, 2}, {"24c512", 65536, 128, 2},
};

struct eeprom {
	struct i2c_chip chip;
	const struct i2c_eeprom_type *type;
	int fd;
	bool read_only;
	uint32_t position;
};

const struct i2c_eeprom_type *i2c_eeprom_type(const char *name)
{
	for (size_t i = 0; i < sizeof(eeprom_types) / sizeof(*eeprom_types); i++)
		if (!strcmp(eeprom_types[i].name, name))
			return &eeprom_types[i];
	return NULL;
}

/* A file that has become shorter has a blank end. */
static int eeprom_load(const struct eeprom *e, unsigned char *bytes, size_t len, uint32_t at)
{
	memset(bytes, EEPROM_BLANK, len);
	return pread(e->fd, bytes, len, at) < 0 ? -errno : 0;
}

static int eeprom_store(const struct eeprom *e, const unsigned char *bytes, size_t len, uint32_t at)
{
	ssize_t n = pwrite(e->fd, bytes, len, at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

/* Half an address leaves the other half as it was. */
static void eeprom_seek(struct eeprom *e, const unsigned char *data, uint32_t len)
{
	if (e->type->address == 1)
		e->position = data[0];
	else if (len == 1)
		e->position = (uint32_t)data[0] << 8 | (e->position & 0xff);
	else
		e->position = (uint32_t)data[0] << 8 | data[1];
	e->position %= e->type->bytes;
}

static int eeprom_write(struct i2c_chip *chip, const unsigned char *data, uint32_t len)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	uint32_t page, offset, size = e->type->page;
	unsigned char bytes[EEPROM_PAGE_MOST];
	int ret;

	if (!len)
		return 0;
	eeprom_seek(e, data, len);
	if (len <= e->type->address)
		return 0;
	if (e->read_only)
		return -EROFS;
	offset = e->position % size;
	page = e->position - offset;
	ret = eeprom_load(e, bytes, size, page);
	if (ret)
		return ret;
	for (uint32_t i = e->type->address; i < len; i++) {
		bytes[offset] = data[i];
		offset = (offset + 1) % size;
	}
	e->position = page + offset;
	return eeprom_store(e, bytes, size, page);
}

static int eeprom_read(struct i2c_chip *chip, unsigned char *data, uint32_t len)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	int ret = 0;

	while (len && !ret) {
		uint32_t part = e->type->bytes - e->position;

		if (part > len)
			part = len;
		ret = eeprom_load(e, data, part, e->position);
		e->position = (e->position + part) % e->type->bytes;
		data += part;
		len -= part;
	}
	return ret;
}

static int eeprom_get(struct i2c_chip *chip, uint32_t number, struct i2c_register *reg)
{
	struct eeprom *e = (struct eeprom *)(void *)chip;
	unsigned char byte;
	int ret = eeprom_load(e, &byte, 1, number);

	*reg = (struct i2c_register){byte, 1, !e->read_only};
	return ret;
}

static int eeprom_set(struct i2c_chip *chip, uint32_t number, const struct i2c_register *reg)
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

/* Blank bytes behind what the file has. */
static int eeprom_fill(const struct eeprom *e, uint32_t from)
{
	unsigned char blank[EEPROM_PAGE_MOST];
	int ret = 0;

	memset(blank, EEPROM_BLANK, sizeof(blank));
	while (from < e->type->bytes && !ret) {
		uint32_t part = e->type->bytes - from;

		if (part > sizeof(blank))
			part = sizeof(blank);
		ret = eeprom_store(e, blank, part, from);
		from += part;
	}
	return ret;
}

/* A regular file, not larger than the chip, filled up to its size, and nobody else's. */
static int eeprom_prepare(struct eeprom *e)
{
	struct stat st;

	if (fstat(e->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > e->type->bytes)
		return -EFBIG;
	if (e->read_only)
		return 0;
	if (flock(e->fd, LOCK_EX | LOCK_NB))
		return -errno;
	return eeprom_fill(e, (uint32_t)st.st_size);
}

int i2c_eeprom_new(const struct i2c_eeprom_type *type, const char *path, bool read_only,
		   struct i2c_chip **chip)
{
	static const struct i2c_chip_ops ops = {"eeprom",   eeprom_write, eeprom_read,
						eeprom_get, eeprom_set,	  eeprom_free};
	struct eeprom *e = calloc(1, sizeof(*e));
	int ret;

	if (!e)
		return -ENOMEM;
	e->chip.ops = &ops;
	e->chip.type = type->name;
	e->chip.n_registers = type->bytes;
	e->type = type;
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
