/* SPDX-License-Identifier: MIT */
/*
 * The description of a platform: a line for each clock, domain and sensor, docs/devices/scmi.md.
 *
 * Each kind has a table of keywords with the number of words behind them; what depends on several
 * of them is checked at the end of the line.
 */
#include <libvu/unstable.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "scmi_describe.h"

int scmi_parse_u32(const char *text, uint64_t max, uint32_t *value)
{
	uint64_t number;
	int ret = vu_number_parse(text, 0, max, &number);

	if (!ret)
		*value = (uint32_t)number;
	return ret;
}

int scmi_parse_list(const char *text, uint32_t max, int (*each)(void *to, uint32_t i, char *item),
		    void *to)
{
	char item[SCMI_NAME];

	for (uint32_t n = 0; n < max; n++) {
		size_t len = strcspn(text, ",");

		if (!len || len >= sizeof(item))
			return -EINVAL;
		memcpy(item, text, len);
		item[len] = '\0';
		if (each(to, n, item))
			return -EINVAL;
		if (!text[len])
			return (int)n + 1;
		text += len + 1;
	}
	return -EINVAL;
}

static int value_parse(void *values, uint32_t i, char *item)
{
	bool negative = item[0] == '-';
	uint64_t number;
	int ret = vu_number_parse(item + negative, 0, INT64_MAX, &number);

	if (!ret)
		((int64_t *)values)[i] = negative ? -(int64_t)number : (int64_t)number;
	return ret;
}

int scmi_parse_values(const char *text, int64_t *values, uint32_t max)
{
	return scmi_parse_list(text, max, value_parse, values);
}

int scmi_parse_ascending(const char *text, int64_t min, int64_t max, int64_t *values,
			 uint32_t n_max)
{
	int n = scmi_parse_values(text, values, n_max);

	for (int i = 0; i < n; i++)
		if (values[i] < min || values[i] > max || (i && values[i] <= values[i - 1]))
			return -EINVAL;
	return n;
}

static int set_name(char *name, const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= SCMI_NAME)
		return -EINVAL;
	for (const char *c = text; *c; c++)
		if (!isprint((unsigned char)*c))
			return -EINVAL;
	memcpy(name, text, len + 1);
	return 0;
}

int scmi_set_async(bool *async, uint32_t *delay_ms, const char *text)
{
	*async = true;
	return scmi_parse_u32(text, SCMI_MAX_DELAY_MS, delay_ms);
}

/* Whoever writes a line has no other list of them at hand. */
static int unknown_keyword(struct vu_script *script, const struct scmi_keyword *keywords,
			   const char *word)
{
	char reason[256];
	size_t len =
		(size_t)snprintf(reason, sizeof(reason), "unknown keyword '%.64s' (valid:", word);

	for (const struct scmi_keyword *k = keywords; k->name && len < sizeof(reason); k++)
		len += (size_t)snprintf(reason + len, sizeof(reason) - len, " %s%s", k->name,
					k[1].name ? "," : ")");
	return vu_script_fail(script, reason);
}

int scmi_run_keywords(struct vu_script *script, const struct scmi_keyword *keywords, uint32_t count,
		      char *name, void *item, uint32_t n, const char *const *words)
{
	const struct scmi_keyword *k;
	char reason[160];
	uint64_t id;

	if (vu_number_parse(words[0], 0, UINT32_MAX, &id) || id != count)
		return vu_script_fail(script,
				      "the numbers of a kind are 0, 1, 2 ... in this order");
	if (count == SCMI_MAX_ITEMS)
		return vu_script_fail(script, "there are 1024 of this kind at most");
	if (set_name(name, words[1]))
		return vu_script_fail(script, "a name has 1 to 63 characters");
	for (uint32_t i = 2; i < n; i += 1 + k->n) {
		for (k = keywords; k->name && strcmp(k->name, words[i]); k++)
			;
		if (k->name && n - i > k->n && !k->set(item, words + i + 1))
			continue;
		if (!k->name)
			return unknown_keyword(script, keywords, words[i]);
		snprintf(reason, sizeof(reason), "'%s' wants %s", k->name, k->wants);
		return vu_script_fail(script, reason);
	}
	return 0;
}

/* --- clocks --- */

static int clock_rates(void *item, const char *const *args)
{
	struct scmi_clock *clock = item;
	int64_t rates[SCMI_MAX_RATES];
	int n = scmi_parse_ascending(args[0], 1, INT64_MAX, rates, SCMI_MAX_RATES);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		clock->rates[i] = (uint64_t)rates[i];
	clock->n_rates = (uint32_t)n;
	clock->range = false;
	return 0;
}

static int clock_range(void *item, const char *const *args)
{
	struct scmi_clock *clock = item;

	for (int i = 0; i < 3; i++)
		if (vu_number_parse(args[i], 1, INT64_MAX, &clock->rates[i]))
			return -EINVAL;
	clock->n_rates = 3;
	clock->range = true;
	return clock->rates[0] <= clock->rates[1] ? 0 : -EINVAL;
}

static int clock_rate(void *item, const char *const *args)
{
	return vu_number_parse(args[0], 1, INT64_MAX, &((struct scmi_clock *)item)->rate);
}

