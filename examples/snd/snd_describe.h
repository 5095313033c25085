/* SPDX-License-Identifier: MIT */
/* What the files share that read descriptions. */
#ifndef SND_DESCRIBE_H
#define SND_DESCRIBE_H

#include "snd.h"

/* Behind "device="; non-zero: it is none. */
int card_describe_device(const char *value, uint32_t *device);

/* Lines: struct vu_command.run with a struct card.  snd_describe_ctl.c */
int card_describe_volume(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque);
int card_describe_switch(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque);
int card_describe_choice(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque);

#endif
