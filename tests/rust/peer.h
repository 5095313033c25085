/* SPDX-License-Identifier: MIT */
/* The test peer as bindings/rust-tests declares it: see src/lib.rs there. */
#ifndef RUST_PEER_H
#define RUST_PEER_H

#include <stddef.h>
#include <stdint.h>

struct peer;

struct rp_seg {
	uint64_t gpa;
	uint32_t len;
	uint32_t write;
};

int rp_new(uint32_t n_queues, int packed, void (*pump)(void *), void *opaque, struct peer **peer);
void rp_free(struct peer *peer);
const char *rp_error(const struct peer *peer);
int rp_open(struct peer *peer, int *backend_fd);
int rp_connect(struct peer *peer, const char *path);
int rp_start(struct peer *peer);
int rp_stop(struct peer *peer);
void rp_disconnect(struct peer *peer);
int rp_wait_closed(struct peer *peer);
void rp_pump(struct peer *peer);
uint64_t rp_alloc(struct peer *peer, uint64_t size);
int rp_write(struct peer *peer, uint64_t gpa, const void *data, size_t len);
int rp_read(struct peer *peer, uint64_t gpa, void *data, size_t len);
int rp_truncate(struct peer *peer, uint64_t size);
int rp_add(struct peer *peer, uint32_t queue, const struct rp_seg *segs, uint32_t n);
int rp_kick(struct peer *peer, uint32_t queue);
int rp_collect(struct peer *peer, uint32_t queue, uint32_t *id, uint32_t *len);
int rp_wait_used(struct peer *peer, uint32_t queue, uint32_t *id, uint32_t *len);
int rp_get_config(struct peer *peer, uint32_t offset, void *data, uint32_t size);
int rp_set_config(struct peer *peer, uint32_t offset, const void *data, uint32_t size);
int rp_expect_config_change(struct peer *peer);
int rp_save_state(struct peer *peer, void **bytes, size_t *len);
int rp_load_state(struct peer *peer, const void *bytes, size_t len);
int rp_tell(struct peer *peer, uint32_t request, const void *payload, uint32_t size);

#endif
