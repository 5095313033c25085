/* SPDX-License-Identifier: MIT */
/*
 * A chip of this machine, by spidev.  A transfer is one SPI_IOC_MESSAGE, or several of 4 KiB, the
 * most that spidev takes by default, between which the chip stays selected.  A machine may have set
 * less (its parameter bufsiz), which is found out by trying: nothing was sent then.
 *
 * Afterwards it is deselected, for a driver that does not say where a message ends (Linux'), or
 * with "hold" as the request says.
 */
#include "spi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct dev {
	struct spi_chip chip;
	int fd;
	bool hold;
	bool selected; /* the last message left it so */
	uint32_t most; /* bytes of a message */
	uint8_t mode;
};

/* How the chip is wired (SPI_CS_HIGH, ...) is not the driver's. */
static int dev_set_mode(struct dev *dev, uint32_t wanted)
{
	const uint8_t clock = SPI_MODE_CPHA | SPI_MODE_CPOL;
	uint8_t mode = (uint8_t)((dev->mode & ~clock) | (wanted & clock));

	if (mode == dev->mode)
		return 0;
	if (ioctl(dev->fd, SPI_IOC_WR_MODE, &mode) < 0)
		return -errno;
	dev->mode = mode;
	return 0;
}

static int dev_message(struct dev *dev, const struct spi_transfer *t, const uint8_t *tx,
		       uint8_t *rx, uint32_t len, bool last)
{
	struct spi_ioc_transfer message = {
		.tx_buf = t->tx ? (uintptr_t)tx : 0,
		.rx_buf = t->rx ? (uintptr_t)rx : 0,
		.len = len,
		.speed_hz = t->freq,
		.bits_per_word = 8,
		/* In the last transfer of a message this means to stay selected. */
		.cs_change = !last || (dev->hold && !t->deselect),
	};
	int ret;

	dev->selected |= message.cs_change;
	ret = ioctl(dev->fd, SPI_IOC_MESSAGE(1), &message);
	if (ret < 0)
		return -errno;
	dev->selected = message.cs_change;
	return (uint32_t)ret == len ? 0 : -EIO;
}

static int dev_move(struct spi_chip *chip, const struct spi_transfer *t, const uint8_t *tx,
		    uint8_t *rx, uint32_t len, bool last)
{
	struct dev *dev = (struct dev *)(void *)chip;
	int ret = dev_set_mode(dev, t->mode);

	for (uint32_t at = 0; at < len && !ret;) {
		uint32_t piece = len - at < dev->most ? len - at : dev->most;

		ret = dev_message(dev, t, tx + at, rx + at, piece, last && at + piece == len);
		if (!ret) {
			at += piece;
		} else if (ret == -EMSGSIZE && piece > 1) {
			while (dev->most >= piece)
				dev->most /= 2;
			ret = 0;
		}
	}
	return ret;
}

/* A transfer of nothing selects it, and that ends as it does after each. */
static void dev_deselect(struct spi_chip *chip)
{
	struct dev *dev = (struct dev *)(void *)chip;
	struct spi_ioc_transfer message = {.bits_per_word = 8};

	if (dev->selected)
		ioctl(dev->fd, SPI_IOC_MESSAGE(1), &message);
	dev->selected = false;
}

static void dev_free(struct spi_chip *chip)
{
	struct dev *dev = (struct dev *)(void *)chip;

	if (dev->fd >= 0)
		close(dev->fd);
	free(dev);
}

int spi_dev_open(const char *path, bool hold, struct spi_chip **chip, uint32_t *max_freq)
{
	static const struct spi_chip_ops ops = {
		.kind = "spidev", .move = dev_move, .deselect = dev_deselect, .free = dev_free};
	struct dev *dev = calloc(1, sizeof(*dev));
	int ret = 0;

	if (!dev)
		return -ENOMEM;
	dev->chip.ops = &ops;
	dev->hold = hold;
	dev->most = SPI_CHUNK;
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0 || ioctl(dev->fd, SPI_IOC_RD_MAX_SPEED_HZ, max_freq) < 0 ||
	    ioctl(dev->fd, SPI_IOC_RD_MODE, &dev->mode) < 0)
		ret = -errno;
	if (ret)
		dev_free(&dev->chip);
	else
		*chip = &dev->chip;
	return ret;
}
