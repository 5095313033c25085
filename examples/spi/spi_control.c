/* SPDX-License-Identifier: MIT */
/* The commands of vu-spi: what chips hold, and chips that fail. */
#include "spi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 32, MAX_BYTES = 63 };

/* 0 with the chip, or the failure to return. */
static int control_find(struct vu_script *script, const struct spi_bus *bus, const char *text,
			struct spi_chip **chip)
{
	uint64_t number;

	if (vu_number_parse(text, 0, UINT32_MAX, &number))
		return vu_script_fail(script, "a chip is a number, from 0 on");
	if (number >= bus->n)
		return vu_script_fail(script, "there is no such chip");
	*chip = bus->chips[number];
	return 0;
}

static int control_place(struct vu_script *script, const struct spi_bus *bus,
			 const char *const *words, struct spi_chip **chip, uint64_t *at)
{
	int ret = control_find(script, bus, words[0], chip);

	if (ret)
		return ret;
	if (!(*chip)->size)
		return vu_script_fail(script, "it holds nothing");
	if (vu_number_parse(words[1], 0, (*chip)->size - 1, at))
		return vu_script_fail(script, "no address of this chip");
	return 0;
}

static int command_list(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	const struct spi_bus *bus = opaque;

	for (uint32_t i = 0; i < bus->n; i++)
		vu_script_answerf(script, "%u %s %u transfers %" PRIu64 " bytes %" PRIu64, i,
				  bus->chips[i]->ops->kind, bus->chips[i]->size,
				  bus->chips[i]->n_transfers, bus->chips[i]->n_bytes);
	return 0;
}

static int command_get(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct spi_chip *chip = NULL;
	uint8_t bytes[LINE_BYTES];
	char text[3 * LINE_BYTES + 1];
	uint64_t at = 0, len = 1;
	int ret = control_place(script, opaque, words, &chip, &at);

	if (ret)
		return ret;
	if (n > 2 && vu_number_parse(words[2], 1, 4096, &len))
		return vu_script_fail(script, "so many bytes: 1 to 4096");
	if (len > chip->size - at)
		return vu_script_fail(script, "it ends before");
	while (len && !ret) {
		uint32_t part = len < LINE_BYTES ? (uint32_t)len : LINE_BYTES;

		ret = chip->ops->get(chip, (uint32_t)at, bytes, part);
		for (uint32_t i = 0; i < part; i++)
			snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
		text[3 * part - 1] = '\0';
		if (!ret)
			vu_script_answer(script, text);
		at += part;
		len -= part;
	}
	return ret;
}

static int command_set(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct spi_chip *chip = NULL;
	uint8_t bytes[MAX_BYTES];
	uint64_t at = 0, byte;
	int ret = control_place(script, opaque, words, &chip, &at);

	for (uint32_t i = 2; i < n && !ret; i++) {
		if (vu_number_parse(words[i], 0, UINT8_MAX, &byte))
			return vu_script_fail(script, "a byte is a number up to 255");
		bytes[i - 2] = (uint8_t)byte;
	}
	if (ret)
		return ret;
	if (n - 2 > chip->size - at)
		return vu_script_fail(script, "it ends before");
	return chip->ops->set(chip, (uint32_t)at, bytes, n - 2);
}

static int command_fail(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct spi_chip *chip = NULL;
	uint64_t failures = 1;
	int ret = control_find(script, opaque, words[0], &chip);

	if (!ret && n > 1 && vu_number_parse(words[1], 0, UINT32_MAX, &failures))
		return vu_script_fail(script, "so many transfers");
	if (!ret)
		chip->failures = failures;
	return ret;
}

const struct vu_command spi_commands[] = {
	{"list", NULL, "all chips: number, kind, bytes that it holds, transfers, bytes", 0, 0,
	 command_list},
	{"get", "CHIP ADDRESS [N]", "bytes of a flash", 2, 3, command_get},
	{"set", "CHIP ADDRESS BYTE ...", "write them, without erasing", 3, 2 + 61, command_set},
	{"fail", "CHIP [N]", "so many of the next transfers fail (default: 1)", 1, 2, command_fail},
	{NULL, NULL, NULL, 0, 0, NULL},
};
