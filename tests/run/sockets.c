/* SPDX-License-Identifier: MIT */
/* Socket files and connections for tests. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kit/test.h"
#include "sockets.h"
#include "spawn.h"

void name_sockets(struct named_socket *sockets, int n, const char *folder)
{
	for (int i = 0; i < n; i++) {
		struct named_socket *s = &sockets[i];

		snprintf(s->path, sizeof(s->path), "%s/sock%d", folder, i);
		snprintf(s->option, sizeof(s->option), "--socket-path=%s", s->path);
	}
}

int socket_at(const char *path, int type, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	if (backlog)
		assert_return_code(listen(fd, backlog), errno);
	return fd;
}

int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

void ask(struct frontend *fe, int fd)
{
	uint64_t features = 0;

	frontend_init(fe, fd);
	assert_int_equal(frontend_get_features(fe, &features), 0);
	assert_true(features & UINT64_C(1) << 32); /* VIRTIO_F_VERSION_1 */
}

void ask_once(int fd)
{
	struct frontend fe;

	ask(&fe, fd);
	frontend_close(&fe);
}
