/* SPDX-License-Identifier: MIT */
/*
 * See gpu_share_make.h: what 3D drew on the host's graphics hardware, where it drew it.  The
 * renderer exports it, and may be the guest's: a display gets a dma-buf that is as large as it
 * must be, or none.  What is in it, and where a display's driver finds that, is between the two
 * drivers.
 */
#include <unistd.h>

#include "gpu_share_make.h"

bool share_3d(struct card *card, struct screen *s)
{
	const struct wire_request request = {.kind = WIRE_EXPORT_PICTURE,
					     .resource = s->resource->id};
	struct resource *r = s->resource;

	if (r->share)
		return true;
	if (!card->sharing.exports || r->share_refused || !card->three.on)
		return false;
	s->coming = true;
	if (r->share_asked)
		return false;
	r->share_asked = true;
	card->three.ask(card->three.opaque, &request, NULL, NULL);
	return false;
}

/* Lines may lie in tiles, but there are as many pixels. */
static bool is_large_enough(int fd, const struct share *share)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t line = (uint64_t)share->width * PIXEL;

	return size >= 0 && share->stride >= line &&
	       (uint64_t)size >= (share->height - 1) * (uint64_t)share->stride + line;
}

/* Of PIXEL bytes each; what a screen shows nothing shines through.  0: another one. */
static uint32_t without_alpha(uint32_t fourcc)
{
	static const uint32_t formats[][2] = {
		{FOURCC('A', 'R', '2', '4'), FOURCC('X', 'R', '2', '4')},
		{FOURCC('A', 'B', '2', '4'), FOURCC('X', 'B', '2', '4')},
		{FOURCC('R', 'A', '2', '4'), FOURCC('R', 'X', '2', '4')},
		{FOURCC('B', 'A', '2', '4'), FOURCC('B', 'X', '2', '4')},
		{FOURCC('A', 'R', '3', '0'), FOURCC('X', 'R', '3', '0')},
		{FOURCC('A', 'B', '3', '0'), FOURCC('X', 'B', '3', '0')},
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (fourcc == formats[i][0] || fourcc == formats[i][1])
			return formats[i][1];
	return 0;
}

static const char *fault_of(int fd, const struct share *share)
{
	if (fd < 0)
		return "the renderer has none";
	if (!share->fourcc)
		return "the renderer's is of a format that is not known here";
	return is_large_enough(fd, share) ? NULL : "the renderer's is not as large as the picture";
}

static void show_again(struct card *card, const struct resource *r)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		if (card->screens[i].resource == r)
			share_screen(card, &card->screens[i]);
}

void share_exported(struct card *card, uint32_t id, uint64_t serial, const struct share *answer,
		    int fd)
{
	struct resource *r = card_look(card, id);
	struct share share = *answer;
	struct share_problem problem = {.why = NULL};

	if (!r || r->serial != serial || r->share) {
		if (fd >= 0)
			close(fd);
		return;
	}
	r->share_asked = false;
	share.fourcc = without_alpha(answer->fourcc);
	share.width = r->width;
	share.height = r->height;
	share.flags = r->three.flags & VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP;
	problem.why = fault_of(fd, &share);
	if (problem.why && fd >= 0)
		close(fd);
	if (!problem.why) {
		share_make_room(card);
		r->share = share_new(&share, fd, &problem);
		if (!r->share)
			card->sharing.n--;
	}
	r->share_refused = !r->share;
	share_say(card, r, r->share ? NULL : &problem);
	show_again(card, r);
}
