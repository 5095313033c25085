/* SPDX-License-Identifier: MIT */
/*
 * The device's end of 3D: what the card asks of its renderer, and the guest's requests that wait
 * for the renderer's answers.
 *
 * The renderer is a process (gpu_renderer.h) that has one guest's session; when it dies, however
 * that comes, the session ends, and the next one has another.  Nothing here waits: requests stay
 * open until the renderer has answered, in order, and until its fences are done if they have one.
 * A request that is the card's alone stays open, too, if it has a fence and others wait for theirs:
 * Linux takes a fence for the end of all before it.
 *
 * gpu_virgl.c has requests and their answers, gpu_virgl_life.c the renderer that there is and the
 * next one, gpu_virgl_socket.c the socket.  Device thread.
 */
#ifndef GPU_VIRGL_H
#define GPU_VIRGL_H

#include "gpu_command.h"
#include "gpu_spawn.h"
#include "gpu_window.h"

enum {
	VIRGL_WAITING = 1 << 20, /* bytes that wait for the renderer: then it gets no more */
	VIRGL_TURN = 16 << 20,	 /* bytes that are read or written at once */
};

struct virgl_job;
struct virgl_message;

struct virgl {
	struct card *card;
	struct vu_device *dev;
	int spawner; /* who makes renderers; -1: none */
	int fd;	     /* the renderer; -1: one is being made */
	int pid;     /* and its number */
	struct vu_source *spawner_source, *source;
	struct vu_source *stopping; /* a timer: the queue is to stop, and answers do not come */
	bool stops;		    /* it runs */
	uint32_t events;
	struct wire_hello hello;
	uint32_t hello_len; /* of it, what is there */
	bool used;	    /* the guest asked it for something */
	bool lost;	    /* nothing is asked of it any more */
	const char *why;
	bool dead;   /* there will be no other */
	bool failed; /* a part of a command */
	/* Something is there that was asked for, or there is room for more questions. */
	void (*progress)(void *opaque);
	/* A command is done, but is answered by whoever this is, later; false: it is not. */
	bool (*hold)(void *opaque, struct vu_req *req, const struct command *c, uint32_t response);
	void *opaque;
	uint32_t n_asked;			/* by the command that runs */
	uint32_t fences;			/* the number of the last */
	struct virgl_job *first, *last;		/* that it did not do yet */
	struct virgl_job *fenced, *fenced_last; /* and those whose fence is not done */
	struct window window;			/* where the guest sees blobs */
	int in_fd;				/* that came with a reply; -1 */
	struct virgl_message *out, *out_last;
	uint64_t out_sent; /* of the first */
	uint64_t waiting;  /* bytes in all */
	struct wire_reply head;
	unsigned char *in; /* the bytes of a reply; NULL: there are none */
	uint64_t in_len;   /* of both, what is there already */
	uint64_t turn;	   /* bytes that may still be read now */
};

/* --- gpu_virgl.c --- */

/* Before command_run(): what is asked from here on is for that command. */
void virgl_begin(struct virgl *v);
/* After command_run(): the request is answered later.  False: it is to be answered now. */
bool virgl_keep(struct virgl *v, struct vu_req *req, const struct command *c, uint32_t response);
/* It has enough to do. */
bool virgl_is_full(const struct virgl *v);
/* The card's question: struct three. */
void virgl_ask(void *opaque, const struct wire_request *request, void *bytes,
	       const struct three_rows *rows);
/* v->head may be the head of a reply: before any memory is had for what follows. */
bool virgl_is_asked_for(const struct virgl *v);
/* A reply came, in v->head and v->in; false: it is not one that could be. */
bool virgl_on_reply(struct virgl *v);
/* Everybody that waits, with an error: a session ends, or the renderer is no more. */
void virgl_answer_all(struct virgl *v);
/* Those that wait for the front-end, which answers nothing while a queue is to stop. */
void virgl_stop_mapping(struct virgl *v);
/* The card's: struct three; and the front-end's answer: struct window. */
void virgl_unmap(void *opaque, const struct resource *r);
void virgl_mapped(void *opaque, void *job, uint64_t serial, int result);

/* --- gpu_virgl_life.c --- */

/* Make a process that makes renderers, and the first one, which must work.  -errno, after a line.
 */
int virgl_start(struct virgl *v, struct card *card, uint64_t hostmem,
		const struct spawn_limits *limits);
/* The device is there, and v->window, if there is one. */
int virgl_watch(struct virgl *v, struct vu_device *dev);
/* spawner is -1 if it was not started. */
void virgl_fini(struct virgl *v);
/* Send what there is to send. */
void virgl_flush(struct virgl *v);
/* Nothing is asked of it any more; when there is another one the session ends. */
void virgl_lose(struct virgl *v, const char *why);
/* The control queue is to stop: what waits is answered in its time, but not after any. */
void virgl_stop(struct virgl *v);
/* One was answered: the next one has as long again, and with the last the stop is over. */
void virgl_stop_answered(struct virgl *v);
/* The queue has started again: what nobody waits for may take long. */
void virgl_go_on(struct virgl *v);
/* A guest's session ended: everything that waits is answered; the next one gets another. */
void virgl_end(struct virgl *v);

/* --- gpu_virgl_socket.c --- */

/* A message, the bytes of which are taken over; false: there is no memory. */
bool virgl_send(struct virgl *v, const struct wire_request *request, void *bytes);
/* The last message has this fence. */
void virgl_fence_last(struct virgl *v, uint32_t fence, uint32_t context, uint32_t ring);
void virgl_forget_messages(struct virgl *v);
/* Write, as far as there is room; read one reply: 1, 0 if it is not whole, or -errno. */
int virgl_write(struct virgl *v);
int virgl_read(struct virgl *v);
/* The bytes of the reply were used. */
void virgl_next(struct virgl *v);

#endif
