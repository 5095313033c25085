/* SPDX-License-Identifier: MIT */
/*
 * The table of logical units, in which every queue looks them up; they come, change, go, and are
 * freed when the last queue has let go of them.  Device thread, but for scsi_lun_put().
 */
#include "scsi_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void lun_free(struct scsi_lun *lun)
{
	if (lun->disk.backend)
		lun->disk.backend->close(&lun->disk);
	if (lun->has_slot)
		atomic_store(&lun->host->slots[lun->slot], false);
	pthread_mutex_destroy(&lun->lock);
	free(lun->path);
	free(lun);
}

void scsi_lun_put(struct scsi_lun *lun)
{
	if (atomic_fetch_sub(&lun->refs, 1) == 1)
		lun_free(lun);
}

/* Not yet anything, nor anywhere. */
static struct scsi_lun *lun_new(struct scsi_host *host)
{
	struct scsi_lun *lun = calloc(1, sizeof(*lun));

	if (!lun)
		return NULL;
	lun->host = host;
	lun->settings = host->settings->disk;
	lun->write_cache = true;
	lun->refs = 1;
	if (pthread_mutex_init(&lun->lock, NULL)) {
		free(lun);
		return NULL;
	}
	return lun;
}

/* --- places in the table --- */

static int host_find_target(struct scsi_host *host, struct scsi_lun *lun)
{
	for (uint32_t t = 0; t < SCSI_TARGETS; t++)
		if (!scsi_find_target(host, t)) {
			lun->target = (uint8_t)t;
			return 0;
		}
	return -ENOSPC;
}

static int host_find_slot(struct scsi_host *host, struct scsi_lun *lun)
{
	for (uint32_t i = 0; i < SCSI_LUNS; i++)
		if (!atomic_exchange(&host->slots[i], true)) {
			lun->slot = (uint16_t)i;
			lun->has_slot = true;
			return 0;
		}
	return -EUSERS;
}

/* In the place of what was there; that is NULL for a new one. */
static int host_insert(struct scsi_host *host, struct scsi_lun *lun)
{
	struct scsi_target *t = atomic_load(&host->targets[lun->target]);
	int ret = host_find_slot(host, lun);

	if (!t && !ret) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		atomic_store(&host->targets[lun->target], t);
	}
	if (ret)
		return ret;
	if (!atomic_exchange(&t->luns[lun->number], lun))
		atomic_fetch_add(&t->n, 1);
	return 0;
}

/* Not in the table any more: queues let go of it, each when it can. */
static void host_forget(struct scsi_host *host, struct scsi_lun *lun)
{
	for (uint32_t i = 0; i < SCSI_INITIATORS; i++)
		for (uint32_t q = 0; host->initiators[i] && q < host->initiators[i]->n_queues; q++)
			scsi_queue_forget(&host->initiators[i]->queues[q], lun);
	scsi_lun_put(lun);
}

static void host_each(struct scsi_host *host, void (*fn)(struct scsi_host *, struct scsi_lun *))
{
	for (uint32_t t = 0; t < SCSI_TARGETS; t++)
		for (uint32_t i = 0; i < SCSI_LUNS && host->targets[t]; i++)
			if (host->targets[t]->luns[i])
				fn(host, host->targets[t]->luns[i]);
}

/* To those who could know it otherwise: nobody, while the program starts. */
static void host_tell_luns_changed(struct scsi_host *host, uint32_t target)
{
	for (uint32_t i = 0; i < SCSI_LUNS && host->refs; i++) {
		struct scsi_lun *lun = scsi_find_lun(host, target, i);

		if (lun)
			scsi_attention_mask(lun, SCSI_ALL_INITIATORS, ATTENTION_LUNS);
	}
}

/* --- coming and going --- */

static int lun_make(struct scsi_host *host, struct scsi_lun *lun, const char *words, char *error,
		    size_t size)
{
	bool placed;
	int ret = scsi_describe(lun, words, &placed, error, size);

	if (!ret && !placed) {
		ret = host_find_target(host, lun);
		if (ret)
			snprintf(error, size, "all %d targets have something; T:L says where",
				 SCSI_TARGETS);
	}
	if (ret)
		return ret;
	if (scsi_find_lun(host, lun->target, lun->number)) {
		snprintf(error, size, "%u:%u: there is one already", lun->target, lun->number);
		return -EEXIST;
	}
	ret = scsi_reserve_load(lun, error, size);
	if (ret)
		return ret;
	host_tell_luns_changed(host, lun->target); /* the others */
	return host_insert(host, lun);
}

