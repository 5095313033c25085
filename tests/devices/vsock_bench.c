/* SPDX-License-Identifier: MIT */
/* See vsock_bench.h. */
#include "vsock_bench.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

void bench_listen(struct rig *rig, struct bench *b, int type, const char *const *options)
{
	const char *path = rig_file(rig, "service", NULL);
	char forward[RIG_PATH + 40];
	const char *args[RIG_MAX_ARGS + 1] = {forward};

	snprintf(forward, sizeof(forward), "--forward=1000=%s:%s",
		 type == SOCK_STREAM ? "unix" : "seqpacket", path);
	for (uint32_t i = 0; options && options[i]; i++)
		args[i + 1] = options[i];
	b->host = -1;
	b->listener = client_listen_as(path, type, 128);
	vsock_start(rig, &b->guest, args);
	b->line = line_new(&b->guest, type == SOCK_STREAM ? STREAM : SEQPACKET, 5000, 1000);
}

void bench_start(struct rig *rig, struct bench *b, int type, const char *const *options)
{
	bench_listen(rig, b, type, options);
	b->host = bench_connect(b, &b->line, b->line.port);
}

void bench_hang_up(struct bench *b)
{
	close(b->host);
	b->host = -1;
}

void bench_stop(struct rig *rig, struct bench *b)
{
	if (b->host >= 0)
		bench_hang_up(b);
	close(b->listener);
	rig_stop(rig);
}

int bench_connect(struct bench *b, struct line *line, uint32_t port)
{
	*line = line_new(&b->guest, b->line.type, port, 1000);
	line_connect(line);
	return client_accept(b->listener);
}

void bench_check(struct bench *b)
{
	struct line line;
	int host = bench_connect(b, &line, 7777);

	line_write(&line, "well", 4, EOM);
	client_expect(host, "well");
	close(host);
	line_get_shutdown(&line, BOTH);
	line_send(&line, RST, 0);
}
