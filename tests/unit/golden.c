/*
 * The reader of golden streams; see golden.h for the format.
 */
#include "tests/unit/golden.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_ROOT "tests/golden/"

static void golden_die(const struct golden *g, unsigned int line, const char *why)
{
	fprintf(stderr, "%s:%u: %s (tests run from the top of the tree)\n", g->path, line, why);
	exit(2);
}

/* Appends the bytes of one line. */
static void golden_bytes(struct golden *g, unsigned int line, char *text, uint8_t *out, size_t *len)
{
	char *save = NULL;

	for (char *w = strtok_r(text, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
		char *end;
		unsigned long byte = strtoul(w, &end, 16);
		unsigned long times = *end == '*' ? strtoul(end + 1, &end, 10) : 1;

		if (*end || byte > 0xff || !times || times > GOLDEN_MAX_BYTES - *len)
			golden_die(g, line, "not a byte");
		memset(out + *len, (int)byte, times);
		*len += times;
	}
}

static bool golden_expect(struct golden_event *ev, const char *text)
{
	char kind[32] = "";

	memset(ev, 0, sizeof(*ev));
	if (sscanf(text, "%31s", kind) != 1)
		return false;
	if (!strcmp(kind, "data")) {
		ev->event = NVHI_PDU_RX_DATA;
		return true;
	}
	if (!strcmp(kind, "bad-digest")) {
		ev->event = NVHI_PDU_RX_BAD_DIGEST;
		return true;
	}
	if (!strcmp(kind, "header")) {
		ev->event = NVHI_PDU_RX_HEADER;
		return sscanf(text, "%*s %31s %u", ev->name, &ev->data_len) == 2;
	}
	ev->event = NVHI_PDU_RX_ERROR;
	if (strcmp(kind, "error") ||
	    sscanf(text, "%*s %u %u %31s", &ev->fes, &ev->fei, ev->name) != 3)
		return false;
	for (char *p = ev->name; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	return true;
}

static void golden_directive(struct golden *g, unsigned int line, char *text)
{
	char word[32] = "", value[32] = "";
	unsigned long num;
	int at = 0;

	if (sscanf(text, "%31s %n%31s", word, &at, value) < 1)
		golden_die(g, line, "empty directive");
	num = strtoul(value, NULL, 10);
	if (!strcmp(word, "expect")) {
		if (g->num_events == GOLDEN_MAX_EVENTS ||
		    !golden_expect(&g->events[g->num_events++], text + at))
			golden_die(g, line, "bad expectation");
	} else if (!strcmp(word, "payload")) {
		golden_bytes(g, line, text + at, g->payload, &g->payload_len);
	} else if (!strcmp(word, "role")) {
		g->params.role = !strcmp(value, "host") ? NVHI_PDU_HOST : NVHI_PDU_CTRLR;
	} else if (!strcmp(word, "ic_done")) {
		g->params.ic_done = num;
	} else if (!strcmp(word, "hdgst")) {
		g->params.hdgst = num;
	} else if (!strcmp(word, "ddgst")) {
		g->params.ddgst = num;
	} else if (!strcmp(word, "hpda")) {
		g->params.hpda = (uint8_t)num;
	} else if (!strcmp(word, "cpda")) {
		g->params.cpda = (uint8_t)num;
	} else if (!strcmp(word, "maxh2cdata")) {
		g->params.maxh2cdata = (uint32_t)num;
	} else if (!strcmp(word, "max_icd")) {
		g->params.max_icd = (uint32_t)num;
	} else {
		golden_die(g, line, "unknown directive");
	}
}

static void golden_load_path(struct golden *g, const char *path)
{
	char text[4096];
	unsigned int line = 0;
	FILE *f;

	memset(g, 0, sizeof(*g));
	g->params.ic_done = true;
	snprintf(g->path, sizeof(g->path), "%s", path);
	f = fopen(path, "re");
	if (!f)
		golden_die(g, 0, "cannot be opened");
	while (fgets(text, sizeof(text), f)) {
		char *p = strchr(text, '#');

		line++;
		if (p)
			*p = '\0';
		p = text + strspn(text, " \t\n");
		if (*p == '!')
			golden_directive(g, line, p + 1);
		else
			golden_bytes(g, line, p, g->bytes, &g->len);
	}
	fclose(f);
	if (!g->len || !g->num_events)
		golden_die(g, line, "has no bytes or expects nothing");
}

void golden_load(struct golden *golden, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), GOLDEN_ROOT "%s", name);
	golden_load_path(golden, path);
}

unsigned int golden_each(const char *dir, void (*fn)(const struct golden *golden))
{
	struct golden *g = malloc(sizeof(*g));
	glob_t found = {0};
	char pattern[256];
	unsigned int num;

	if (!g)
		abort();
	snprintf(pattern, sizeof(pattern), GOLDEN_ROOT "%s/*.hex", dir);
	if (glob(pattern, 0, NULL, &found))
		found.gl_pathc = 0;
	num = (unsigned int)found.gl_pathc;
	for (unsigned int i = 0; i < num; i++) {
		golden_load_path(g, found.gl_pathv[i]);
		fn(g);
	}
	globfree(&found);
	free(g);
	return num;
}