int scsi_lun_add(struct scsi_host *host, const char *words, char *error, size_t size)
{
	struct scsi_lun *lun = lun_new(host);
	int ret;

	if (!lun)
		return -ENOMEM;
	error[0] = 0;
	ret = lun_make(host, lun, words, error, size);
	if (ret) {
		if (ret == -EUSERS)
			snprintf(error, size, "there are %d already", SCSI_LUNS);
		else if (!error[0])
			snprintf(error, size, "%s", strerror(-ret));
		scsi_lun_put(lun);
		return ret;
	}
	scsi_event_all(host, VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_RESCAN,
		       lun->target, lun->number);
	return 0;
}

int scsi_lun_remove(struct scsi_host *host, uint32_t target, uint32_t number)
{
	struct scsi_lun *lun = scsi_find_lun(host, target, number);

	if (!lun)
		return -ENOENT;
	atomic_store(&host->targets[target]->luns[number], NULL);
	atomic_fetch_sub(&host->targets[target]->n, 1);
	host_tell_luns_changed(host, target);
	scsi_event_all(host, VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_REMOVED, target,
		       number);
	host_forget(host, lun);
	return 0;
}

/* What stays the same of a drive. */
static void lun_copy_drive(struct scsi_lun *lun, struct scsi_lun *old)
{
	lun->target = old->target;
	lun->number = old->number;
	memcpy(lun->serial, old->serial, sizeof(lun->serial));
	lun->id = old->id;
	pthread_mutex_lock(&old->lock);
	memcpy(lun->attentions, old->attentions, sizeof(lun->attentions));
	lun->has_attention = atomic_load(&old->has_attention);
	pthread_mutex_unlock(&old->lock);
	lun->prevented = atomic_load(&old->prevented);
	lun->descriptor_sense = atomic_load(&old->descriptor_sense);
	lun->media_event = UINT32_MAX;
}

/* A drive with another medium takes the old one's place: whoever uses that finishes first. */
int scsi_lun_load(struct scsi_host *host, uint32_t target, uint32_t number, const char *path,
		  char *error, size_t size)
{
	struct scsi_lun *old = scsi_find_lun(host, target, number), *lun;
	char words[4096];
	bool placed;
	int ret;

	error[0] = 0;
	if (!old || !old->cd) {
		snprintf(error, size, "%u:%u: no drive", target, number);
		return -ENOENT;
	}
	if (path && strchr(path, ',')) {
		snprintf(error, size, "%s: no path can have a comma", path);
		return -EINVAL;
	}
	lun = lun_new(host);
	if (!lun)
		return -ENOMEM;
	lun->settings.block = old->settings.block;
	lun->settings.direct = old->settings.direct;
	snprintf(words, sizeof(words), "cd%s%s", path ? "=" : "", path ? path : "");
	ret = scsi_describe(lun, words, &placed, error, size);
	lun_copy_drive(lun, old);
	if (!ret)
		ret = host_insert(host, lun);
	if (ret) {
		scsi_lun_put(lun);
		return ret;
	}
	scsi_attention_mask(lun, SCSI_ALL_INITIATORS, ATTENTION_MEDIUM);
	host_forget(host, old);
	return 0;
}

/* --- changing --- */

static void lun_resize(struct scsi_host *host, struct scsi_lun *lun)
{
	const struct disk_backend *backend = lun->disk.backend;
	uint64_t bytes;

	if (!backend || !backend->size || backend->size(&lun->disk, &bytes) ||
	    bytes == atomic_load(&lun->disk.bytes))
		return;
	atomic_store(&lun->disk.bytes, bytes);
	scsi_attention_mask(lun, SCSI_ALL_INITIATORS, ATTENTION_CAPACITY);
	/* §5.6.6.3.4: the sense code's two bytes, the lower first. */
	scsi_event_all(host, VIRTIO_SCSI_T_PARAM_CHANGE, 0x2a | 0x09 << 8, lun->target,
		       lun->number);
}

void scsi_lun_resize_all(struct scsi_host *host)
{
	host_each(host, lun_resize);
}

static void lun_drop(struct scsi_host *host, struct scsi_lun *lun)
{
	(void)host;
	scsi_lun_put(lun);
}

void scsi_lun_fini(struct scsi_host *host)
{
	host_each(host, lun_drop);
	free(host->outside);
	for (uint32_t t = 0; t < SCSI_TARGETS; t++)
		free(host->targets[t]);
}

void scsi_lun_describe(const struct scsi_lun *lun, char *text, size_t size)
{
	snprintf(text, size, "%u:%u %s %" PRIu64 " %u %s%s%s%s", lun->target, lun->number,
		 lun->cd ? "cd" : lun->disk.backend->name, atomic_load(&lun->disk.bytes),
		 lun->disk.limits.block, lun->settings.read_only ? "read-only" : "writable",
		 lun->path ? " " : "", lun->path ? lun->path : "",
		 lun->ejected ? " (ejected)" : "");
}
