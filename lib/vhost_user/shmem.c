/* SPDX-License-Identifier: MIT */
/*
 * Shared memory regions: what a device declares, and what is mapped.  Declared before serving; the
 * list of pieces is under its lock, as any thread maps and unmaps (shmem_ask.c).
 */
#include "vhost_user/shmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

struct piece *shmem_find(const struct shmem *shmem, uint32_t id, uint64_t offset)
{
	struct piece *p = shmem->pieces;

	while (p && (p->what.shmid != id || p->what.shm_offset != offset ||
		     (p->state == PIECE_UNMAPPING && p->kept)))
		p = p->next;
	return p;
}

struct piece *shmem_overlapping(const struct shmem *shmem, const struct wire_mmap *what,
				unsigned int states)
{
	struct piece *p = shmem->pieces;

	/* Sums stay below a region's length. */
	while (p && (!(states & 1u << p->state) || p->what.shmid != what->shmid ||
		     p->what.shm_offset + p->what.len <= what->shm_offset ||
		     what->shm_offset + what->len <= p->what.shm_offset))
		p = p->next;
	return p;
}

void shmem_add(struct shmem *shmem, struct piece *piece)
{
	piece->next = shmem->pieces;
	shmem->pieces = piece;
}

void shmem_remove(struct shmem *shmem, struct piece *piece)
{
	struct piece **link = &shmem->pieces;

	while (*link != piece)
		link = &(*link)->next;
	*link = piece->next;
}

void piece_free(struct piece *piece)
{
	if (piece->fd >= 0)
		close(piece->fd);
	free(piece);
}

/* vhost-user SHMEM_MAP: "mappings are automatically unmapped ... across device reset". */
static void shmem_stopped(struct part *part, struct vu_device *dev)
{
	struct shmem *shmem = (struct shmem *)part;
	bool any = false;

	pthread_mutex_lock(&shmem->lock);
	for (struct piece *p = shmem->pieces; p; p = p->next) {
		any |= p->state != PIECE_LOST && !p->kept;
		p->lost = true;
		if (p->state == PIECE_MAPPED)
			p->state = PIECE_LOST;
	}
	pthread_mutex_unlock(&shmem->lock);
	if (any && shmem->lost)
		shmem->lost(dev, dev->opaque);
}

static void shmem_free(struct part *part)
{
	struct shmem *shmem = (struct shmem *)part;

	while (shmem->pieces) {
		struct piece *p = shmem->pieces;

		shmem->pieces = p->next;
		piece_free(p);
	}
	pthread_mutex_destroy(&shmem->lock);
	free(shmem);
}

static const struct part_ops shmem_ops = {.stopped = shmem_stopped, .free = shmem_free};

/* 0, or -EINVAL after a line that says what is to be done. */
static int shmem_check(struct vu_device *dev, const struct vu_shmem_info *info)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t sum = 0, power = 1;

	if (info->n_lens > SHMEM_IDS) {
		log_error(&dev->log, "vu_device_set_shmem: n_lens is %u, and there are ids 0 to %d",
			  info->n_lens, SHMEM_IDS - 1);
		return -EINVAL;
	}
	for (uint32_t id = 0; id < info->n_lens; id++) {
		uint64_t len = info->lens[id];

		if (len % page || __builtin_add_overflow(sum, len, &sum) || sum > INT64_MAX) {
			log_error(&dev->log,
				  "vu_device_set_shmem: region %u has %#llx bytes: take a multiple "
				  "of %llu, less than 2^63 in all",
				  id, (unsigned long long)len, (unsigned long long)page);
			return -EINVAL;
		}
	}
	while (power < sum)
		power *= 2;
	if (power == sum)
		return 0;
	log_error(&dev->log,
		  sum ? "vu_device_set_shmem: all regions have %#llx bytes, which is no power of "
			"two as a PCI BAR has to be: make one longer by %#llx, or add one that "
			"stays empty"
		      : "vu_device_set_shmem: there is no region",
		  (unsigned long long)sum, (unsigned long long)(power - sum));
	return -EINVAL;
}

int vu_device_set_shmem(struct vu_device *dev, const struct vu_shmem_info *info)
{
	struct vu_shmem_info in;
	struct shmem *shmem;
	int err = size_struct_take(&dev->log, &in, sizeof(in), info, FIRST_SHMEM_INFO,
				   "struct vu_shmem_info");

	if (err)
		return err;
	if (vu_device_is_attached(dev))
		return -EBUSY;
	if (dev->shmem)
		return -EEXIST;
	err = shmem_check(dev, &in);
	if (err)
		return err;
	shmem = calloc(1, sizeof(*shmem));
	if (!shmem)
		return -ENOMEM;
	shmem->dev = dev;
	shmem->lost = in.lost;
	memcpy(shmem->len, in.lens, in.n_lens * sizeof(in.lens[0]));
	pthread_mutex_init(&shmem->lock, NULL);
	shmem->part.ops = &shmem_ops;
	shmem->part.next = dev->parts;
	dev->parts = &shmem->part;
	dev->shmem = shmem;
	return 0;
}

int on_get_shmem_config(struct session *s, struct wire_msg *msg)
{
	const struct shmem *shmem = s->dev->shmem;
	struct wire_shmem_config config = {0};

	for (uint32_t id = 0; id < SHMEM_IDS; id++) {
		config.size[id] = shmem->len[id];
		config.n_regions += shmem->len[id] != 0;
	}
	return session_reply(s, msg, &config, sizeof(config), NULL, 0) ? -EPROTO : MESSAGE_REPLIED;
}
