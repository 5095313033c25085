/* SPDX-License-Identifier: MIT */
/*
 * The internal state of a device that moves to another host: what is in neither guest memory nor
 * the rings.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_STATE_H
#define LIBVU_STATE_H

#include <libvu/answer.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/*
 * A state that is being saved or loaded: records, each with a tag.  What becomes of it on the way
 * is in docs/device-state.md.
 */
struct vu_state;

/**
 * struct vu_state_ops - for a device that has state to move; see vu_device_set_state_ops().
 *
 * @size: sizeof(struct vu_state_ops).
 * @version: of what save writes, from 0; a state of a higher version is not loaded.  To be counted
 *	up only when older devices would misunderstand a tag; what they only do not know needs
 *	no new version, see vu_state_put().
 * @max_size: bytes of a state at most, both ways; 0 means 64 MiB.
 * @save: fill @state by vu_state_put().  The device is suspended, and may go on afterwards as if
 *	nothing had happened: migration may fail.  0, -errno (migration fails, the virtual machine
 *	goes on here), or VU_LATER: @state can be filled on any thread until vu_answer_give().
 *	Device thread.
 * @load: take over what vu_state_get() finds in @state.  It comes in one piece, and from another
 *	host: its format was checked, and its content is the device's to check.  The device is
 *	suspended; no features are negotiated yet, and there may be no guest memory.  0, -errno
 *	(migration fails, after the source has let go of the virtual machine: be lenient), or
 *	VU_LATER.  A record that load did not get, and that is not optional, is an error, too.
 *	Device thread.
 *
 * The last argument of each is the opaque pointer of vu_device_new(); the one before is for
 * VU_LATER.
 *
 * vhost-user "Migrating back-end state".
 * Since: 0.1
 */
struct vu_state_ops {
	size_t size;
	uint32_t version;
	uint64_t max_size;
	int (*save)(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		    void *opaque);
	int (*load)(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		    void *opaque);
};

/**
 * vu_device_set_state_ops() - let the device's state be moved: offers DEVICE_STATE.
 *
 * @ops: copied; both callbacks are needed.  NULL: the device has none any more.
 *
 * Return: 0; -EBUSY while a front-end is attached; -EINVAL without a callback or for a size that
 * cannot be; -E2BIG for a struct with an unknown non-zero tail.  A log line names what it was.
 * Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_state_ops(struct vu_device *dev, const struct vu_state_ops *ops);

/**
 * enum vu_state_flags - of a record.
 *
 * @VU_STATE_OPTIONAL: a device that does not know the tag may leave it out.
 *
 * Since: 0.1
 */
enum vu_state_flags { VU_STATE_OPTIONAL = 1 };

/**
 * vu_state_put() - add a record to a state that is being saved.
 *
 * A tag may be used several times: vu_state_get() counts them.
 *
 * @tag: the device's choice, not 0.
 * @flags: enum vu_state_flags.
 * @data: @len bytes, copied; in a byte order of the device's choice, which should be little-endian.
 *
 * Return: 0; -EINVAL for tag 0, an unknown flag, or a state that is loaded; -EFBIG beyond max_size
 * or 65536 records; -ENOMEM.  A failure is kept: the state is not saved then, whatever save
 * returns. Thread: that of save, or after VU_LATER any one at a time. Since: 0.1
 */
VU_API int vu_state_put(struct vu_state *state, uint32_t tag, uint32_t flags, const void *data,
			size_t len);

/**
 * vu_state_put_u64() - add a record of one number, 8 bytes little-endian.
 *
 * Return: as vu_state_put().  Thread: as vu_state_put().
 * Since: 0.1
 */
VU_API int vu_state_put_u64(struct vu_state *state, uint32_t tag, uint32_t flags, uint64_t value);

/**
 * vu_state_get() - find a record of a state that is being loaded.
 *
 * @index: 0 for the first with this tag, 1 for the second, and so on, in the order of saving.
 * @data, @len: receive where it is, aligned for any type, until load has answered.
 *
 * Return: 0; -ENOENT: there is none, or the state is being saved.
 * Thread: that of load, or after VU_LATER any one at a time.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_state_get(struct vu_state *state, uint32_t tag, uint32_t index,
				 const void **data, size_t *len);

/**
 * vu_state_get_u64() - find a number that vu_state_put_u64() saved, the first with this tag.
 *
 * Return: 0; -ENOENT; -EBADMSG: the record has not 8 bytes.  Thread: as vu_state_get().
 * Since: 0.1
 */
VU_API VU_CHECK int vu_state_get_u64(struct vu_state *state, uint32_t tag, uint64_t *value);

/**
 * vu_state_version() - vu_state_ops.version of the device that saved it.
 *
 * Thread: as vu_state_get().
 * Since: 0.1
 */
VU_API uint32_t vu_state_version(const struct vu_state *state);

VU_END_DECLS

#endif
