/* SPDX-License-Identifier: MIT */
/* See net_rules.h.  Thread: any. */
#include "net_rules.h"

#include <libvu/vu.h>
#include <stdio.h>
#include <string.h>

struct who {
	uint32_t first, last; /* places */
};

static bool parse_port(const char *text, uint32_t *port)
{
	uint64_t number;

	if (vu_number_parse(text, 0, NET_MAX_PORTS - 1, &number))
		return false;
	*port = (uint32_t)number;
	return true;
}

static bool parse_who(struct net_rules *rules, char *text, struct who *who)
{
	char *dash = strchr(text, '-');

	if (!strcmp(text, "all")) {
		*who = (struct who){0, NET_MAX_PORTS - 1};
		return true;
	}
	if (!strcmp(text, "uplink")) {
		*who = (struct who){NET_UPLINK, NET_UPLINK};
		rules->uplink = true;
		return true;
	}
	if (dash)
		*dash++ = '\0';
	if (!parse_port(text, &who->first) || !parse_port(dash ? dash : text, &who->last) ||
	    who->last < who->first)
		return false;
	if (rules->ports <= who->last)
		rules->ports = who->last + 1;
	return true;
}

static bool parse_rule(struct net_rules *rules, const char *text)
{
	char copy[32], *plus;
	struct who these, those;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return false;
	plus = strchr(copy, '+');
	if (!plus)
		return false;
	*plus++ = '\0';
	if (!parse_who(rules, copy, &these) || !parse_who(rules, plus, &those))
		return false;
	for (uint32_t i = these.first; i <= these.last; i++)
		for (uint32_t k = those.first; k <= those.last; k++)
			rules->reach[i][k] = rules->reach[k][i] = true;
	return true;
}

const char *net_rules_parse(struct net_rules *rules, const char *const *texts, uint32_t n)
{
	memset(rules, 0, sizeof(*rules));
	if (!n)
		memset(rules->reach, true, sizeof(rules->reach));
	for (uint32_t i = 0; i < n; i++)
		if (!parse_rule(rules, texts[i]))
			return texts[i];
	return NULL;
}
