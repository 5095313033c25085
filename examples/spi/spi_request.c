/* SPDX-License-Identifier: MIT */
/*
 * Requests: a head, what is sent, what is received, and a byte for the result at the very end of
 * what can be written (virtio 1.4 §5.21.6).  The head is copied before it is looked at; data goes
 * through the bus' own buffers, piece by piece, so a transfer may be of any length, and can be
 * broken off.
 */
#include "spi.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct head {
	uint8_t chip_select_id;
	uint8_t bits_per_word;
	uint8_t cs_change;
	uint8_t tx_nbits;
	uint8_t rx_nbits;
	uint8_t reserved[3];
	uint32_t mode;
	uint32_t freq;
	uint32_t delays[4]; /* between words, after select, before and after deselect */
};

enum { HEAD = sizeof(struct head), BITS = 8 };

uint64_t spi_answer(const struct vu_req *req, int result)
{
	uint8_t byte = (uint8_t)result;

	if (!req->writable_len)
		return 0;
	vu_req_write(req, req->writable_len - 1, &byte, 1);
	return req->writable_len;
}

/* Whether the device can do all that a head asks for; the configuration space says what it can. */
static bool head_is_good(const struct spi_bus *bus, const struct head *h)
{
	static const uint32_t no_delays[4];

	return h->chip_select_id < bus->n && h->bits_per_word == BITS && h->cs_change <= 1 &&
	       h->tx_nbits <= 1 && h->rx_nbits <= 1 && !memcmp(h->reserved, "\0\0\0", 3) &&
	       !(le32toh(h->mode) & ~(uint32_t)SPI_MODES) &&
	       (!bus->real || !(le32toh(h->mode) & SPI_MODE_LOOP)) &&
	       (!bus->max_freq || le32toh(h->freq) <= bus->max_freq) &&
	       !memcmp(h->delays, no_delays, sizeof(no_delays));
}

static bool transfer_read(const struct spi_bus *bus, const struct vu_req *req,
			  struct spi_transfer *t)
{
	struct head h;
	uint64_t tx, rx = req->writable_len - 1;

	if (vu_req_read(req, 0, &h, HEAD) != HEAD || !head_is_good(bus, &h))
		return false;
	tx = req->readable_len - HEAD;
	if ((tx && rx && tx != rx) || tx > UINT32_MAX || rx > UINT32_MAX)
		return false;
	*t = (struct spi_transfer){
		.chip = h.chip_select_id,
		.mode = le32toh(h.mode),
		.freq = le32toh(h.freq),
		.tx = tx,
		.rx = rx,
		.deselect = h.cs_change,
		.len = (uint32_t)(tx ? tx : rx),
	};
	return true;
}

/* LOOP is what the controller does, without the chip. */
static int transfer_move(struct spi_bus *bus, const struct vu_req *req,
			 const struct spi_transfer *t, uint32_t len)
{
	struct spi_chip *chip = bus->selected;
	int ret = 0;

	memset(bus->tx, 0, len);
	if (t->tx && vu_req_read(req, HEAD + t->at, bus->tx, len) != len)
		return -EFAULT;
	if (t->mode & SPI_MODE_LOOP)
		memcpy(bus->rx, bus->tx, len);
	else
		ret = chip->ops->move(chip, t, bus->tx, bus->rx, len, t->at + len == t->len);
	if (!ret && t->rx)
		vu_req_write(req, t->at, bus->rx, len);
	return ret;
}

/* A driver may ask for a clock of 1 Hz. */
static uint32_t transfer_piece(const struct spi_bus *bus, const struct spi_transfer *t)
{
	uint32_t left = t->len - t->at, piece = SPI_CHUNK;
	uint32_t freq = t->freq ? t->freq : bus->max_freq;

	if (bus->real && freq && freq / BITS < piece)
		piece = freq / BITS ? freq / BITS : 1;
	return left < piece ? left : piece;
}

static int transfer_select(struct spi_bus *bus, const struct spi_transfer *t)
{
	struct spi_chip *chip = bus->chips[t->chip];

	if (bus->selected != chip)
		spi_bus_deselect(bus);
	bus->selected = chip;
	chip->n_transfers++;
	if (chip->failures) {
		chip->failures--;
		return -EIO;
	}
	if (chip->ops->begin && !(t->mode & SPI_MODE_LOOP))
		chip->ops->begin(chip, t);
	return 0;
}

int spi_break_off(struct spi_bus *bus, int error)
{
	bus->error = error;
	spi_bus_deselect(bus);
	return SPI_TRANS_ERR;
}

static int transfer_end(struct spi_bus *bus, const struct spi_transfer *t)
{
	bus->selected->n_bytes += t->len;
	if (t->deselect)
		spi_bus_deselect(bus);
	return SPI_TRANS_OK;
}

int spi_begin(struct spi_bus *bus, const struct vu_req *req, struct spi_transfer *t)
{
	int ret;

	if (!req->writable_len || !transfer_read(bus, req, t))
		return SPI_PARAM_ERR;
	ret = transfer_select(bus, t);
	if (ret)
		return spi_break_off(bus, ret);
	return t->len ? SPI_GOES_ON : transfer_end(bus, t);
}

int spi_go_on(struct spi_bus *bus, const struct vu_req *req, struct spi_transfer *t)
{
	uint32_t len = transfer_piece(bus, t);
	int ret = transfer_move(bus, req, t, len);

	if (ret)
		return spi_break_off(bus, ret);
	t->at += len;
	return t->at < t->len ? SPI_GOES_ON : transfer_end(bus, t);
}
