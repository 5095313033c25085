/* SPDX-License-Identifier: MIT */
/*
 * A verifying writer for a whole disk, run inside a guest: verify DEVICE SECONDS [THREADS [MIB]].
 * SIGTERM ends it sooner, as if the time had passed.
 *
 * Each thread owns a slice of the disk and remembers what every sector of it must hold.  It writes,
 * reads back, discards, zeroes and flushes at random places in random sizes, with direct I/O out of
 * MIB of memory; at the end it reads its whole slice.  A sector's content depends on its number and
 * on how often it was written, every word of it on its place: a lost, torn, stale, shifted or
 * misdirected write is seen.  Overwrites whatever is there.  Exit status 1: a sector was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_IO = 1 << 20,
	MAX_THREADS = 64,
	MAX_PIECES = 5,
	SLICE_LIMIT = 64 << 20, /* all of a slice is read at the end: keep that short */
	REPORT_SECONDS = 5,
};

/*
 * A sector's state: how often it was written, and what was done to it since.  The count never
 * starts again, so an old write that comes late is seen.
 */
#define DISCARDED 0x80000000u
#define ZEROED	  0x40000000u
#define TIMES	  0x3fffffffu

struct totals {
	_Atomic uint64_t writes, reads, discards, zeroes, flushes, bytes, wrong;
};

struct disk {
	int fd;
	uint32_t sector;
	uint64_t slice;		/* bytes of each thread's */
	size_t memory;		/* bytes of each thread's */
	_Atomic uint64_t until; /* when to stop, in milliseconds of the monotonic clock */
	struct totals total;
};

struct worker {
	struct disk *disk;
	pthread_t thread;
	uint64_t random, start;
	uint32_t n_sectors;
	uint32_t *state;
	unsigned char *memory;
	int error;
};

/* Where in the slice an operation works. */
struct span {
	uint32_t first, count;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t worker_random(struct worker *w, uint64_t below)
{
	w->random += 0x9e3779b97f4a7c15u;
	return mix(w->random) % below;
}

static bool worker_chance(struct worker *w, unsigned percent)
{
	return worker_random(w, 100) < percent;
}

/* What sector number `sector` holds after it was written `times` times. */
static void fill(uint64_t *words, uint32_t bytes, uint64_t sector, uint32_t times)
{
	uint64_t word = mix(sector << 24 ^ times);

	for (uint32_t i = 0; i < bytes / 8; i++)
		words[i] = word += 0x9e3779b97f4a7c15u;
	words[0] = sector;
	words[1] = times;
}

static bool is_filled(const uint64_t *words, uint32_t bytes, uint64_t sector, uint32_t times)
{
	uint64_t expected[4096 / 8];

	fill(expected, bytes, sector, times);
	return memcmp(words, expected, bytes) == 0;
}

static bool is_zero(const uint64_t *words, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 8; i++) {
		if (words[i])
			return false;
	}
	return true;
}

/* A discarded sector is zeros or what it was, nothing else. */
static void worker_check(struct worker *w, uint32_t index, const void *data)
{
	uint32_t size = w->disk->sector, state = w->state[index];
	uint64_t number = w->start / size + index;
	const uint64_t *words = data;

	if (state & (ZEROED | DISCARDED) && is_zero(words, size))
		return;
	if (!(state & ZEROED) && is_filled(words, size, number, state & TIMES))
		return;
	if (atomic_fetch_add(&w->disk->total.wrong, 1) < 8)
		printf("verify: WRONG sector %llu: state %#x, holds sector %llu written %llu "
		       "times\n",
		       (unsigned long long)number, state, (unsigned long long)words[0],
		       (unsigned long long)words[1]);
}

/* Half are powers of two, so that all common block sizes come often; the rest is any size. */
static struct span worker_span(struct worker *w)
{
	uint32_t most = MAX_IO / w->disk->sector;
	struct span s;

	if (worker_chance(w, 50)) {
		s.count = 1u << worker_random(w, 21);
		s.count = s.count < w->disk->sector ? 1 : s.count / w->disk->sector;
	} else {
		s.count = 1 + worker_random(w, worker_chance(w, 80) ? 128 : most);
	}
	if (s.count > most)
		s.count = most;
	if (s.count > w->n_sectors)
		s.count = w->n_sectors;
	s.first = worker_random(w, w->n_sectors - s.count + 1);
	return s;
}

