/* SPDX-License-Identifier: MIT */
/*
 * WAV files, by libsndfile: samples are in them as the driver has them.
 *
 * A file has one format.  One that is recorded says which the stream offers; one that is played to
 * takes that of the first sound, and from then on the stream offers no other.  Its header is right
 * at all times, whatever ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/own_file.h"
#include "snd_backend.h"

enum { PATH_SIZE = 4096 };

/* Its header has 32 bits for them, and for itself; beyond that the library writes a wrong one. */
#define WAV_MAX_BYTES (UINT32_MAX - 4096)

static const struct {
	int file;
	uint8_t stream;
} subtypes[] = {
	{SF_FORMAT_PCM_U8, VIRTIO_SND_PCM_FMT_U8},
	{SF_FORMAT_PCM_16, VIRTIO_SND_PCM_FMT_S16},
	{SF_FORMAT_PCM_24, VIRTIO_SND_PCM_FMT_S24_3},
	{SF_FORMAT_PCM_32, VIRTIO_SND_PCM_FMT_S32},
	{SF_FORMAT_FLOAT, VIRTIO_SND_PCM_FMT_FLOAT},
	{SF_FORMAT_DOUBLE, VIRTIO_SND_PCM_FMT_FLOAT64},
	{SF_FORMAT_ULAW, VIRTIO_SND_PCM_FMT_MU_LAW},
	{SF_FORMAT_ALAW, VIRTIO_SND_PCM_FMT_A_LAW},
};

enum { SUBTYPES = sizeof(subtypes) / sizeof(subtypes[0]) };

struct wav {
	int fd;		/* that is played to; -1: the library has it */
	SNDFILE *sound; /* NULL: nothing has been played yet */
	uint64_t bytes; /* that were played */
	bool failed;	/* and that was told */
};

static uint64_t wav_formats(void)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < SUBTYPES; i++)
		mask |= UINT64_C(1) << subtypes[i].stream;
	return mask;
}

/* The library's own errors are no numbers of the system's. */
static int wav_fail(struct card_stream *s, const char *what)
{
	struct wav *w = s->end;

	if (!w->failed && s->card->dev)
		vu_device_log_peerf(s->card->dev, VU_LOG_ERROR, "stream %u: wav: %s", s->id, what);
	w->failed = true;
	return -EIO;
}

/* The library reads many other kinds, whose bytes are in another order, or packed. */
static bool wav_is_one(int format)
{
	int type = format & SF_FORMAT_TYPEMASK;

	return (type == SF_FORMAT_WAV || type == SF_FORMAT_WAVEX || type == SF_FORMAT_RF64) &&
	       (format & SF_FORMAT_ENDMASK) != SF_ENDIAN_BIG;
}

/* The stream offers what is in the file. */
static int wav_offer(struct card_stream *s, const SF_INFO *info)
{
	int rate = card_rate_find((uint64_t)info->samplerate);

	if (rate < 0 || info->channels < 1 || info->channels > SND_MAX_CHANNELS ||
	    !wav_is_one(info->format))
		return -EINVAL;
	for (uint32_t i = 0; i < SUBTYPES; i++) {
		if (subtypes[i].file != (info->format & SF_FORMAT_SUBMASK))
			continue;
		s->formats = UINT64_C(1) << subtypes[i].stream;
		s->rates = UINT64_C(1) << rate;
		s->channels_min = s->channels_max = (uint8_t)info->channels;
		return 0;
	}
	return -EINVAL;
}

/* Open for this: its header is looked at again and again, so it is no FIFO, for which there is
 * file=. */
