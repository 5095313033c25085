/* SPDX-License-Identifier: MIT */
/*
 * A SIGBUS handler for devices whose guest memory may be truncated.
 *
 * A handler gets no argument of ours, so one pointer of the process has to lead to what it
 * protects: guard_state, made once and never freed, as a handler may be looking at it at any time.
 * Devices are in slots of blocks that are never freed either.  Who takes a device out waits until
 * no handler that may have seen it is running: so it can be freed then.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <libvu/device.h>

enum { GUARD_SLOTS = 62 };

struct guard_block {
	_Atomic(struct guard_block *) next;
	_Atomic(struct vu_device *) slots[GUARD_SLOTS];
};

struct guard {
	pthread_mutex_t lock; /* of what is not atomic; the handler takes none */
	uint32_t n;	      /* devices */
	bool installed;
	struct sigaction before; /* written while the handler is not installed */
	atomic_uint inside;	 /* handlers that are running */
	struct guard_block first;
};

static _Atomic(struct guard *) guard_state;

static struct guard *guard_get(void)
{
	struct guard *old = NULL, *g = atomic_load(&guard_state);

	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	if (atomic_compare_exchange_strong(&guard_state, &old, g))
		return g;
	free(g); /* another thread was first */
	return old;
}

/* The slot with this device, or with none if dev is NULL; NULL: not there. */
static _Atomic(struct vu_device *) *guard_find(struct guard *g, const struct vu_device *dev)
{
	for (struct guard_block *b = &g->first; b; b = atomic_load(&b->next))
		for (uint32_t i = 0; i < GUARD_SLOTS; i++)
			if (atomic_load(&b->slots[i]) == dev)
				return &b->slots[i];
	return NULL;
}

/* Async-signal-safe, as all that follows up to the handler. */
static bool guard_catch(struct guard *g, const void *addr)
{
	bool caught = false;

	atomic_fetch_add(&g->inside, 1);
	for (struct guard_block *b = &g->first; b && !caught; b = atomic_load(&b->next))
		for (uint32_t i = 0; i < GUARD_SLOTS && !caught; i++) {
			struct vu_device *dev = atomic_load(&b->slots[i]);

			caught = dev && vu_device_fault(dev, addr);
		}
	atomic_fetch_sub(&g->inside, 1);
	return caught;
}

/* To whoever would have got it without us. */
static void guard_pass_on(const struct sigaction *before, int number, siginfo_t *info,
			  void *context)
{
	bool sent = info->si_code <= 0; /* by a kill(), not by the kernel for a fault */

	if (before->sa_flags & SA_SIGINFO) {
		before->sa_sigaction(number, info, context);
	} else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
		before->sa_handler(number);
	} else if (!sent || before->sa_handler == SIG_DFL) {
		signal(number, SIG_DFL);
		/* A fault comes again on return; a signal that was sent has to be sent again. */
		if (sent)
			raise(number);
	}
}

static void guard_handler(int number, siginfo_t *info, void *context)
{
	struct guard *g = atomic_load(&guard_state);
	int saved = errno;

	if (info->si_code <= 0 || !guard_catch(g, info->si_addr))
		guard_pass_on(&g->before, number, info, context);
	errno = saved;
}

static int guard_install(struct guard *g)
{
	struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

	sa.sa_sigaction = guard_handler;
	sigemptyset(&sa.sa_mask);
	/* First what was before: a fault may come as soon as ours is there. */
	if (sigaction(SIGBUS, NULL, &g->before) < 0 || sigaction(SIGBUS, &sa, NULL) < 0)
		return -errno;
	g->installed = true;
	return 0;
}

/* Somebody else's that came after ours may lead to it: then it stays, and protects nothing. */
static void guard_take_back(struct guard *g)
{
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) < 0 || !(now.sa_flags & SA_SIGINFO) ||
	    now.sa_sigaction != guard_handler)
		return;
	g->installed = sigaction(SIGBUS, &g->before, NULL) < 0;
}

static int guard_add(struct guard *g, struct vu_device *dev)
{
	_Atomic(struct vu_device *) *slot = guard_find(g, NULL);
	struct guard_block *block;

	if (!slot) {
		block = calloc(1, sizeof(*block));
		if (!block)
			return -ENOMEM;
		atomic_store(&block->next, atomic_load(&g->first.next));
		atomic_store(&g->first.next, block);
		slot = &block->slots[0];
	}
	atomic_store(slot, dev);
	g->n++;
	return 0;
}

int vu_device_guard(struct vu_device *dev)
{
	struct guard *g = guard_get();
	int err = 0;

	if (!g)
		return -ENOMEM;
	pthread_mutex_lock(&g->lock);
	if (!g->installed)
		err = guard_install(g);
	if (!err && !guard_find(g, dev))
		err = guard_add(g, dev);
	if (err && !g->n && g->installed)
		guard_take_back(g);
	pthread_mutex_unlock(&g->lock);
	return err;
}

void vu_device_unguard(struct vu_device *dev)
{
	struct guard *g = atomic_load(&guard_state);
	_Atomic(struct vu_device *) *slot;

	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	slot = guard_find(g, dev);
	if (slot) {
		atomic_store(slot, NULL);
		while (atomic_load(&g->inside))
			sched_yield();
		if (!--g->n)
			guard_take_back(g);
	}
	pthread_mutex_unlock(&g->lock);
}
