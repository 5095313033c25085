/* SPDX-License-Identifier: MIT */
/*
 * An in-flight log that a front-end made up, and the ring it is compared with: an input is both, as
 * they are.  What the log makes of the ring is used, and so is what a second ring makes of the log
 * that the first leaves behind.  On some inputs a thread writes to the log all the while.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "ring/inflight.h"

enum { ENTRIES = 24, ROOM = 0x2000 };

/* Ends where nothing is mapped. */
static unsigned char *log_end(void)
{
	static unsigned char *room;

	if (!room) {
		room = mmap(NULL, 2 * ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (room == MAP_FAILED || mprotect(room, ROOM, PROT_READ | PROT_WRITE))
			abort();
	}
	return room + ROOM;
}

/* A header that is not refused, so that what depends on its other fields is reached. */
static void log_mend(unsigned char *log, uint8_t how)
{
	const uint16_t version = 1, entries = ENTRIES;

	if (how & 1) {
		memset(log, 0, 8);
		memcpy(log + 8, &version, 2);
		memcpy(log + 10, &entries, 2);
	}
}

/* What the writer writes to; NULL: nothing.  It is between two words while busy. */
static struct {
	_Atomic(unsigned char *) log;
	atomic_bool busy;
	atomic_size_t bytes;
	sem_t wake;
	bool begun;
} writer;

/* Small numbers in 16-bit words: most fields are such, and 1 and 0 are what flags are. */
static void *writer_run(void *unused)
{
	uint64_t seed = 88172645463325252;

	for (;;) {
		unsigned char *log;

		atomic_store(&writer.busy, true);
		log = atomic_load(&writer.log);
		for (int i = 0; log && i < 64; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			/* Every other time what decides where a packed ring goes on. */
			uint64_t at = i % 2 ? 16 : (seed >> 40) % atomic_load(&writer.bytes);
			uint16_t value = seed & 0x100 ? seed & 1 : seed >> 60 ? seed & 31 : 0xffff;

			__atomic_store_n((uint16_t *)(void *)(log + at / 2 * 2), value,
					 __ATOMIC_RELAXED);
		}
		atomic_store(&writer.busy, false);
		if (!log)
			sem_wait(&writer.wake);
	}
	return unused;
}

static void writer_start(unsigned char *log, size_t bytes)
{
	pthread_t thread;

	if (!writer.begun &&
	    (sem_init(&writer.wake, 0, 0) || pthread_create(&thread, NULL, writer_run, NULL)))
		abort();
	writer.begun = true;
	atomic_store(&writer.bytes, bytes);
	atomic_store(&writer.log, log);
	sem_post(&writer.wake);
}

static void writer_stop(void)
{
	atomic_store(&writer.log, NULL);
	while (atomic_load(&writer.busy))
		sched_yield();
}

static void serve(const struct ring_config *config, struct fuzz_input *in)
{
	struct fuzz_ring f;

	if (!fuzz_start(&f, config))
		return;
	for (int i = 0; i < 64 && in->at < in->end; i++)
		fuzz_step(&f, in);
	fuzz_take(&f, 4);
	/* Some are completed, some are left to the next. */
	fuzz_complete(&f, 1, 0);
	fuzz_publish(&f);
	while (f.n_out)
		if (ring_suspend(f.ring, (struct req *)f.out[--f.n_out]))
			abort();
	fuzz_end(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct region region = {.refs = 1};
	struct fuzz_input in = {data, data + size}, steps;
	uint8_t how = fuzz_u8(&in);
	struct ring_config config = fuzz_config(&in, how & 2);
	unsigned char *log = log_end() - inflight_bytes(config.packed, ENTRIES);
	uint8_t n_steps = fuzz_u8(&in);

	if (config.size > ENTRIES && how & 4)
		config.size = config.packed ? ENTRIES : 16;
	config.log = log;
	config.log_region = &region;
	config.log_bytes = inflight_bytes(config.packed, ENTRIES);
	config.log_entries = ENTRIES;
	config.suspend = true;
	fuzz_memory_reset();
	memset(log, 0, inflight_bytes(config.packed, ENTRIES));
	steps = in;
	if (n_steps > in.end - in.at)
		n_steps = (uint8_t)(in.end - in.at);
	in.at += n_steps;
	steps.end = in.at;
	fuzz_rest(&in, log, inflight_bytes(config.packed, ENTRIES));
	fuzz_rest(&in, fuzz_desc(&config), config.size * 16);
	fuzz_rest(&in, fuzz_memory(FUZZ_DEVICE), 8);
	fuzz_rest(&in, fuzz_memory(FUZZ_DRIVER), 64);
	log_mend(log, how);
	if (how & 8)
		writer_start(log, config.log_bytes);
	serve(&config, &steps);
	serve(&config, &steps);
	if (how & 8)
		writer_stop();
	return 0;
}
