/* SPDX-License-Identifier: MIT */
/*
 * What --lun and control commands say of a logical unit, words between commas: a new one is made of
 * them, and its storage is opened.  Device thread.
 */
#include "scsi.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCK = 4096, CD_BLOCK = 2048, WORD = 4096, MAX_TIMEOUT = 86400 };

struct description {
	struct scsi_lun *lun;
	bool placed; /* the address was given */
	char *error;
	size_t size;
};

int scsi_lun_parse(const char *text, size_t len, uint32_t *target, uint32_t *number)
{
	const char *colon = memchr(text, ':', len);
	uint64_t value[2] = {0, 0};
	char word[16];
	size_t first = colon ? (size_t)(colon - text) : len;

	if (len >= sizeof(word) || !first)
		return -EINVAL;
	memcpy(word, text, len);
	word[len] = word[first] = 0;
	if (vu_number_parse(word, 0, SCSI_TARGETS - 1, &value[0]) ||
	    (colon && vu_number_parse(word + first + 1, 0, SCSI_LUNS - 1, &value[1])))
		return -EINVAL;
	*target = (uint32_t)value[0];
	*number = (uint32_t)value[1];
	return 0;
}

static int lun_fail(struct description *d, const char *word, const char *why)
{
	snprintf(d->error, d->size, "%s: %s", word, why);
	return -EINVAL;
}

static int lun_set_backend(struct description *d, const struct disk_backend *backend,
			   const char *word)
{
	if (d->lun->disk.backend || d->lun->empty)
		return lun_fail(d, word, "it is something already");
	d->lun->disk.backend = backend;
	return 0;
}

static int lun_set_path(struct description *d, const char *path)
{
	const struct scsi_host *host = d->lun->host;
	const char *dir = host->settings->dir, *inside = host->inside;
	size_t len = dir ? strlen(dir) : 0;
	int ret;

	if (!*path)
		return lun_fail(d, "description", "a path is wanted");
	/* Since the sandbox there is nothing but the directory, maybe under another name. */
	if (host->entered && host->settings->sandbox != SANDBOX_NONE) {
		if (!dir)
			return lun_fail(d, path, "there is no --dir to find it in");
		if (path[0] == '/' && (strncmp(path, dir, len) || path[len] != '/'))
			return lun_fail(d, path, "not in --dir");
		if (!strcmp(inside, "/"))
			inside = "";
		ret = asprintf(&d->lun->path, "%s/%s", inside, path[0] == '/' ? path + len : path);
	} else {
		ret = asprintf(&d->lun->path, "%s", path);
	}
	return ret < 0 ? -ENOMEM : 0;
}

static int set_file_of(struct description *d, const struct disk_backend *backend, const char *value,
		       const char *word)
{
	int ret = lun_set_backend(d, backend, word);

	return ret ? ret : lun_set_path(d, value);
}

static int set_file(struct description *d, const char *value, const char *word)
{
	return set_file_of(d, &disk_backend_file, value, word);
}

static int set_size(struct description *d, const struct disk_backend *backend, const char *value,
		    const char *word)
{
	if (vu_number_parse(value, DISK_SECTOR, UINT64_C(1) << 62, &d->lun->settings.size))
		return lun_fail(d, word, "a size is wanted, such as 1G");
	return lun_set_backend(d, backend, word);
}

static int set_memory(struct description *d, const char *value, const char *word)
{
	return set_size(d, &disk_backend_memory, value, word);
}

static int set_null(struct description *d, const char *value, const char *word)
{
	return set_size(d, &disk_backend_null, value, word);
}

static int set_cd(struct description *d, const char *value, const char *word)
{
	struct scsi_lun *lun = d->lun;

	lun->cd = true;
	lun->settings.read_only = 1;
	if (!lun->settings.block)
		lun->settings.block = CD_BLOCK;
	if (*value)
		return set_file(d, value, word);
	if (lun->disk.backend)
		return lun_fail(d, word, "it is something already");
	lun->empty = true;
	return 0;
}

/* The rest of what is said of disks is what the device says of itself. */
static int set_sg(struct description *d, const char *value, const char *word)
{
	struct scsi_lun *lun = d->lun;
	const struct scsi_host *host = lun->host;

	if (host->entered && host->settings->sandbox != SANDBOX_NONE)
		return lun_fail(d, word, "only with --lun, or with --sandbox=none");
	lun->pass = true;
	return set_file_of(d, &scsi_backend_pass, value, word);
}

static int set_timeout(struct description *d, const char *value, const char *word)
{
	uint64_t seconds;

	if (vu_number_parse(value, 1, MAX_TIMEOUT, &seconds))
		return lun_fail(d, word, "1 to 86400 seconds are wanted");
	d->lun->settings.timeout = (uint32_t)seconds;
	return 0;
}

static int set_block(struct description *d, const char *value, const char *word)
{
	uint64_t block;

	if (vu_number_parse(value, DISK_SECTOR, MAX_BLOCK, &block) || block & (block - 1))
		return lun_fail(d, word, "a power of two, 512 to 4096, is wanted");
	d->lun->settings.block = (uint32_t)block;
	return 0;
}

static int set_serial(struct description *d, const char *value, const char *word)
{
	size_t len = strlen(value);

	if (!len || len >= sizeof(d->lun->serial))
		return lun_fail(d, word, "1 to 20 characters are wanted");
	/* SPC-4 7.8.15: ASCII data. */
	for (size_t i = 0; i < len; i++)
		if (value[i] < ' ' || value[i] > '~')
			return lun_fail(d, word, "printable characters of ASCII are wanted");
	snprintf(d->lun->serial, sizeof(d->lun->serial), "%s", value);
	return 0;
}

