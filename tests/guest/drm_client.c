/* SPDX-License-Identifier: MIT */
/*
 * A program that shows pictures by the kernel's own interface; runs in guests.
 *
 *	guest-drm STEP...
 *
 * The steps, each of which says what it did in a line:
 *
 *	modes           of each connector: what is connected, and which mode is wanted
 *	show=SEED[,SEED...]   a picture on each monitor that is connected, in the mode that it wants
 *	flip=N,SEED     the first monitor: N page flips, of which the last shows SEED
 *	part=X,Y,W,H,SEED     the first monitor: only this part becomes SEED's
 *	cursor=X,Y      the first monitor: a pointer of one colour, hot at 5,6
 *	wait=FILE       until there is this file
 *
 * Pictures are as tests/guest/gpu.py has them.
 */
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX = 16, MODES = 128, CURSOR = 64 };

struct buffer {
	uint32_t handle, fb, width, height, pitch;
	uint64_t size;
	unsigned char *map;
};

struct monitor {
	uint32_t connector, crtc;
	int connected;
	struct drm_mode_modeinfo mode;
	struct buffer buffers[2];
	int front;
};

struct card {
	int fd;
	uint32_t n;
	struct monitor monitors[MAX];
};

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	perror(what);
	exit(1);
}

/* --- what there is --- */

static void read_monitor(struct card *card, struct monitor *m)
{
	static struct drm_mode_modeinfo modes[MODES];
	struct drm_mode_get_connector c = {.connector_id = m->connector};

	/* Asks for a new look at the monitor, too. */
	check(ioctl(card->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c), "GETCONNECTOR");
	m->connected = c.connection == 1;
	if (c.count_modes > MODES)
		c.count_modes = MODES;
	c.modes_ptr = (uintptr_t)modes;
	c.count_props = c.count_encoders = 0;
	if (!m->connected || !c.count_modes)
		return;
	check(ioctl(card->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c), "GETCONNECTOR");
	m->mode = modes[0];
	for (uint32_t i = 0; i < c.count_modes && i < MODES; i++)
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			m->mode = modes[i];
			return;
		}
}

static void read_card(struct card *card)
{
	uint32_t connectors[MAX], crtcs[MAX];
	struct drm_mode_card_res res = {
		.count_connectors = MAX,
		.count_crtcs = MAX,
		.connector_id_ptr = (uintptr_t)connectors,
		.crtc_id_ptr = (uintptr_t)crtcs,
	};

	check(ioctl(card->fd, DRM_IOCTL_MODE_GETRESOURCES, &res), "GETRESOURCES");
	card->n = res.count_connectors;
	for (uint32_t i = 0; i < card->n; i++) {
		card->monitors[i].connector = connectors[i];
		card->monitors[i].crtc = crtcs[i];
		read_monitor(card, &card->monitors[i]);
	}
}

static void modes(struct card *card, const char *arguments)
{
	(void)arguments;
	read_card(card);
	for (uint32_t i = 0; i < card->n; i++) {
		const struct monitor *m = &card->monitors[i];

		if (m->connected)
			printf("monitor %u %ux%u\n", i, m->mode.hdisplay, m->mode.vdisplay);
		else
			printf("monitor %u none\n", i);
	}
}

/* --- pictures --- */

static uint32_t pixel(uint32_t x, uint32_t y, uint32_t seed)
{
	return ((x * 3 + seed * 40) & 255) << 16 | ((y * 5 + seed * 17) & 255) << 8 |
	       ((x ^ y) & 255);
}

static void paint(struct buffer *b, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint32_t seed)
{
	for (uint32_t j = y; j < y + h; j++)
		for (uint32_t i = x; i < x + w; i++) {
			uint32_t p = pixel(i, j, seed);

			memcpy(b->map + j * b->pitch + 4 * i, &p, 4);
		}
}

static void make_buffer(struct card *card, struct buffer *b, uint32_t width, uint32_t height)
{
	struct drm_mode_create_dumb dumb = {.width = width, .height = height, .bpp = 32};
	struct drm_mode_map_dumb map = {0};
	struct drm_mode_fb_cmd fb = {.width = width, .height = height, .bpp = 32, .depth = 24};

	if (b->map)
		return;
	check(ioctl(card->fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), "CREATE_DUMB");
	*b = (struct buffer){dumb.handle, 0, width, height, dumb.pitch, dumb.size, NULL};
	fb.pitch = dumb.pitch;
	fb.handle = map.handle = dumb.handle;
	check(ioctl(card->fd, DRM_IOCTL_MODE_ADDFB, &fb), "ADDFB");
	b->fb = fb.fb_id;
	check(ioctl(card->fd, DRM_IOCTL_MODE_MAP_DUMB, &map), "MAP_DUMB");
	b->map = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, card->fd,
		      (off_t)map.offset);
	check(b->map == MAP_FAILED ? -1 : 0, "mmap");
}