static int wav_open_file(struct wav *w, const char *path, bool plays)
{
	struct stat st;

	w->fd = plays ? own_file_open(path, O_RDWR | O_NONBLOCK)
		      : open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (w->fd < 0) {
		int ret = plays ? w->fd : -errno;

		fprintf(stderr, "vu-snd: %s: %s\n", path, own_file_error(-ret));
		return ret;
	}
	if (fstat(w->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fprintf(stderr, "vu-snd: %s: it is no file that a WAV can be in\n", path);
		return -EINVAL;
	}
	return plays && ftruncate(w->fd, 0) < 0 ? -errno : 0;
}

static int wav_open_path(struct card_stream *s, const char *path)
{
	bool plays = s->direction == VIRTIO_SND_D_OUTPUT;
	struct wav *w = s->end;
	SF_INFO info = {0};
	int ret = wav_open_file(w, path, plays);

	if (ret || plays)
		return ret;
	w->sound = sf_open_fd(w->fd, SFM_READ, &info, SF_TRUE);
	w->fd = -1;
	if (!w->sound) {
		fprintf(stderr, "vu-snd: %s: %s\n", path, sf_strerror(NULL));
		return -EINVAL;
	}
	if (!wav_offer(s, &info))
		return 0;
	fprintf(stderr, "vu-snd: %s: %s\n", path,
		wav_is_one(info.format) ? "no card has its format, rate or number of channels"
					: "this is sound, but no WAV file");
	return -EINVAL;
}

static int wav_open(struct card_stream *s, const char *value)
{
	char path[PATH_SIZE];
	struct wav *w;
	int ret;

	if (!value || !*value) {
		fprintf(stderr, "vu-snd: which file?  wav=PATH\n");
		return -EINVAL;
	}
	ret = vu_program_path(value, s->card->index, path, sizeof(path));
	if (ret)
		return ret;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fd = -1;
	s->end = w;
	return wav_open_path(s, path);
}

static void wav_close(struct card_stream *s)
{
	struct wav *w = s->end;

	if (w && w->sound)
		sf_close(w->sound);
	if (w && w->fd >= 0)
		close(w->fd);
	free(w);
	s->end = NULL;
}

/* The first sound says what is in the file. */
static void wav_create(struct card_stream *s, struct wav *w)
{
	SF_INFO info = {
		.samplerate = (int)s->clock.rate,
		.channels = s->params.channels,
		.format = SF_FORMAT_WAV,
	};

	for (uint32_t i = 0; i < SUBTYPES; i++)
		if (subtypes[i].stream == s->params.format)
			info.format |= subtypes[i].file;
	/* The next sound may try again, as a full disk has room by then; the library closes its
	 * descriptor also when it fails. */
	lseek(w->fd, 0, SEEK_SET);
	w->sound = sf_open_fd(fcntl(w->fd, F_DUPFD_CLOEXEC, 0), SFM_WRITE, &info, SF_TRUE);
	if (!w->sound) {
		wav_fail(s, sf_strerror(NULL));
		return;
	}
	sf_command(w->sound, SFC_SET_UPDATE_HEADER_AUTO, NULL, SF_TRUE);
	wav_offer(s, &info);
}

static void wav_begin(struct card_stream *s)
{
	struct wav *w = s->end;

	if (s->direction == VIRTIO_SND_D_INPUT)
		sf_seek(w->sound, 0, SEEK_SET);
	else if (!w->sound && w->fd >= 0)
		wav_create(s, w);
}

/*
 * A part of this was written, and the library is behind its header now: without this what comes
 * next would be in the place of what was played first, and the header would count it.  Of a file
 * that has nothing yet there may be no header: the next sound begins it anew.
 */
static int wav_go_back(struct card_stream *s, struct wav *w)
{
	int ret = wav_fail(s, sf_strerror(w->sound));

	if (w->bytes) {
		sf_seek(w->sound, (sf_count_t)(w->bytes / s->frame_bytes), SEEK_SET);
		sf_command(w->sound, SFC_UPDATE_HEADER_NOW, NULL, 0);
	} else {
		sf_close(w->sound);
		w->sound = NULL;
	}
	return ret;
}

static int wav_play(struct card_stream *s, struct wav *w, const void *bytes, uint32_t len)
{
	if (len > WAV_MAX_BYTES - w->bytes)
		return wav_fail(s, "the file is full: 4 GiB are all that a WAV file can have");
	if (sf_write_raw(w->sound, bytes, len) != len)
		return wav_go_back(s, w);
	w->bytes += len;
	w->failed = false;
	return 0;
}

static int wav_move(struct card_stream *s, void *bytes, uint32_t len)
{
	struct wav *w = s->end;
	sf_count_t n;

	if (!w->sound)
		return -EIO;
	if (s->direction == VIRTIO_SND_D_OUTPUT)
		return wav_play(s, w, bytes, len);
	n = sf_read_raw(w->sound, bytes, len);
	if (n < 0 || n > len)
		n = 0;
	n -= n % s->frame_bytes;
	card_silence(s->params.format, (unsigned char *)bytes + n, len - (uint32_t)n);
	return 0;
}

const struct card_backend card_wav = {
	.name = "wav",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.formats = wav_formats,
	.open = wav_open,
	.close = wav_close,
	.begin = wav_begin,
	.move = wav_move,
};
