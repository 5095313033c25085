/* SPDX-License-Identifier: MIT */
/*
 * Places on the host, as options name them:
 *
 *	unix:PATH		a stream socket in the file system
 *	seqpacket:PATH		a seqpacket socket there
 *	tcp:[ADDRESS:]PORT	TCP on the loopback interface, 127.0.0.1 unless told otherwise
 *	vsock:[CID:]PORT	the host's own AF_VSOCK
 *	exec:COMMAND		standard input and output of a program (to be connected to only)
 *	hairpin			the guest itself (to be connected to only)
 */
#ifndef VSOCK_ADDRESS_H
#define VSOCK_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <sys/un.h>

enum address_kind {
	ADDRESS_UNIX,
	ADDRESS_TCP,
	ADDRESS_VSOCK,
	ADDRESS_EXEC,
	ADDRESS_HAIRPIN,
};

struct address {
	enum address_kind kind;
	int socket_type; /* SOCK_STREAM or SOCK_SEQPACKET; 0: either (hairpin) */
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_vm vm;
	} name;
	socklen_t len;
	const char *command; /* ADDRESS_EXEC */
	const char *text;    /* as it was written */
};

/* 0, or -EINVAL after a line on standard error.  The text stays in use. */
int address_parse(const char *text, bool listens, struct address *address);
/* The path becomes another one; -ENAMETOOLONG. */
int address_set_path(struct address *address, const char *path);

#endif
