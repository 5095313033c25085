/* SPDX-License-Identifier: MIT */
/*
 * SHMEM_MAP and SHMEM_UNMAP: any thread asks, the device thread sends and hears the answers.
 * Posted under the lock, so that the front-end hears of everything in the order of the list's
 * changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/first_size.h"
#include "base/size_struct.h"
#include "core/device.h"
#include "vhost_user/session.h"
#include "vhost_user/shmem.h"

static struct piece *piece_of(struct channel_request *r)
{
	return (struct piece *)(void *)((char *)r - offsetof(struct piece, request));
}

static bool piece_may_go(struct session *s, struct channel_request *r)
{
	struct piece *p = piece_of(r);
	struct shmem *shmem = p->dev->shmem;

	pthread_mutex_lock(&shmem->lock);
	if (!session_has(s, WIRE_PF_SHMEM_MAP) || !session_has(s, WIRE_PF_BACKEND_SEND_FD) ||
	    !session_has(s, WIRE_PF_REPLY_ACK))
		p->result = -EOPNOTSUPP;
	else if ((p->lost && !p->kept) || !running_is_on(p->dev))
		p->result = -ECANCELED;
	else
		p->sent = true;
	pthread_mutex_unlock(&shmem->lock);
	return p->sent;
}

/* With the lock: what has become of it, and whether it is remembered. */
static bool piece_settle(struct piece *p, const struct wire_msg *reply)
{
	bool mapping = p->state == PIECE_MAPPING;
	struct piece *old;

	if (reply)
		p->result = channel_answer(reply) ? -EREMOTEIO : 0;
	else if (!p->result)
		p->result = -ENOTCONN;
	if (mapping && !p->result && !p->lost) {
		p->state = PIECE_MAPPED;
		/* There was room for it, so these are gone. */
		while ((old = shmem_overlapping(p->dev->shmem, &p->what, 1 << PIECE_LOST))) {
			shmem_remove(p->dev->shmem, old);
			piece_free(old);
		}
		return true;
	}
	if (p->lost && !p->kept)
		p->result = -ECANCELED;
	/* Nobody knows what a front-end did that does not answer. */
	p->state = PIECE_LOST;
	return mapping ? p->sent && p->result != -EREMOTEIO : !reply;
}

static void piece_answered(struct session *s, struct channel_request *r, struct wire_msg *reply);

/* With the lock. */
static void piece_ask(struct piece *p, uint32_t id, enum piece_state state, vu_asked_fn done,
		      void *asked)
{
	p->kept = p->state == PIECE_LOST;
	p->state = state;
	p->lost = p->sent = false;
	p->result = 0;
	p->done = done;
	p->asked = asked;
	p->request = (struct channel_request){
		.id = id,
		.payload = &p->what,
		.size = sizeof(p->what),
		.fds = &p->fd,
		.n_fds = p->fd >= 0,
		.done = piece_answered,
		.may_go = piece_may_go,
	};
	channel_post(p->dev, &p->request);
}

/* With the lock: what was lost is there still, and in the way. */
static bool piece_tries_again(struct piece *p, const struct wire_msg *reply)
{
	struct shmem *shmem = p->dev->shmem;
	struct piece *old;
	bool any = false;

	if (p->state != PIECE_MAPPING || p->lost || !reply || !channel_answer(reply))
		return false;
	for (; (old = shmem_overlapping(shmem, &p->what, 1 << PIECE_LOST)); any = true)
		piece_ask(old, WIRE_BACKEND_SHMEM_UNMAP, PIECE_UNMAPPING, NULL, NULL);
	if (any)
		piece_ask(p, WIRE_BACKEND_SHMEM_MAP, PIECE_MAPPING, p->done, p->asked);
	return any;
}

static void log_refusal(struct vu_device *dev, uint32_t id, const struct wire_mmap *what)
{
	log_peer_warn(&dev->log,
		      "the front-end refuses to %s %#llx bytes at %#llx of shared memory region %u",
		      id == WIRE_BACKEND_SHMEM_MAP ? "map" : "unmap", (unsigned long long)what->len,
		      (unsigned long long)what->shm_offset, what->shmid);
}

static void piece_answered(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	struct piece *p = piece_of(r);
	struct vu_device *dev = p->dev;
	struct shmem *shmem = dev->shmem;
	const struct wire_mmap what = p->what;
	const uint32_t id = r->id;
	vu_asked_fn done = p->done;
	void *asked = p->asked;
	bool stays, refused;
	int result;

	(void)s;

	pthread_mutex_lock(&shmem->lock);
	if (piece_tries_again(p, reply)) {
		pthread_mutex_unlock(&shmem->lock);
		return;
	}
	/* What was lost may be refused. */
	refused = reply && channel_answer(reply) && !p->kept;
	stays = piece_settle(p, reply);
	result = p->kept && reply ? 0 : p->result;
	p->kept = false;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (!stays)
		shmem_remove(shmem, p);
	pthread_mutex_unlock(&shmem->lock);
	if (!stays)
		piece_free(p);
	if (refused)
		log_refusal(dev, id, &what);
	if (done)
		done(dev, result, asked);
}

