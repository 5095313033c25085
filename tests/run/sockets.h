/* SPDX-License-Identifier: MIT */
/* Sockets as the other side of a back-end makes them.  Failures end the test through cmocka. */
#ifndef RUN_SOCKETS_H
#define RUN_SOCKETS_H

#include "frontend/frontend.h"

/* A socket that a program under test makes. */
struct named_socket {
	char path[64];
	char option[96]; /* --socket-path=path */
};

/* n of them in that folder. */
void name_sockets(struct named_socket *sockets, int n, const char *folder);

/* A socket file of this type, listening if backlog is not 0. */
int socket_at(const char *path, int type, int backlog);
int connect_to(const char *path);

/* Become a front-end on this fd that gets an answer: somebody serves it. */
void ask(struct frontend *fe, int fd);
/* The same, and close. */
void ask_once(int fd);

#endif
