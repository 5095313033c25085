/* SPDX-License-Identifier: MIT */
/*
 * A flash as Winbond's of the W25Q family: pages of 256 bytes that programming can only clear bits
 * of, blocks of 4, 32 and 64 KiB that erasing sets to ones, and never a wait.
 *
 * A command ends when the chip is deselected.  Linux' driver does not say when that is (it sends
 * the parts of a message as transfers with cs_change 0), so a command has ended, too, when it has
 * had its data, or has none, and the next transfer sends something.
 *
 * Nothing is cached: the file is what the chip holds.
 */
#include "spi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/own_file.h"

enum { PAGE = 256, BLANK = 0xff, MAKER = 0xef, FAMILY = 0x40 };
enum { WRITABLE = 2 }; /* of the status: WEL */

enum kind { NOTHING, WRITE_ENABLE, WRITE_DISABLE, IDENTIFY, STATUS, ZERO, READ, PROGRAM, ERASE };

struct opcode {
	uint8_t code;
	enum kind kind;
	uint8_t head;	/* bytes of address, and of nothing, before data */
	uint32_t erase; /* bytes; 0: all */
};

static const struct opcode opcodes[] = {
	{0x06, WRITE_ENABLE, 0, 0}, {0x04, WRITE_DISABLE, 0, 0}, {0x9f, IDENTIFY, 0, 0},
	{0x05, STATUS, 0, 0},	    {0x35, ZERO, 0, 0},		 {0x15, ZERO, 0, 0},
	{0x03, READ, 3, 0},	    {0x0b, READ, 4, 0},		 {0x02, PROGRAM, 3, 0},
	{0x20, ERASE, 3, 0x1000},   {0x52, ERASE, 3, 0x8000},	 {0xd8, ERASE, 3, 0x10000},
	{0xc7, ERASE, 0, 0},	    {0x60, ERASE, 0, 0},
};

/* What is not known takes bytes and says nothing. */
static const struct opcode unknown = {0, NOTHING, 0, 0};

struct flash {
	struct spi_chip chip;
	int fd;
	uint8_t capacity; /* of its identity: the size as a power of two */
	bool writable;
	const struct opcode *op; /* NULL: the next byte is one */
	uint8_t n_head;
	uint32_t address; /* of the next byte of data */
	uint32_t n_data;
};

static int flash_get(struct spi_chip *chip, uint32_t at, uint8_t *bytes, uint32_t len)
{
	const struct flash *f = (struct flash *)(void *)chip;

	memset(bytes, BLANK, len);
	return pread(f->fd, bytes, len, at) < 0 ? -errno : 0;
}