static int clock_on(void *item, const char *const *args)
{
	((struct scmi_clock *)item)->on = true;
	(void)args;
	return 0;
}

static int clock_async(void *item, const char *const *args)
{
	struct scmi_clock *clock = item;

	return scmi_set_async(&clock->async, &clock->delay_ms, args[0]);
}

static int clock_latency(void *item, const char *const *args)
{
	return scmi_parse_u32(args[0], UINT32_MAX, &((struct scmi_clock *)item)->latency_us);
}

static int describe_clock(struct vu_script *script, uint32_t n, const char *const *words, void *p_)
{
	static const struct scmi_keyword keywords[] = {
		{"rates", 1, clock_rates, "1 to 256 rates in Hz with commas between, ascending"},
		{"range", 3, clock_range, "MIN MAX STEP, in Hz"},
		{"rate", 1, clock_rate, "a rate in Hz"},
		{"on", 0, clock_on, "nothing"},
		{"async", 1, clock_async, "up to 10000 milliseconds"},
		{"latency", 1, clock_latency, "microseconds"},
		{NULL, 0, NULL, NULL},
	};
	struct scmi_platform *p = p_;
	struct scmi_clock clock = {0};
	int ret = scmi_run_keywords(script, keywords, p->n_clocks, clock.name, &clock, n, words);

	if (ret)
		return ret;
	if (!clock.n_rates)
		return vu_script_fail(script, "a clock has 'rates R,R...' or 'range MIN MAX STEP'");
	p->clocks[p->n_clocks] = clock;
	p->clocks[p->n_clocks].rate = clock.rates[0];
	if (clock.rate && scmi_clock_set(p, p->n_clocks, clock.rate, SCMI_AGENT_PLATFORM))
		return vu_script_fail(script, "the clock does not have this rate");
	p->n_clocks++;
	return 0;
}

/* --- power and reset domains --- */

static int power_on(void *item, const char *const *args)
{
	((struct scmi_power *)item)->state = SCMI_POWER_ON;
	(void)args;
	return 0;
}

static int power_async(void *item, const char *const *args)
{
	struct scmi_power *power = item;

	return scmi_set_async(&power->async, &power->delay_ms, args[0]);
}

static int describe_power(struct vu_script *script, uint32_t n, const char *const *words, void *p_)
{
	static const struct scmi_keyword keywords[] = {
		{"on", 0, power_on, "nothing"},
		{"async", 1, power_async, "up to 10000 milliseconds"},
		{NULL, 0, NULL, NULL}};
	struct scmi_platform *p = p_;
	struct scmi_power power = {.state = SCMI_POWER_OFF};
	int ret = scmi_run_keywords(script, keywords, p->n_powers, power.name, &power, n, words);

	if (!ret)
		p->powers[p->n_powers++] = power;
	return ret;
}

static int reset_async(void *item, const char *const *args)
{
	struct scmi_reset *reset = item;

	return scmi_set_async(&reset->async, &reset->delay_ms, args[0]);
}

static int reset_latency(void *item, const char *const *args)
{
	return scmi_parse_u32(args[0], UINT32_MAX, &((struct scmi_reset *)item)->latency_us);
}

static int describe_reset(struct vu_script *script, uint32_t n, const char *const *words, void *p_)
{
	static const struct scmi_keyword keywords[] = {
		{"async", 1, reset_async, "up to 10000 milliseconds"},
		{"latency", 1, reset_latency, "microseconds"},
		{NULL, 0, NULL, NULL}};
	struct scmi_platform *p = p_;
	struct scmi_reset reset = {0};
	int ret = scmi_run_keywords(script, keywords, p->n_resets, reset.name, &reset, n, words);

	if (!ret)
		p->resets[p->n_resets++] = reset;
	return ret;
}

/* --- performance domains --- */

/* LEVEL[:MILLIWATTS[:MICROSECONDS]] */
static int perf_level_parse(void *levels, uint32_t i, char *text)
{
	struct scmi_level *level = (struct scmi_level *)levels + i;
	char *power = strchr(text, ':'), *latency = power ? strchr(power + 1, ':') : NULL;

	if (power)
		*power++ = '\0';
	if (latency)
		*latency++ = '\0';
	if (scmi_parse_u32(text, UINT32_MAX, &level->level) || !level->level ||
	    (power && scmi_parse_u32(power, UINT32_MAX, &level->power)) ||
	    (latency && scmi_parse_u32(latency, UINT16_MAX, &level->latency_us)))
		return -EINVAL;
	return i && level->level <= level[-1].level ? -EINVAL : 0;
}

static int perf_levels(void *item, const char *const *args)
{
	struct scmi_perf *perf = item;
	int n = scmi_parse_list(args[0], SCMI_MAX_LEVELS, perf_level_parse, perf->levels);

	perf->n_levels = n < 0 ? 0 : (uint32_t)n;
	return n < 0 ? n : 0;
}

static int perf_level(void *item, const char *const *args)
{
	return scmi_parse_u32(args[0], UINT32_MAX, &((struct scmi_perf *)item)->level);
}

