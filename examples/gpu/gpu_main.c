/* SPDX-License-Identifier: MIT */
/* vu-gpu's command line, and what the process gives up once its sockets are open. */
#include "gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/sandbox.h"
#include "gpu_renderer.h"
#include "gpu_udmabuf.h"

enum { DEFAULT_WIDTH = 1280, DEFAULT_HEIGHT = 800, DEFAULT_DUMPS = 100 };

/* Beside those of libc: pictures are written, and libvu looks what descriptors are. */
static const int gpu_calls[] = {
	SYS_openat, SYS_statx,	  SYS_readlinkat, SYS_renameat2, SYS_renameat,
#ifdef SYS_rename
	SYS_rename, SYS_readlink,
#endif
};

static int set_output(const char *value, void *opaque)
{
	struct gpu_settings *s = opaque;

	if (s->n_sizes == CARD_OUTPUTS)
		return -E2BIG;
	s->outputs[s->n_sizes].plugged = true;
	return gpu_parse_size(value, &s->outputs[s->n_sizes++]);
}

static const struct vu_option options[] = {
	{.name = "output",
	 .argument = "WIDTHxHEIGHT",
	 .help = "a monitor that is plugged in (repeatable; default: one of 1280x800)",
	 .valid = "400x300 to 16384x16384",
	 .set = set_output,
	 .repeatable = 1},
	{VU_OPTION_NUMBER("max-outputs", "N",
			  "outputs that there are, plugged in or not (default: those)",
			  struct gpu_settings, max_outputs, 1, CARD_OUTPUTS)},
	{VU_OPTION_NUMBER("max-hostmem", "BYTES",
			  "what all pictures of a guest may take (default 256M; with 3D 1G)",
			  struct gpu_settings, max_hostmem, 1 << 20, UINT64_C(1) << 40)},
	{VU_OPTION_NUMBER("max-resources", "N", "of a guest (default 16384)", struct gpu_settings,
			  max_resources, 1, 1 << 20)},
	{VU_OPTION_NUMBER("max-fps", "N",
			  "pictures a second that a display is told at most (default 60; 0: all)",
			  struct gpu_settings, max_fps, 0, 1000)},
	{VU_OPTION_FLAG("headless", "show nothing at the front-end's", struct gpu_settings,
			headless)},
	{VU_OPTION_FLAG("virgl", "3D (OpenGL), drawn in software by a process of its own",
			struct gpu_settings, virgl)},
	{VU_OPTION_FLAG("venus", "3D (Vulkan), the same way", struct gpu_settings, venus)},
	{VU_OPTION_STRING("render-node", "PATH",
			  "with --virgl: 3D is drawn by graphics hardware of the host's "
			  "(/dev/dri/renderD128)",
			  struct gpu_settings, node)},
	{VU_OPTION_FLAG("dmabuf",
			"screens as dma-bufs (/dev/udmabuf), for a display that has OpenGL",
			struct gpu_settings, dmabuf)},
	{VU_OPTION_STRING("dir", "DIR", "where pictures are written", struct gpu_settings, dir)},
	{VU_OPTION_STRING("dump", "PREFIX",
			  "write every picture shown to DIR/PREFIX-OUTPUT-NUMBER.png",
			  struct gpu_settings, dump)},
	{VU_OPTION_NUMBER("dump-count", "N", "how many of an output are kept (default 100)",
			  struct gpu_settings, dump_count, 1, 1000000)},
	{VU_OPTION_CHOICE("sandbox", "KIND",
			  "shut in by namespaces, chroot, landlock or none; auto (default): by the "
			  "first that can be had",
			  struct gpu_settings, sandbox, sandbox_names)},
	{.name = NULL},
};

static int complete_outputs(struct gpu_settings *s)
{
	if (!s->n_sizes)
		s->outputs[s->n_sizes++] = (struct output){true, DEFAULT_WIDTH, DEFAULT_HEIGHT};
	if (s->max_outputs && s->max_outputs < s->n_sizes) {
		fprintf(stderr, "vu-gpu: --max-outputs=%u: of --output there are %u\n",
			(unsigned int)s->max_outputs, s->n_sizes);
		return -EINVAL;
	}
	if (!s->max_outputs)
		s->max_outputs = s->n_sizes;
	for (uint32_t i = s->n_sizes; i < CARD_OUTPUTS; i++)
		s->outputs[i] = (struct output){false, DEFAULT_WIDTH, DEFAULT_HEIGHT};
	return 0;
}

static int complete_folder(struct gpu_settings *s)
{
	struct stat st;
	int ret = 0;

	if (s->dump && (!s->dir || !*s->dump || strchr(s->dump, '/'))) {
		fprintf(stderr, "vu-gpu: --dump=%s: a name without '/', and --dir, please\n",
			s->dump);
		return -EINVAL;
	}
	if (!s->dir || s->outside)
		return 0;
	s->outside = realpath(s->dir, NULL);
	if (!s->outside || stat(s->outside, &st) < 0)
		ret = -errno;
	else if (!S_ISDIR(st.st_mode))
		ret = -ENOTDIR;
	if (ret)
		fprintf(stderr, "vu-gpu: --dir=%s: %s\n", s->dir, strerror(-ret));
	return ret;
}

