/* SPDX-License-Identifier: MIT */
/* See gpu_card.h: what may be plugged in, as drivers are told. */
#include "gpu_card.h"

#include <endian.h>
#include <string.h>

#include "gpu_edid.h"

/* Side by side. */
void card_display_info(const struct card *card, struct virtio_gpu_resp_display_info *info)
{
	uint32_t x = 0;

	for (uint32_t i = 0; i < card->n_outputs; i++) {
		const struct output *o = &card->outputs[i];
		struct virtio_gpu_display_one *mode = &info->pmodes[i];

		mode->enabled = htole32(o->plugged);
		if (!o->plugged)
			continue;
		mode->r.x = htole32(x);
		mode->r.width = htole32(o->width);
		mode->r.height = htole32(o->height);
		x += o->width;
	}
}

/* Also of one that is not plugged in: drivers ask all, and do not expect an error. */
uint32_t card_edid(struct card *card, uint32_t output, struct virtio_gpu_resp_edid *edid)
{
	const struct output *o = &card->outputs[output < CARD_OUTPUTS ? output : 0];

	if (output >= card->n_outputs)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
				 "there is no such scanout");
	edid->size = htole32(edid_make(edid->edid, output, o->width, o->height));
	return VIRTIO_GPU_RESP_OK_EDID;
}
