/* SPDX-License-Identifier: MIT */
/* Sessions of a crypto device: what a front-end asks for arrives, whole and within bounds. */
#include <string.h>

#include <libvu/unstable.h>

#include "rules/rig.h"

enum { CIPHER = 0x002, AEAD = 0x302, AKCIPHER = 0x404 };

struct crypto {
	struct rig rig; /* first: the callbacks' opaque */
	struct vu_crypto_session session;
	unsigned char key[1024], auth_key[512];
	struct vu_answer *answer;
	int64_t says;
	uint64_t closed;
	uint32_t created;
};

static int64_t create_session(struct vu_device *dev, const struct vu_crypto_session *session,
			      struct vu_answer *answer, void *opaque)
{
	struct crypto *c = opaque;

	(void)dev;
	c->created++;
	c->answer = answer;
	c->session = *session;
	memcpy(c->key, session->key, session->key_len);
	if (session->auth_key)
		memcpy(c->auth_key, session->auth_key, session->auth_key_len);
	return c->says;
}

static int close_session(struct vu_device *dev, uint64_t id, struct vu_answer *answer, void *opaque)
{
	struct crypto *c = opaque;

	(void)dev;
	c->answer = answer;
	c->closed = id;
	return (int)c->says;
}

static void open_crypto(struct crypto *c)
{
	static const struct vu_crypto_ops ops = {
		.size = sizeof(ops),
		.create_session = create_session,
		.close_session = close_session,
	};

	*c = (struct crypto){.says = 0};
	rig_make(&c->rig, NULL);
	assert_ok(vu_device_set_crypto_ops(c->rig.dev, &ops));
	rig_connect(&c->rig);
	assert_ok(peer_start(c->rig.peer));
}

static struct wire_crypto cipher(void)
{
	struct wire_crypto w = {.op_code = CIPHER, .session_id = -77};

	w.u.symmetric = (struct wire_crypto_symmetric){
		.cipher_alg = 3,
		.key_len = 32,
		.hash_alg = 4,
		.hash_result_len = 20,
		.auth_key_len = 64,
		.aad_len = 12,
		.op_type = 2,
		.direction = 1,
		.hash_mode = 3,
		.alg_chain_order = 2,
	};
	memset(w.u.symmetric.key, 0xaa, sizeof(w.u.symmetric.key));
	memset(w.u.symmetric.auth_key, 0xbb, sizeof(w.u.symmetric.auth_key));
	return w;
}

/* The id, or negative. */
static int64_t create(struct crypto *c, const struct wire_crypto *w)
{
	struct wire_crypto reply;

	if (frontend_ask(&c->rig.peer->frontend, WIRE_CREATE_CRYPTO_SESSION, w, sizeof(*w), &reply,
			 sizeof(reply)))
		fail_msg("%s\n%s", c->rig.peer->frontend.error, c->rig.log.text);
	assert_true(reply.op_code == w->op_code);
	/* No key goes back. */
	for (size_t i = 0; i < sizeof(reply.u); i++)
		assert_int_equal(((unsigned char *)&reply.u)[i], 0);
	return reply.session_id;
}

static void a_symmetric_session_has_all_that_was_asked_for(void **state)
{
	struct wire_crypto w = cipher();
	struct crypto c;

	(void)state;
	open_crypto(&c);
	c.says = INT64_C(0x123456789a);
	assert_true(create(&c, &w) == c.says);
	assert_int_equal(c.session.op_code, CIPHER);
	assert_int_equal(c.session.alg, 3);
	assert_int_equal(c.session.key_len, 32);
	assert_memory_equal(c.key, w.u.symmetric.key, 32);
	assert_int_equal(c.key[32], 0);
	assert_int_equal(c.session.hash_alg, 4);
	assert_int_equal(c.session.hash_result_len, 20);
	assert_int_equal(c.session.auth_key_len, 64);
	assert_memory_equal(c.auth_key, w.u.symmetric.auth_key, 64);
	assert_int_equal(c.session.aad_len, 12);
	assert_int_equal(c.session.op_type, 2);
	assert_int_equal(c.session.direction, 1);
	assert_int_equal(c.session.hash_mode, 3);
	assert_int_equal(c.session.alg_chain_order, 2);
	rig_close(&c.rig);
}

static void an_asymmetric_session_has_all_that_was_asked_for(void **state)
{
	struct wire_crypto w = {.op_code = AKCIPHER};
	struct crypto c;

	(void)state;
	open_crypto(&c);
	w.u.asymmetric = (struct wire_crypto_asymmetric){
		.alg = 1, .key_type = 2, .key_len = 1024, .padding_alg = 1, .hash_alg = 5};
	memset(w.u.asymmetric.key, 0xcc, sizeof(w.u.asymmetric.key));
	assert_true(create(&c, &w) == 0);
	assert_int_equal(c.session.op_code, AKCIPHER);
	assert_int_equal(c.session.alg, 1);
	assert_int_equal(c.session.key_type, 2);
	assert_int_equal(c.session.key_len, 1024);
	assert_memory_equal(c.key, w.u.asymmetric.key, 1024);
	assert_int_equal(c.session.padding_alg, 1);
	assert_int_equal(c.session.hash_alg, 5);
	rig_close(&c.rig);
}