/* What is asked for would do nothing. */
static int refuse_idle_options(const struct gpu_settings *s)
{
	if (s->dmabuf && s->headless) {
		fprintf(stderr, "vu-gpu: --dmabuf: with --headless there is no display that could "
				"have them: one of both, please\n");
		return -EINVAL;
	}
	if (s->node && s->venus) {
		fprintf(stderr,
			"vu-gpu: --render-node=%s: it is for --virgl, and Vulkan (--venus) is "
			"drawn in software\n",
			s->node);
		return -EINVAL;
	}
	if (s->dump_count && !s->dump) {
		fprintf(stderr, "vu-gpu: --dump-count=%u: nothing is written without --dump\n",
			(unsigned int)s->dump_count);
		return -EINVAL;
	}
	return 0;
}

/* What is not said, and what cannot be; once. */
static int complete_settings(struct gpu_settings *s)
{
	int ret = refuse_idle_options(s);

	if (ret)
		return ret;
	if (!s->virgl)
		s->node = NULL; /* libvirt names one whenever it finds one */
	if (s->connects && sandbox_for_connecting("vu-gpu", &s->sandbox))
		return -EINVAL;
	if (!s->max_hostmem)
		s->max_hostmem = gpu_has_3d(s) ? 1 << 30 : 256 << 20;
	if (s->dump && !s->dump_count)
		s->dump_count = DEFAULT_DUMPS;
	gpu_open_udmabuf(s);
	ret = complete_outputs(s);
	return ret ? ret : complete_folder(s);
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	int ret = complete_settings(vu_program_settings(program));

	return ret ? ret : gpu_init(state, program, index);
}

static void destroy(void *state)
{
	gpu_fini(state);
}

/* --- once the sockets are there --- */

static int open_folder(struct gpu_settings *s, struct sandbox *sandbox)
{
	s->folder = s->dir ? open(sandbox->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (s->dir && s->folder < 0) {
		sandbox->failed = s->dir;
		return -errno;
	}
	return 0;
}

static int shut_in(struct gpu_settings *s, struct sandbox *sandbox)
{
	static const struct sandbox_ioctl udmabuf = {UINT32_MAX, UDMABUF_CREATE_LIST};
	const struct sandbox_needs needs = {
		.program = "vu-gpu",
		.ioctls = &udmabuf,
		.n_ioctls = s->udmabuf >= 0,
		.calls = gpu_calls,
		.n_calls = sizeof(gpu_calls) / sizeof(gpu_calls[0]),
		.connects = s->connects,
	};
	int ret = sandbox_enter(sandbox);

	if (!ret)
		ret = open_folder(s, sandbox);
	if (ret || s->sandbox == SANDBOX_NONE)
		return ret;
	return sandbox_give_up(&needs, &sandbox->failed);
}

/* The process's: the first device enters for all. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct gpu_settings *s = vu_program_settings(program);
	const struct gpu *gpu = state;
	/* Where there is nothing to be had, if nothing is wanted. */
	struct sandbox sandbox = {.kind = s->sandbox, .dir = s->dir ? s->dir : "/proc/self/fdinfo"};
	int ret;

	(void)index;
	if (s->shut_in)
		return 0;
	ret = shut_in(s, &sandbox);
	if (sandbox.proc_fd >= 0)
		close(sandbox.proc_fd);
	if (ret)
		vu_device_logf(gpu->dev, VU_LOG_ERROR,
			       "sandbox: %s: %s; --sandbox=none does without", sandbox.failed,
			       strerror(-ret));
	else
		vu_device_logf(gpu->dev, VU_LOG_INFO, "sandbox: %s", sandbox_names[sandbox.kind]);
	s->shut_in = !ret;
	return ret;
}

static bool is_a_node_there(void)
{
	glob_t nodes;
	bool found = !glob("/dev/dri/renderD*", GLOB_NOSORT, NULL, &nodes);

	globfree(&nodes);
	return found;
}

/*
 * Of QEMU's vhost-user.json, as it names the options: what was built in.  Where render nodes are
 * taken libvirt looks for one, with or without 3D, and does not start a domain if there is none.
 */
static const char *const *features(void)
{
	static const char *const all[] = {"render-node", "virgl", NULL};

	if (!renderer_is_there())
		return all + 2;
	return renderer_takes_node() && is_a_node_there() ? all : all + 1;
}

int main(int argc, char **argv)
{
	struct gpu_settings settings = {
		.max_resources = 16384,
		.max_fps = 60,
		.folder = -1,
		.udmabuf = -1,
	};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-gpu", "gpu", "A vhost-user graphics card."),
		.features = features(),
		VU_PROGRAM_OPTIONS(options, &settings),
		VU_PROGRAM_COMMANDS(gpu_commands),
		VU_PROGRAM_STATE(struct gpu, create, destroy),
		.opened = opened,
	};
	int status;

	/* A front-end that listens is looked for again and again. */
	settings.connects = sandbox_has_option(argc, argv, "--connect");
	status = vu_program_main(&info, argc, argv);
	if (settings.folder >= 0)
		close(settings.folder);
	if (settings.udmabuf >= 0)
		close(settings.udmabuf);
	free(settings.outside);
	return status;
}
