/* SPDX-License-Identifier: MIT */
/* vu-scmi: the sensor protocol, on simulated sensors and on a made-up sysfs. */
#include "scmi_ask.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Updates that come only when a test waits for them have a minute's interval. */
static const char sensors[] =
	"sensor 0 cpu-temp type celsius scale -3 value 42000 trips 2 intervals 5,10,60000 "
	"timestamps\n"
	"sensor 1 accel-of-the-board type m/s2 scale -6 axes accel_X,accel_Y,a-very-long-name_Z "
	"value 1,-2,9806650 range -20000000 20000000\n"
	"sensor 2 fan type rpm value 1200 range 0 5000 async 50\n";

enum { RISING = 1, FALLING = 2, BOTH = 3 };

static const uint32_t trip_event = 0x15 << 10 | NOTIFICATION << 8;
static const uint32_t update_event = 0x15 << 10 | NOTIFICATION << 8 | 1;

static void sensors_are_described_in_parts(void **state)
{
	struct rig *rig = *state;
	struct answer answer;

	scmi_start(rig, sensors);
	scmi_expect(rig, SENSOR, ATTRIBUTES, ARGS(), ARGS(3 | 8 << 16, 0, 0, 0));
	answer = scmi_ask(rig, SENSOR, 3, ARGS(0));
	assert_int_equal(answer.words[0], 3);
	assert_int_equal(answer.n, 1 + 7 + 7 + 13);
	/* updates, timestamps in nanoseconds, two trip points; milli, celsius */
	assert_int_equal(answer.words[2], 1 << 30 | 0x17 << 10 | 1 << 9 | 2);
	assert_int_equal(answer.words[3], 0x1d << 11 | 2);
	assert_memory_equal(answer.words + 4, "cpu-temp\0\0\0\0\0\0\0", 16);
	/* a long name; three axes; micro, m/s2 */
	assert_int_equal(answer.words[8], 1);
	assert_int_equal(answer.words[9], 1 << 30 | 1 << 29);
	assert_int_equal(answer.words[10], 3 << 16 | 0x1a << 11 | 1 << 8 | 0x59);
	assert_memory_equal(answer.words + 11, "accel-of-the-bo", 16);
	/* asynchronous, with a range */
	assert_int_equal(answer.words[16], UINT32_C(3) << 30 | 1 << 8);
	assert_int_equal(answer.words[22], 0);
	assert_int_equal(answer.words[23], 1);
	assert_int_equal(answer.words[24] | answer.words[25] | answer.words[27], 0);
	assert_int_equal(answer.words[26], 5000);

	answer = scmi_ask_room(rig, SENSOR, 3, ARGS(1), STATUS + 4 + 4 * (7 + 13) - 1);
	assert_int_equal(answer.words[0], 1 | 1 << 16);
	assert_int_equal(answer.n, 8);
	answer = scmi_ask_room(rig, SENSOR, 3, ARGS(2), STATUS + 4 + 4 * 13 - 1);
	assert_int_equal(answer.status, PROTOCOL_ERROR); /* not one would fit */
	scmi_refused(rig, OUT_OF_RANGE, SENSOR, 3, ARGS(3));
	rig_stop(rig);
}

