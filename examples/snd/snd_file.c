/* SPDX-License-Identifier: MIT */
/*
 * A file or a FIFO with samples and nothing else, as the driver has them.
 *
 * What is played is written behind what was played before; each recording begins at the start of
 * the file and goes on with silence where that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/own_file.h"
#include "snd_backend.h"

enum { PATH_SIZE = 4096 };

struct file {
	int fd;
	bool failed; /* and that was told */
	/* A FIFO may have had a part of a frame, of so many bytes. */
	unsigned char held[SND_MAX_CHANNELS * sizeof(double)];
	uint32_t n_held, frame_bytes;
};

static int file_open_path(const struct card_stream *s, const char *path)
{
	struct stat st;
	int fd;

	if (s->direction == VIRTIO_SND_D_OUTPUT)
		return own_file_open(path, O_WRONLY | O_TRUNC | O_NONBLOCK);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return fd;
	close(fd);
	return -EISDIR;
}

static int file_open(struct card_stream *s, const char *value)
{
	char path[PATH_SIZE];
	struct file *f;
	int ret;

	if (!value || !*value) {
		fprintf(stderr, "vu-snd: which file?  file=PATH\n");
		return -EINVAL;
	}
	ret = vu_program_path(value, s->card->index, path, sizeof(path));
	if (ret)
		return ret;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	s->end = f;
	f->fd = file_open_path(s, path);
	if (f->fd >= 0)
		return 0;
	fprintf(stderr, "vu-snd: %s: %s\n", path,
		f->fd == -ENXIO ? "a FIFO that nobody reads, or no file" : own_file_error(-f->fd));
	return f->fd;
}

static void file_close(struct card_stream *s)
{
	struct file *f = s->end;

	if (f && f->fd >= 0)
		close(f->fd);
	free(f);
	s->end = NULL;
}

static void file_begin(struct card_stream *s)
{
	struct file *f = s->end;

	if (s->direction != VIRTIO_SND_D_INPUT)
		return;
	/* A FIFO goes on where it was; what is left of a frame begins none of another size. */
	if (lseek(f->fd, 0, SEEK_SET) == 0 || f->frame_bytes != s->frame_bytes)
		f->n_held = 0;
	f->frame_bytes = s->frame_bytes;
}

/* How many bytes were written. */
static uint32_t file_write(struct file *f, const unsigned char *bytes, uint32_t len, int *error)
{
	uint32_t done = 0;

	*error = 0;
	while (done < len && !*error) {
		ssize_t n = write(f->fd, bytes + done, len - done);

		if (n > 0)
			done += (uint32_t)n;
		else if (!n || errno != EINTR)
			*error = n ? -errno : -EIO;
	}
	return done;
}

/* What a full FIFO has no room for is lost by whole frames: the rest of one is written later. */
static int file_play(struct card_stream *s, struct file *f, const unsigned char *bytes,
		     uint32_t len)
{
	uint32_t done;
	int ret;

	done = file_write(f, f->held, f->n_held, &ret);
	f->n_held -= done;
	memmove(f->held, f->held + done, f->n_held);
	if (ret)
		return ret;
	done = file_write(f, bytes, len, &ret);
	if (done % s->frame_bytes) {
		f->n_held = s->frame_bytes - done % s->frame_bytes;
		memcpy(f->held, bytes + done, f->n_held);
	}
	return ret;
}

static int file_record(struct card_stream *s, struct file *f, unsigned char *bytes, uint32_t len)
{
	uint32_t have = f->n_held, part;
	ssize_t n = 0;

	memcpy(bytes, f->held, have);
	while (have < len &&
	       ((n = read(f->fd, bytes + have, len - have)) > 0 || (n < 0 && errno == EINTR)))
		have += n > 0 ? (uint32_t)n : 0;
	part = have % s->frame_bytes;
	memcpy(f->held, bytes + have - part, part);
	f->n_held = part;
	have -= part;
	card_silence(s->params.format, bytes + have, len - have);
	return n < 0 && errno != EAGAIN ? -errno : 0;
}

static int file_move(struct card_stream *s, void *bytes, uint32_t len)
{
	struct file *f = s->end;
	int ret = s->direction == VIRTIO_SND_D_OUTPUT ? file_play(s, f, bytes, len)
						      : file_record(s, f, bytes, len);

	if (ret && !f->failed)
		vu_device_log_peerf(s->card->dev, VU_LOG_ERROR, "stream %u: file: %s", s->id,
				    strerror(-ret));
	f->failed = ret;
	return ret;
}

const struct card_backend card_file = {
	.name = "file",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.open = file_open,
	.close = file_close,
	.begin = file_begin,
	.move = file_move,
};