static void what_is_no_session_is_refused_before_the_device_sees_it(void **state)
{
	static const uint64_t codes[] = {0, 1, 3, 0x203, 0x402, 0x403, 1ULL << 32 | CIPHER};
	struct wire_crypto w = cipher();
	struct crypto c;

	(void)state;
	open_crypto(&c);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		w.op_code = codes[i];
		assert_true(create(&c, &w) < 0);
	}
	w = cipher();
	w.op_code = AEAD;
	w.u.symmetric.key_len = 65;
	assert_true(create(&c, &w) < 0);
	w.u.symmetric.key_len = UINT32_MAX;
	assert_true(create(&c, &w) < 0);
	w.u.symmetric.key_len = 64;
	w.u.symmetric.auth_key_len = 513;
	assert_true(create(&c, &w) < 0);
	w.op_code = AKCIPHER;
	w.u.asymmetric.key_len = 1025;
	assert_true(create(&c, &w) < 0);
	assert_int_equal(c.created, 0);
	w = cipher();
	w.u.symmetric.key_len = 64;
	w.u.symmetric.auth_key_len = 512;
	assert_true(create(&c, &w) == 0);
	assert_int_equal(c.created, 1);
	rig_roundtrip(&c.rig, 0, 1);
	rig_close(&c.rig);
}

static void what_the_device_refuses_is_a_negative_id(void **state)
{
	struct wire_crypto w = cipher();
	struct crypto c;

	(void)state;
	open_crypto(&c);
	c.says = -ENOTSUP;
	assert_true(create(&c, &w) == -1);
	assert_int_equal(rig_logged(&c.rig, "the device refused CREATE_CRYPTO_SESSION"), 1);
	rig_close(&c.rig);
}

static uint64_t close_id(struct crypto *c, uint64_t id)
{
	rig_send(&c->rig, WIRE_CLOSE_CRYPTO_SESSION, &id, sizeof(id), NULL, 0);
	return rig_recv_ack(&c->rig, WIRE_CLOSE_CRYPTO_SESSION);
}

static void sessions_are_closed_by_their_id(void **state)
{
	const uint64_t id = UINT64_MAX;
	struct crypto c;

	(void)state;
	open_crypto(&c);
	assert_int_equal(close_id(&c, 5), 0);
	assert_true(c.closed == 5);
	c.says = -ENOENT;
	assert_int_equal(close_id(&c, id), 1);
	assert_true(c.closed == id);
	/* Without an ack a refusal is a line. */
	assert_ok(frontend_send(&c.rig.peer->frontend, WIRE_CLOSE_CRYPTO_SESSION, 0, &id,
				sizeof(id), NULL, 0));
	rig_pump(&c.rig);
	assert_int_equal(rig_logged(&c.rig, "the device refused CLOSE_CRYPTO_SESSION"), 2);
	rig_roundtrip(&c.rig, 0, 1);
	rig_close(&c.rig);
}

static void a_session_may_be_made_later(void **state)
{
	struct wire_crypto w = cipher();
	struct frontend_msg reply;
	struct crypto c;

	(void)state;
	open_crypto(&c);
	c.says = VU_LATER;
	rig_send(&c.rig, WIRE_CREATE_CRYPTO_SESSION, &w, sizeof(w), NULL, 0);
	rig_assert_no_reply(&c.rig);
	assert_int_equal(vu_answer_give(c.answer, 9), 0);
	assert_ok(frontend_recv(&c.rig.peer->frontend, &reply));
	assert_int_equal(reply.hdr.size, sizeof(w));
	memcpy(&w, reply.payload, sizeof(w));
	assert_true(w.session_id == 9);
	/* One that nobody hears of: the device learns it. */
	rig_send(&c.rig, WIRE_CREATE_CRYPTO_SESSION, &w, sizeof(w), NULL, 0);
	peer_disconnect(c.rig.peer);
	rig_pump(&c.rig);
	assert_int_equal(vu_answer_give(c.answer, 10), -ESTALE);
	rig_close(&c.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_symmetric_session_has_all_that_was_asked_for),
		cmocka_unit_test(an_asymmetric_session_has_all_that_was_asked_for),
		cmocka_unit_test(what_is_no_session_is_refused_before_the_device_sees_it),
		cmocka_unit_test(what_the_device_refuses_is_a_negative_id),
		cmocka_unit_test(sessions_are_closed_by_their_id),
		cmocka_unit_test(a_session_may_be_made_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