static void axes_are_described_with_their_names(void **state)
{
	struct rig *rig = *state;
	struct answer answer;

	scmi_start(rig, sensors);
	answer = scmi_ask_room(rig, SENSOR, 7, ARGS(1, 0), 256);
	assert_int_equal(answer.words[0], 3);
	assert_int_equal(answer.n, 1 + 3 * 12);
	assert_int_equal(answer.words[1], 0);
	assert_int_equal(answer.words[2], 1 << 8);
	assert_int_equal(answer.words[3], 0x1a << 11 | 0x59);
	assert_memory_equal(answer.words + 4, "accel_X\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(answer.words[8], 1 | UINT32_C(0x1a) << 27);
	assert_int_equal((int32_t)answer.words[9], -20000000);
	assert_int_equal(answer.words[10], UINT32_MAX);
	assert_int_equal(answer.words[26], 1 << 8 | 1 << 9);
	answer = scmi_ask(rig, SENSOR, 7, ARGS(1, 0));
	assert_int_equal(answer.words[0], 2 | 1 << 26);
	answer = scmi_ask(rig, SENSOR, 13, ARGS(1, 2));
	assert_int_equal(answer.words[0], 1);
	assert_int_equal(answer.words[1], 2);
	assert_string_equal((const char *)(answer.words + 2), "a-very-long-name_Z");
	answer = scmi_ask(rig, SENSOR, 12, ARGS(1));
	assert_string_equal((const char *)(answer.words + 1), "accel-of-the-board");
	scmi_refused(rig, OUT_OF_RANGE, SENSOR, 7, ARGS(1, 3));
	scmi_refused(rig, OUT_OF_RANGE, SENSOR, 13, ARGS(1, 3));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 7, ARGS(0, 0));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 13, ARGS(0, 0));
	scmi_refused(rig, NOT_FOUND, SENSOR, 7, ARGS(3, 0));
	scmi_refused(rig, NOT_FOUND, SENSOR, 12, ARGS(3));
	scmi_refused(rig, NOT_FOUND, SENSOR, 13, ARGS(3, 0));
	rig_stop(rig);
}

static void a_sensor_reads_what_it_was_given_last(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, sensors);
	scmi_expect(rig, SENSOR, 6, ARGS(0, 0), ARGS(42000, 0, 0, 0));
	rig_say(rig, "sensor 0 -1");
	scmi_expect(rig, SENSOR, 6, ARGS(0, 0), ARGS(UINT32_MAX, UINT32_MAX, 0, 0));
	scmi_expect(rig, SENSOR, 6, ARGS(1, 0),
		    ARGS(1, 0, 0, 0, (uint32_t)-2, UINT32_MAX, 0, 0, 9806650, 0, 0, 0));
	rig_say(rig, "sensor 1 5,6,7");
	scmi_expect(rig, SENSOR, 6, ARGS(1, 0), ARGS(5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0));
	rig_say_refused(rig, "sensor 1 5,6");
	rig_say_refused(rig, "sensor 1 5,6,7,8");
	rig_say_refused(rig, "sensor 0 many");
	/* The room for all axes, or nothing. */
	assert_int_equal(scmi_ask_room(rig, SENSOR, 6, ARGS(1, 0), STATUS + 47).status,
			 PROTOCOL_ERROR);
	scmi_refused(rig, NOT_FOUND, SENSOR, 6, ARGS(3, 0));
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 6, ARGS(0, 2));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 6, ARGS(0, 1));
	rig_stop(rig);
}

static void an_asynchronous_reading_is_answered_later(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, "sensor 0 slow type celsius value -1 async 1\n"
			"sensor 1 s type celsius value 2\n");
	scmi_done(rig, SENSOR, 6, ARGS(0, 1));
	scmi_expect(rig, SENSOR, 6, ARGS(1, 0), ARGS(2, 0, 0, 0)); /* others don't wait */
	scmi_event(rig, scmi_header(SENSOR, 6, DELAYED, 0x155),
		   ARGS(SUCCESS, 0, UINT32_MAX, UINT32_MAX, 0, 0));
	rig_stop(rig);
}

