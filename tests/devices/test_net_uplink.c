/* SPDX-License-Identifier: MIT */
/* The uplink of vu-net's switch: a tap, in a network namespace of each test's own. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_lan.h"
#include "net_packets.h"
#include "tap.h"

const char *const rig_program = "VU_NET";

enum { HEADER = sizeof(struct virtio_net_hdr_v1), ROOM = 4096, N = 64, FAR = 7, BATCH = 200 };

static const char *const uplink = "--switch-uplink=tap:vuup";

static struct rig_buffer buffers[GUESTS][N];

/* The packet socket of the host's side.  The kernel's own words may take buffers, too. */
static int begin(struct rig *rig, struct lan *lan, const char *one, const char *two,
		 const char *three)
{
	const char *const more[] = {uplink, one, two, three, NULL};

	net_need_tap();
	lan_begin_bare(rig, lan, more);
	for (int i = 0; i < GUESTS; i++)
		for (int k = 0; k < N; k++)
			net_give(lan->guests.rigs[i], NET_RX, &buffers[i][k], ROOM);
	return tap_open("vuup");
}

static void hears(struct lan *lan, int who, const unsigned char *frame)
{
	tap_guest_hears(lan->guests.rigs[who], NET_RX, frame, LAN_LEN);
}

static void end(struct lan *lan, int fd)
{
	close(fd);
	lan_end(lan);
}

static void guests_and_the_host_reach_each_other(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;
	int fd = begin(*state, &lan, NULL, NULL, NULL);

	lan_make(frame, LAN_ALL, FAR, 1);
	client_write(fd, frame, LAN_LEN);
	for (int i = 0; i < GUESTS; i++)
		hears(&lan, i, frame);
	for (int i = 0; i < GUESTS; i++) {
		lan_make(frame, FAR, i, 2);
		lan_says(&lan, i, frame);
		tap_expect(fd, frame, LAN_LEN);
		lan_make(frame, i, FAR, 3);
		client_write(fd, frame, LAN_LEN);
		hears(&lan, i, frame);
	}
	/* Among themselves, still. */
	lan_make(frame, 1, 0, 4);
	lan_says(&lan, 0, frame);
	hears(&lan, 1, frame);
	assert_non_null(
		strstr(rig_say(*state, "switch"), "uplink address 02:00:00:00:00:07 learned"));
	end(&lan, fd);
}

/* What one guest says is heard by the host alone, and the host speaks for no guest. */
static void guests_can_be_kept_apart(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;
	int fd = begin(rig, &lan, "--switch-rule=all+uplink", "--switch-pin",
		       "--mac=02:00:00:00:00:00");

	lan_make(frame, LAN_ALL, 1, 1);
	lan_says(&lan, 1, frame);
	tap_expect(fd, frame, LAN_LEN);
	lan_make(frame, 1, 0, 2);
	lan_says(&lan, 0, frame);
	assert_int_equal(lan_count(rig, "port 0", "forbidden"), 1);
	/* The last one is what the guest hears next. */
	lan_make(frame, 1, 0, 3);
	client_write(fd, frame, LAN_LEN);
	lan_make(frame, 1, FAR, 4);
	client_write(fd, frame, LAN_LEN);
	hears(&lan, 1, frame);
	assert_int_equal(lan_count(rig, "uplink", "spoofed"), 1);
	assert_int_equal(lan_count(rig, "port 0", "missed"), 0);
	end(&lan, fd);
}

/* The kernel cuts what is for the host, and is told so. */
static void segments_reach_the_host_in_one_piece(void **state)
{
	static struct net_made m;
	static unsigned char got[PACKET_LONGEST];
	struct virtio_net_hdr h;
	struct rig *rig = *state;
	struct lan lan;
	int on = 1, fd = begin(rig, &lan, NULL, NULL, NULL);

	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), errno);
	for (uint32_t kind = 0; kind <= PACKET_V6; kind++) {
		net_make(&m, kind, FAR, 0, 30000, 1400);
		net_send(rig, &m.header, m.frame, m.len);
		while (client_read_some(fd, got, sizeof(got)) != (ssize_t)(sizeof(h) + m.len))
			;
		memcpy(&h, got, sizeof(h));
		assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(h.gso_type, m.header.gso_type);
		assert_int_equal(h.gso_size, 1400);
		assert_memory_equal(got + sizeof(h), m.frame, m.len);
	}
	assert_int_equal(lan_count(rig, "port 0", "lost"), 0);
	end(&lan, fd);
}

/* What the host's kernel leaves to others goes to a guest that takes it, and is done for one that
 * does not. */
