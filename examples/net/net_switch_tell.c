/* SPDX-License-Identifier: MIT */
/* The command "switch": what became of packets at each place, and which addresses are there. */
#include <inttypes.h>
#include <stdio.h>

#include "net_switch.h"

static void tell_address(struct vu_script *script, const char *place, const unsigned char *a,
			 const char *how)
{
	vu_script_answerf(script, "%s address %02x:%02x:%02x:%02x:%02x:%02x %s", place, a[0], a[1],
			  a[2], a[3], a[4], a[5], how);
}

static void tell_place(struct vu_script *script, const struct net_switch *s, uint32_t place)
{
	const struct net_switch_counts *c = &s->counts[place];
	unsigned char address[NET_ADDRESS];
	char name[16] = "uplink";

	if (place != NET_UPLINK)
		snprintf(name, sizeof(name), "port %u", place);
	vu_script_answerf(script,
			  "%s spoofed %" PRIu64 " forbidden %" PRIu64 " refused %" PRIu64
			  " lost %" PRIu64 " missed %" PRIu64 " turns %" PRIu64 " waiting %zu",
			  name, c->spoofed, c->forbidden, c->refused, c->lost, c->missed, c->turns,
			  place == NET_UPLINK ? 0 : s->ports[place].backlog.used);
	if (s->pin && place != NET_UPLINK)
		tell_address(script, name, s->ports[place].pair->net->mac, "pinned");
	for (uint32_t i = 0; net_table_get(&s->table, place, i, address); i++)
		tell_address(script, name, address, "learned");
}

int net_switch_tell(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct net *net = opaque;
	const struct net_switch *s = *net->settings->the_switch;

	(void)n;
	(void)words;
	if (!s)
		return vu_script_fail(script, "there is no switch: --backend=switch");
	for (uint32_t i = 0; i < s->n; i++)
		if (s->ports[i].pair)
			tell_place(script, s, i);
	if (s->uplink)
		tell_place(script, s, NET_UPLINK);
	return 0;
}
