/* SPDX-License-Identifier: MIT */
/* Unix sockets with a file of their own: a device listens there, or gets datagrams. */
#ifndef OWN_SOCKET_H
#define OWN_SOCKET_H

#include <sys/un.h>

struct own_socket {
	int fd; /* -1: there is none */
	struct sockaddr_un address;
	unsigned long long dev, ino; /* of the file that is ours; ino 0: none */
};

/*
 * Be there, with a file of mode 0600, in place of one behind which nobody is any more.
 * type as of socket(2), to which CLOEXEC and NONBLOCK are added.  s is to be closed also when this
 * failed.  0 or -errno: -EADDRINUSE where somebody is, -EEXIST where there is another file.
 */
int own_socket_bind(struct own_socket *s, const char *path, int type);
/* And listen, for types that have connections. */
int own_socket_listen(struct own_socket *s, const char *path, int type);
/* Remove the file, if it is still ours, and close. */
void own_socket_close(struct own_socket *s);

#endif
