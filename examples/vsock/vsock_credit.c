/* SPDX-License-Identifier: MIT */
/* See vsock_credit.h. */
#include "vsock_credit.h"

/* The largest packet that Linux sends: with less room told, it may be waiting. */
enum { CREDIT_LARGEST_PACKET = 65536 };

bool credit_learn(struct credit *c, const struct packet *packet)
{
	uint32_t on_the_way = c->tx_cnt - c->peer_fwd_cnt;
	bool news = packet->buf_alloc != c->peer_buf_alloc || packet->fwd_cnt != c->peer_fwd_cnt;

	c->peer_buf_alloc = packet->buf_alloc;
	/* It cannot have read what was not sent, nor less than it said before. */
	if (c->tx_cnt - packet->fwd_cnt <= on_the_way)
		c->peer_fwd_cnt = packet->fwd_cnt;
	on_the_way = c->tx_cnt - c->peer_fwd_cnt;
	while (c->n_small && c->tx_cnt - c->small[c->first_small] >= on_the_way) {
		c->first_small = (c->first_small + 1) % CREDIT_MAX_SMALL;
		c->n_small--;
	}
	return news;
}

uint32_t credit_room(const struct credit *c)
{
	uint32_t on_the_way = c->tx_cnt - c->peer_fwd_cnt;
	uint64_t charged = (uint64_t)on_the_way + (uint64_t)c->n_small * CREDIT_SMALL;

	if (on_the_way >= c->peer_buf_alloc || c->n_small == CREDIT_MAX_SMALL)
		return 0;
	if (c->n_small && charged >= c->peer_buf_alloc)
		return 0;
	return c->peer_buf_alloc - on_the_way;
}

void credit_sent(struct credit *c, uint32_t len)
{
	c->tx_cnt += len;
	if (len < CREDIT_SMALL && c->n_small < CREDIT_MAX_SMALL) {
		c->small[(c->first_small + c->n_small) % CREDIT_MAX_SMALL] = c->tx_cnt;
		c->n_small++;
	}
}

void credit_tell(struct credit *c, struct packet *packet)
{
	packet->buf_alloc = c->told_buf_alloc = c->buf_alloc;
	packet->fwd_cnt = c->told_fwd_cnt = c->fwd_cnt;
}

bool credit_received(struct credit *c, uint32_t len)
{
	uint32_t held = c->rx_cnt - c->fwd_cnt;

	if (held > c->buf_alloc || len > c->buf_alloc - held)
		return false;
	c->rx_cnt += len;
	return true;
}

/*
 * Linux 7.2, and 6.12 since 2026, has no more on its way than its own buffer holds, whatever it was
 * told: with a smaller one than ours that is where it waits.
 */
uint32_t credit_window(const struct credit *c)
{
	return c->told_buf_alloc < c->peer_buf_alloc ? c->told_buf_alloc : c->peer_buf_alloc;
}

static uint32_t credit_left(const struct credit *c, uint32_t read)
{
	uint32_t used = c->rx_cnt - read, window = credit_window(c);

	return used < window ? window - used : 0;
}

bool credit_is_low(const struct credit *c)
{
	return c->rx_cnt != c->fwd_cnt && credit_left(c, c->fwd_cnt) < credit_window(c) / 2;
}

bool credit_is_due(const struct credit *c)
{
	uint32_t half = credit_window(c) / 2;
	uint32_t low = half > CREDIT_LARGEST_PACKET ? half : CREDIT_LARGEST_PACKET;

	if (c->told_fwd_cnt == c->fwd_cnt && c->told_buf_alloc == c->buf_alloc)
		return false;
	return credit_left(c, c->told_fwd_cnt) < low;
}
