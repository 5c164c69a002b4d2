/*
 * nvhost monitor: what happens to connections, namespaces and paths, as it happens; each failover step
 * by step with its times. Ends with the daemon or by a signal.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/cli/client.h"
#include "host/cli/cmd.h"

/* What was printed of the last failovers: each event tells all that is known so far. */
#define MONITOR_KNOWN 64
static const char *const monitor_steps[] = {"fenced_after_us", "selected_after_us",
					    "success_after_us", "returned_after_us"};
#define MONITOR_STEPS (sizeof(monitor_steps) / sizeof(monitor_steps[0]))

struct monitor {
	bool json;
	struct {
		uint64_t id;
		char why[192];
		bool told[MONITOR_STEPS];
	} known[MONITOR_KNOWN];
	/* Attempts that fail alike are one line; what was printed last of some controllers. */
	struct {
		char name[32], message[256];
	} trying[MONITOR_KNOWN];
	unsigned int next_trying;
};

/* Whether this is told already: the same controller, still trying, and nothing new to say. */
static bool monitor_repeats(struct monitor *m, const char *name, bool trying, const char *message)
{
	unsigned int i;

	for (i = 0; i < MONITOR_KNOWN; i++)
		if (!strcmp(m->trying[i].name, name))
			break;
	if (!trying) {
		if (i < MONITOR_KNOWN)
			m->trying[i].name[0] = '\0';
		return false;
	}
	if (i < MONITOR_KNOWN && !strcmp(m->trying[i].message, message))
		return true;
	if (i == MONITOR_KNOWN)
		i = m->next_trying++ % MONITOR_KNOWN;
	snprintf(m->trying[i].name, sizeof(m->trying[i].name), "%s", name);
	snprintf(m->trying[i].message, sizeof(m->trying[i].message), "%s", message);
	return false;
}

static void monitor_stamp(void)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%03ld ", text, now.tv_nsec / 1000000);
}

static void monitor_step(struct json_object *event, size_t step)
{
	static const char *const words[MONITOR_STEPS] = {"fenced", "selected", "first success",
							 "returned"};
	uint64_t us = nvc_get_u64(event, monitor_steps[step], 0);
	const char *more = step == 0   ? nvc_get_string(event, "fence")
			   : step == 1 ? nvc_get_string(event, "selected")
				       : "";

	monitor_stamp();
	printf("failover %llu %s: %s after %.3f ms%s%s\n",
	       (unsigned long long)nvc_get_u64(event, "id", 0), nvc_get_string(event, "controller"),
	       words[step], (double)us / 1000, more[0] ? ": " : "", more);
}

static void monitor_failover(struct monitor *m, struct json_object *event)
{
	uint64_t id = nvc_get_u64(event, "id", 0);
	size_t slot = id % MONITOR_KNOWN;
	const char *why = nvc_get_string(event, "why");

	if (m->known[slot].id != id)
		memset(&m->known[slot], 0, sizeof(m->known[slot]));
	m->known[slot].id = id;
	if (strncmp(m->known[slot].why, why, sizeof(m->known[slot].why) - 1) != 0) {
		snprintf(m->known[slot].why, sizeof(m->known[slot].why), "%s", why);
		monitor_stamp();
		printf("failover %llu %s: detected: %s (%s)\n", (unsigned long long)id,
		       nvc_get_string(event, "controller"), why, nvc_get_string(event, "nqn"));
	}
	for (size_t i = 0; i < MONITOR_STEPS; i++) {
		if (m->known[slot].told[i] || !nvc_get(event, monitor_steps[i]))
			continue;
		m->known[slot].told[i] = true;
		monitor_step(event, i);
	}
}

static void monitor_controller(struct monitor *m, struct json_object *event)
{
	const char *what = nvc_get_string(event, "event");
	const char *message = strcmp(what, "live") ? nvc_get_string(event, "last_message") : "";
	bool trying = !strcmp(what, "resetting") || !strcmp(what, "connecting");

	if (monitor_repeats(m, nvc_get_string(event, "controller"), trying, message))
		return;
	monitor_stamp();
	printf("controller %s: %s (%s)%s%s\n", nvc_get_string(event, "controller"), what,
	       nvc_get_string(event, "nqn"), message[0] ? ": " : "", message);
}

static void monitor_namespace(struct json_object *event)
{
	monitor_stamp();
	printf("namespace %s: %s (%s): %llu blocks, %llu of %llu paths live\n",
	       nvc_get_string(event, "namespace"), nvc_get_string(event, "event"),
	       nvc_get_string(event, "nqn"),
	       (unsigned long long)nvc_get_u64(event, "nr_blocks", 0),
	       (unsigned long long)nvc_get_u64(event, "live_paths", 0),
	       (unsigned long long)nvc_get_u64(event, "paths", 0));
}

static int monitor_event(const char *method, struct json_object *event, void *arg)
{
	struct monitor *m = arg;

	if (m->json)
		printf("{\"event\":\"%s\",\"params\":%s}\n", method,
		       json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
								     JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (!strcmp(method, "failover"))
		monitor_failover(m, event);
	else if (!strcmp(method, "controller"))
		monitor_controller(m, event);
	else if (!strcmp(method, "namespace"))
		monitor_namespace(event);
	/* Whoever reads the other end of a pipe wants it now; when nobody does, it is over. */
	return fflush(stdout) ? 1 : 0;
}

int nvc_monitor(int argc, char **argv)
{
	const char *format_text = NULL;
	const struct nvc_opt opts[] = {
		NVC_STRING("output-format", 'o', "FMT", &format_text,
			   "Output format: normal|json (one object a line)"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "monitor",
		.args = "",
		.opts = opts,
		.about = "Print what happens: failovers step by step with their times (detected, fenced, "
			 "selected, first success, returned), controllers and namespaces that come, "
			 "change and go. Until it is interrupted.",
	};
	static struct monitor m;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, false, &format) < 0)
		return 2;
	m.json = format == NVC_JSON;
	return nvc_call_events("monitor", monitor_event, &m) < 0;
}
