/* SPDX-License-Identifier: MIT */
/* The commands of vu-i2c, the same in a description file and on the control socket. */
#include "i2c.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "../common/own_file.h"

/* 0 with the chip, or the failure to return. */
static int control_find(struct vu_script *script, const struct i2c_control *control,
			const char *text, struct i2c_chip **chip)
{
	uint16_t address;

	if (i2c_address_parse(text, &address))
		return vu_script_fail(script, "no address (0x50, or 0x150/10 for one of 10 bits)");
	*chip = i2c_chips_find(control->chips, address);
	return *chip ? 0 : vu_script_fail(script, "no simulated chip has this address");
}

/* 0 with an address that is free, or the failure to return. */
static int control_free_address(struct vu_script *script, const struct i2c_control *control,
				const char *text, uint16_t *address)
{
	if (i2c_address_parse(text, address))
		return vu_script_fail(script, "no address (0x50, or 0x150/10 for one of 10 bits)");
	if (i2c_bus_has(control->bus, *address))
		return vu_script_fail(script, "the address is in use");
	return 0;
}

static int command_eeprom(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	const struct i2c_control *control = opaque;
	const struct i2c_eeprom_type *type = n > 1 ? i2c_eeprom_type(words[1]) : NULL;
	struct i2c_chip *chip;
	const char *file;
	char path[PATH_MAX];
	uint16_t address;
	int ret = control_free_address(script, control, words[0], &address);

	if (ret)
		return ret;
	words += type ? 2 : 1;
	n -= type ? 2 : 1;
	file = n ? words[0] : NULL;
	if (n > 2 || (n == 2 && strcmp(words[1], "ro")))
		return vu_script_fail(script,
				      "wants ADDRESS [24c02|24c32|24c64|24c128|24c256|24c512] "
				      "[FILE [ro]]");
	if (file) {
		ret = vu_program_path(file, control->index, path, sizeof(path));
		if (ret)
			return ret;
	}
	ret = i2c_eeprom_new(type ? type : i2c_eeprom_type("24c02"), file ? path : NULL, n == 2,
			     &chip);
	if (ret == -EWOULDBLOCK)
		return vu_script_fail(script, "another EEPROM is in this file");
	if (ret)
		return vu_script_fail(script, own_file_error(-ret));
	if (!ret)
		i2c_chips_add(control->chips, chip, address);
	return ret;
}

static int command_registers(struct vu_script *script, uint32_t n, const char *const *words,
			     void *opaque)
{
	const struct i2c_control *control = opaque;
	struct i2c_chip *chip;
	uint16_t address;
	int ret = control_free_address(script, control, words[0], &address);

	if (!ret && n == 2 && (strcmp(words[1], "pec") || address & I2C_TEN))
		return vu_script_fail(script, "only \"pec\" may follow, and an address of 7 bits");
	if (!ret)
		ret = i2c_registers_new(n == 2, &chip);
	if (!ret)
		i2c_chips_add(control->chips, chip, address);
	return ret;
}

/* The first two words of a line: a chip's address, and a register of it. */
static int control_register(struct vu_script *script, const struct i2c_control *control,
			    const char *const *words, struct i2c_chip **chip, uint32_t *number)
{
	uint64_t value;
	int ret = control_find(script, control, words[0], chip);

	if (ret)
		return ret;
	if (vu_number_parse(words[1], 0, (*chip)->n_registers - 1, &value))
		return vu_script_failf(script, "the register is a number up to %" PRIu32,
				       (*chip)->n_registers - 1);
	*number = (uint32_t)value;
	return 0;
}

/* What is not said stays as it was; a new register has 8 bits and is the host's. */
static int command_reg(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct i2c_register reg;
	struct i2c_chip *chip;
	uint64_t value, bits;
	uint32_t number = 0;
	int ret = control_register(script, opaque, words, &chip, &number);

	if (ret)
		return ret;
	ret = chip->ops->get(chip, number, &reg);
	if (ret == -ENOENT)
		reg = (struct i2c_register){.bytes = 1};
	else if (ret)
		return ret;
	for (uint32_t i = 3; i < n; i++) {
		if (!strcmp(words[i], "rw"))
			reg.writable = true;
		else if (!strcmp(words[i], "ro"))
			reg.writable = false;
		else if (!vu_number_parse(words[i], 8, 32, &bits) && bits % 8 == 0)
			reg.bytes = (uint8_t)(bits / 8);
		else
			return vu_script_fail(script, "after the value: 8, 16, 24 or 32; ro or rw");
	}
	if (vu_number_parse(words[2], 0, UINT32_MAX >> (32 - 8 * reg.bytes), &value))
		return vu_script_fail(script, "the value is no number, or has more bits");
	reg.value = (uint32_t)value;
	return chip->ops->set(chip, number, &reg);
}

static int command_get(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct i2c_register reg;
	struct i2c_chip *chip;
	uint32_t number = 0;
	int ret = control_register(script, opaque, words, &chip, &number);

	if (ret)
		return ret;
	ret = chip->ops->get(chip, number, &reg);
	if (ret == -ENOENT)
		return vu_script_fail(script, "no such register");
	if (ret)
		return ret;
	vu_script_answerf(script, "0x%0*" PRIx32, 2 * reg.bytes, reg.value);
	return 0;
}

static int command_list(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	const struct i2c_control *control = opaque;
	char text[I2C_TEXT];

	for (struct i2c_chip *chip = control->chips->list; chip; chip = chip->next)
		vu_script_answerf(script, "%s %s%s%s", chip->ops->kind,
				  i2c_address_format(chip->address, text), chip->type ? " " : "",
				  chip->type ? chip->type : "");
	return 0;
}

static int command_remove(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	const struct i2c_control *control = opaque;
	struct i2c_chip *chip;
	int ret = control_find(script, control, words[0], &chip);

	if (!ret)
		i2c_chips_remove(control->chips, chip);
	return ret;
}

static int command_nak(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct i2c_control *control = opaque;

	if (!n)
		control->bus->naks = 1;
	else if (vu_number_parse(words[0], 0, UINT64_MAX, &control->bus->naks))
		return vu_script_fail(script, "how many transfers?");
	return 0;
}

static int command_stats(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct i2c_control *control = opaque;

	vu_script_answerf(script, "transfers %" PRIu64 " messages %" PRIu64,
			  control->bus->n_transfers, control->bus->n_messages);
	return 0;
}

const struct vu_command i2c_commands[] = {
	{"eeprom", "ADDRESS [TYPE] [FILE [ro]]", "24c02 to 24c512, kept in FILE or in memory", 1, 4,
	 command_eeprom},
	{"registers", "ADDRESS [pec]", "a chip with registers, none yet", 1, 2, command_registers},
	{"reg", "ADDRESS REGISTER VALUE [8|16|24|32] [ro|rw]", "make or set a register", 3, 5,
	 command_reg},
	{"get", "ADDRESS REGISTER", "what a register holds", 2, 2, command_get},
	{"list", NULL, "the simulated chips", 0, 0, command_list},
	{"remove", "ADDRESS", "take a simulated chip off the bus", 1, 1, command_remove},
	{"nak", "[N]", "the next transfer, or N of them, fails", 0, 1, command_nak},
	{"stats", NULL, "what was tried on the bus so far", 0, 0, command_stats},
	{NULL, NULL, NULL, 0, 0, NULL},
};