static void trip_points_tell_when_they_are_passed(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, sensors);
	scmi_done(rig, SENSOR, 5, ARGS(0, 0 << 4 | RISING, 50000, 0));
	scmi_done(rig, SENSOR, 5, ARGS(0, 1 << 4 | FALLING, 45000, 0));
	rig_say(rig, "sensor 0 60000"); /* nobody asked yet */
	rig_say(rig, "sensor 0 42000");
	scmi_done(rig, SENSOR, 4, ARGS(0, 1));
	rig_say(rig, "sensor 0 49999");
	rig_say(rig, "sensor 0 50000");
	rig_say(rig, "sensor 0 50001");
	rig_say(rig, "sensor 0 45000");
	rig_say(rig, "sensor 0 44999");
	scmi_event(rig, trip_event, ARGS(PLATFORM, 0, 0 | 1 << 16));
	scmi_event(rig, trip_event, ARGS(PLATFORM, 0, 1));
	/* One step may pass both. */
	scmi_done(rig, SENSOR, 5, ARGS(0, 1 << 4 | BOTH, 45000, 0));
	rig_say(rig, "sensor 0 99999");
	scmi_event(rig, trip_event, ARGS(PLATFORM, 0, 0 | 1 << 16));
	scmi_event(rig, trip_event, ARGS(PLATFORM, 0, 1 | 1 << 16));
	/* Levels have signs. */
	scmi_done(rig, SENSOR, 5, ARGS(0, FALLING, (uint32_t)-10, UINT32_MAX));
	scmi_done(rig, SENSOR, 5, ARGS(0, 1 << 4, 0, 0));
	rig_say(rig, "sensor 0 -11");
	scmi_event(rig, trip_event, ARGS(PLATFORM, 0, 0));
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 5, ARGS(0, 2 << 4 | RISING, 0, 0));
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 5, ARGS(0, 4, 0, 0));
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 5, ARGS(0, 1 << 12, 0, 0));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 5, ARGS(1, RISING, 0, 0));
	scmi_refused(rig, NOT_FOUND, SENSOR, 5, ARGS(3, RISING, 0, 0));
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 4, ARGS(0, 2));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 4, ARGS(1, 1));
	scmi_refused(rig, NOT_FOUND, SENSOR, 4, ARGS(3, 1));
	rig_stop(rig);
}

static void check_interval(struct rig *rig, uint32_t config, uint32_t ms)
{
	scmi_done(rig, SENSOR, 10, ARGS(0, config));
	scmi_expect(rig, SENSOR, 9, ARGS(0), ARGS(ms << 16 | 0x1d << 11 | (config & 3)));
}

static void an_interval_is_rounded_to_one_that_there_is(void **state)
{
	enum { UP = 1 << 9, AUTO = 2 << 9, MS = 0x1d << 11, US = 0x1a << 11 };
	struct rig *rig = *state;

	scmi_start(rig, sensors);
	scmi_expect(rig, SENSOR, 8, ARGS(0, 0),
		    ARGS(3, 5 << 5 | 0x1d, 10 << 5 | 0x1d, 60000 << 5 | 0x1d));
	scmi_expect(rig, SENSOR, 8, ARGS(0, 2), ARGS(1, 60000 << 5 | 0x1d));
	scmi_expect(rig, SENSOR, 8, ARGS(1, 0), ARGS(1, 1000 << 5 | 0x1d));
	scmi_refused(rig, OUT_OF_RANGE, SENSOR, 8, ARGS(0, 3));
	scmi_refused(rig, NOT_FOUND, SENSOR, 8, ARGS(3, 0));
	scmi_expect(rig, SENSOR, 9, ARGS(0), ARGS(5 << 16 | 0x1d << 11 | 1));
	check_interval(rig, 9 << 16 | MS | 1, 5);
	check_interval(rig, 9 << 16 | MS | UP | 1, 10);
	check_interval(rig, 9 << 16 | MS | AUTO | 1, 10);
	check_interval(rig, 7 << 16 | MS | AUTO | 1, 5);
	check_interval(rig, 10 << 16 | MS | 3, 10);
	check_interval(rig, 1 << 16 | MS, 5);
	check_interval(rig, UINT32_C(0xffff) << 16 | 15 << 11 | 1, 60000);
	check_interval(rig, 20000 << 16 | US | UP, 60000);
	check_interval(rig, 1 << 16 | 16 << 11 | 1, 5);
	check_interval(rig, 60 << 16 | 1, 60000);
	check_interval(rig, 1, 60000); /* none: it stays */
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 10, ARGS(0, 3 << 9));
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 10, ARGS(0, 4));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 10, ARGS(1, 2));
	scmi_refused(rig, NOT_FOUND, SENSOR, 10, ARGS(3, 1));
	scmi_refused(rig, NOT_FOUND, SENSOR, 9, ARGS(3));
	rig_stop(rig);
}