static void show_on(struct card *card, struct monitor *m, uint32_t seed)
{
	struct drm_mode_crtc crtc = {
		.crtc_id = m->crtc,
		.set_connectors_ptr = (uintptr_t)&m->connector,
		.count_connectors = 1,
		.mode_valid = 1,
		.mode = m->mode,
	};

	for (int i = 0; i < 2; i++)
		make_buffer(card, &m->buffers[i], m->mode.hdisplay, m->mode.vdisplay);
	paint(&m->buffers[0], 0, 0, m->mode.hdisplay, m->mode.vdisplay, seed);
	crtc.fb_id = m->buffers[0].fb;
	m->front = 0;
	check(ioctl(card->fd, DRM_IOCTL_MODE_SETCRTC, &crtc), "SETCRTC");
}

static void show(struct card *card, const char *arguments)
{
	read_card(card);
	for (uint32_t i = 0; i < card->n && *arguments; i++) {
		char *end;

		if (!card->monitors[i].connected)
			continue;
		show_on(card, &card->monitors[i], (uint32_t)strtoul(arguments, &end, 10));
		arguments = *end ? end + 1 : end;
	}
	printf("shown\n");
}

static void flip(struct card *card, const char *arguments)
{
	struct monitor *m = &card->monitors[0];
	uint32_t n, seed;

	check(sscanf(arguments, "%u,%u", &n, &seed) == 2 ? 0 : -1, "flip=N,SEED");
	for (uint32_t i = 0; i < n; i++) {
		struct buffer *back = &m->buffers[!m->front];
		struct drm_mode_crtc_page_flip f = {
			.crtc_id = m->crtc, .fb_id = back->fb, .flags = DRM_MODE_PAGE_FLIP_EVENT};
		char event[256];

		/* All of the last, and something of the others. */
		if (i + 1 == n)
			paint(back, 0, 0, back->width, back->height, seed);
		else
			paint(back, i, i, 64, 64, i);
		check(ioctl(card->fd, DRM_IOCTL_MODE_PAGE_FLIP, &f), "PAGE_FLIP");
		check(read(card->fd, event, sizeof(event)) > 0 ? 0 : -1, "event of a flip");
		m->front = !m->front;
	}
	printf("flipped %u\n", n);
}

static void part(struct card *card, const char *arguments)
{
	struct monitor *m = &card->monitors[0];
	struct buffer *front = &m->buffers[m->front];
	uint32_t x, y, w, h, seed;
	struct drm_clip_rect clip;
	struct drm_mode_fb_dirty_cmd dirty = {
		.fb_id = front->fb, .num_clips = 1, .clips_ptr = (uintptr_t)&clip};

	check(sscanf(arguments, "%u,%u,%u,%u,%u", &x, &y, &w, &h, &seed) == 5 ? 0 : -1,
	      "part=X,Y,W,H,SEED");
	paint(front, x, y, w, h, seed);
	clip = (struct drm_clip_rect){(unsigned short)x, (unsigned short)y, (unsigned short)(x + w),
				      (unsigned short)(y + h)};
	check(ioctl(card->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty), "DIRTYFB");
	printf("painted\n");
}

static void cursor(struct card *card, const char *arguments)
{
	static struct buffer b;
	struct monitor *m = &card->monitors[0];
	struct drm_mode_cursor2 c = {.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
				     .crtc_id = m->crtc,
				     .width = CURSOR,
				     .height = CURSOR,
				     .hot_x = 5,
				     .hot_y = 6};

	check(sscanf(arguments, "%d,%d", &c.x, &c.y) == 2 ? 0 : -1, "cursor=X,Y");
	if (b.map) {
		c.flags = DRM_MODE_CURSOR_MOVE;
	} else {
		make_buffer(card, &b, CURSOR, CURSOR);
		memset(b.map, 0x80, b.size);
	}
	c.handle = b.handle;
	check(ioctl(card->fd, DRM_IOCTL_MODE_CURSOR2, &c), "CURSOR2");
	printf("pointed\n");
}

static void wait_for(struct card *card, const char *file)
{
	(void)card;
	while (access(file, F_OK))
		usleep(20000);
	printf("waited\n");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct card *card, const char *arguments);
	} steps[] = {{"modes", modes}, {"show", show},	   {"flip", flip},
		     {"part", part},   {"cursor", cursor}, {"wait", wait_for}};
	static struct card card;

	setvbuf(stdout, NULL, _IOLBF, 0);
	card.fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	check(card.fd, "/dev/dri/card0");
	for (int i = 1; i < argc; i++) {
		size_t len = strcspn(argv[i], "=");

		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
			if (!strncmp(argv[i], steps[s].name, len) && !steps[s].name[len])
				steps[s].run(&card, argv[i][len] ? argv[i] + len + 1 : "");
	}
	return 0;
}
