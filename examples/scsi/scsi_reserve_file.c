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

static int file_fail(const char *path, int error)
{
	fprintf(stderr, "vu-scsi: %s: %s: reservations are not kept\n", path, strerror(-error));
	return error;
}

int scsi_reserve_save(struct scsi_lun *lun)
{
	char path[PATH], fresh[PATH], text[TEXT];
	int ret;

	if (!scsi_reserve_can_keep(lun->host))
		return 0;
	file_path(lun, path, "");
	if (!lun->reservations.keep || !lun->reservations.n)
		return unlink(path) < 0 && errno != ENOENT ? file_fail(path, -errno) : 0;
	file_path(lun, fresh, ".new");
	ret = file_write(fresh, text, file_format(&lun->reservations, text));
	if (!ret && rename(fresh, path) < 0)
		ret = -errno;
	return ret ? file_fail(path, ret) : 0;
}

static bool file_parse_line(struct scsi_reservations *r, const char *line)
{
	unsigned int type, initiator;
	uint64_t key;

	if (sscanf(line, "generation %u", &r->generation) == 1)
		return true;
	if (sscanf(line, "reserved %u %u", &type, &initiator) == 2 && type <= 8 &&
	    initiator < SCSI_INITIATORS) {
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

void scsi_reserve_load(struct scsi_lun *lun)
{
	struct scsi_reservations *r = &lun->reservations;
	char path[PATH], line[128];
	bool good = true;
	FILE *file;

	if (lun->cd || lun->pass || !scsi_reserve_can_keep(lun->host))
		return;
	file_path(lun, path, "");
	file = fopen(path, "re");
	if (!file)
		return;
	good = fgets(line, sizeof(line), file) && !strcmp(line, "vu-scsi reservations 1\n");
	while (good && fgets(line, sizeof(line), file))
		good = file_parse_line(r, line);
	fclose(file);
	r->keep = true;
	if (!good)
		fprintf(stderr, "vu-scsi: %s: not all of it makes sense; it was read that far\n",
			path);
}
