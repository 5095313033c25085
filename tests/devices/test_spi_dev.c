/* SPDX-License-Identifier: MIT */
/*
 * vu-spi's chip of this machine (examples/spi/spi_dev.c), with ioctl() replaced: what it asks of
 * spidev, and what it makes of the answers.  test_spi_host.c has a real one.
 */
#include <endian.h>
#include <errno.h>
#include <linux/spi/spidev.h>
#include <stdarg.h>
#include <string.h>

#include "kit/test.h"
#include "spi.h"

int __wrap_ioctl(int fd, unsigned long request, ...);

/* A spidev that answers with what it gets, plus one. */
static struct {
	struct spi_ioc_transfer last;
	uint32_t n_messages;
	uint8_t mode; /* as it was set last */
	uint32_t n_modes;
	int error; /* of the next message; 0: it goes well */
	bool is_none;
	bool is_short;
	uint32_t most; /* bytes of a message; 0: any number */
} fake;

static int fake_message(const struct spi_ioc_transfer *message)
{
	const uint8_t *tx = (const uint8_t *)(uintptr_t)message->tx_buf;
	uint8_t *rx = (uint8_t *)(uintptr_t)message->rx_buf;

	if (fake.most && message->len > fake.most) {
		errno = EMSGSIZE;
		return -1;
	}
	fake.last = *message;
	fake.n_messages++;
	for (uint32_t i = 0; i < message->len && rx; i++)
		rx[i] = (uint8_t)((tx ? tx[i] : 0) + 1);
	if (fake.error) {
		errno = fake.error;
		return -1;
	}
	return (int)message->len - fake.is_short;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fake.is_none) {
		errno = ENOTTY;
		return -1;
	}
	if (request == SPI_IOC_MESSAGE(1))
		return fake_message(arg);
	if (request == SPI_IOC_RD_MAX_SPEED_HZ) {
		*(uint32_t *)arg = 5000000;
	} else if (request == SPI_IOC_RD_MODE) {
		*(uint8_t *)arg = fake.mode;
	} else {
		assert_int_equal(request, SPI_IOC_WR_MODE);
		fake.mode = *(uint8_t *)arg;
		fake.n_modes++;
	}
	return 0;
}

static struct spi_chip *open_one(bool hold)
{
	struct spi_chip *chip = NULL;
	uint32_t max_freq = 0;

	memset(&fake, 0, sizeof(fake));
	assert_int_equal(spi_dev_open("/dev/null", hold, &chip, &max_freq), 0);
	assert_int_equal(max_freq, 5000000);
	return chip;
}

static const uint8_t tx[4] = {1, 2, 3, 4};

static void a_transfer_is_a_message(void **state)
{
	const struct spi_transfer t = {.freq = 1000, .tx = true, .rx = true, .len = 4};
	struct spi_chip *chip = open_one(false);
	uint8_t rx[4];

	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), 0);
	assert_memory_equal(rx, "\2\3\4\5", 4);
	assert_int_equal(fake.n_messages, 1);
	assert_int_equal(fake.last.len, 4);
	assert_int_equal(fake.last.speed_hz, 1000);
	assert_int_equal(fake.last.bits_per_word, 8);
	assert_int_equal(fake.n_modes, 0);
	chip->ops->free(chip);
}

static void only_directions_that_the_driver_uses_are_asked_for(void **state)
{
	const struct spi_transfer out = {.tx = true, .len = 4}, in = {.rx = true, .len = 4};
	struct spi_chip *chip = open_one(false);
	uint8_t rx[4];

	assert_int_equal(chip->ops->move(chip, &out, tx, rx, 4, true), 0);
	assert_true(fake.last.tx_buf && !fake.last.rx_buf);
	assert_int_equal(chip->ops->move(chip, &in, tx, rx, 4, true), 0);
	assert_true(!fake.last.tx_buf && fake.last.rx_buf);
	chip->ops->free(chip);
}

