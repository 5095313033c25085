/* SPDX-License-Identifier: MIT */
/* See vsock_address.h. */
#include "vsock_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libvu/vu.h>

static int address_fail(const char *text, const char *why)
{
	fprintf(stderr, "vu-vsock: %s: %s\n", text, why);
	return -EINVAL;
}

int address_set_path(struct address *a, const char *path)
{
	if (strlen(path) >= sizeof(a->name.un.sun_path))
		return -ENAMETOOLONG;
	memset(&a->name, 0, sizeof(a->name));
	a->name.un.sun_family = AF_UNIX;
	strcpy(a->name.un.sun_path, path);
	a->len = sizeof(a->name.un);
	return 0;
}

static int parse_unix(struct address *a, const char *path, bool listens)
{
	(void)listens;
	a->kind = ADDRESS_UNIX;
	a->socket_type = SOCK_STREAM;
	if (!*path || address_set_path(a, path))
		return address_fail(a->text, "a path of 1 to 107 bytes, please");
	return 0;
}

static int parse_seqpacket(struct address *a, const char *path, bool listens)
{
	int ret = parse_unix(a, path, listens);

	a->socket_type = SOCK_SEQPACKET;
	return ret;
}

static int parse_port(const char *text, uint64_t most, uint32_t *port)
{
	uint64_t value;

	if (vu_number_parse(text, 0, most, &value))
		return -EINVAL;
	*port = (uint32_t)value;
	return 0;
}

/* Other machines are none of a guest's business: that would be a network. */
static int parse_tcp(struct address *a, const char *rest, bool listens)
{
	const char *colon = strrchr(rest, ':');
	char host[64] = "127.0.0.1";
	uint32_t port;

	a->kind = ADDRESS_TCP;
	a->socket_type = SOCK_STREAM;
	if (colon) {
		bool brackets = *rest == '[' && colon > rest && colon[-1] == ']';
		int len = (int)(colon - rest) - 2 * brackets;

		snprintf(host, sizeof(host), "%.*s", len < 0 ? 0 : len, rest + brackets);
		rest = colon + 1;
	}
	/* Nobody would be told which port 0 became. */
	(void)listens;
	if (parse_port(rest, 65535, &port) || !port)
		return address_fail(a->text, "a port of 1 to 65535, please");
	if (inet_pton(AF_INET, host, &a->name.in.sin_addr) == 1) {
		a->name.in.sin_family = AF_INET;
		a->name.in.sin_port = htons((uint16_t)port);
		a->len = sizeof(a->name.in);
		if (ntohl(a->name.in.sin_addr.s_addr) >> 24 == 127)
			return 0;
	} else if (inet_pton(AF_INET6, host, &a->name.in6.sin6_addr) == 1) {
		a->name.in6.sin6_family = AF_INET6;
		a->name.in6.sin6_port = htons((uint16_t)port);
		a->len = sizeof(a->name.in6);
		if (IN6_IS_ADDR_LOOPBACK(&a->name.in6.sin6_addr))
			return 0;
	}
	return address_fail(a->text, "an address of the loopback interface, please: 127.0.0.1 or "
				     "[::1]");
}

static int parse_vsock(struct address *a, const char *rest, bool listens)
{
	uint32_t cid = VMADDR_CID_ANY, port;
	const char *colon = strchr(rest, ':');
	char text[16];

	a->kind = ADDRESS_VSOCK;
	a->socket_type = SOCK_STREAM;
	if (colon) {
		snprintf(text, sizeof(text), "%.*s", (int)(colon - rest), rest);
		if (parse_port(text, UINT32_MAX, &cid))
			return address_fail(a->text, "CID:PORT, please");
	} else if (!listens) {
		return address_fail(a->text, "CID:PORT, please");
	}
	if (parse_port(colon ? colon + 1 : rest, UINT32_MAX - 1, &port))
		return address_fail(a->text, "a port, please");
	a->name.vm.svm_family = AF_VSOCK;
	a->name.vm.svm_cid = cid;
	a->name.vm.svm_port = port;
	a->len = sizeof(a->name.vm);
	return 0;
}

static int parse_exec(struct address *a, const char *rest, bool listens)
{
	a->kind = ADDRESS_EXEC;
	a->socket_type = SOCK_STREAM;
	a->command = rest;
	if (listens || !*rest)
		return address_fail(a->text, listens ? "a program cannot be connected from"
						     : "a command, please");
	return 0;
}

static int parse_hairpin(struct address *a, const char *rest, bool listens)
{
	a->kind = ADDRESS_HAIRPIN;
	if (listens || *rest)
		return address_fail(a->text, "hairpin is for --forward, and stands alone");
	return 0;
}

int address_parse(const char *text, bool listens, struct address *address)
{
	static const struct {
		const char *prefix;
		int (*parse)(struct address *a, const char *rest, bool listens);
	} kinds[] = {
		{"unix:", parse_unix}, {"seqpacket:", parse_seqpacket},
		{"tcp:", parse_tcp},   {"vsock:", parse_vsock},
		{"exec:", parse_exec}, {"hairpin", parse_hairpin},
	};

	*address = (struct address){.text = text};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (!strncmp(text, kinds[i].prefix, len))
			return kinds[i].parse(address, text + len, listens);
	}
	return address_fail(text,
			    listens ? "unix:PATH, seqpacket:PATH, tcp:PORT or vsock:PORT, please"
				    : "unix:PATH, seqpacket:PATH, tcp:PORT, vsock:CID:PORT, "
				      "exec:COMMAND or hairpin, please");
}
