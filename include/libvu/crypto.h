/* SPDX-License-Identifier: MIT */
/*
 * Sessions of a crypto device, which its front-end makes in the driver's name.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_CRYPTO_H
#define LIBVU_CRYPTO_H

#include <libvu/answer.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * struct vu_crypto_session - what the driver wants of a session; virtio 1.3 §5.9.7.2 has the
 * numbers, which are the device's to check, as the keys are.
 *
 * The library's, and gone when the callback returns.  It may grow at its end.
 *
 * @op_code: VIRTIO_CRYPTO_..._CREATE_SESSION: of a cipher (2), hash (0x102), MAC (0x202), AEAD
 *	(0x302), or of an asymmetric cipher (0x404); no other.
 * @alg: the cipher's; of an asymmetric one, that.
 * @key, @key_len: the cipher's key, at most 64 bytes; of an asymmetric one at most 1024.
 * @hash_alg, @hash_result_len, @auth_key, @auth_key_len: of a hash or MAC; the key has at most 512
 *	bytes.  Of RSA, hash_alg is the padding's.
 * @aad_len: bytes of additional authenticated data.
 * @op_type: no, a cipher, or a chain of algorithms.
 * @direction: encrypt or decrypt.
 * @hash_mode, @alg_chain_order: of a chain.
 * @key_type: of an asymmetric cipher: public or private.
 * @padding_alg: of RSA.
 *
 * Since: 0.1
 */
struct vu_crypto_session {
	uint32_t op_code;
	uint32_t alg;
	const uint8_t *key;
	const uint8_t *auth_key;
	uint32_t key_len;
	uint32_t auth_key_len;
	uint32_t hash_alg;
	uint32_t hash_result_len;
	uint32_t aad_len;
	uint8_t op_type;
	uint8_t direction;
	uint8_t hash_mode;
	uint8_t alg_chain_order;
	uint32_t key_type;
	uint32_t padding_alg;
};

/**
 * struct vu_crypto_ops - for a crypto device; see vu_device_set_crypto_ops().
 *
 * @size: sizeof(struct vu_crypto_ops).
 * @create_session: make one: its id, which requests will name, from 0; -errno; or VU_LATER.
 *	Device thread.
 * @close_session: this id is not used any more.  0, -errno or VU_LATER.  Device thread.
 *
 * Sessions are not closed one by one when the front-end goes: forget them in session_end.  Of one
 *that is made by VU_LATER and not heard of any more vu_answer_give() says so.
 *
 * The last argument of each is the opaque pointer of vu_device_new(); the one before is for
 * VU_LATER.
 *
 * vhost-user CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION.
 * Since: 0.1
 */
struct vu_crypto_ops {
	size_t size;
	int64_t (*create_session)(struct vu_device *dev, const struct vu_crypto_session *session,
				  struct vu_answer *answer, void *opaque);
	int (*close_session)(struct vu_device *dev, uint64_t id, struct vu_answer *answer,
			     void *opaque);
};

/**
 * vu_device_set_crypto_ops() - make it a crypto device: offers CRYPTO_SESSION.
 *
 * @ops: copied; both callbacks are needed.  NULL: it is none any more.
 *
 * Return: as vu_device_set_state_ops().  Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_crypto_ops(struct vu_device *dev,
					     const struct vu_crypto_ops *ops);

VU_END_DECLS

#endif
