/* SPDX-License-Identifier: MIT */
/*
 * The parts of vu-can: what the guest's queues ask of a controller (can_port.c), frames in the
 * guest's buffers and as text (can_frame.c), and the end: where frames go and come from (can_end.c
 * has those inside of the process, can_socket.c an interface of this machine's).
 * All of a process is on the device thread.
 */
#ifndef VU_CAN_H
#define VU_CAN_H

#include <libvu/unstable.h>

#include <stdbool.h>
#include <stdint.h>

enum {
	CAN_DATA = 64, /* bytes of the longest frame */
	CAN_CLASSIC_DATA = 8,
	CAN_WAITING = 64,		  /* frames that wait for buffers of a guest's */
	CAN_PORTS = 64,			  /* of a bus */
	CAN_TEXT = 11 + 2 * CAN_DATA + 1, /* room for a frame as text */
	CAN_HEADER = 16, /* bytes of virtio_can_tx_out and virtio_can_rx before the data */
};

/* virtio 1.4 §5.20.3 */
enum {
	CAN_F_CLASSIC = 1 << 0,
	CAN_F_FD = 1 << 1,
	CAN_F_RTR = 1 << 2,
	CAN_F_LATE_TX_ACK = 1 << 3,
};

/* virtio 1.4 §5.20.5.2 */
enum { CAN_RTR = 0x2000, CAN_FD = 0x4000, CAN_EXTENDED = 0x8000 };
enum { CAN_OK, CAN_NOT_OK };

struct can_message {
	uint32_t flags, id;
	uint16_t len;		/* of a remote frame: what it asks for */
	uint8_t data[CAN_DATA]; /* of a remote frame: zeros */
};

struct can_port;

/*
 * send: a frame that was checked: 0; -EAGAIN: later; another -errno: it is lost.
 * heard: all for now was sent: notify the guests that heard it; may be NULL.
 * free: may be NULL.
 */
struct can_end_ops {
	int (*send)(struct can_port *port, const struct can_message *message);
	void (*heard)(struct can_port *port);
	void (*free)(struct can_port *port);
};

/* All controllers of a process that are on it. */
struct can_bus {
	uint32_t n;
	struct can_port *ports[CAN_PORTS];
};

struct can_counts {
	uint64_t sent, refused, lost, received, dropped;
};

struct can_port {
	struct vu_device *dev;
	const struct can_end_ops *end;
	struct can_bus *bus;	     /* of the process */
	int fd;			     /* of the end's; -1: none */
	uint64_t offers;	     /* features */
	uint64_t features;	     /* that the driver chose */
	bool started, bus_off, held; /* held: it cannot be started */
	bool cancelling;	     /* stopped; what was pending then is not all answered */
	struct vu_source *retry, *source;
	struct vu_script *script;
	bool watched; /* the script hears of what is sent */
	int error;    /* the end's last one that was logged */
	struct can_counts counts;
	uint32_t first, n_waiting;
	struct can_message waiting[CAN_WAITING];
};

/* --- can_port.c --- */

enum { CAN_TX, CAN_RX, CAN_CONTROL, CAN_QUEUES };

void can_port_serve(struct can_port *port, struct vu_queue *queue);
/*
 * A frame from the bus: the guest receives it, sooner or later or never.  It is told of them by
 * can_port_signal().
 */
void can_port_receive(struct can_port *port, const struct can_message *message);
void can_port_signal(struct can_port *port);
/* Too many errors: the controller stops by itself. */
void can_port_bus_off(struct can_port *port);
/* As after power on. */
void can_port_reset(struct can_port *port);
/* Send what the end did not take. */
void can_port_go_on(struct can_port *port);
/* The end's error, unless it was the last one, too. */
void can_port_complain(struct can_port *port, const char *what, int error);

/* --- can_frame.c --- */

/* NULL, or why a controller with these features has no such frame. */
const char *can_frame_fault(const struct can_message *message, uint64_t features);
/* What a driver wants to send: NULL, or what is wrong with it. */
const char *can_frame_read(const struct vu_req *req, uint64_t features,
			   struct can_message *message);
/* Into a buffer of Rxq: how many bytes, or 0 where it is too small. */
uint64_t can_frame_write(const struct vu_req *req, const struct can_message *message);
/* As of cansend(1): "123#0011", "12345678##0112233", "123#R4".  0 or -EINVAL. */
int can_frame_parse(const char *text, struct can_message *message);
void can_frame_print(const struct can_message *message, char text[CAN_TEXT]);

/* --- the ends: 0, or -errno after a line on standard error --- */

/* "bus", "loopback", "null" or "socketcan:NAME". */
int can_end_open(struct can_port *port, const char *backend);
int can_socket_open(struct can_port *port, const char *name);
/* When the device is made. */
int can_socket_begin(struct can_port *port);

/* Of the control socket; their opaque is a struct can_port. */
extern const struct vu_command can_commands[];

#endif