static void *worker_place(struct worker *w, size_t len)
{
	size_t step = 512;

	return w->memory + worker_random(w, (w->disk->memory - len) / step + 1) * step;
}

/* One call of preadv or pwritev, its memory sometimes in several pieces. */
static int worker_transfer(struct worker *w, struct span s, unsigned char *buf, bool write)
{
	uint32_t size = w->disk->sector, left = s.count;
	off_t offset = (off_t)(w->start + (uint64_t)s.first * size);
	struct iovec iov[MAX_PIECES];
	int n = 0, wanted = worker_chance(w, 30) ? MAX_PIECES : 1;
	ssize_t done;

	while (left) {
		uint32_t count = n + 1 < wanted ? 1 + (uint32_t)worker_random(w, left) : left;

		iov[n++] = (struct iovec){buf, (size_t)count * size};
		buf += (size_t)count * size;
		left -= count;
	}
	done = write ? pwritev(w->disk->fd, iov, n, offset) : preadv(w->disk->fd, iov, n, offset);
	if (done < 0)
		return -errno;
	return done == (ssize_t)s.count * size ? 0 : -EIO;
}

static int worker_write(struct worker *w, struct span s)
{
	uint32_t size = w->disk->sector;
	unsigned char *buf = worker_place(w, (size_t)s.count * size);

	for (uint32_t i = 0; i < s.count; i++) {
		uint32_t *state = &w->state[s.first + i];

		*state = (*state & TIMES) + 1;
		fill((uint64_t *)(void *)(buf + (size_t)i * size), size,
		     w->start / size + s.first + i, *state);
	}
	w->disk->total.writes++;
	w->disk->total.bytes += (uint64_t)s.count * size;
	return worker_transfer(w, s, buf, true);
}

static int worker_read(struct worker *w, struct span s)
{
	uint32_t size = w->disk->sector;
	unsigned char *buf = worker_place(w, (size_t)s.count * size);
	int r;

	memset(buf, 0xa5, (size_t)s.count * size); /* a read that brings nothing is seen */
	r = worker_transfer(w, s, buf, false);
	for (uint32_t i = 0; r == 0 && i < s.count; i++)
		worker_check(w, s.first + i, buf + (size_t)i * size);
	w->disk->total.reads++;
	w->disk->total.bytes += (uint64_t)s.count * size;
	return r;
}

/* BLKDISCARD or BLKZEROOUT; a disk without discard says so, and that is no error. */
static int worker_drop(struct worker *w, struct span s, bool zero)
{
	uint32_t size = w->disk->sector;
	uint64_t range[2] = {w->start + (uint64_t)s.first * size, (uint64_t)s.count * size};

	if (ioctl(w->disk->fd, zero ? BLKZEROOUT : BLKDISCARD, range) != 0)
		return errno == EOPNOTSUPP && !zero ? 0 : -errno;
	for (uint32_t i = 0; i < s.count; i++) {
		uint32_t *state = &w->state[s.first + i];

		if (zero)
			*state = (*state & TIMES) | ZEROED;
		else
			*state |= DISCARDED; /* zeroed before: stays zeros */
	}
	if (zero)
		w->disk->total.zeroes++;
	else
		w->disk->total.discards++;
	return 0;
}

static int worker_step(struct worker *w)
{
	struct span s = worker_span(w);
	uint64_t what = worker_random(w, 100);

	if (what < 45)
		return worker_write(w, s);
	if (what < 85)
		return worker_read(w, s);
	if (what < 91)
		return worker_drop(w, s, false);
	if (what < 95)
		return worker_drop(w, s, true);
	w->disk->total.flushes++;
	return fdatasync(w->disk->fd) == 0 ? 0 : -errno;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint32_t most = MAX_IO / w->disk->sector;
	struct span all = {0, w->n_sectors};
	int r = worker_drop(w, all, true);

	while (r == 0 && now_ms() < w->disk->until)
		r = worker_step(w);
	for (uint32_t at = 0; r == 0 && at < w->n_sectors; at += most) {
		uint32_t left = w->n_sectors - at;

		r = worker_read(w, (struct span){at, left < most ? left : most});
	}
	if (r)
		printf("verify: slice at %llu: %s\n", (unsigned long long)w->start, strerror(-r));
	w->error = r;
	return NULL;
}