static int perf_sustained(void *item, const char *const *args)
{
	struct scmi_perf *perf = item;
	int ret = scmi_parse_u32(args[0], UINT32_MAX, &perf->sustained_level);

	return ret ? ret : scmi_parse_u32(args[1], UINT32_MAX, &perf->sustained_khz);
}

static int describe_perf(struct vu_script *script, uint32_t n, const char *const *words, void *p_)
{
	static const struct scmi_keyword keywords[] = {
		{"levels", 1, perf_levels,
		 "1 to 16 of LEVEL[:MILLIWATTS[:MICROSECONDS]] with commas between, ascending"},
		{"level", 1, perf_level, "a level"},
		{"sustained", 2, perf_sustained, "LEVEL KHZ"},
		{NULL, 0, NULL, NULL}};
	struct scmi_platform *p = p_;
	struct scmi_perf perf = {0};
	int ret = scmi_run_keywords(script, keywords, p->n_perfs, perf.name, &perf, n, words);
	uint32_t level = perf.level;

	if (ret)
		return ret;
	if (!perf.n_levels)
		return vu_script_fail(script,
				      "a performance domain has 'levels L:POWER:LATENCY,...'");
	perf.min = perf.levels[0].level;
	perf.max = perf.levels[perf.n_levels - 1].level;
	perf.level = perf.max;
	p->perfs[p->n_perfs] = perf;
	if (level && scmi_perf_set_level(p, p->n_perfs, level, SCMI_AGENT_PLATFORM))
		return vu_script_fail(script, "the domain does not have this level");
	p->n_perfs++;
	return 0;
}

/* --- the rest --- */

static int describe_vendor(struct vu_script *script, uint32_t n, const char *const *words, void *p_)
{
	struct scmi_platform *p = p_;

	for (uint32_t i = 0; i < n; i++)
		if (strlen(words[i]) >= SCMI_SHORT_NAME)
			return vu_script_fail(script, "a vendor has up to 15 characters");
	strcpy(p->vendor, words[0]);
	strcpy(p->sub_vendor, n > 1 ? words[1] : "");
	return 0;
}

int scmi_describe(struct scmi_platform *p, const char *path)
{
	static const struct vu_command commands[] = {
		{"vendor", "NAME [NAME]", "who made the platform", 1, 2, describe_vendor},
		{"clock", "ID NAME ...", "a clock", 2, 64, describe_clock},
		{"power", "ID NAME ...", "a power domain", 2, 64, describe_power},
		{"perf", "ID NAME ...", "a performance domain", 2, 64, describe_perf},
		{"sensor", "ID NAME ...", "a sensor", 2, 64, scmi_describe_sensor},
		{"reset", "ID NAME ...", "a reset domain", 2, 64, describe_reset},
		{NULL, NULL, NULL, 0, 0, NULL},
	};
	const struct vu_script_info info = {
		.size = sizeof(info),
		.name = "platform",
		.commands = commands,
		.command_size = sizeof(commands[0]),
		.opaque = p,
	};

	return vu_script_run_file(&info, path);
}

struct scmi_platform *scmi_platform_new(void)
{
	struct scmi_platform *p = calloc(1, sizeof(*p));

	if (p)
		strcpy(p->vendor, "libvu");
	return p;
}

void scmi_platform_free(struct scmi_platform *p)
{
	for (uint32_t i = 0; i < p->n_sensors; i++)
		free(p->sensors[i].source);
	free(p);
}

void scmi_describe_default(struct scmi_platform *p)
{
	static const struct scmi_clock clock = {
		.name = "uart", .rates = {24000000, 48000000}, .n_rates = 2, .rate = 24000000};
	static const struct scmi_power power = {.name = "gpu", .state = SCMI_POWER_OFF};
	static const struct scmi_perf perf = {
		.name = "cpu",
		.levels = {{500, 200, 50}, {1000, 600, 50}},
		.n_levels = 2,
		.sustained_level = 1000,
		.sustained_khz = 1000000,
		.level = 1000,
		.min = 500,
		.max = 1000,
	};
	static const struct scmi_reset reset = {.name = "usb"};
	static const struct scmi_sensor sensors[] = {
		{.name = "cpu-temp", .type = 0x02, .scale = -3, .values = {42000}, .n_trips = 2},
		{.name = "accel",
		 .type = 0x59,
		 .scale = -6,
		 .n_axes = 3,
		 .axes = {"accel_X", "accel_Y", "accel_Z"},
		 .values = {0, 0, 9806650}},
	};

	p->clocks[p->n_clocks++] = clock;
	p->powers[p->n_powers++] = power;
	p->perfs[p->n_perfs++] = perf;
	p->resets[p->n_resets++] = reset;
	for (uint32_t i = 0; i < sizeof(sensors) / sizeof(sensors[0]); i++) {
		struct scmi_sensor *sensor = &p->sensors[p->n_sensors++];

		*sensor = sensors[i];
		sensor->stamps = true;
		sensor->intervals_ms[0] = 100;
		sensor->intervals_ms[1] = 1000;
		sensor->n_intervals = 2;
		scmi_sensor_init(sensor);
	}
}