/* The next update's value; its time must be later than the last one's. */
static uint32_t next_update(struct rig *rig, uint64_t *stamp)
{
	struct rig_buffer *buffer;
	uint32_t words[7], len;
	uint64_t now;

	scmi_offer(rig);
	buffer = rig_wait(rig, EVENTQ, &len);
	assert_int_equal(len, sizeof(words));
	memcpy(words, buffer->data, sizeof(words));
	free(buffer);
	assert_int_equal(le32toh(words[0]), update_event);
	assert_int_equal(le32toh(words[2]), 0);
	now = le32toh(words[5]) | (uint64_t)le32toh(words[6]) << 32;
	assert_true(!stamp || now > *stamp);
	if (stamp)
		*stamp = now;
	return le32toh(words[3]);
}

static bool next_is_update(struct rig *rig)
{
	struct rig_buffer *buffer;
	uint32_t header;

	scmi_offer(rig);
	buffer = rig_wait(rig, EVENTQ, NULL);
	memcpy(&header, buffer->data, sizeof(header));
	free(buffer);
	return le32toh(header) == update_event;
}

static void updates_come_regularly_and_are_never_old(void **state)
{
	struct rig *rig = *state;
	uint64_t stamp = 0;

	scmi_start(rig, sensors);
	scmi_refused(rig, INVALID_PARAMETERS, SENSOR, 11, ARGS(0, 2));
	scmi_refused(rig, NOT_FOUND, SENSOR, 11, ARGS(3, 1));
	scmi_done(rig, SENSOR, 10, ARGS(0, 3)); /* with timestamps */
	scmi_done(rig, SENSOR, 11, ARGS(0, 1));
	for (int i = 0; i < 5; i++)
		assert_int_equal(next_update(rig, &stamp), 42000);
	rig_say(rig, "sensor 0 43000");
	/* One may have been waiting for a buffer; it has become the next. */
	if (next_update(rig, &stamp) != 43000)
		assert_int_equal(next_update(rig, &stamp), 43000);
	/* A sensor that is switched off says nothing: ten intervals pass. */
	scmi_done(rig, SENSOR, 10, ARGS(0, 0));
	scmi_done(rig, SENSOR, 6, ARGS(2, 1));
	if (next_is_update(rig)) /* from before */
		assert_false(next_is_update(rig));
	rig_stop(rig);
}

/* --- a made-up sysfs --- */

