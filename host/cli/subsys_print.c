/*
 * list-subsys and show-topology in nvme-cli's shapes.
 */
#include <errno.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/client.h"
#include "host/cli/topology.h"

static bool subsys_wanted(const struct nvc_subsys *s, const char *only)
{
	return !only || !strcmp(s->nqn, only);
}

/* ---- list-subsys -------------------------------------------------------------------------- */

/* The ANA state of the path to the subsystem's first namespace by this controller. */
static const char *subsys_ana(const struct nvc_subsys *s, struct json_object *ctrlr)
{
	struct json_object *paths = s->nr_nss ? nvc_get(s->nss[0], "paths") : NULL;

	for (size_t i = 0; paths && i < json_object_array_length(paths); i++) {
		struct json_object *p = json_object_array_get_idx(paths, i);

		if (!strcmp(nvc_get_string(p, "controller"), nvc_get_string(ctrlr, "name")))
			return nvc_get_string(p, "ana_state");
	}
	return "";
}

void nvc_subsys_print(FILE *out, const struct nvc_topology *topology, const char *only,
		      bool show_ana)
{
	char address[1024];

	for (size_t i = 0; i < topology->nr; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];

		if (!subsys_wanted(s, only))
			continue;
		fprintf(out, "%s - NQN=%s\n\\\n", s->name, s->nqn);
		for (size_t k = 0; k < s->nr_ctrlrs; k++) {
			struct json_object *c = s->ctrlrs[k];

			nvc_topology_address(c, address, sizeof(address));
			fprintf(out, " +- %s %s %s %s %s\n", nvc_get_string(c, "name"),
				nvc_get_string(c, "transport"), address, nvc_get_string(c, "state"),
				show_ana ? subsys_ana(s, c) : "");
		}
	}
}

/* A controller as a path: Name, Transport, Address, State and maybe ANAState. */
static struct json_object *subsys_path(struct json_object *c, const char *ana)
{
	struct json_object *o = json_object_new_object();
	char address[1024];
	int err = nvhi_json_add_string(o, "Name", nvc_get_string(c, "name"));

	nvc_topology_address(c, address, sizeof(address));
	err = err ? err : nvhi_json_add_string(o, "Transport", nvc_get_string(c, "transport"));
	err = err ? err : nvhi_json_add_string(o, "Address", address);
	err = err ? err : nvhi_json_add_string(o, "State", nvc_get_string(c, "state"));
	if (!err && ana)
		err = nvhi_json_add_string(o, "ANAState", ana);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *subsys_paths(const struct nvc_subsys *s, bool show_ana)
{
	struct json_object *array = json_object_new_array();
	int err = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->nr_ctrlrs && !err; i++)
		err = nvhi_json_append(
			array,
			subsys_path(s->ctrlrs[i], show_ana ? subsys_ana(s, s->ctrlrs[i]) : NULL));
	if (err) {
		json_object_put(array);
		return NULL;
	}
	return array;
}

/* {Name, NQN, <member>: value}; takes the value. */
static struct json_object *subsys_object(const struct nvc_subsys *s, const char *member,
					 struct json_object *value)
{
	struct json_object *o = json_object_new_object();
	int err = nvhi_json_add_string(o, "Name", s->name);

	err = err ? err : nvhi_json_add_string(o, "NQN", s->nqn);
	if (err) {
		json_object_put(value);
	} else {
		err = nvhi_json_add(o, member, value);
	}
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* [{HostNQN, HostID, Subsystems}]; takes the subsystems (NULL: out of memory). */
static struct json_object *subsys_host(const struct nvc_topology *topology,
				       struct json_object *subsystems)
{
	struct json_object *root = json_object_new_array(), *host = json_object_new_object();
	int err = nvhi_json_add_string(host, "HostNQN", nvc_get_string(topology->root, "hostnqn"));

	err = err ? err
		  : nvhi_json_add_string(host, "HostID", nvc_get_string(topology->root, "hostid"));
	if (err)
		json_object_put(subsystems);
	else
		err = nvhi_json_add(host, "Subsystems", subsystems);
	if (err)
		json_object_put(host);
	else
		err = nvhi_json_append(root, host);
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

struct json_object *nvc_subsys_to_json(const struct nvc_topology *topology, const char *only,
				       bool show_ana)
{
	struct json_object *array = json_object_new_array();
	int err = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < topology->nr && !err; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];

