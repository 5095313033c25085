/* SPDX-License-Identifier: MIT */
/*
 * vu-input's parts: what a device is, what of it is pressed, events on their way to the guest,
 * names, and the two kinds of devices (real and simulated).  Everything runs on the device thread.
 */
#ifndef INPUT_H
#define INPUT_H

#include <linux/input.h>
#include <linux/virtio_input.h>
#include <libvu/unstable.h>
#include <stdbool.h>

enum {
	INPUT_BITMAP = 128, /* bytes of a bitmap in the configuration space */
	INPUT_STRING = 63,  /* Linux's driver keeps 64 bytes of a name and expects a NUL in them */
	INPUT_SLOTS = 1024, /* contacts of a touchscreen: Linux takes no more */
	INPUT_MT_FIRST = ABS_MT_TOUCH_MAJOR, /* axes that every slot has */
	INPUT_SWITCHES = 4,		     /* bytes of them */
	INPUT_MT_AXES = ABS_MT_TOOL_Y - INPUT_MT_FIRST + 1,
	INPUT_FIFO = 4096, /* events */
	/* As many events tell any device's whole state: bits, axes, and of each slot its number. */
	INPUT_STATE = INPUT_BITMAP * 8 + INPUT_SWITCHES * 8 + INPUT_MT_FIRST +
		      INPUT_SLOTS * (INPUT_MT_AXES + 1),
	INPUT_RING = INPUT_STATE + 4, /* of a fifo, with what stands before and behind a state */
};

/* Kinds of names that are no event types of the kernel's. */
enum { INPUT_TYPE_NAME = EV_CNT, INPUT_PROP_NAME, INPUT_BUS_NAME };

struct input_ev {
	uint16_t type, code;
	int32_t value;
};

/* input_about.c: what a device is, as the configuration space tells it. */
struct input_about {
	char name[INPUT_STRING + 1];
	char serial[INPUT_STRING + 1];
	struct input_id id;
	uint8_t props[INPUT_BITMAP];
	uint8_t bits[EV_CNT][INPUT_BITMAP]; /* codes of each type but EV_SYN, which all have */
	struct input_absinfo abs[ABS_CNT];
};

bool input_has(const struct input_about *about, uint32_t type, uint32_t code);
bool input_has_type(const struct input_about *about, uint32_t type);
/* -ERANGE for what no bitmap holds. */
int input_add(struct input_about *about, uint32_t type, uint32_t code);
void input_set_string(char *string, const char *text);
/* The whole space for a selection. */
void input_config(const struct input_about *about, uint8_t select, uint8_t subsel,
		  struct virtio_input_config *config);

/* input_state.c: what is pressed, switched, touched. */
struct input_state {
	uint8_t keys[INPUT_BITMAP];
	uint8_t switches[INPUT_SWITCHES];
	int32_t abs[INPUT_MT_FIRST]; /* and at ABS_MT_SLOT the slot that MT events are for */
	int32_t mt[INPUT_SLOTS][INPUT_MT_AXES];
	bool slots; /* the device has them; else events of contacts are not state */
};

void input_state_init(struct input_state *state, const struct input_about *about);
void input_state_apply(struct input_state *state, const struct input_ev *ev);
bool input_state_pressed(const struct input_state *state, uint32_t key);
/* As it is with all hands off: axes stay where they are. */
void input_state_let_go(struct input_state *state);
bool input_state_touched(const struct input_state *state, uint32_t slot);
/*
 * Events that lead from one state to another, at most INPUT_STATE; how many.  With again, those,
 * too, that say what is not at rest in the state reached, for somebody who may not know.
 */
uint32_t input_state_changes(const struct input_state *from, const struct input_state *to,
			     bool again, struct input_ev *events);

/* input_fifo.c: events that the guest has not taken yet. */
struct input_fifo {
	struct input_ev ring[INPUT_RING];
	uint32_t head, n;
	uint32_t open;		 /* of n: the newest, without their SYN_REPORT yet */
	bool listening;		 /* a driver is there */
	bool dropping;		 /* was full: new events only change the state */
	bool heard;		 /* a driver was there once */
	bool missed;		 /* and there were events while none was */
	bool torn;		 /* what the guest took last was no SYN_REPORT */
	uint64_t dropped;	 /* events in all */
	struct input_state told; /* what the guest has been told */
	struct input_state now;	 /* what is so */
};

enum { INPUT_QUEUED, INPUT_UNHEARD, INPUT_DROPPED, INPUT_OVERFLOW };

void input_fifo_init(struct input_fifo *fifo, const struct input_about *about);
/* INPUT_OVERFLOW for the first event that is dropped, INPUT_DROPPED for those that follow. */
int input_fifo_push(struct input_fifo *fifo, struct input_ev ev);
/* A driver comes, and is told what is not at rest; or it is gone, with what it had not taken. */
void input_fifo_listen(struct input_fifo *fifo, bool listening);
/* The next event for the guest, or NULL. */
const struct input_ev *input_fifo_peek(const struct input_fifo *fifo);
/* The guest has that event. */
void input_fifo_pop(struct input_fifo *fifo);

