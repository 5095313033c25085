/* SPDX-License-Identifier: MIT */
/*
 * Persistent reservations in a file of --dir, one for each logical unit: lines of words, written
 * anew and renamed with every change.  Queue thread, the logical unit's lock held; or device
 * thread, before anybody else knows it.
 */
#include "scsi.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/own_file.h"

enum { PATH = 4200, TEXT = 64 * (SCSI_REGISTRATIONS + 2) };

bool scsi_reserve_can_keep(const struct scsi_host *host)
{
	return host->settings->dir != NULL;
}

static void file_path(const struct scsi_lun *lun, char *path, const char *end)
{
	snprintf(path, PATH, "%s/reservations-%u-%u%s", lun->host->inside, lun->target, lun->number,
		 end);
}

static int file_format(const struct scsi_reservations *r, char *text)
{
	int len = snprintf(text, TEXT, "vu-scsi reservations 1\ngeneration %u\n", r->generation);

	if (r->type)
		len += snprintf(text + len, (size_t)(TEXT - len), "reserved %u %u\n", r->type,
				r->holder);
	for (uint32_t i = 0; i < r->n; i++)
		len += snprintf(text + len, (size_t)(TEXT - len), "registered %" PRIx64 " %u\n",
				r->entries[i].key, r->entries[i].initiator);
	return len;
}

static int file_write(const char *path, const char *text, int len)
{
	int fd = own_file_open(path, O_WRONLY | O_TRUNC), ret = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, (size_t)len) != len || fsync(fd) < 0)
		ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

/* Is it so already?  Where nothing can be written, nothing can be there that has to go. */
static bool file_is_away(const char *path)
{
	int fd;

	if (errno == ENOENT)
		return true;
	fd = errno == EROFS ? open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd >= 0)
		close(fd);
	return errno == ENOENT && fd < 0;
}

static int file_remove(const char *path)
{
	int error;

	if (!unlink(path))
		return 0;
	error = errno;
	return file_is_away(path) ? 0 : -error;
}

static int file_replace(const struct scsi_lun *lun, const struct scsi_reservations *r)
{
	char path[PATH], fresh[PATH], text[TEXT];
	int ret;

	file_path(lun, path, "");
	if (!r->keep || !r->n)
		return file_remove(path);
	file_path(lun, fresh, ".new");
	ret = file_write(fresh, text, file_format(r, text));
	if (!ret && rename(fresh, path) < 0)
		ret = -errno;
	return ret;
}

static void reserve_set(struct scsi_lun *lun, const struct scsi_reservations *r)
{
	struct scsi_reservations *own = &lun->reservations;

	memcpy(own->entries, r->entries, sizeof(own->entries));
	own->n = r->n;
	own->generation = r->generation;
	own->holder = r->holder;
	own->keep = r->keep;
	own->type = r->type;
}

int scsi_reserve_save(struct scsi_lun *lun, const struct scsi_reservations *r)
{
	int ret = scsi_reserve_can_keep(lun->host) ? file_replace(lun, r) : 0;

	if (!ret)
		reserve_set(lun, r);
	return ret;
}

static bool file_parse_line(struct scsi_reservations *r, const char *line)
{
	unsigned int type, initiator;
	uint64_t key;

	if (sscanf(line, "generation %u", &r->generation) == 1)
		return true;
	if (sscanf(line, "reserved %u %u", &type, &initiator) == 2 && type < 32 &&
	    SCSI_RESERVATION_TYPES >> type & 1 && initiator < SCSI_INITIATORS) {
		r->type = (uint8_t)type;
		r->holder = (uint8_t)initiator;
		return true;
	}
	if (sscanf(line, "registered %" SCNx64 " %u", &key, &initiator) == 2 &&
	    initiator < SCSI_INITIATORS && r->n < SCSI_REGISTRATIONS) {
		r->entries[r->n++] = (struct scsi_registration){key, (uint8_t)initiator};
		return true;
	}
	return false;
}

/* Each initiator is registered once, and who holds the reservation is. */
static bool file_is_sound(const struct scsi_reservations *r)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t bit = 1u << r->entries[i].initiator;

		if (seen & bit)
			return false;
		seen |= bit;
	}
	if (r->type >= SCSI_RESERVATION_OF_ALL)
		return r->n;
	return !r->type || seen >> r->holder & 1;
}

static bool file_parse(struct scsi_reservations *r, char *text)
{
	char *next, *line = strtok_r(text, "\n", &next);
	bool good = line && !strcmp(line, "vu-scsi reservations 1");

	while (good && (line = strtok_r(NULL, "\n", &next)))
		good = file_parse_line(r, line);
	return good && file_is_sound(r);
}

/* A file of ours, which is short; -errno, -ENOENT without one. */
static ssize_t file_read(const char *path, char *text)
{
	/* What is no file is not waited for, and nothing else than what is in the directory is
	 * read. */
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t len = -EINVAL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		len = -errno;
	} else if (S_ISREG(st.st_mode) && st.st_size < TEXT) {
		len = read(fd, text, TEXT - 1);
		len = len < 0 ? -errno : len;
	}
	close(fd);
	if (len >= 0)
		text[len] = 0;
	return len;
}

int scsi_reserve_load(struct scsi_lun *lun, char *error, size_t size)
{
	struct scsi_reservations r = {.keep = true};
	char path[PATH], text[TEXT];
	ssize_t len;

	if (lun->cd || lun->pass || !scsi_reserve_can_keep(lun->host))
		return 0;
	file_path(lun, path, "");
	len = file_read(path, text);
	if (len == -ENOENT)
		return 0;
	if (len < 0 || !file_parse(&r, text)) {
		snprintf(error, size,
			 "%s: %s: without its reservations nobody gets the disk; remove the file "
			 "if there are none",
			 path,
			 len == -EINVAL ? "no such file of ours"
			 : len < 0	? strerror((int)-len)
					: "it makes no sense");
		return len < 0 ? (int)len : -EINVAL;
	}
	reserve_set(lun, &r);
	return 0;
}