static void put(struct rig *rig, const char *path, const char *text)
{
	char name[256];
	FILE *file;

	snprintf(name, sizeof(name), "%s/sys/%s", rig->dir, path);
	for (char *slash = strchr(name + strlen(rig->dir) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(name, 0700);
		*slash = '/';
	}
	file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void start_sysfs(struct rig *rig, const char *const *options)
{
	char control[RIG_PATH + 16], sysfs[64];
	const char *args[8] = {control, sysfs};

	snprintf(control, sizeof(control), "--control=%s", rig->control);
	snprintf(sysfs, sizeof(sysfs), "--sysfs=%s/sys", rig->dir);
	for (int i = 0; options[i]; i++)
		args[2 + i] = options[i];
	rig->config.n_queues = 2;
	rig_start(rig, args);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void stop_sysfs(struct rig *rig)
{
	char path[64];

	rig_stop(rig);
	snprintf(path, sizeof(path), "%s/sys", rig->dir);
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_hwmon(struct rig *rig)
{
	put(rig, "class/hwmon/hwmon0/name", "coretemp\n");
	put(rig, "class/hwmon/hwmon0/temp1_input", "45000\n");
	put(rig, "class/hwmon/hwmon0/temp1_label", "Core 0\n");
	put(rig, "class/hwmon/hwmon0/temp1_max", "90000\n");
	put(rig, "class/hwmon/hwmon0/temp2_input", "-1500\n");
	put(rig, "class/hwmon/hwmon10/name", "board\n");
	put(rig, "class/hwmon/hwmon10/in0_input", "3300\n");
	put(rig, "class/hwmon/hwmon10/curr1_input", "150\n");
	put(rig, "class/hwmon/hwmon10/power1_input", "7000000\n");
	put(rig, "class/hwmon/hwmon10/energy1_input", "123\n");
	put(rig, "class/hwmon/hwmon10/fan1_input", "1200\n");
	put(rig, "class/hwmon/hwmon10/intrusion0_alarm", "0\n");
	put(rig, "class/hwmon/hwmon9/temp1_input", "1\n"); /* has no name */
}

static void a_large_server_has_more_sensors_than_fit_and_the_first_are_served(void **state)
{
	struct rig *rig = *state;
	char name[64];

	put(rig, "class/hwmon/hwmon0/name", "many\n");
	for (int i = 1; i <= 1030; i++) {
		snprintf(name, sizeof(name), "class/hwmon/hwmon0/temp%d_input", i);
		put(rig, name, "45000\n");
	}
	start_sysfs(rig, (const char *[]){"--hwmon=many", NULL});
	scmi_expect(rig, SENSOR, ATTRIBUTES, ARGS(), ARGS(1024, 0, 0, 0));
	scmi_expect(rig, SENSOR, 6, ARGS(1023, 0), ARGS(45000, 0, 0, 0));
	stop_sysfs(rig);
	assert_non_null(strstr(rig->program.err, "there are 1024 sensors now, and no more"));
}

static void hwmon_chips_of_the_host_are_sensors(void **state)
{
	struct rig *rig = *state;

	make_hwmon(rig);
	start_sysfs(rig, (const char *[]){"--hwmon=all", NULL});
	assert_string_equal(rig_say(rig, "list"), "sensor 0 coretemp-Core 0 45000 10^-3\n"
						  "sensor 1 coretemp-temp2 -1500 10^-3\n"
						  "sensor 2 board-curr1 150 10^-3\n"
						  "sensor 3 board-energy1 123 10^-6\n"
						  "sensor 4 board-fan1 1200 10^0\n"
						  "sensor 5 board-in0 3300 10^-3\n"
						  "sensor 6 board-power1 7000000 10^-6");
	scmi_expect(rig, SENSOR, ATTRIBUTES, ARGS(), ARGS(7, 0, 0, 0));
	scmi_expect(rig, SENSOR, 6, ARGS(0, 0), ARGS(45000, 0, 0, 0));
	put(rig, "class/hwmon/hwmon0/temp1_input", "46000\n");
	scmi_expect(rig, SENSOR, 6, ARGS(0, 0), ARGS(46000, 0, 0, 0));
	put(rig, "class/hwmon/hwmon0/temp1_input", "hot\n");
	scmi_refused(rig, HARDWARE_ERROR, SENSOR, 6, ARGS(0, 0));
	rig_say_refused(rig, "sensor 0 1");
	stop_sysfs(rig);
}

static void a_chip_is_chosen_by_its_name_and_one_that_is_absent_is_an_error(void **state)
{
	struct rig *rig = *state;
	char sysfs[64];
	struct spawned program;

	make_hwmon(rig);
	snprintf(sysfs, sizeof(sysfs), "--sysfs=%s/sys", rig->dir);
	spawn_run(&program, (const char *[]){getenv(rig_program), "--socket-path", rig->socket,
					     sysfs, "--hwmon=coretemp", "--hwmon=nct6775", NULL});
	assert_int_equal(program.status, 1);
	assert_non_null(strstr(program.err, "nct6775"));
	spawn_free(&program);
	start_sysfs(rig, (const char *[]){"--hwmon=coretemp", NULL});
	scmi_expect(rig, SENSOR, ATTRIBUTES, ARGS(), ARGS(2, 0, 0, 0));
	stop_sysfs(rig);
}

static void a_real_sensor_that_passes_a_trip_point_is_noticed(void **state)
{
	struct rig *rig = *state;

	make_hwmon(rig);
	start_sysfs(rig, (const char *[]){"--hwmon=coretemp", NULL});
	scmi_done(rig, SENSOR, 5, ARGS(0, RISING, 80000, 0));
	scmi_done(rig, SENSOR, 4, ARGS(0, 1));
	put(rig, "class/hwmon/hwmon0/temp1_input", "81000\n");
	/* It is looked at by itself. */
	scmi_event(rig, trip_event, ARGS(PLATFORM, 0, 1 << 16));
	stop_sysfs(rig);
}

static void iio_devices_of_the_host_are_sensors_with_axes(void **state)
{
	struct rig *rig = *state;

	put(rig, "bus/iio/devices/iio:device0/name", "bmi160\n");
	put(rig, "bus/iio/devices/iio:device0/in_accel_x_raw", "-100\n");
	put(rig, "bus/iio/devices/iio:device0/in_accel_y_raw", "0\n");
	put(rig, "bus/iio/devices/iio:device0/in_accel_z_raw", "16384\n");
	put(rig, "bus/iio/devices/iio:device0/in_accel_scale", "0.000598550\n");
	put(rig, "bus/iio/devices/iio:device0/in_temp_raw", "-7\n");
	put(rig, "bus/iio/devices/iio:device0/in_temp_scale", "62.5\n");
	put(rig, "bus/iio/devices/iio:device0/in_temp_offset", "400\n");
	put(rig, "bus/iio/devices/iio:device1/name", "adc\n");
	put(rig, "bus/iio/devices/iio:device1/in_voltage3_raw", "2048\n");
	put(rig, "bus/iio/devices/iio:device1/in_voltage3_scale", "0.8\n");
	put(rig, "bus/iio/devices/iio:device1/in_voltage_scale", "9\n");
	put(rig, "bus/iio/devices/iio:device1/in_illuminance_input", "12.25\n");
	put(rig, "bus/iio/devices/trigger0/name", "adc\n");
	start_sysfs(rig, (const char *[]){"--iio=bmi160", "--iio=adc", NULL});
	assert_string_equal(rig_say(rig, "list"), "sensor 0 bmi160-accel -59855,0,9806643 10^-6\n"
						  "sensor 1 bmi160-temp 24562500000 10^-9\n"
						  "sensor 2 adc-illuminance 12250000 10^-6\n"
						  "sensor 3 adc-voltage3 1638400000 10^-9");
	scmi_expect(rig, SENSOR, 6, ARGS(0, 0),
		    ARGS((uint32_t)-59855, UINT32_MAX, 0, 0, 0, 0, 0, 0, 9806643, 0, 0, 0));
	assert_memory_equal(scmi_ask(rig, SENSOR, 7, ARGS(0, 2)).words + 4, "accel_Z", 8);
	put(rig, "bus/iio/devices/iio:device1/in_voltage3_scale", "1e400\n");
	scmi_refused(rig, HARDWARE_ERROR, SENSOR, 6, ARGS(3, 0));
	stop_sysfs(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sensors_are_described_in_parts),
		TEST(axes_are_described_with_their_names),
		TEST(a_sensor_reads_what_it_was_given_last),
		TEST(an_asynchronous_reading_is_answered_later),
		TEST(trip_points_tell_when_they_are_passed),
		TEST(an_interval_is_rounded_to_one_that_there_is),
		TEST(updates_come_regularly_and_are_never_old),
		TEST(a_large_server_has_more_sensors_than_fit_and_the_first_are_served),
		TEST(hwmon_chips_of_the_host_are_sensors),
		TEST(a_chip_is_chosen_by_its_name_and_one_that_is_absent_is_an_error),
		TEST(a_real_sensor_that_passes_a_trip_point_is_noticed),
		TEST(iio_devices_of_the_host_are_sensors_with_axes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