static void segments_of_the_host_reach_each_guest_as_it_can(void **state)
{
	static struct net_made m;
	static unsigned char out[sizeof(struct virtio_net_hdr) + PACKET_LONGEST];
	struct rig *rig = *state;
	const struct rig_buffer *buffer;
	struct lan lan;
	uint32_t len;
	int on = 1, fd;

	net_need_tap();
	lan_begin_bare(rig, &lan, (const char *const[]){uplink, NULL});
	lan.guests.rigs[1]->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
	rig_connect(lan.guests.rigs[1]);
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < N; k++)
			net_give(lan.guests.rigs[i], NET_RX, &buffers[i][k], 12000);
	fd = tap_open("vuup");
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), errno);
	for (uint8_t to = 0; to < 2; to++) {
		struct rig *guest = lan.guests.rigs[to];
		uint32_t done = 0;

		/* It was heard of, so that nobody else gets it. */
		net_make(&m, 0, FAR, to, 0, 1400);
		net_make_alone(&m);
		net_send(guest, NULL, m.frame, m.len);
		net_make(&m, 0, to, FAR, 10000, 1400);
		memcpy(out, &m.header, sizeof(struct virtio_net_hdr));
		memcpy(out + sizeof(struct virtio_net_hdr), m.frame, m.len);
		client_write(fd, out, sizeof(struct virtio_net_hdr) + m.len);
		while (done < (to ? net_made_segments(&m) : 1)) {
			struct virtio_net_hdr_v1 h;

			buffer = rig_wait(guest, NET_RX, &len);
			if (memcmp(buffer->data + HEADER, m.frame, NET_ADDRESSES) != 0)
				continue;
			memcpy(&h, buffer->data, HEADER);
			assert_int_equal(h.gso_type, to ? 0 : m.header.gso_type);
			assert_int_equal(h.flags, to ? 0 : VIRTIO_NET_HDR_F_NEEDS_CSUM);
			if (to)
				net_expect_segment(&m, done, buffer->data + HEADER, len - HEADER);
			else
				assert_memory_equal(buffer->data + HEADER, m.frame, m.len);
			done++;
		}
	}
	end(&lan, fd);
}

static void what_an_uplink_that_is_down_does_not_take_is_lost(void **state)
{
	struct rig *rig = *state;
	const char *const more[] = {uplink, NULL};
	unsigned char frame[LAN_LEN];
	struct lan lan;

	net_need_tap();
	lan_begin(rig, &lan, more);
	lan_make(frame, LAN_ALL, 0, 1);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	assert_int_equal(lan_count(rig, "port 0", "lost"), 1);
	lan_end(&lan);
}

/* Whoever sends much from outside keeps nobody from anything. */
static void a_flood_from_the_host_does_not_stop_guests(void **state)
{
	unsigned char frame[LAN_LEN], flood[LAN_LEN];
	struct rig *rig = *state;
	struct lan lan;
	int fd = begin(rig, &lan, NULL, NULL, NULL);

	lan_make(frame, 0, 1, 1);
	lan_says(&lan, 1, frame);
	hears(&lan, 0, frame);
	/* The third guest gives no buffers for all of this. */
	for (uint32_t i = 0; i < 50; i++) {
		lan_make(flood, 2, FAR, i);
		for (uint32_t k = 0; k < BATCH; k++)
			client_write(fd, flood, LAN_LEN);
		lan_make(frame, 0, 1, i);
		lan_says(&lan, 1, frame);
		hears(&lan, 0, frame);
	}
	end(&lan, fd);
}

/* Of 60,000 bytes each packet counts as one and 29 times 2 KiB: 4096 are full with the 137th. */
static void who_sends_what_costs_much_has_it_in_several_turns(void **state)
{
	enum { PACKETS = 300, EACH = 137 };
	static struct net_made m;
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct rig_buffer buffer;
	struct driver_seg segs[2];
	struct lan lan;
	int fd = begin(rig, &lan, NULL, NULL, NULL);

	/* From now on it is known where that is. */
	lan_make(frame, LAN_ALL, FAR, 1);
	client_write(fd, frame, LAN_LEN);
	hears(&lan, 1, frame);
	net_make(&m, 0, FAR, 0, 60000, 1400);
	rig_buffer(rig, &buffer, HEADER + m.len);
	memcpy(buffer.data, &m.header, HEADER);
	memcpy(buffer.data + HEADER, m.frame, m.len);
	segs[0] = rig_read_seg(&buffer, HEADER);
	segs[1] = (struct driver_seg){.gpa = buffer.gpa + HEADER, .len = m.len};
	for (uint32_t i = 0; i < PACKETS; i++)
		assert_int_equal(rig_do(rig, NET_TX, segs, 2), 0);
	assert_int_equal(lan_count(rig, "port 0", "turns"), PACKETS / EACH);
	assert_int_equal(lan_count(rig, "port 0", "lost"), 0);
	assert_int_equal(net_stat(rig, "sent"), PACKETS);
	/* It goes on, and is nobody else's matter. */
	lan_make(frame, 1, 0, 1);
	lan_says(&lan, 0, frame);
	hears(&lan, 1, frame);
	assert_int_equal(lan_count(rig, "port 1", "turns"), 0);
	end(&lan, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guests_and_the_host_reach_each_other),
		TEST(guests_can_be_kept_apart),
		TEST(segments_reach_the_host_in_one_piece),
		TEST(segments_of_the_host_reach_each_guest_as_it_can),
		TEST(what_an_uplink_that_is_down_does_not_take_is_lost),
		TEST(who_sends_what_costs_much_has_it_in_several_turns),
		TEST(a_flood_from_the_host_does_not_stop_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
