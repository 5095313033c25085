/* SPDX-License-Identifier: MIT */
/*
 * What the parts of vu-gpu share beside the card: the command line, and a device.
 *
 * gpu.c has the device and its queues, gpu_control.c the commands of --control, gpu_shots.c files
 * of what is shown, gpu_dmabuf.c what dma-bufs are made of, gpu_main.c the command line and the
 * sandbox.  gpu_card.h and gpu_command.h have the rest.  All of it runs on the device thread.
 */
#ifndef GPU_H
#define GPU_H

#include <libvu/unstable.h>

#include "gpu_display.h"
#include "gpu_virgl.h"

struct gpu_settings {
	struct output outputs[CARD_OUTPUTS];
	uint32_t n_sizes;
	uint64_t max_outputs; /* 0: as many as there are sizes */
	uint64_t max_hostmem, max_resources;
	uint64_t max_fps; /* 0: no limit */
	int headless;
	int virgl, venus;    /* 3D: OpenGL, Vulkan */
	const char *node;    /* of the host's graphics hardware, for 3D; NULL: software draws */
	int dmabuf;	     /* what is shown goes to the display as dma-bufs */
	const char *dir;     /* of pictures; NULL: there are none */
	const char *dump;    /* what their names begin with */
	uint64_t dump_count; /* how many are kept; 0: there is no dump */
	uint32_t sandbox;    /* enum sandbox_kind */
	bool connects;
	/* The process's: */
	bool shut_in;
	char *outside; /* where dir is for others */
	int folder;    /* dir, open; -1 */
	int udmabuf;   /* makes dma-bufs; -1 */
};

static inline bool gpu_has_3d(const struct gpu_settings *settings)
{
	return settings->virgl || settings->venus;
}

struct gpu {
	struct card card;
	struct display display;
	struct virgl virgl;
	struct gpu_settings *settings;
	struct vu_device *dev;
	struct vu_memory *memory;   /* of the guest; NULL: there is none */
	struct command commands[2]; /* the one that is run, and the one behind it */
	struct vu_source *again;    /* a timer: there is more in the queues than a turn may do */
	char dump[256];
	uint64_t dumped[CARD_OUTPUTS];
	int dump_error; /* the one that was logged last */
};

/* --- gpu.c --- */

/* gpu is zeroed at first; gpu_fini() also undoes what failed half-way. */
int gpu_init(struct gpu *gpu, struct vu_program *program, uint32_t index);
void gpu_fini(struct gpu *gpu);
/* Outputs are others now: the driver is to ask. */
void gpu_tell_outputs(struct gpu *gpu);

/* --- gpu_dmabuf.c --- */

/* Before the sandbox; and for a device. */
void gpu_open_udmabuf(struct gpu_settings *settings);
void gpu_set_dmabuf(struct gpu *gpu);

/* --- gpu_shots.c --- */

/* Of what a screen shows, into a file: a name in --dir, or its whole path.  -errno, and why. */
int gpu_shot(struct gpu *gpu, uint32_t screen, const char *file, const char **why);
/* Of every screen that changed, if --dump says so. */
void gpu_dump(struct gpu *gpu);

/* --- gpu_control.c --- */

extern const struct vu_command gpu_commands[];
/* WIDTHxHEIGHT; -EINVAL, -ERANGE. */
int gpu_parse_size(const char *text, struct output *output);

#endif
