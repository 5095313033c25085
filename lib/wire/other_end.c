/* SPDX-License-Identifier: MIT */
/* Finds out who is connected with whom.  No state.  Any thread. */
#include "wire/other_end.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Both bound to the same name, which is that of a listener: ours came from accept(). */
static bool same_name(int fd, int ours)
{
	struct sockaddr_un theirs, name;
	socklen_t their_len = sizeof(theirs), len = sizeof(name);

	if (getpeername(fd, (struct sockaddr *)&theirs, &their_len) < 0 ||
	    getsockname(ours, (struct sockaddr *)&name, &len) < 0)
		return false;
	return len > offsetof(struct sockaddr_un, sun_path) && len == their_len &&
	       !memcmp(&theirs, &name, len);
}

/* The inode of the peer in the kernel's answer about one socket, or 0. */
static uint32_t diag_peer(const struct nlmsghdr *answer, ssize_t n)
{
	const struct unix_diag_msg *diag = NLMSG_DATA(answer);
	const struct rtattr *attr;
	uint32_t peer = 0;
	size_t left;

	if (n < 0 || !NLMSG_OK(answer, (size_t)n) || answer->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    answer->nlmsg_len < NLMSG_LENGTH(sizeof(*diag)))
		return 0;
	left = answer->nlmsg_len - NLMSG_LENGTH(sizeof(*diag));
	for (attr = (const void *)(diag + 1); RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(attr) == sizeof(peer))
			memcpy(&peer, RTA_DATA(attr), sizeof(peer));
	return peer;
}

/* The kernel answers within the send: nothing is waited for. */
static uint32_t peer_inode(uint32_t inode)
{
	struct {
		struct nlmsghdr hdr;
		struct unix_diag_req req;
	} ask = {
		.hdr = {.nlmsg_len = sizeof(ask),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST},
		.req = {.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_ino = inode,
			.udiag_show = UDIAG_SHOW_PEER,
			.udiag_cookie = {UINT32_MAX, UINT32_MAX}},
	};
	union {
		struct nlmsghdr hdr;
		char bytes[512];
	} answer;
	int diag = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	uint32_t peer = 0;

	if (diag < 0)
		return 0;
	if (send(diag, &ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask))
		peer = diag_peer(&answer.hdr, recv(diag, &answer, sizeof(answer), MSG_DONTWAIT));
	close(diag);
	return peer;
}

bool other_end_is(int fd, int ours)
{
	struct stat their_st, st;

	if (same_name(fd, ours))
		return true;
	/* The kernel knows sockets by the lower half of this. */
	return fstat(fd, &their_st) == 0 && fstat(ours, &st) == 0 &&
	       peer_inode((uint32_t)their_st.st_ino) == (uint32_t)st.st_ino;
}