static int set_read_only(struct description *d, const char *value, const char *word)
{
	(void)word;
	d->lun->settings.read_only = 1;
	return *value ? -EINVAL : 0;
}

static int set_direct(struct description *d, const char *value, const char *word)
{
	(void)word;
	d->lun->settings.direct = 1;
	return *value ? -EINVAL : 0;
}

static const struct {
	const char *name;
	bool value; /* is there one? */
	int (*set)(struct description *d, const char *value, const char *word);
} words[] = {
	{"file", true, set_file},	{"memory", true, set_memory},
	{"null", true, set_null},	{"cd", true, set_cd},
	{"cd", false, set_cd},		{"read-only", false, set_read_only},
	{"direct", false, set_direct},	{"block", true, set_block},
	{"serial", true, set_serial},	{"sg", true, set_sg},
	{"timeout", true, set_timeout},
};

static int lun_take_word(struct description *d, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	uint32_t target, number;

	if (!scsi_lun_parse(word, strlen(word), &target, &number)) {
		if (d->placed)
			return lun_fail(d, word, "it has an address already");
		d->lun->target = (uint8_t)target;
		d->lun->number = (uint8_t)number;
		d->placed = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].value == !!equals && strlen(words[i].name) == len &&
		    !strncmp(words[i].name, word, len))
			return words[i].set(d, equals ? equals + 1 : "", word);
	if (word[0] >= '0' && word[0] <= '9')
		return lun_fail(d, word, "a target and a number are wanted, 0:0 to 255:255");
	return lun_fail(d, word,
			"not a word of T:L, file=PATH, memory=SIZE, null=SIZE, cd, cd=PATH, "
			"sg=DEVICE, read-only, direct, block=BYTES, serial=TEXT, timeout=SECONDS");
}

/* A device of the host's says itself what it is, and is the only one that is waited for. */
static int lun_check_words(struct description *d)
{
	const struct scsi_lun *lun = d->lun;
	const struct disk_settings *settings = &lun->settings;

	if (lun->pass && (lun->cd || lun->serial[0] || settings->block || settings->direct))
		return lun_fail(d, "description",
				"sg=DEVICE goes with read-only and timeout=SECONDS only");
	if (!lun->pass && settings->timeout)
		return lun_fail(d, "description", "timeout=SECONDS goes with sg=DEVICE only");
	return 0;
}

static int lun_take_words(struct description *d, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		char word[WORD];
		int ret;

		if (len >= sizeof(word))
			return lun_fail(d, "description", "too long");
		memcpy(word, text, len);
		word[len] = 0;
		ret = lun_take_word(d, word);
		if (ret)
			return ret;
		text += len + (text[len] == ',');
	}
	if (!d->lun->disk.backend && !d->lun->empty)
		return lun_fail(
			d, "description",
			"what is it: file=PATH, memory=SIZE, null=SIZE, cd, cd=PATH or sg=DEVICE?");
	return lun_check_words(d);
}

/* --- its storage and its name --- */

/* FNV-1a: the same for the same image, in all processes. */
static uint64_t lun_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash & ((UINT64_C(1) << 60) - 1);
}

static int lun_open(struct description *d)
{
	struct scsi_lun *lun = d->lun;
	const struct disk_backend *backend = lun->disk.backend;
	int ret;

	lun->settings.path = lun->path;
	lun->disk.settings = &lun->settings;
	lun->disk.backend = NULL;
	lun->disk.limits.block = lun->settings.block; /* of an empty drive */
	if (lun->empty)
		return 0;
	ret = backend->open(&lun->disk);
	if (ret) {
		/* The back-end has said more on standard error. */
		snprintf(d->error, d->size, "%s: %s", lun->path ? lun->path : backend->name,
			 strerror(-ret));
		return ret;
	}
	lun->disk.backend = backend;
	if (lun->disk.limits.block > MAX_BLOCK)
		return lun_fail(d, lun->path, "its blocks are larger than 4096 bytes");
	return 0;
}

/* Of its path, as it is outside of the sandbox: the same for an image that comes later. */
static void lun_name_path(const struct scsi_lun *lun, char *text, size_t size)
{
	const struct scsi_host *host = lun->host;
	bool moved = host->entered && host->outside && !strcmp(host->inside, "/");
	char *real = realpath(lun->path, NULL);

	snprintf(text, size, "%s%s", moved && strcmp(host->outside, "/") ? host->outside : "",
		 real ? real : lun->path);
	free(real);
}

static void lun_name(struct scsi_lun *lun)
{
	char text[2 * PATH_MAX];

	if (lun->serial[0]) {
		lun->id = lun_hash(lun->serial);
		return;
	}
	/* Images keep their names wherever they are in the table. */
	if (lun->path)
		lun_name_path(lun, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%u:%u", lun->target, lun->number);
	lun->id = lun_hash(text);
	snprintf(lun->serial, sizeof(lun->serial), "%015" PRIx64, lun->id);
}

int scsi_describe(struct scsi_lun *lun, const char *text, bool *placed, char *error, size_t size)
{
	struct description d = {.lun = lun, .error = error, .size = size};
	int ret = lun_take_words(&d, text);

	if (ret) {
		lun->disk.backend = NULL; /* not opened */
		return ret;
	}
	*placed = d.placed;
	ret = lun_open(&d);
	if (ret)
		return ret;
	lun_name(lun);
	lun->host->passes |= lun->pass;
	return 0;
}