/* NULL, or what is wrong; *err. */
static const char *piece_check_file(const struct vu_device *dev, const struct vu_shmem_piece *piece,
				    int *err)
{
	int flags = fcntl(piece->fd, F_GETFL);
	struct stat st;

	*err = -EBADF;
	if (flags < 0)
		return "its descriptor is not open";
	*err = -EPERM;
	if (descriptor_kind(piece->fd) == DESCRIPTOR_SLOW_FILE &&
	    !(dev->info.flags & VU_DEVICE_ANY_MEMORY))
		return "its file is on a file system that may block, and comes back as guest "
		       "memory, which needs VU_DEVICE_ANY_MEMORY (--allow-any-memory)";
	*err = -EACCES;
	if ((flags & O_ACCMODE) != O_RDWR)
		return "its file is not open for reading and writing";
	*err = -EINVAL;
	if (fstat(piece->fd, &st) < 0 ||
	    (S_ISREG(st.st_mode) && (uint64_t)st.st_size < piece->fd_offset + piece->len))
		return "it reaches beyond the end of its file";
	return NULL;
}

static const char *piece_check(const struct vu_device *dev, const struct vu_shmem_piece *piece,
			       int *err)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct shmem *shmem = dev->shmem;
	uint64_t len = shmem && piece->id < SHMEM_IDS ? shmem->len[piece->id] : 0, end;

	*err = -EINVAL;
	if (!len)
		return "the device has no such region";
	if (!piece->len || piece->len > len || piece->offset > len - piece->len)
		return "it is empty, or not inside of the region";
	if ((piece->offset | piece->len | piece->fd_offset) % page)
		return "offset, len and fd_offset have to be multiples of the page size";
	if (__builtin_add_overflow(piece->fd_offset, piece->len, &end) || end > INT64_MAX)
		return "its offset in the file is too large";
	if (piece->flags & ~(uint32_t)VU_SHMEM_WRITE)
		return "flags has an unknown bit";
	return piece_check_file(dev, piece, err);
}

static int piece_new(struct vu_device *dev, const struct vu_shmem_piece *piece, struct piece **out)
{
	struct piece *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->dev = dev;
	p->fd = fcntl(piece->fd, F_DUPFD_CLOEXEC, 0);
	if (p->fd < 0) {
		err = -errno;
		free(p);
		return err;
	}
	p->what = (struct wire_mmap){
		.shmid = (uint8_t)piece->id,
		.fd_offset = piece->fd_offset,
		.shm_offset = piece->offset,
		.len = piece->len,
		.flags = piece->flags,
	};
	*out = p;
	return 0;
}

/* -EEXIST: something is there. */
static int shmem_map(struct shmem *shmem, struct piece *p, vu_asked_fn done, void *asked)
{
	const unsigned int taken = 1 << PIECE_MAPPING | 1 << PIECE_MAPPED;
	int err = 0;

	pthread_mutex_lock(&shmem->lock);
	if (shmem_overlapping(shmem, &p->what, taken)) {
		err = -EEXIST;
	} else {
		shmem_add(shmem, p);
		piece_ask(p, WIRE_BACKEND_SHMEM_MAP, PIECE_MAPPING, done, asked);
	}
	pthread_mutex_unlock(&shmem->lock);
	return err;
}

int vu_device_map_shmem(struct vu_device *dev, const struct vu_shmem_piece *piece, vu_asked_fn done,
			void *asked)
{
	const char *why;
	struct vu_shmem_piece in;
	struct piece *p = NULL;
	int err = size_struct_take(&dev->log, &in, sizeof(in), piece, FIRST_SHMEM_PIECE,
				   "struct vu_shmem_piece");

	if (err)
		return err;
	why = piece_check(dev, &in, &err);
	if (!why) {
		why = "out of memory or descriptors";
		err = piece_new(dev, &in, &p);
	}
	if (!err) {
		why = "something is mapped there";
		err = shmem_map(dev->shmem, p, done, asked);
		if (err)
			piece_free(p);
	}
	if (err)
		log_peer_warn(&dev->log,
			      "%#llx bytes at %#llx of shared memory region %u cannot be mapped: "
			      "%s",
			      (unsigned long long)in.len, (unsigned long long)in.offset, in.id,
			      why);
	return err;
}

int vu_device_unmap_shmem(struct vu_device *dev, uint32_t id, uint64_t offset, vu_asked_fn done,
			  void *asked)
{
	struct shmem *shmem = dev->shmem;
	struct piece *p;
	int err = 0;

	if (!shmem)
		return -ENOENT;
	pthread_mutex_lock(&shmem->lock);
	p = shmem_find(shmem, id, offset);
	if (!p)
		err = -ENOENT;
	else if (p->state == PIECE_MAPPING)
		err = -EBUSY;
	else if (p->state == PIECE_UNMAPPING)
		err = -EALREADY;
	else
		piece_ask(p, WIRE_BACKEND_SHMEM_UNMAP, PIECE_UNMAPPING, done, asked);
	pthread_mutex_unlock(&shmem->lock);
	return err;
}