		if (subsys_wanted(s, only))
			err = nvhi_json_append(
				array, subsys_object(s, "Paths", subsys_paths(s, show_ana)));
	}
	if (err) {
		json_object_put(array);
		array = NULL;
	}
	return subsys_host(topology, array);
}

/* ---- show-topology ------------------------------------------------------------------------ */

/* "150us", "2.3ms", "-". */
static const char *topology_time(struct json_object *latency, const char *name, char *text,
				 size_t len)
{
	uint64_t ns = nvc_get_u64(latency, name, 0);

	if (!ns)
		snprintf(text, len, "-");
	else if (ns < 1000000)
		snprintf(text, len, "%lluus", (unsigned long long)(ns / 1000));
	else
		snprintf(text, len, "%.1fms", (double)ns / 1e6);
	return text;
}

/* Behind what nvme-cli prints of a path. */
static void topology_print_numbers(FILE *out, struct json_object *path, bool verbose)
{
	static const struct {
		const char *member, *word;
	} kinds[] = {{"read_latency", "read"}, {"write_latency", "write"}};

	fprintf(out, " inflight=%llu", (unsigned long long)nvc_get_u64(path, "inflight", 0));
	for (size_t i = 0; i < 2; i++) {
		struct json_object *l = nvc_get(path, kinds[i].member);
		char p50[16], p99[16];

		fprintf(out, " %s=%s/%s", kinds[i].word,
			topology_time(l, "p50_ns", p50, sizeof(p50)),
			topology_time(l, "p99_ns", p99, sizeof(p99)));
	}
	if (verbose)
		fprintf(out, " ios=%llu errors=%llu group=%llu",
			(unsigned long long)nvc_get_u64(path, "ios", 0),
			(unsigned long long)nvc_get_u64(path, "errors", 0),
			(unsigned long long)nvc_get_u64(path, "ana_group", 0));
	fputc('\n', out);
}

/* The state of the path where it tells more than its controller's. */
static const char *topology_state(struct json_object *path, struct json_object *ctrlr)
{
	const char *state = nvc_get_string(path, "state");

	return state[0] ? state : nvc_get_string(ctrlr, "state");
}

static void topology_print_by_ns(FILE *out, const struct nvc_subsys *s, bool verbose)
{
	char address[1024];

	for (size_t i = 0; i < s->nr_nss; i++) {
		struct json_object *paths = nvc_get(s->nss[i], "paths");

		fprintf(out, " +- ns %u\n \\\n", (unsigned int)nvc_get_u64(s->nss[i], "nsid", 0));
		for (size_t k = 0; paths && k < json_object_array_length(paths); k++) {
			struct json_object *p = json_object_array_get_idx(paths, k);
			const char *name = nvc_get_string(p, "controller");
			struct json_object *c = nvc_topology_ctrlr(s, name);

			nvc_topology_address(c, address, sizeof(address));
			fprintf(out, "  +- %s %s %s %s %s", name, nvc_get_string(c, "transport"),
				address, topology_state(p, c), nvc_get_string(p, "ana_state"));
			topology_print_numbers(out, p, verbose);
		}
	}
}

static void topology_print_by_ctrlr(FILE *out, const struct nvc_subsys *s, bool verbose)
{
	char address[1024];

	for (size_t i = 0; i < s->nr_ctrlrs; i++) {
		struct json_object *c = s->ctrlrs[i];

		nvc_topology_address(c, address, sizeof(address));
		fprintf(out, " +- %s %s %s\n \\\n", nvc_get_string(c, "name"),
			nvc_get_string(c, "transport"), address);
		for (size_t k = 0; k < s->nr_nss; k++) {
			struct json_object *paths = nvc_get(s->nss[k], "paths");

			for (size_t m = 0; paths && m < json_object_array_length(paths); m++) {
				struct json_object *p = json_object_array_get_idx(paths, m);

				if (strcmp(nvc_get_string(p, "controller"),
					   nvc_get_string(c, "name")) != 0)
					continue;
				fprintf(out, "  +- ns %u %s %s",
					(unsigned int)nvc_get_u64(s->nss[k], "nsid", 0),
					topology_state(p, c), nvc_get_string(p, "ana_state"));
				topology_print_numbers(out, p, verbose);
			}
		}
	}
}

