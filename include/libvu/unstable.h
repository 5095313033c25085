/* SPDX-License-Identifier: MIT */
/*
 * What is not promised: interfaces that too few devices have used yet.
 *
 * They work and are tested, but any release may change them or take them away: their functions have
 * the symbol version LIBVU_UNSTABLE, and a program that uses one is built anew for each release.
 * vu.h has none of them.  What proves itself moves there.
 */
#ifndef LIBVU_UNSTABLE_H
#define LIBVU_UNSTABLE_H

#include <libvu/vu.h>
#include <libvu/answer.h>
#include <libvu/ask.h>
#include <libvu/crypto.h>
#include <libvu/endian.h>
#include <libvu/gpu.h>
#include <libvu/net.h>
#include <libvu/hold.h>
#include <libvu/notifier.h>
#include <libvu/post.h>
#include <libvu/postcopy.h>
#include <libvu/regions.h>
#include <libvu/script.h>
#include <libvu/shmem.h>
#include <libvu/shared_object.h>
#include <libvu/shorthand_script.h>
#include <libvu/state.h>
#include <libvu/worker.h>

#endif
