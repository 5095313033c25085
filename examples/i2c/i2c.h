/* SPDX-License-Identifier: MIT */
/*
 * The parts of vu-i2c: requests (i2c_request.c) become messages; the bus hands them to the adapter
 * that has the address: one of this machine (i2c_dev.c) or simulated chips (i2c_chips.c, with
 * i2c_eeprom.c and i2c_registers.c).  All of a device runs on the thread of its queue.
 */
#ifndef VU_I2C_H
#define VU_I2C_H

#include <libvu/unstable.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* What i2c-dev takes in one transfer, so what a piece of a group may have at most. */
	I2C_MESSAGES = 42,
	I2C_BYTES = 8192, /* in one message */
	I2C_TEN = 0x8000, /* in an address: it has 10 bits */
	I2C_TEXT = 16,	  /* room for an address as text */
};

struct i2c_message {
	uint16_t address;
	bool read;
	bool more; /* FAIL_NEXT: the next one is of the same group */
	uint32_t len;
	unsigned char *data;
};

/* Something with chips at some addresses. */
struct i2c_adapter {
	const struct i2c_adapter_ops *ops;
	struct i2c_adapter *next;
};

struct i2c_adapter_ops {
	bool (*has)(struct i2c_adapter *adapter, uint16_t address);
	/*
	 * From START to STOP, with a repeated START between messages, all for addresses of its own.
	 * How many of them went well, or -errno if that is not known or none did.
	 */
	int (*transfer)(struct i2c_adapter *adapter, const struct i2c_message *messages,
			uint32_t n);
	void (*free)(struct i2c_adapter *adapter);
};

struct i2c_bus {
	struct i2c_adapter *adapters;
	unsigned char *data;		  /* I2C_MESSAGES times I2C_BYTES */
	uint64_t naks;			  /* so many transfers are still to fail */
	bool failing;			  /* the next request belongs to a group that has failed */
	uint64_t n_transfers, n_messages; /* tried so far */
	int error;			  /* of the last transfer that ended with one, or 0 */
};

/* A group of requests, or as much of it as there is; see i2c_piece_add(). */
struct i2c_piece {
	uint32_t n;
	uint32_t n_good; /* so many of the first ones are well-formed */
	uint32_t n_mute; /* so many have no room for a status */
	struct vu_req *reqs[I2C_MESSAGES];
	struct i2c_message messages[I2C_MESSAGES];
	uint64_t written[I2C_MESSAGES];
};

/* "0x50", or "0x150/10" for an address of 10 bits. */
int i2c_address_parse(const char *text, uint16_t *address);
const char *i2c_address_format(uint16_t address, char text[I2C_TEXT]);

int i2c_bus_init(struct i2c_bus *bus);
void i2c_bus_fini(struct i2c_bus *bus);
/* The bus owns the adapter from now on. */
void i2c_bus_add(struct i2c_bus *bus, struct i2c_adapter *adapter);
bool i2c_bus_has(const struct i2c_bus *bus, uint16_t address);
/* How many of the messages went well. */
uint32_t i2c_bus_transfer(struct i2c_bus *bus, const struct i2c_message *messages, uint32_t n);

/* Begins a piece with n 0.  True if the group goes on and the piece has room. */
bool i2c_piece_add(struct i2c_piece *piece, struct vu_req *req);
/* Execute or fail each request; written[] is then what to complete it with. */
void i2c_piece_run(struct i2c_piece *piece, struct i2c_bus *bus);

/* An adapter of this machine, "PATH:ADDRESS[,ADDRESS]..."; says on stderr why it can't be used. */
int i2c_dev_open(const char *spec, struct i2c_adapter **adapter);

/* A register, or a byte of an EEPROM. */
struct i2c_register {
	uint32_t value;
	uint8_t bytes; /* 1 to 4; 0: there is none */
	bool writable; /* by the guest */
};

struct i2c_chip {
	const struct i2c_chip_ops *ops;
	struct i2c_chip *next;
	struct i2c_chips *chips;
	const char *type;     /* of this kind, or NULL */
	uint32_t n_registers; /* numbers below are registers */
	uint16_t address;
	uint8_t crc; /* of the transfer's bytes so far, by the rules of SMBus */
};

/* Functions return 0 or -errno; a write or a read that fails is one without acknowledge. */
struct i2c_chip_ops {
	const char *kind;
	int (*write)(struct i2c_chip *chip, const unsigned char *data, uint32_t len);
	int (*read)(struct i2c_chip *chip, unsigned char *data, uint32_t len);
	int (*get)(struct i2c_chip *chip, uint32_t number, struct i2c_register *reg);
	int (*set)(struct i2c_chip *chip, uint32_t number, const struct i2c_register *reg);
	void (*free)(struct i2c_chip *chip);
};

/* Simulated chips. */
struct i2c_chips {
	struct i2c_adapter adapter;
	struct i2c_chip *list;
	/* The guest wrote a register; may be NULL. */
	void (*written)(void *opaque, const struct i2c_chip *chip, uint8_t number, uint32_t value);
	void *opaque;
};

struct i2c_chips *i2c_chips_new(void);
struct i2c_chip *i2c_chips_find(const struct i2c_chips *chips, uint16_t address);
void i2c_chips_add(struct i2c_chips *chips, struct i2c_chip *chip, uint16_t address);
void i2c_chips_remove(struct i2c_chips *chips, struct i2c_chip *chip);

/* SMBus's packet error code goes on over more bytes. */
uint8_t i2c_crc(uint8_t crc, const unsigned char *data, uint32_t len);

/* "24c02"; NULL for a name that is none of these chips. */
struct i2c_eeprom_type;
const struct i2c_eeprom_type *i2c_eeprom_type(const char *name);
/* In a file, which is made if need be; without a path in memory. */
int i2c_eeprom_new(const struct i2c_eeprom_type *type, const char *path, bool read_only,
		   struct i2c_chip **chip);
/* With packet error codes, or without. */
int i2c_registers_new(bool pec, struct i2c_chip **chip);

/* What commands of a script work on. */
struct i2c_control {
	struct i2c_bus *bus;
	struct i2c_chips *chips;
	uint32_t index; /* of the device in its program */
};

/* Of a description file and the control socket; their opaque is a struct i2c_control. */
extern const struct vu_command i2c_commands[];
/* A 24c02 at 0x50 and a temperature sensor at 0x48. */
int i2c_default_chips(struct i2c_chips *chips);

#endif
