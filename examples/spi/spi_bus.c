/* SPDX-License-Identifier: MIT */
/* The bus: which chips there are, and the one that sends back what it gets. */
#include "spi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/own_file.h"

static int loopback_move(struct spi_chip *chip, const struct spi_transfer *t, const uint8_t *tx,
			 uint8_t *rx, uint32_t len, bool last)
{
	memcpy(rx, tx, len);
	return 0;
}

static void loopback_free(struct spi_chip *chip)
{
	free(chip);
}

static int loopback_new(struct spi_chip **chip)
{
	static const struct spi_chip_ops ops = {
		.kind = "loopback", .move = loopback_move, .free = loopback_free};

	*chip = calloc(1, sizeof(**chip));
	if (!*chip)
		return -ENOMEM;
	(*chip)->ops = &ops;
	return 0;
}

static int bus_complain(const char *what, const char *why, int ret)
{
	fprintf(stderr, "vu-spi: %s: %s\n", what, why);
	return ret;
}

static int bus_open(struct spi_bus *bus, char *path, struct spi_chip **chip)
{
	char *hold = strrchr(path, ':');
	uint32_t max_freq = 0;
	int ret;

	if (hold && strcmp(hold, ":hold"))
		return bus_complain(hold, "not \"hold\"", -EINVAL);
	if (hold)
		*hold = '\0';
	ret = spi_dev_open(path, hold, chip, &max_freq);
	if (ret)
		return bus_complain(path, ret == -ENOTTY ? "no spidev" : strerror(-ret), ret);
	bus->real = true;
	if (max_freq && (!bus->max_freq || max_freq < bus->max_freq))
		bus->max_freq = max_freq;
	return 0;
}

static int bus_flash(const char *size, const char *file, uint32_t device, struct spi_chip **chip)
{
	char path[PATH_MAX];
	int ret = file ? vu_program_path(file, device, path, sizeof(path)) : 0;

	if (!ret)
		ret = spi_flash_new(size, file ? path : NULL, chip);
	if (!ret)
		return 0;
	if (ret == -EDOM)
		return bus_complain(size, "no such flash: 1M, 4M, 8M, 16M", -EINVAL);
	return bus_complain(file ? path : "flash",
			    ret == -EFBIG	  ? "larger than the flash"
			    : ret == -EWOULDBLOCK ? "another flash is in this file"
			    : ret == -EINVAL	  ? "no regular file"
						  : own_file_error(-ret),
			    ret);
}

static int bus_make(struct spi_bus *bus, char *spec, uint32_t device, struct spi_chip **chip)
{
	char *kind = strsep(&spec, ":");
	char *size;

	if (!strcmp(kind, "loopback") && !spec)
		return loopback_new(chip);
	if (!strcmp(kind, "spidev") && spec)
		return bus_open(bus, spec, chip);
	if (strcmp(kind, "flash"))
		return bus_complain(kind, "not loopback, flash[:SIZE[:FILE]], spidev:PATH[:hold]",
				    -EINVAL);
	size = strsep(&spec, ":");
	return bus_flash(size, spec, device, chip);
}

int spi_bus_add(struct spi_bus *bus, const char *spec, uint32_t device)
{
	char *copy = strdup(spec);
	int ret = copy ? 0 : -ENOMEM;

	if (!ret && bus->n == SPI_CHIPS)
		ret = bus_complain(spec, "too many chips", -ENOSPC);
	if (!ret)
		ret = bus_make(bus, copy, device, &bus->chips[bus->n]);
	if (!ret)
		bus->n++;
	free(copy);
	return ret;
}

void spi_bus_deselect(struct spi_bus *bus)
{
	struct spi_chip *chip = bus->selected;

	bus->selected = NULL;
	if (chip && chip->ops->deselect)
		chip->ops->deselect(chip);
}

void spi_bus_free(struct spi_bus *bus)
{
	spi_bus_deselect(bus);
	while (bus->n) {
		struct spi_chip *chip = bus->chips[--bus->n];

		chip->ops->free(chip);
	}
}