static int flash_set(struct spi_chip *chip, uint32_t at, const uint8_t *bytes, uint32_t len)
{
	const struct flash *f = (struct flash *)(void *)chip;
	ssize_t n = pwrite(f->fd, bytes, len, at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int flash_erase(struct flash *f, uint32_t at, uint32_t len)
{
	uint8_t blank[4096];
	int ret = 0;

	memset(blank, BLANK, sizeof(blank));
	for (uint32_t end = at + len; at < end && !ret; at += sizeof(blank))
		ret = flash_set(&f->chip, at, blank, sizeof(blank));
	return ret;
}

/* All of a command before its data is there. */
static int flash_start(struct flash *f)
{
	uint32_t len = f->op->erase ? f->op->erase : f->chip.size;

	f->address %= f->chip.size;
	if (f->op->kind == WRITE_ENABLE || f->op->kind == WRITE_DISABLE)
		f->writable = f->op->kind == WRITE_ENABLE;
	if (f->op->kind != ERASE || !f->writable)
		return 0;
	f->writable = false;
	return flash_erase(f, f->address / len * len, len);
}

static void flash_end(struct spi_chip *chip)
{
	struct flash *f = (struct flash *)(void *)chip;

	if (f->op && f->op->kind == PROGRAM && f->n_data)
		f->writable = false;
	f->op = NULL;
}

static void flash_begin(struct spi_chip *chip, const struct spi_transfer *t)
{
	struct flash *f = (struct flash *)(void *)chip;
	const struct opcode *op = f->op;
	bool data = op && (op->kind >= IDENTIFY && op->kind <= PROGRAM);

	if (op && t->tx && f->n_head == op->head && (!data || f->n_data))
		flash_end(chip);
}

/* Of the bytes of an opcode and what belongs to it, how many there were. */
static uint32_t flash_take(struct flash *f, const uint8_t *tx, uint32_t len, int *ret)
{
	uint32_t n = 0;

	if (!f->op) {
		f->op = &unknown;
		for (size_t i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++)
			if (opcodes[i].code == tx[0])
				f->op = &opcodes[i];
		f->n_head = 0;
		f->n_data = f->address = 0;
		n++;
		if (!f->op->head)
			*ret = flash_start(f);
	}
	while (n < len && f->n_head < f->op->head) {
		if (f->n_head < 3)
			f->address = f->address << 8 | tx[n];
		n++;
		if (++f->n_head == f->op->head)
			*ret = flash_start(f);
	}
	return n;
}

static uint8_t flash_identity(const struct flash *f, uint32_t at)
{
	const uint8_t identity[3] = {MAKER, FAMILY, f->capacity};

	return identity[at % sizeof(identity)];
}

/* From the last byte it goes on with the first. */
static int flash_read(struct flash *f, uint8_t *rx, uint32_t len)
{
	int ret = 0;

	while (len && !ret) {
		uint32_t part = f->chip.size - f->address;

		if (part > len)
			part = len;
		ret = flash_get(&f->chip, f->address, rx, part);
		f->address = (f->address + part) % f->chip.size;
		rx += part;
		len -= part;
	}
	return ret;
}

/* From the last byte of the page it goes on with the page's first. */
static int flash_program(struct flash *f, const uint8_t *tx, uint32_t len)
{
	uint32_t offset = f->address % PAGE, page = f->address - offset;
	uint8_t bytes[PAGE];
	int ret = flash_get(&f->chip, page, bytes, PAGE);

	if (ret || !f->writable)
		return ret;
	for (uint32_t i = 0; i < len; i++) {
		bytes[offset] &= tx[i];
		offset = (offset + 1) % PAGE;
	}
	f->address = page + offset;
	return flash_set(&f->chip, page, bytes, PAGE);
}

static int flash_data(struct flash *f, const uint8_t *tx, uint8_t *rx, uint32_t len)
{
	uint32_t at = f->n_data;

	f->n_data = at + len < at ? UINT32_MAX : at + len;
	switch (f->op->kind) {
	case IDENTIFY:
		for (uint32_t i = 0; i < len; i++)
			rx[i] = flash_identity(f, at + i);
		return 0;
	case STATUS:
		memset(rx, f->writable ? WRITABLE : 0, len);
		return 0;
	case ZERO:
		memset(rx, 0, len);
		return 0;
	case READ:
		return flash_read(f, rx, len);
	case PROGRAM:
		return flash_program(f, tx, len);
	default:
		return 0;
	}
}

static int flash_move(struct spi_chip *chip, const struct spi_transfer *t, const uint8_t *tx,
		      uint8_t *rx, uint32_t len, bool last)
{
	struct flash *f = (struct flash *)(void *)chip;
	uint32_t n;
	int ret = 0;

	memset(rx, BLANK, len);
	n = flash_take(f, tx, len, &ret);
	return ret || n == len ? ret : flash_data(f, tx + n, rx + n, len - n);
}

static void flash_free(struct spi_chip *chip)
{
	struct flash *f = (struct flash *)(void *)chip;

	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

/* A regular file, nobody else's, blank behind what it has. */
static int flash_prepare(struct flash *f)
{
	struct stat st;
	uint8_t blank[4096];
	int ret = 0;

	if (fstat(f->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > f->chip.size)
		return -EFBIG;
	if (flock(f->fd, LOCK_EX | LOCK_NB))
		return -errno;
	memset(blank, BLANK, sizeof(blank));
	for (uint32_t at = (uint32_t)st.st_size; at < f->chip.size && !ret;) {
		uint32_t part = 4096 - at % 4096;

		ret = flash_set(&f->chip, at, blank, part);
		at += part;
	}
	return ret;
}

int spi_flash_new(const char *size, const char *path, struct spi_chip **chip)
{
	static const struct spi_chip_ops ops = {"flash",   flash_begin, flash_move, flash_end,
						flash_get, flash_set,	flash_free};
	/* Those that Linux knows without asking the chip for more than its identity. */
	static const struct {
		const char *name;
		uint8_t capacity;
	} sizes[] = {{"1M", 20}, {"4M", 22}, {"8M", 23}, {"16M", 24}};
	struct flash *f;
	int i = 0, ret;

	while (size && i < 4 && strcmp(sizes[i].name, size))
		i++;
	if (i == 4)
		return -EDOM;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->chip.ops = &ops;
	f->capacity = sizes[i].capacity;
	f->chip.size = UINT32_C(1) << f->capacity;
	f->fd = path ? own_file_open(path, O_RDWR | O_NONBLOCK)
		     : memfd_create("flash", MFD_CLOEXEC);
	ret = f->fd >= 0 ? flash_prepare(f) : path ? f->fd : -errno;
	if (ret)
		flash_free(&f->chip);
	else
		*chip = &f->chip;
	return ret;
}
