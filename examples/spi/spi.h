/* SPDX-License-Identifier: MIT */
/*
 * The parts of vu-spi: requests (spi_request.c) become transfers of the bus (spi_bus.c) with one
 * of its chips: a loopback, a simulated flash (spi_flash.c), or one of this machine (spi_dev.c).
 * All of a device runs on the thread of its queue.
 */
#ifndef VU_SPI_H
#define VU_SPI_H

#include <libvu/unstable.h>

#include <stdbool.h>
#include <stdint.h>

enum {
	SPI_CHIPS = 16,
	SPI_CHUNK = 4096, /* bytes that move at once, and what spidev takes by default */
};

/* virtio 1.4 §5.21.6.1 */
enum {
	SPI_MODE_CPHA = 1,
	SPI_MODE_CPOL = 2,
	SPI_MODE_LOOP = 16,
	SPI_MODES = SPI_MODE_CPHA | SPI_MODE_CPOL | SPI_MODE_LOOP
};
enum { SPI_TRANS_OK, SPI_PARAM_ERR, SPI_TRANS_ERR, SPI_GOES_ON /* none of the driver's */ };

/* One that was found to be well-formed. */
struct spi_transfer {
	uint8_t chip;
	uint32_t mode;
	uint32_t freq;
	bool tx, rx;   /* the driver has something to send, wants what comes */
	bool deselect; /* when it is over */
	uint32_t len;
	uint32_t at; /* so much of it went through */
};

struct spi_chip {
	const struct spi_chip_ops *ops;
	uint64_t n_transfers, n_bytes;
	uint64_t failures; /* so many transfers are still to fail */
	uint32_t size;	   /* bytes that commands may look at; 0: none */
};

struct spi_chip_ops {
	const char *kind;
	/* A transfer begins; may be NULL. */
	void (*begin)(struct spi_chip *chip, const struct spi_transfer *t);
	/*
	 * A part of it: tx is what is sent (zeros where the driver has nothing), rx receives as
	 * much.  0 or -errno.
	 */
	int (*move)(struct spi_chip *chip, const struct spi_transfer *t, const uint8_t *tx,
		    uint8_t *rx, uint32_t len, bool last);
	/* May be NULL. */
	void (*deselect)(struct spi_chip *chip);
	/* Bytes that it holds, for commands; NULL without size. */
	int (*get)(struct spi_chip *chip, uint32_t at, uint8_t *bytes, uint32_t len);
	int (*set)(struct spi_chip *chip, uint32_t at, const uint8_t *bytes, uint32_t len);
	void (*free)(struct spi_chip *chip);
};

struct spi_bus {
	uint32_t n;
	struct spi_chip *chips[SPI_CHIPS];
	struct spi_chip *selected; /* or NULL */
	bool real;		   /* some are of this machine */
	uint32_t max_freq;	   /* in Hz; 0: any */
	int error;		   /* of the last transfer that failed; 0: none did */
	uint8_t tx[SPI_CHUNK], rx[SPI_CHUNK];
};

/*
 * "loopback", "flash[:SIZE[:FILE]]", "spidev:PATH[:hold]", of which device of its program; says on
 * stderr what is wrong.
 */
int spi_bus_add(struct spi_bus *bus, const char *spec, uint32_t device);
void spi_bus_deselect(struct spi_bus *bus);
void spi_bus_free(struct spi_bus *bus);

/*
 * A request: its result, or SPI_GOES_ON and the transfer, of which spi_go_on() moves a piece that
 * takes no longer than a second, or is a byte.
 */
int spi_begin(struct spi_bus *bus, const struct vu_req *req, struct spi_transfer *t);
int spi_go_on(struct spi_bus *bus, const struct vu_req *req, struct spi_transfer *t);
/* It does not: the result. */
int spi_break_off(struct spi_bus *bus, int error);
/* What to complete a request with that has this result. */
uint64_t spi_answer(const struct vu_req *req, int result);

/* size: "1M", "4M", "8M", "16M" or NULL; path may be NULL. */
int spi_flash_new(const char *size, const char *path, struct spi_chip **chip);
/* A chip of this machine's; max_freq receives how fast it can be. */
int spi_dev_open(const char *path, bool hold, struct spi_chip **chip, uint32_t *max_freq);

/* Of the control socket; their opaque is a struct spi_bus. */
extern const struct vu_command spi_commands[];

#endif
