/* SPDX-License-Identifier: MIT */
/* Two agents and their memory; see model.h. */
#include "fences/model.h"

#include <string.h>

#include "base/atomics.h"
#include "kit/test.h"

enum { MAX_CHOICES = 64 };

uint16_t memory[MODEL_WORDS];
struct agent device, driver;

/* What was chosen, and out of how many. */
static struct {
	uint32_t taken[MAX_CHOICES], of[MAX_CHOICES];
	uint32_t at, n;
} path;

static bool (*driver_step)(uint32_t number);
static uint32_t n_steps;
static bool driver_done;

static uint32_t choose(uint32_t n)
{
	if (n == 1)
		return 0;
	if (path.at == path.n) {
		assert_true(path.n < MAX_CHOICES);
		path.taken[path.n] = 0;
		path.of[path.n++] = n;
	}
	return path.taken[path.at++];
}

bool model_next(void)
{
	path.at = 0;
	while (path.n && path.taken[path.n - 1] + 1 == path.of[path.n - 1])
		path.n--;
	if (path.n)
		path.taken[path.n - 1]++;
	return path.n;
}

void agent_write(struct agent *a, uint32_t at, uint16_t value, bool is_release)
{
	assert_true(a->n_stores < MODEL_STORES);
	a->stores[a->n_stores++] = (struct store){at, value, is_release};
	a->view[at] = a->known[at] = value;
}

/* Plain writes since the last access. */
static void agent_note(struct agent *a)
{
	for (uint32_t at = 0; at < MODEL_WORDS; at++)
		if (a->view[at] != a->known[at])
			agent_write(a, at, a->view[at], false);
}

static bool agent_has_store(const struct agent *a, uint32_t at, uint32_t before)
{
	for (uint32_t i = 0; i < before; i++)
		if (a->stores[i].at == at)
			return true;
	return false;
}

static bool agent_may_commit(const struct agent *a, uint32_t i)
{
	return a->stores[i].is_release ? i == 0 : !agent_has_store(a, a->stores[i].at, i);
}

static void agent_commit(struct agent *a, uint32_t i)
{
	memory[a->stores[i].at] = a->stores[i].value;
	a->n_stores--;
	memmove(&a->stores[i], &a->stores[i + 1], (a->n_stores - i) * sizeof(a->stores[0]));
}

static void agent_see(struct agent *a, uint32_t at)
{
	if (!agent_has_store(a, at, a->n_stores))
		a->view[at] = a->known[at] = memory[at];
}

static void agent_see_all(struct agent *a)
{
	for (uint32_t at = 0; at < MODEL_WORDS; at++)
		agent_see(a, at);
}

uint16_t agent_load(struct agent *a, uint32_t at, bool is_acquire)
{
	uint16_t value;

	agent_note(a);
	if (a->view[at] != memory[at] && !agent_has_store(a, at, a->n_stores) && choose(2))
		agent_see(a, at);
	value = a->view[at];
	/* An old value says nothing about what came with the new one. */
	if (is_acquire && value == memory[at])
		agent_see_all(a);
	return value;
}

void agent_fence(struct agent *a)
{
	agent_note(a);
	while (a->n_stores)
		agent_commit(a, 0);
	agent_see_all(a);
}

/* The n-th of what can happen beside the device's own next step; with n too large, how many. */
static uint32_t happen(uint32_t n)
{
	struct agent *agents[] = {&device, &driver};
	uint32_t can = 0;

	if (!driver_done && can++ == n) {
		driver_done = !driver_step(n_steps++);
		return can;
	}
	for (int k = 0; k < 2; k++)
		for (uint32_t i = 0; i < agents[k]->n_stores; i++)
			if (agent_may_commit(agents[k], i) && can++ == n) {
				agent_commit(agents[k], i);
				return can;
			}
	return can;
}

/* Anything, or nothing more. */
static void let_happen(void)
{
	uint32_t pick;

	agent_note(&device);
	while ((pick = choose(1 + happen(UINT32_MAX))))
		happen(pick - 1);
}

static uint32_t place(const uint16_t *p)
{
	assert_true(p >= device.view && p < device.view + MODEL_WORDS);
	return (uint32_t)(p - device.view);
}

uint16_t le16_load_acquire(const uint16_t *p)
{
	let_happen();
	return agent_load(&device, place(p), true);
}

uint16_t le16_read_once(const uint16_t *p)
{
	let_happen();
	return agent_load(&device, place(p), false);
}

void le16_store_release(uint16_t *p, uint16_t v)
{
	let_happen();
	agent_write(&device, place(p), v, true);
}

void le16_write_once(uint16_t *p, uint16_t v)
{
	let_happen();
	agent_write(&device, place(p), v, false);
}

void full_fence(void)
{
	let_happen();
	agent_fence(&device);
}

void model_restart(void)
{
	path.at = path.n = 0;
}

void model_begin(bool (*step)(uint32_t number))
{
	driver_step = step;
	n_steps = 0;
	driver_done = false;
	memset(&device, 0, sizeof(device));
	memset(&driver, 0, sizeof(driver));
	agent_see_all(&device);
	agent_see_all(&driver);
}

void model_end(void)
{
	agent_note(&device);
	for (uint32_t can; (can = happen(UINT32_MAX));)
		happen(choose(can));
}
