/* SPDX-License-Identifier: MIT */
/*
 * Handlers: sessions of a crypto device.  The specification has no layout for their description; it
 * is QEMU's, whose C structs it is made of.  Device thread.
 */
#include <errno.h>
#include <string.h>

#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

/* virtio 1.3 §5.9.7.2: service << 8 | 2, or | 4 for the last. */
enum {
	CREATE_CIPHER = 0x002,
	CREATE_HASH = 0x102,
	CREATE_MAC = 0x202,
	CREATE_AEAD = 0x302,
	CREATE_AKCIPHER = 0x404,
};

static int symmetric(const struct wire_crypto_symmetric *w, struct vu_crypto_session *out)
{
	if (w->key_len > sizeof(w->key) || w->auth_key_len > sizeof(w->auth_key))
		return -EINVAL;
	out->alg = w->cipher_alg;
	out->key = w->key;
	out->key_len = w->key_len;
	out->auth_key = w->auth_key;
	out->auth_key_len = w->auth_key_len;
	out->hash_alg = w->hash_alg;
	out->hash_result_len = w->hash_result_len;
	out->aad_len = w->aad_len;
	out->op_type = w->op_type;
	out->direction = w->direction;
	out->hash_mode = w->hash_mode;
	out->alg_chain_order = w->alg_chain_order;
	return 0;
}

static int asymmetric(const struct wire_crypto_asymmetric *w, struct vu_crypto_session *out)
{
	if (w->key_len > sizeof(w->key))
		return -EINVAL;
	out->alg = w->alg;
	out->key = w->key;
	out->key_len = w->key_len;
	out->key_type = w->key_type;
	out->padding_alg = w->padding_alg;
	out->hash_alg = w->hash_alg;
	return 0;
}

/* 0; -ENOTSUP: an op code that makes no session; -EINVAL: a key of a length that cannot be. */
static int session_described(const struct wire_crypto *w, struct vu_crypto_session *out)
{
	*out = (struct vu_crypto_session){.op_code = (uint32_t)w->op_code};
	switch (w->op_code) {
	case CREATE_CIPHER:
	case CREATE_HASH:
	case CREATE_MAC:
	case CREATE_AEAD:
		return symmetric(&w->u.symmetric, out);
	case CREATE_AKCIPHER:
		return asymmetric(&w->u.asymmetric, out);
	default:
		return -ENOTSUP;
	}
}

/* Keys are not sent about: of what came only the op code goes back. */
static int reply(struct session *s, struct wire_msg *msg, int64_t id)
{
	struct wire_crypto *w = (struct wire_crypto *)(void *)msg->payload;

	memset(&w->u, 0, sizeof(w->u));
	w->session_id = id;
	return session_reply(s, msg, w, sizeof(*w), NULL, 0) ? -EPROTO : MESSAGE_REPLIED;
}

static int created(struct session *s, struct wire_msg *msg)
{
	int64_t said = s->wait.answer;

	if (said < 0)
		log_peer_warn(&s->dev->log, "the device refused CREATE_CRYPTO_SESSION: %s",
			      strerror(-session_said(s)));
	return reply(s, msg, said < 0 ? -1 : said);
}

int on_create_crypto_session(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_crypto_session session;
	struct vu_answer *answer;
	int err = session_described((const struct wire_crypto *)(void *)msg->payload, &session);

	if (err) {
		log_peer_warn(&dev->log,
			      "CREATE_CRYPTO_SESSION: an op code that makes no session, or a key "
			      "that is too long (%s)",
			      strerror(-err));
		return reply(s, msg, -1);
	}
	answer = answer_new(dev, "the device's answer to CREATE_CRYPTO_SESSION", NULL, NULL);
	if (!answer)
		return reply(s, msg, -1);
	return session_answer(s, msg, answer,
			      dev->class.crypto.create_session(dev, &session, answer, dev->opaque),
			      created);
}

int on_close_crypto_session(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_answer *answer =
		answer_new(dev, "the device's answer to CLOSE_CRYPTO_SESSION", NULL, NULL);
	uint64_t id;

	if (!answer)
		return session_refuse(s, msg, -ENOMEM);
	memcpy(&id, msg->payload, sizeof(id));
	return session_answer(s, msg, answer,
			      dev->class.crypto.close_session(dev, id, answer, dev->opaque),
			      session_ack);
}