/* The last transfer of a message that says cs_change leaves the chip selected. */
static void it_stays_selected_within_a_transfer_and_with_hold_as_it_says(void **state)
{
	for (int hold = 0; hold <= 1; hold++) {
		struct spi_chip *chip = open_one(hold);
		struct spi_transfer t = {.rx = true, .len = 4};
		uint8_t rx[4];

		assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, false), 0);
		assert_int_equal(fake.last.cs_change, 1);
		assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), 0);
		assert_int_equal(fake.last.cs_change, hold);
		t.deselect = true;
		assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), 0);
		assert_int_equal(fake.last.cs_change, 0);
		chip->ops->free(chip);
	}
}

/* The parameter bufsiz of spidev's: the pieces are smaller, and the chip stays selected. */
static void what_takes_little_at_once_has_it_in_pieces(void **state)
{
	const struct spi_transfer t = {.tx = true, .rx = true, .len = 1000};
	struct spi_chip *chip = open_one(false);
	uint8_t out[1000], in[1000];

	for (uint32_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 256);
	fake.most = 300;
	for (int i = 0; i < 2; i++) {
		memset(in, 0, sizeof(in));
		fake.n_messages = 0;
		assert_int_equal(chip->ops->move(chip, &t, out, in, 1000, true), 0);
		for (uint32_t k = 0; k < sizeof(in); k++)
			assert_int_equal(in[k], (uint8_t)(out[k] + 1));
		assert_int_equal(fake.n_messages, 4); /* of 256: 4096, halved */
		assert_int_equal(fake.last.cs_change, 0);
	}
	assert_int_equal(chip->ops->move(chip, &t, out, in, 1000, false), 0);
	assert_int_equal(fake.last.cs_change, 1);
	chip->ops->free(chip);
	/* One that takes none at all. */
	chip = open_one(false);
	fake.error = EMSGSIZE;
	assert_int_equal(chip->ops->move(chip, &t, out, in, 1000, true), -EMSGSIZE);
	chip->ops->free(chip);
}

static void the_mode_is_set_when_it_changes(void **state)
{
	struct spi_transfer t = {.mode = 3, .rx = true, .len = 1};
	struct spi_chip *chip = open_one(false);
	uint8_t rx[1];

	for (int i = 0; i < 3; i++)
		assert_int_equal(chip->ops->move(chip, &t, tx, rx, 1, true), 0);
	assert_int_equal(fake.n_modes, 1);
	assert_int_equal(fake.mode, SPI_MODE_3);
	chip->ops->free(chip);
}

/* How it is wired is the host's: its chip select may be active high. */
static void other_bits_of_the_mode_stay_as_the_host_made_them(void **state)
{
	struct spi_transfer t = {.rx = true, .len = 1};
	struct spi_chip *chip = NULL;
	uint32_t max_freq;
	uint8_t rx[1];

	memset(&fake, 0, sizeof(fake));
	fake.mode = SPI_CS_HIGH | SPI_MODE_1;
	assert_int_equal(spi_dev_open("/dev/null", false, &chip, &max_freq), 0);
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 1, true), 0);
	assert_int_equal(fake.mode, SPI_CS_HIGH | SPI_MODE_0);
	t.mode = SPI_MODE_3;
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 1, true), 0);
	assert_int_equal(fake.mode, SPI_CS_HIGH | SPI_MODE_3);
	chip->ops->free(chip);
}

/* What comes next is another message: after a failure, for another chip, of another driver. */
static void one_that_stays_selected_is_deselected_by_nothing_at_all(void **state)
{
	const struct spi_transfer t = {.tx = true, .len = 4};
	struct spi_chip *chip = open_one(true);
	uint8_t rx[4];

	chip->ops->deselect(chip);
	assert_int_equal(fake.n_messages, 0);
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), 0);
	assert_int_equal(fake.last.cs_change, 1);
	chip->ops->deselect(chip);
	assert_int_equal(fake.n_messages, 2);
	assert_int_equal(fake.last.len, 0);
	assert_int_equal(fake.last.cs_change, 0);
	chip->ops->deselect(chip);
	assert_int_equal(fake.n_messages, 2);
	/* The second piece fails: the first one has selected it. */
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, false), 0);
	fake.error = EIO;
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), -EIO);
	fake.error = 0;
	chip->ops->deselect(chip);
	assert_int_equal(fake.n_messages, 5);
	assert_int_equal(fake.last.len, 0);
	/* What says the end of a message needs no more. */
	fake.n_messages = 0;
	assert_int_equal(
		chip->ops->move(chip,
				&(struct spi_transfer){.tx = true, .len = 4, .deselect = true}, tx,
				rx, 4, true),
		0);
	chip->ops->deselect(chip);
	assert_int_equal(fake.n_messages, 1);
	chip->ops->free(chip);
}

