/* SPDX-License-Identifier: MIT */
/*
 * vu-spi: an SPI controller (virtio 1.4 §5.21) with chips of this machine, a simulated flash, or a
 * wire from its output to its input.
 *
 * A transfer on a real bus takes its time: then the queue is a thread's of its own.
 */
#include "spi.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "../common/shut_in.h"

enum { SPI_ID = 45 };

/* The configuration space (virtio 1.4 §5.21.4). */
struct config {
	uint8_t cs_max_number;
	uint8_t cs_change_supported;
	uint8_t tx_nbits_supported;
	uint8_t rx_nbits_supported;
	uint32_t bits_per_word_mask;
	uint32_t mode_func_supported;
	uint32_t max_freq_hz;
	uint32_t max_delays[4];
};

enum { MODES_OF_CLOCK = 0xf, LOOPBACK = 1 << 6, EIGHT_BITS = 1 << 7 };

struct settings {
	struct vu_option_list chips;
	struct shut_in shut_in;
};

struct spi {
	struct spi_bus bus;
	struct vu_device *dev;
	struct vu_group *own_group; /* of the queue; NULL: it has the device's */
	struct vu_source *again;    /* of the queue's group: goes on with what a turn left */
	struct vu_req *req;	    /* that is being served, or NULL */
	struct spi_transfer transfer;
	uint64_t stop;	  /* when it is broken off, as its queue stops; 0: it does not */
	atomic_bool anew; /* another driver began */
};

/* Nanoseconds that a turn takes, and a piece more: the thread has others to hear, too. */
static const uint64_t turn = 20000000;
/* That a transfer has to come to its end before the queue's stop, for which a guest waits. */
static const uint64_t patience = 1000000000;

static void spi_log(struct spi *spi, const struct vu_req *req)
{
	if (!req->writable_len)
		vu_device_log_peer(spi->dev, VU_LOG_WARNING,
				   "a request has no room for its result");
	if (spi->bus.error)
		vu_device_log_peerf(spi->dev, VU_LOG_WARNING, "a transfer failed: %s",
				    strerror(-spi->bus.error));
	spi->bus.error = 0;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void spi_finish(struct spi *spi, int result)
{
	struct vu_req *req = spi->req;

	spi_log(spi, req);
	spi->req = NULL;
	spi->stop = 0;
	vu_req_complete(req, spi_answer(req, result));
}

/* The request that is being served, or the next one, goes on by a piece; false: there is none. */
static bool spi_step(struct spi *spi, struct vu_queue *queue)
{
	int result;

	if (spi->req) {
		result = spi->stop && now() >= spi->stop
				 ? spi_break_off(&spi->bus, -ECANCELED)
				 : spi_go_on(&spi->bus, spi->req, &spi->transfer);
	} else {
		if (atomic_exchange(&spi->anew, false))
			spi_bus_deselect(&spi->bus);
		if (vu_queue_next(queue, &spi->req) != 1) {
			spi->req = NULL;
			return false;
		}
		result = spi_begin(&spi->bus, spi->req, &spi->transfer);
	}
	if (result != SPI_GOES_ON)
		spi_finish(spi, result);
	return true;
}

/* A transfer is short, or an erase of the whole chip, or takes as long as a real bus does. */
static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct spi *spi = opaque;
	uint64_t end = now() + turn;

	while (spi_step(spi, queue))
		if (now() >= end) {
			vu_source_set_timer(spi->again, 1, 0);
			return;
		}
}

static void on_again(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct spi *spi = opaque;

	(void)source;
	(void)fd;
	(void)events;
	queue_ready(vu_device_queue(spi->dev, 0), spi);
}

static void queue_stop(struct vu_queue *queue, void *opaque)
{
	struct spi *spi = opaque;

	(void)queue;
	if (spi->req)
		spi->stop = now() + patience;
}

/* What is still being served is an earlier driver's: the queue's thread does the rest. */
static int started(struct vu_device *dev, void *opaque)
{
	atomic_store(&((struct spi *)opaque)->anew, true);
	(void)dev;
	return 0;
}

static int spi_make_device(struct spi *spi, struct vu_program *program)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.started = started,
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
	};
	const struct config config = {
		.cs_max_number = (uint8_t)spi->bus.n,
		.cs_change_supported = 1,
		.bits_per_word_mask = htole32(EIGHT_BITS),
		.mode_func_supported = htole32(MODES_OF_CLOCK | (spi->bus.real ? 0 : LOOPBACK)),
		.max_freq_hz = htole32(spi->bus.max_freq),
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = SPI_ID,
		.n_queues = 1,
		.config = &config,
		.config_size = sizeof(config),
	};

	return vu_program_add_device(program, &info, &ops, spi, &spi->dev);
}

static int spi_make_group(struct spi *spi, struct vu_program *program)
{
	int ret = vu_group_new(&spi->own_group);

	if (!ret)
		ret = vu_queue_set_group(vu_device_queue(spi->dev, 0), spi->own_group);
	return ret ? ret : vu_program_add_worker(program, spi->own_group);
}

static int spi_make_chips(struct spi *spi, const struct settings *settings, uint32_t index)
{
	int ret = 0;

	for (uint32_t i = 0; i < settings->chips.n && !ret; i++)
		ret = spi_bus_add(&spi->bus, settings->chips.values[i], index);
	if (!settings->chips.n)
		ret = spi_bus_add(&spi->bus, "loopback", index);
	if (!ret && !settings->chips.n)
		ret = spi_bus_add(&spi->bus, "flash", index);
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	struct spi *spi = state;
	int ret = spi_make_chips(spi, vu_program_settings(program), index);

	if (!ret)
		ret = spi_make_device(spi, program);
	if (!ret && spi->bus.real)
		ret = spi_make_group(spi, program);
	if (!ret)
		ret = vu_group_add_timer(spi->own_group ? spi->own_group
							: vu_device_group(spi->dev),
					 on_again, spi, &spi->again);
	return ret ? ret : vu_program_add_control(program, spi->own_group, &spi->bus, NULL);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	/* Those of <linux/spi/spidev.h>. */
	static const struct sandbox_ioctl spi_ioctls[] = {{0xff00, 'k' << 8}};
	struct settings *settings = vu_program_settings(program);
	const struct spi *spi = state;

	(void)index;
	settings->shut_in.needs.ioctls = spi_ioctls;
	settings->shut_in.needs.n_ioctls = spi->bus.real ? 1 : 0;
	return shut_in_enter(&settings->shut_in, spi->dev);
}

static void destroy(void *state)
{
	struct spi *spi = state;

	vu_source_remove(spi->again);
	vu_group_free(spi->own_group);
	spi_bus_free(&spi->bus);
}

static const struct vu_option options[] = {
	{VU_OPTION_LIST("chip", "KIND",
			"the next chip: loopback, flash[:1M|4M|8M|16M[:FILE]], or "
			"spidev:/dev/spidev0.0[:hold] (default: loopback, flash)",
			struct settings, chips, SPI_CHIPS)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {0};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-spi", "spi", "A vhost-user SPI controller."),
		SHUT_IN_PROGRAM(options, &settings, spi_commands, struct spi, create, destroy,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
