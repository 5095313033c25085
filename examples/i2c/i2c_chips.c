/* SPDX-License-Identifier: MIT */
/* Simulated chips: an adapter whose messages go from one chip to the next as on a real bus. */
#include "i2c.h"

#include <errno.h>
#include <stdlib.h>

struct i2c_chip *i2c_chips_find(const struct i2c_chips *chips, uint16_t address)
{
	struct i2c_chip *chip = chips->list;

	while (chip && chip->address != address)
		chip = chip->next;
	return chip;
}

/* The polynomial x^8 + x^2 + x + 1 (SMBus 2.0, 5.4.1). */
uint8_t i2c_crc(uint8_t crc, const unsigned char *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1);
	}
	return crc;
}

static bool chips_has(struct i2c_adapter *adapter, uint16_t address)
{
	return i2c_chips_find((struct i2c_chips *)(void *)adapter, address) != NULL;
}

static int chips_transfer(struct i2c_adapter *adapter, const struct i2c_message *messages,
			  uint32_t n)
{
	struct i2c_chips *chips = (struct i2c_chips *)(void *)adapter;

	for (uint32_t i = 0; i < n; i++) {
		const struct i2c_message *m = &messages[i];
		struct i2c_chip *chip = i2c_chips_find(chips, m->address);
		unsigned char first = (unsigned char)(m->address << 1 | m->read);
		bool begins = !i || messages[i - 1].address != m->address;
		int ret;

		chip->crc = i2c_crc(begins ? 0 : chip->crc, &first, 1);
		if (m->read)
			ret = chip->ops->read(chip, m->data, m->len);
		else
			ret = chip->ops->write(chip, m->data, m->len);
		if (ret)
			return i ? (int)i : ret;
		chip->crc = i2c_crc(chip->crc, m->data, m->len);
	}
	return (int)n;
}

void i2c_chips_add(struct i2c_chips *chips, struct i2c_chip *chip, uint16_t address)
{
	struct i2c_chip **at = &chips->list;

	while (*at && (*at)->address < address)
		at = &(*at)->next;
	chip->chips = chips;
	chip->address = address;
	chip->next = *at;
	*at = chip;
}

void i2c_chips_remove(struct i2c_chips *chips, struct i2c_chip *chip)
{
	struct i2c_chip **at = &chips->list;

	while (*at != chip)
		at = &(*at)->next;
	*at = chip->next;
	chip->ops->free(chip);
}

static void chips_free(struct i2c_adapter *adapter)
{
	struct i2c_chips *chips = (struct i2c_chips *)(void *)adapter;

	while (chips->list)
		i2c_chips_remove(chips, chips->list);
	free(chips);
}

struct i2c_chips *i2c_chips_new(void)
{
	static const struct i2c_adapter_ops ops = {chips_has, chips_transfer, chips_free};
	struct i2c_chips *chips = calloc(1, sizeof(*chips));

	if (chips)
		chips->adapter.ops = &ops;
	return chips;
}

int i2c_default_chips(struct i2c_chips *chips)
{
	/* As an LM75 after power on, at 25 degrees: configuration, then limits of 75 and 80. */
	static const struct i2c_register lm75[] = {
		{0x1900, 2, false}, {0, 1, true}, {0x4b00, 2, true}, {0x5000, 2, true}};
	struct i2c_chip *chip;
	int ret = i2c_eeprom_new(i2c_eeprom_type("24c02"), NULL, false, &chip);

	if (ret)
		return ret;
	i2c_chips_add(chips, chip, 0x50);
	ret = i2c_registers_new(false, &chip);
	if (ret)
		return ret;
	i2c_chips_add(chips, chip, 0x48);
	for (uint8_t i = 0; i < 4 && !ret; i++)
		ret = chip->ops->set(chip, i, &lm75[i]);
	return ret;
}