static void disk_report(struct disk *d, uint64_t began, const char *end)
{
	struct totals *t = &d->total;

	printf("verify: %llu.%llu s: %llu MiB in %llu writes, %llu reads; %llu discards, %llu "
	       "zeroes, "
	       "%llu flushes; %llu wrong%s\n",
	       (unsigned long long)(now_ms() - began) / 1000,
	       (unsigned long long)(now_ms() - began) % 1000 / 100,
	       (unsigned long long)t->bytes >> 20, (unsigned long long)t->writes,
	       (unsigned long long)t->reads, (unsigned long long)t->discards,
	       (unsigned long long)t->zeroes, (unsigned long long)t->flushes,
	       (unsigned long long)t->wrong, end);
	fflush(stdout);
}

static int disk_open(struct disk *d, const char *path, unsigned n_threads)
{
	uint64_t size;
	int sector;

	d->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (d->fd < 0 || ioctl(d->fd, BLKGETSIZE64, &size) != 0 ||
	    ioctl(d->fd, BLKSSZGET, &sector) != 0) {
		fprintf(stderr, "verify: %s: %s\n", path, strerror(errno));
		return -1;
	}
	d->sector = (uint32_t)sector;
	d->slice = size / n_threads;
	if (d->slice > SLICE_LIMIT)
		d->slice = SLICE_LIMIT;
	d->slice -= d->slice % d->sector;
	if (d->slice && sector <= 4096)
		return 0;
	fprintf(stderr, "verify: %s: %llu bytes in sectors of %d will not do\n", path,
		(unsigned long long)size, sector);
	return -1;
}

static int worker_start(struct worker *w, struct disk *d, unsigned index)
{
	w->disk = d;
	w->random = now_ms() << 8 ^ index;
	w->start = d->slice * index;
	w->n_sectors = (uint32_t)(d->slice / d->sector);
	w->state = calloc(w->n_sectors, sizeof(*w->state));
	w->memory =
		mmap(NULL, d->memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!w->state || w->memory == MAP_FAILED)
		return -ENOMEM;
	memset(w->memory, 0x5a, d->memory); /* all of it is there, not only what is used first */
	return -pthread_create(&w->thread, NULL, worker_main, w);
}

/* Before there are threads: SIGTERM is for wait_and_report() alone. */
static void hold_sigterm(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* Reports now and then until the time has passed, or sooner if told so. */
static void wait_and_report(struct disk *disk, uint64_t began, const sigset_t *set)
{
	const struct timespec moment = {.tv_nsec = 100 * 1000 * 1000};

	for (uint64_t next = began; now_ms() < disk->until;) {
		if (sigtimedwait(set, NULL, &moment) == SIGTERM)
			disk->until = 0;
		if (now_ms() < next + REPORT_SECONDS * 1000)
			continue;
		next = now_ms();
		disk_report(disk, began, "");
	}
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX_THREADS];
	unsigned n = argc > 3 ? (unsigned)atoi(argv[3]) : 4;
	size_t mib = argc > 4 ? (size_t)atoi(argv[4]) : 16;
	uint64_t began = now_ms();
	static struct disk disk;
	sigset_t sigterm;
	int failed = 0;

	if (argc < 3 || n < 1 || n > MAX_THREADS || mib < 2 * n) {
		fprintf(stderr,
			"usage: verify DEVICE SECONDS [THREADS [MIB]]; 2 MIB a thread at least\n");
		return 2;
	}
	if (disk_open(&disk, argv[1], n) != 0)
		return 2;
	hold_sigterm(&sigterm);
	disk.memory = (mib << 20) / n;
	disk.until = began + (uint64_t)atoi(argv[2]) * 1000;
	printf("verify: %s, %u threads, %llu MiB each, sectors of %u, %zu MiB of memory\n", argv[1],
	       n, (unsigned long long)disk.slice >> 20, disk.sector, mib);
	fflush(stdout);
	for (unsigned i = 0; i < n; i++) {
		int r = worker_start(&workers[i], &disk, i);

		if (r) {
			fprintf(stderr, "verify: cannot start: %s\n", strerror(-r));
			return 2;
		}
	}
	wait_and_report(&disk, began, &sigterm);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		failed |= workers[i].error;
	}
	failed |= disk.total.wrong != 0;
	disk_report(&disk, began, failed ? " -- FAILED" : " -- all as written");
	return failed ? 1 : 0;
}