/* As connect --no-path takes it; wait: milliseconds, NULL: as long as there is a controller. */
static const char *topology_no_path(struct json_object *wait, char *text, size_t len)
{
	uint64_t ms = wait ? json_object_get_uint64(wait) : 0;

	if (!wait)
		snprintf(text, len, "queue");
	else if (!ms)
		snprintf(text, len, "fail");
	else
		snprintf(text, len, "queue:%.3g", (double)ms / 1000);
	return text;
}

/* How the subsystem's paths are used, in words and places of nvme-cli. */
static void topology_print_policy(FILE *out, const struct nvc_subsys *s)
{
	int indent = (int)strlen(s->name) + 3;
	char text[32];

	if (!s->nr_nss)
		return;
	fprintf(out, "%*siopolicy=%s\n", indent, "", nvc_get_string(s->nss[0], "policy"));
	fprintf(out, "%*sno-path=%s\n", indent, "",
		topology_no_path(nvc_get(s->nss[0], "no_path_ms"), text, sizeof(text)));
}

void nvc_topology_print(FILE *out, const struct nvc_topology *topology, bool by_ctrlr, bool verbose)
{
	for (size_t i = 0; i < topology->nr; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];

		fprintf(out, "%s - NQN=%s\n", s->name, s->nqn);
		topology_print_policy(out, s);
		fprintf(out, "\\\n");
		if (by_ctrlr)
			topology_print_by_ctrlr(out, s, verbose);
		else
			topology_print_by_ns(out, s, verbose);
	}
}

static struct json_object *topology_path(struct json_object *p, struct json_object *c)
{
	static const char *const latencies[][2] = {{"read_latency", "ReadLatency"},
						   {"write_latency", "WriteLatency"}};
	struct json_object *o = subsys_path(c, nvc_get_string(p, "ana_state"));
	int err = o ? nvhi_json_add_string(o, "State", topology_state(p, c)) : -ENOMEM;

	err = err ? err : nvhi_json_add_u64(o, "InFlight", nvc_get_u64(p, "inflight", 0));
	err = err ? err : nvhi_json_add_u64(o, "IOs", nvc_get_u64(p, "ios", 0));
	err = err ? err : nvhi_json_add_u64(o, "Errors", nvc_get_u64(p, "errors", 0));
	for (size_t i = 0; i < 2 && !err; i++)
		if (nvc_get(p, latencies[i][0]))
			err = nvhi_json_add(o, latencies[i][1],
					    json_object_get(nvc_get(p, latencies[i][0])));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *topology_ns(const struct nvc_subsys *s, struct json_object *ns)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();
	struct json_object *paths = nvc_get(ns, "paths");
	int err = nvhi_json_add_u64(o, "NSID", nvc_get_u64(ns, "nsid", 0));

	for (size_t i = 0; paths && i < json_object_array_length(paths) && !err; i++) {
		struct json_object *p = json_object_array_get_idx(paths, i);
		struct json_object *c = nvc_topology_ctrlr(s, nvc_get_string(p, "controller"));

		err = nvhi_json_append(array, topology_path(p, c));
	}
	if (err)
		json_object_put(array);
	else
		err = nvhi_json_add(o, "Paths", array);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* Takes the namespaces. */
static struct json_object *topology_subsys(const struct nvc_subsys *s, struct json_object *nss)
{
	struct json_object *o = subsys_object(s, "Namespaces", nss);
	char text[32];
	int err = o ? 0 : -ENOMEM;

	if (!err && s->nr_nss) {
		struct json_object *wait = nvc_get(s->nss[0], "no_path_ms");

		err = nvhi_json_add_string(o, "IOPolicy", nvc_get_string(s->nss[0], "policy"));
		err = err ? err : nvhi_json_add_string(o, "NoPath", topology_no_path(wait, text, sizeof(text)));
	}
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

struct json_object *nvc_topology_to_json(const struct nvc_topology *topology)
{
	struct json_object *array = json_object_new_array();
	int err = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < topology->nr && !err; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];
		struct json_object *nss = json_object_new_array();

		for (size_t k = 0; k < s->nr_nss && !err; k++)
			err = nvhi_json_append(nss, topology_ns(s, s->nss[k]));
		if (err)
			json_object_put(nss);
		else
			err = nvhi_json_append(array, topology_subsys(s, nss));
	}
	if (err) {
		json_object_put(array);
		array = NULL;
	}
	return subsys_host(topology, array);
}
