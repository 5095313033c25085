/* SPDX-License-Identifier: MIT */
/* See vsock_rules.h. */
#include "vsock_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rule_fail(const char *text, const char *why)
{
	fprintf(stderr, "vu-vsock: %s: %s\n", text, why);
	return -EINVAL;
}

/* "N", "N-M" or "*" up to end. */
static int parse_ports(const char *text, size_t len, struct rule *rule)
{
	char first[16], *last;
	uint64_t a, b;

	if (len == 1 && *text == '*') {
		rule->first_port = 0;
		rule->last_port = UINT32_MAX;
		return 0;
	}
	if (len >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, len);
	first[len] = '\0';
	last = strchr(first, '-');
	if (last)
		*last++ = '\0';
	if (vu_number_parse(first, 0, UINT32_MAX, &a))
		return -EINVAL;
	if (vu_number_parse(last ? last : first, a, UINT32_MAX, &b))
		return -EINVAL;
	rule->first_port = (uint32_t)a;
	rule->last_port = (uint32_t)b;
	return 0;
}

/* "[CID/]PORTS=PLACE" */
static int parse_rule(const char *text, bool listens, struct rule *rule)
{
	const char *equals = strchr(text, '='), *ports = text, *slash;
	char cid[24];
	uint64_t number;

	*rule = (struct rule){.cid = 0};
	if (!equals)
		return rule_fail(text, "PORT=PLACE, please");
	slash = memchr(text, '/', (size_t)(equals - text));
	if (slash) {
		snprintf(cid, sizeof(cid), "%.*s", (int)(slash - text), text);
		if (vu_number_parse(cid, 3, UINT32_MAX - 1, &number))
			return rule_fail(text, "the CID in front of / is a number from 3 on");
		rule->cid = number;
		ports = slash + 1;
	}
	if (parse_ports(ports, (size_t)(equals - ports), rule) ||
	    (listens && rule->first_port != rule->last_port))
		return rule_fail(text, listens ? "one port in front of =, please"
					       : "a port, FIRST-LAST or * in front of =, please");
	return address_parse(equals + 1, listens, &rule->address);
}

static int rules_add(struct rule *rules, uint32_t *n, const struct rule *rule)
{
	if (*n == RULES_MAX)
		return -E2BIG;
	rules[(*n)++] = *rule;
	return 0;
}

int rules_add_forward(struct rules *r, const char *text)
{
	struct rule rule;
	int ret = parse_rule(text, false, &rule);

	return ret ? ret : rules_add(r->forward, &r->n_forward, &rule);
}

int rules_add_listen(struct rules *r, const char *text)
{
	struct rule rule;
	int ret = parse_rule(text, true, &rule);

	return ret ? ret : rules_add(r->listen, &r->n_listen, &rule);
}

int rules_add_sibling(struct rules *r, const char *text)
{
	struct rule rule = {.cid = 0};

	if (parse_ports(text, strlen(text), &rule))
		return rule_fail(text, "a port, FIRST-LAST or *, please");
	return rules_add(r->sibling, &r->n_sibling, &rule);
}

static int check_cids(const struct rule *rules, uint32_t n, const struct vsock *v)
{
	for (uint32_t i = 0; i < n; i++) {
		bool found = !rules[i].cid;

		for (uint32_t j = 0; j < v->n_guests && !found; j++)
			found = v->guests[j]->cid == rules[i].cid;
		if (found)
			continue;
		fprintf(stderr, "vu-vsock: a rule is for CID %llu (%s), and no guest has that\n",
			(unsigned long long)rules[i].cid, rules[i].address.text);
		return -EINVAL;
	}
	return 0;
}

int rules_check(const struct rules *r, const struct vsock *v)
{
	int ret = check_cids(r->forward, r->n_forward, v);

	return ret ? ret : check_cids(r->listen, r->n_listen, v);
}

/* --- looking up --- */

static bool rule_has(const struct rule *rule, const struct guest *g, const struct tuple *t)
{
	int type = t->type == VIRTIO_VSOCK_TYPE_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;

	return (!rule->cid || rule->cid == g->cid) && t->peer_port >= rule->first_port &&
	       t->peer_port <= rule->last_port &&
	       (!rule->address.socket_type || rule->address.socket_type == type);
}

int rules_uds_path(const struct guest *g, char *path, size_t size)
{
	uint32_t index = 0;

	while (index + 1 < g->vsock->n_guests && g->vsock->guests[index] != g)
		index++;
	return vu_program_path(g->vsock->rules->uds_path, index, path, size);
}

/* PATH_PORT: whether there is such a file, connect() will tell. */
static bool find_hybrid(struct guest *g, const struct tuple *t, struct far_place *place)
{
	char path[sizeof(place->address.name.un.sun_path)], of_port[sizeof(path) + 16];

	if (!g->vsock->rules->uds_path || t->type != VIRTIO_VSOCK_TYPE_STREAM ||
	    rules_uds_path(g, path, sizeof(path)))
		return false;
	snprintf(of_port, sizeof(of_port), "%s_%u", path, t->peer_port);
	place->address = (struct address){.kind = ADDRESS_UNIX, .socket_type = SOCK_STREAM};
	place->text = g->vsock->rules->uds_path;
	return !address_set_path(&place->address, of_port);
}

static bool find_sibling(struct guest *g, const struct tuple *t, struct far_place *place)
{
	const struct vsock *v = g->vsock;
	bool allowed = false;

	for (uint32_t i = 0; i < v->rules->n_sibling && !allowed; i++)
		allowed = rule_has(&v->rules->sibling[i], g, t);
	for (uint32_t i = 0; i < v->n_guests && allowed; i++) {
		if (v->guests[i]->cid != t->peer_cid || v->guests[i] == g)
			continue;
		place->guest = v->guests[i];
		return true;
	}
	return false;
}

bool rules_find(struct guest *g, const struct tuple *t, struct far_place *place)
{
	const struct rules *r = g->vsock->rules;

	*place = (struct far_place){.guest = NULL};
	if (!r)
		return false;
	if (t->peer_cid != VMADDR_CID_HOST)
		return find_sibling(g, t, place);
	for (uint32_t i = 0; i < r->n_forward; i++) {
		const struct rule *rule = &r->forward[i];

		if (!rule_has(rule, g, t))
			continue;
		if (rule->address.kind == ADDRESS_HAIRPIN)
			place->guest = g;
		place->address = rule->address;
		place->program = i;
		place->text = rule->address.text;
		return true;
	}
	return find_hybrid(g, t, place);
}
