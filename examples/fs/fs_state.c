/* SPDX-License-Identifier: MIT */
/*
 * Saving and loading on a thread of their own.  All rings are stopped meanwhile, so nobody else
 * works with inodes and files; a front-end that goes away calls it off, and the next one is not
 * let in before that has happened.  Device thread.
 */
#include "fs_state.h"

#include <errno.h>
#include <string.h>

/* The state of a few million files; a guest that has more has to forget some. */
enum { MAX_STATE = 512 << 20 };

bool fs_state_cancelled(struct fs *fs)
{
	return atomic_load(&fs->mover.cancelled);
}

static void *fs_move(void *opaque)
{
	struct fs *fs = opaque;
	struct fs_mover *mover = &fs->mover;
	struct vu_answer *answer = mover->answer;
	int ret = mover->run(fs, mover->state);

	atomic_store(&mover->busy, false);
	vu_answer_give(answer, ret);
	return NULL;
}

static int fs_start_move(struct fs *fs, int (*run)(struct fs *fs, struct vu_state *state),
			 struct vu_state *state, struct vu_answer *answer)
{
	struct fs_mover *mover = &fs->mover;
	int ret;

	if (!fs->root || atomic_load(&mover->busy))
		return -EBUSY;
	fs_state_end(fs);
	mover->run = run;
	mover->state = state;
	mover->answer = answer;
	atomic_store(&mover->cancelled, false);
	atomic_store(&mover->busy, true);
	ret = pthread_create(&mover->thread, NULL, fs_move, fs);
	mover->started = !ret;
	if (ret)
		atomic_store(&mover->busy, false);
	return ret ? -ret : VU_LATER;
}

static int save(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		void *opaque)
{
	(void)dev;
	return fs_start_move(opaque, fs_state_save, state, answer);
}

static int load(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		void *opaque)
{
	(void)dev;
	return fs_start_move(opaque, fs_state_load, state, answer);
}

int fs_state_session_begin(struct fs *fs)
{
	if (!atomic_load(&fs->mover.busy))
		return 0;
	vu_device_logf(fs->dev, VU_LOG_WARNING,
		       "the state of the front-end before is still being moved: try again");
	return -EBUSY;
}

void fs_state_cancel(struct fs *fs)
{
	atomic_store(&fs->mover.cancelled, true);
}

void fs_state_end(struct fs *fs)
{
	if (fs->mover.started)
		pthread_join(fs->mover.thread, NULL);
	fs->mover.started = false;
}

int fs_state_init(struct fs *fs)
{
	static const struct vu_state_ops ops = {
		.size = sizeof(ops), .max_size = MAX_STATE, .save = save, .load = load};

	return vu_device_set_state_ops(fs->dev, &ops);
}
