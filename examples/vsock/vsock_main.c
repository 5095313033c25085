/* SPDX-License-Identifier: MIT */
/* vu-vsock's command line. */
#include "vsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int set_forward(const char *value, void *opaque)
{
	return rules_add_forward(&((struct vsock_settings *)opaque)->rules, value);
}

static int set_listen(const char *value, void *opaque)
{
	return rules_add_listen(&((struct vsock_settings *)opaque)->rules, value);
}

static int set_sibling(const char *value, void *opaque)
{
	return rules_add_sibling(&((struct vsock_settings *)opaque)->rules, value);
}

static int set_cid(const char *value, void *opaque)
{
	struct vsock_settings *s = opaque;
	uint64_t cid;
	int ret = vu_number_parse(value, VMADDR_CID_HOST + 1, UINT32_MAX - 1, &cid);

	if (ret)
		return ret;
	if (s->n_cids == VSOCK_MAX_GUESTS)
		return -E2BIG;
	s->cids[s->n_cids++] = cid;
	return 0;
}

static const char *const sandbox_choices[] = {"auto", "none", NULL};

static const struct vu_option options[] = {
	{.name = "guest-cid",
	 .argument = "CID",
	 .help = "the guest's address; repeatable, one for each socket (default 3, 4, ...)",
	 .valid = "a number from 3 to 4294967294",
	 .set = set_cid,
	 .repeatable = 1},
	{.name = "forward",
	 .argument = "[CID/]PORTS=PLACE",
	 .help = "what the guest finds at ports of the host: unix:PATH, seqpacket:PATH, tcp:PORT, "
		 "vsock:CID:PORT, exec:COMMAND or hairpin (repeatable)",
	 .set = set_forward,
	 .repeatable = 1},
	{.name = "listen",
	 .argument = "[CID/]PORT=PLACE",
	 .help = "where the host finds a port of the guest: unix:PATH, seqpacket:PATH, tcp:PORT or "
		 "vsock:PORT (repeatable)",
	 .set = set_listen,
	 .repeatable = 1},
	{.name = "sibling",
	 .argument = "PORTS",
	 .help = "ports at which guests of this process reach each other (repeatable)",
	 .set = set_sibling,
	 .repeatable = 1},
	{VU_OPTION_STRING("uds-path", "PATH",
			  "as Firecracker: CONNECT PORT to PATH, ports of the host at PATH_PORT",
			  struct vsock_settings, rules.uds_path)},
	{VU_OPTION_NUMBER("max-connections", "N", "of a guest (default 1024)",
			  struct vsock_settings, max_conns, 1, 65536)},
	{VU_OPTION_NUMBER("buffer-size", "BYTES",
			  "held of a connection in each direction at most (default 256K)",
			  struct vsock_settings, buffer, 4096, 64 << 20)},
	{VU_OPTION_NUMBER("max-buffered", "BYTES",
			  "buffers of a guest's connections together (default 256M)",
			  struct vsock_settings, max_buffered, 4096, UINT64_C(1) << 40)},
	{VU_OPTION_NUMBER("linger", "SECONDS",
			  "what a guest sent before it left waits so long for a reader who takes "
			  "nothing (default 60)",
			  struct vsock_settings, linger, 1, 86400)},
	{VU_OPTION_NUMBER(
		"coalesce-us", "N",
		"collect the small packets of a stream from the guest for so many microseconds; "
		"0: never (default 200)",
		struct vsock_settings, coalesce_us, 0, COALESCE_US_MAX)},
	{VU_OPTION_NUMBER("queue-size", "N", "longest ring taken, in entries (default 1024)",
			  struct vsock_settings, queue_size, 4, 32768)},
	{VU_OPTION_CHOICE("sandbox", "KIND", "auto (default) or none", struct vsock_settings,
			  sandbox, sandbox_choices)},
	{.name = NULL},
};

static int create(struct vu_program *program, uint32_t index, void *state)
{
	return vsock_init(state, program, index);
}

static void destroy(void *state)
{
	vsock_fini(state);
}

/* Now that there are all. */
static int check_guests(const struct vsock_settings *s)
{
	if (s->n_cids > s->vsock.n_guests) {
		fprintf(stderr, "vu-vsock: there are %u of --guest-cid and %u of --socket-path\n",
			s->n_cids, s->vsock.n_guests);
		return -EINVAL;
	}
	return rules_check(&s->rules, &s->vsock);
}

/* The process's: the first device enters for all. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct vsock_settings *s = vu_program_settings(program);
	const struct vsock_device *d = state;
	const char *failed;
	int ret;

	ret = index ? 0 : check_guests(s);
	if (ret)
		return ret;
	if (s->sandbox == VSOCK_SANDBOX_NONE || s->shut_in)
		return 0;
	ret = vsock_shut_in(s, &failed);
	if (ret)
		vu_device_logf(d->dev, VU_LOG_ERROR, "sandbox: %s: %s; --sandbox=none does without",
			       failed, strerror(-ret));
	s->shut_in = !ret;
	return ret;
}

int main(int argc, char **argv)
{
	struct vsock_settings settings = {
		.rules.spawner = -1,
		.max_conns = 1024,
		.buffer = 256 << 10,
		.max_buffered = 256 << 20,
		.linger = 60,
		.coalesce_us = 200,
		.queue_size = 1024,
	};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-vsock", "vsock", "A vhost-user socket device."),
		VU_PROGRAM_OPTIONS(options, &settings),
		VU_PROGRAM_COMMANDS(vsock_commands),
		VU_PROGRAM_STATE(struct vsock_device, create, destroy),
		.opened = opened,
	};
	int status = vu_program_main(&info, argc, argv);

	if (settings.rules.spawner >= 0)
		close(settings.rules.spawner);
	return status;
}