/* input_device.c: the virtio device. */
struct input_user {
	void (*listen)(bool listening, void *opaque);
	void (*status)(struct input_ev ev,
		       void *opaque); /* of a type and code that the device has */
	void (*overflow)(void *opaque);
	void *opaque;
};

struct input_device {
	struct vu_device *dev;
	struct vu_queue *eventq;
	struct input_fifo fifo;
	struct input_about about;
	struct input_user user;
};

/* For vu_device_new(), which gives device->dev, with a struct input_device for opaque. */
extern const struct vu_device_info input_device_info;
extern const struct vu_ops input_device_ops;
/* And then this, after about and user are set. */
void input_device_init(struct input_device *device);
/* As input_fifo_push(), and on to the guest. */
int input_device_push(struct input_device *device, uint32_t type, uint32_t code, int32_t value);

/* input_names.c: names of the kernel's, or numbers. */
int input_code_parse(const char *word, uint32_t type, uint32_t *code);
/* A name that says its type itself. */
int input_name_parse(const char *word, uint32_t *type, uint32_t *code);
int input_type_parse(const char *word, uint32_t *type);
int input_value_parse(const char *word, int32_t *value);
/* A number if it has no name; in buf, or not. */
const char *input_name(uint32_t type, uint32_t code, char buf[16]);
/* The key of a US keyboard that makes this character; 0: none does.  With shift? */
uint32_t input_key_of(char c, bool *shift);

/* input_text.c: description files and recordings. */
struct input_step {
	uint64_t ns; /* since the recording began */
	struct input_ev ev;
};

struct input_text {
	struct input_about *about;	  /* is filled; NULL: not wanted */
	uint32_t n_bits[EV_CNT], n_props; /* bytes of bitmaps so far */
	const struct input_about *player; /* of the events; NULL: they are not wanted */
	struct input_step *steps;
	uint32_t n_steps, max_steps;
};

/* -errno after a log line; the caller frees text->steps in any case. */
int input_text_read(struct input_text *text, const char *path);
void input_about_keyboard(struct input_about *about);

/* input_replay.c: recordings, made and played. */
struct input_record;
int input_record_open(const char *path, const struct input_about *about,
		      struct input_record **record);
void input_record_add(struct input_record *record, struct input_ev ev);
void input_record_close(struct input_record *record);

struct input_replay {
	struct vu_source *timer; /* the group frees it */
	struct input_text text;
	uint32_t at;	/* the next step */
	uint64_t began; /* ns */
	bool playing;
	void (*event)(struct input_ev ev, void *opaque);
	void (*done)(void *opaque);
	void *opaque;
};

/* The caller has set event, done and opaque. */
int input_replay_init(struct input_replay *replay, struct vu_device *dev);
/* Ends what plays; -ENODATA for a file without events. */
int input_replay_start(struct input_replay *replay, const struct input_about *about,
		       const char *path);
void input_replay_stop(struct input_replay *replay);

/* input_control.c: the commands that drive a device, and what is said of it. */
struct input_control {
	struct input_device device;
	struct input_replay replay;
	struct input_record *record; /* or NULL */
	struct vu_script *script;    /* or NULL */
	uint32_t leds;		     /* that are lit */
	int32_t next_contact;	     /* its tracking id */
};

extern const struct vu_command input_commands[];
/* The device is there. */
int input_control_init(struct input_control *control, struct vu_program *program);
void input_control_fini(struct input_control *control);
/* Where the events of every kind of device go; what input_fifo_push() returns. */
int input_control_event(struct input_control *control, struct input_ev ev);
/* The device was unplugged: nothing stays pressed or touched. */
void input_control_release(struct input_control *control);
/* What struct input_user wants. */
void input_control_status(struct input_control *control, struct input_ev ev);
void input_control_overflow(struct input_control *control);

/* input_evdev.c, or input_no_evdev.c where libevdev is missing. */
struct input_evdev;
extern const char *const input_evdev_features[];
int input_evdev_open(const char *path, bool grab, struct input_about *about,
		     struct input_state *now, struct input_evdev **evdev);
/* Events go to event, from now on. */
int input_evdev_watch(struct input_evdev *evdev, struct vu_device *dev,
		      void (*event)(struct input_ev ev, void *opaque), void (*gone)(void *opaque),
		      void *opaque);
void input_evdev_listen(struct input_evdev *evdev, bool listening);
void input_evdev_status(struct input_evdev *evdev, struct input_ev ev);
void input_evdev_close(struct input_evdev *evdev);

#endif
