/* SPDX-License-Identifier: MIT */
/*
 * See gpu_display.h: pictures in dma-bufs, of which a display is told what is new, and says when it
 * has read that.  It is told of one at a time, of whatever output: QEMU says one word for two that
 * it was told of at once.  Who never says it has what is new with the next dma-buf at the latest.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "gpu_damage.h"
#include "gpu_display.h"

/* vhost-user-gpu "VhostUserGpuDMABUFScanout", "VhostUserGpuDMABUFScanout2". */
struct display_dmabuf {
	uint32_t scanout_id, x, y, width, height;
	uint32_t fd_width, fd_height, stride, flags, fourcc;
};

struct display_dmabuf2 {
	struct display_dmabuf dmabuf;
	uint32_t modifier[2]; /* a u64, without a gap before it */
};

_Static_assert(sizeof(struct display_dmabuf2) == 48, "as QEMU packs it");

static void tell(struct display *d, const struct display_dmabuf *dmabuf, const uint64_t *modifier)
{
	struct display_dmabuf2 two = {.dmabuf = *dmabuf};

	if (modifier) {
		memcpy(two.modifier, modifier, sizeof(two.modifier));
		memcpy(display_message(d, DISPLAY_DMABUF_SCANOUT2, sizeof(two)), &two, sizeof(two));
	} else {
		memcpy(display_message(d, DISPLAY_DMABUF_SCANOUT, sizeof(*dmabuf)), dmabuf,
		       sizeof(*dmabuf));
	}
}

static void tell_share(struct display *d, uint32_t index, const struct share *share)
{
	struct screen *s = &d->card->screens[index];
	const struct display_dmabuf dmabuf = {
		.scanout_id = index,
		.x = share->width > s->width ? s->x : 0,
		.y = share->height > s->height ? s->y : 0,
		.width = s->width,
		.height = s->height,
		.fd_width = share->width,
		.fd_height = share->height,
		.stride = share->stride,
		.flags = share->flags,
		.fourcc = share->fourcc,
	};

	tell(d, &dmabuf, d->features & DISPLAY_F_DMABUF2 ? &share->modifier : NULL);
	s->resized = false;
	d->has[index] = true;
	pixman_region32_clear(&d->telling[index]);
}

bool display_next_share(struct display *d, uint32_t index)
{
	struct screen *s = &d->card->screens[index];
	const struct display_dmabuf none = {.scanout_id = index};
	const struct share *share = share_of(s);

	if (share) {
		d->out_fd = fcntl(share->fd, F_DUPFD_CLOEXEC, 0);
		if (d->out_fd >= 0) {
			tell_share(d, index, share);
			return true;
		}
		share_refuse(d->card, s, &(struct share_problem){"no descriptor for it", errno});
	}
	if (!d->has[index])
		return false;
	/* Its size comes next. */
	d->has[index] = false;
	display_hold_gone(d, index);
	tell(d, &none, NULL);
	return true;
}

bool display_next_update(struct display *d, uint32_t index)
{
	struct screen *s = &d->card->screens[index];
	pixman_region32_t *telling = &d->telling[index];
	struct display_update update;
	const pixman_box32_t *box;

	if (d->owes_ack)
		return false;
	damage_add(telling, &s->damage);
	box = pixman_region32_extents(telling);
	update = (struct display_update){index, (uint32_t)box->x1, (uint32_t)box->y1,
					 (uint32_t)(box->x2 - box->x1),
					 (uint32_t)(box->y2 - box->y1)};
	memcpy(display_message(d, DISPLAY_DMABUF_UPDATE, sizeof(update)), &update, sizeof(update));
	pixman_region32_clear(telling);
	pixman_region32_clear(&s->damage);
	d->owes_ack = true;
	d->reads = index;
	display_hold_told(d, index);
	d->n_updates++;
	d->n_told++;
	return true;
}

bool display_acked(struct display *d)
{
	if (!d->owes_ack)
		return false;
	d->owes_ack = false;
	display_hold_read(d);
	return true;
}
