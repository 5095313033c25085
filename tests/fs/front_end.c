/* SPDX-License-Identifier: MIT */
/*
 * A front-end of vu-fs in a guest that tests a service manager: guest-fs-front-end SOCKET FILE
 * It opens a file of the share.  For each line of standard input it then connects anew, as a guest
 * does whose vu-fs was killed, and reads the open file: what it says are lines.
 */
#include "client.h"

#include <stdio.h>

static void say_what_is_read(struct client *c, uint64_t node, uint64_t fh)
{
	char text[64] = "";
	int ret = client_read(c, node, fh, 0, text, sizeof(text) - 1);

	if (ret < 0)
		printf("error %d\n", -ret);
	else
		printf("read %.*s\n", ret, text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct client c;
	char line[16];
	uint64_t node, fh;

	if (argc != 3)
		return 2;
	snprintf(c.rig.socket, sizeof(c.rig.socket), "%s", argv[1]);
	client_connect_logged(&c, 1);
	assert_int_equal(client_init(&c, CLIENT_ALL_FLAGS), sizeof(c.init));
	node = client_walk(&c, argv[2]);
	assert_int_equal(client_open_file(&c, node, 0, &fh), 0);
	say_what_is_read(&c, node, fh);
	while (fgets(line, sizeof(line), stdin)) {
		client_reconnect(&c);
		say_what_is_read(&c, node, fh);
	}
	return 0;
}
