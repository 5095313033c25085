/* SPDX-License-Identifier: MIT */
/* See report.h. */
#include "report.h"

#include <stdio.h>

static const char *const words[] = {"pass", "fail", "not offered"};

/* How long a character is that UTF-8 has (RFC 3629 section 4); 0: it is none. */
static int utf8_length(const unsigned char *c)
{
	int n = c[0] < 0x80   ? 1
		: c[0] < 0xc2 ? 0
		: c[0] < 0xe0 ? 2
		: c[0] < 0xf0 ? 3
		: c[0] < 0xf5 ? 4
			      : 0;

	for (int i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Neither a longer form than needed, nor a surrogate, nor above U+10FFFF. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

/* A file name may be any bytes: those that are no text become U+FFFD, for JSON is UTF-8. */
static void json_character(const char **text)
{
	int n = utf8_length((const unsigned char *)*text);

	if (n)
		printf("%.*s", n, *text);
	else
		printf("\\ufffd");
	*text += n ? n : 1;
}

static void json_string(const char *name, const char *text)
{
	printf("\"%s\": \"", name);
	while (*text) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text++);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned char)*text++);
		else
			json_character(&text);
	}
	putchar('"');
}

void report_begin(struct report *r, uint32_t n)
{
	r->n = n;
	if (r->format == REPORT_TAP)
		printf("TAP version 13\n1..%u\n", n);
	if (r->format != REPORT_JSON)
		return;
	printf("{");
	json_string("back_end", r->path);
	printf(", ");
	json_string("type", r->type ? r->type : "");
	printf(", \"checks\": [");
}

static void add_text(const struct check *check, enum verdict verdict, const char *saw)
{
	printf("%-11s  %-26s %s\n", words[verdict], check->name, saw);
	if (verdict == CHECK_FAIL)
		printf("%40s%s: %s\n", "", check->section, check->what);
}

static void add_tap(const struct report *r, const struct check *check, enum verdict verdict,
		    const char *saw)
{
	printf("%sok %u - %s%s%s\n", verdict == CHECK_FAIL ? "not " : "", r->done, check->name,
	       verdict == CHECK_NOT_OFFERED ? " # SKIP not offered: " : "",
	       verdict == CHECK_NOT_OFFERED ? saw : "");
	if (verdict != CHECK_NOT_OFFERED)
		printf("# %s: %s\n# %s\n", check->section, check->what, saw);
}

static void json_check(const struct check *check)
{
	json_string("name", check->name);
	printf(", ");
	json_string("section", check->section);
	printf(", ");
	json_string("what", check->what);
}

void report_add(struct report *r, const struct check *check, enum verdict verdict, const char *saw)
{
	r->counts[verdict]++;
	r->done++;
	if (r->format == REPORT_TEXT) {
		add_text(check, verdict, saw);
	} else if (r->format == REPORT_TAP) {
		add_tap(r, check, verdict, saw);
	} else {
		printf("%s\n  {", r->done > 1 ? "," : "");
		json_check(check);
		printf(", ");
		json_string("result", words[verdict]);
		printf(", ");
		json_string("saw", saw);
		printf("}");
	}
	/* Whoever watches sees how far it is. */
	fflush(stdout);
}

void report_end(struct report *r)
{
	if (r->format == REPORT_JSON)
		printf("\n], \"passed\": %u, \"failed\": %u, \"not_offered\": %u}\n",
		       r->counts[CHECK_PASS], r->counts[CHECK_FAIL], r->counts[CHECK_NOT_OFFERED]);
	else
		printf("%s%u passed, %u failed, %u not offered\n",
		       r->format == REPORT_TAP ? "# " : "", r->counts[CHECK_PASS],
		       r->counts[CHECK_FAIL], r->counts[CHECK_NOT_OFFERED]);
	fflush(stdout);
}

void report_list(const struct check *const *list, uint32_t n, enum report_format format)
{
	if (format == REPORT_JSON)
		printf("[");
	for (uint32_t i = 0; i < n; i++) {
		if (format == REPORT_JSON) {
			printf("%s\n  {", i ? "," : "");
			json_check(list[i]);
			printf("}");
		} else {
			printf("%-26s %s: %s\n", list[i]->name, list[i]->section, list[i]->what);
		}
	}
	if (format == REPORT_JSON)
		printf("\n]\n");
}