static void what_fails_is_told(void **state)
{
	const struct spi_transfer t = {.rx = true, .len = 4};
	struct spi_chip *chip = open_one(false);
	uint32_t max_freq;
	uint8_t rx[4];

	fake.error = EMSGSIZE;
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), -EMSGSIZE);
	fake.error = 0;
	fake.is_short = true;
	assert_int_equal(chip->ops->move(chip, &t, tx, rx, 4, true), -EIO);
	chip->ops->free(chip);
	fake.is_none = true;
	assert_int_equal(spi_dev_open("/dev/null", false, &chip, &max_freq), -ENOTTY);
	assert_int_equal(spi_dev_open("/nowhere/spidev", false, &chip, &max_freq), -ENOENT);
}

/* A request of one buffer for this chip alone: how many messages become of it. */
static uint32_t messages(struct spi_bus *bus, uint32_t freq, uint32_t len)
{
	static unsigned char out[32 + 8192], in[1];
	const struct iovec readable = {out, 32 + len}, writable = {in, 1};
	const struct vu_req req = {.readable = &readable,
				   .writable = &writable,
				   .n_readable = 1,
				   .n_writable = 1,
				   .readable_len = 32 + len,
				   .writable_len = 1};
	struct spi_transfer t;
	int result;

	memset(out, 0, 32);
	out[1] = 8;
	freq = htole32(freq);
	memcpy(out + 12, &freq, sizeof(freq));
	fake.n_messages = 0;
	result = spi_begin(bus, &req, &t);
	while (result == SPI_GOES_ON) {
		uint32_t before = fake.n_messages;

		result = spi_go_on(bus, &req, &t);
		assert_int_equal(fake.n_messages, before + 1);
		assert_int_equal(fake.last.cs_change, result == SPI_GOES_ON);
	}
	assert_int_equal(result, SPI_TRANS_OK);
	return fake.n_messages;
}

/* ... so that a stop waits for a second's worth, not for hours, however slow the guest wants it. */
static void what_is_slow_goes_in_smaller_pieces(void **state)
{
	struct spi_bus bus = {0};

	memset(&fake, 0, sizeof(fake));
	assert_int_equal(spi_bus_add(&bus, "spidev:/dev/null", 0), 0);
	assert_int_equal(messages(&bus, 1000000, 4096), 1);
	assert_int_equal(messages(&bus, 1000000, 8192), 2);
	assert_int_equal(messages(&bus, 8000, 4096), 5);
	assert_int_equal(messages(&bus, 80, 100), 10);
	assert_int_equal(messages(&bus, 1, 10), 10);
	assert_int_equal(messages(&bus, 0, 4096), 1);
	bus.max_freq = 800;
	assert_int_equal(messages(&bus, 0, 1000), 10);
	spi_bus_free(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer_is_a_message),
		cmocka_unit_test(only_directions_that_the_driver_uses_are_asked_for),
		cmocka_unit_test(it_stays_selected_within_a_transfer_and_with_hold_as_it_says),
		cmocka_unit_test(what_takes_little_at_once_has_it_in_pieces),
		cmocka_unit_test(the_mode_is_set_when_it_changes),
		cmocka_unit_test(other_bits_of_the_mode_stay_as_the_host_made_them),
		cmocka_unit_test(one_that_stays_selected_is_deselected_by_nothing_at_all),
		cmocka_unit_test(what_fails_is_told),
		cmocka_unit_test(what_is_slow_goes_in_smaller_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
