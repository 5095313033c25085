/* SPDX-License-Identifier: MIT */
/*
 * What brings a device its driver: vhost-user's messages (lib/vhost_user), a test, another one day.
 *
 * A transport calls the verbs of control.h, and hears by these functions what it has to do.  It is
 * given by control_begin(), one at a time, and belongs to the device until release().  All on the
 * device thread; every function may call verbs, and may find that the session is ending.
 */
#ifndef CORE_TRANSPORT_H
#define CORE_TRANSPORT_H

struct vu_device;
struct transport;

struct transport_ops {
	/*
	 * At the end of a pass in which something happened, of this side's own or of a queue's
	 * thread's: watch what can be gone on with.  See control_is_open().
	 */
	void (*proceed)(struct transport *t);
	/*
	 * Tell the driver what is new, without waiting: device_next_untold() has queues' calls,
	 * config_take_change() the configuration.  What cannot be told now stays for the next
	 * time.  Never while the device is suspended.
	 */
	void (*tell)(struct transport *t);
	/* Nothing came for as long as patience_silence() allows. */
	void (*silent)(struct transport *t);
	/* The session ends: read and send nothing any more. */
	void (*disconnect)(struct transport *t);
	/* Every queue has let go of what this side gave: it may be freed.  The last call. */
	void (*release)(struct transport *t);
};

/* First or anywhere in what the transport keeps of a session. */
struct transport {
	const struct transport_ops *ops;
};

#endif
