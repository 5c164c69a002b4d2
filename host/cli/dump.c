/*
 * --dump-config: what is connected, in the form of config.json, to be kept for the next boot.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/client.h"
#include "host/cli/dump.h"
#include "host/cli/opts.h"
#include "host/daemon/params.h"

/* The member of the array whose `key` is `value`, with an empty array `list`; made when missing. */
static struct json_object *dump_group(struct json_object *array, const char *key, const char *value,
				      const char *list)
{
	struct json_object *o;

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		o = json_object_array_get_idx(array, i);
		if (!strcmp(nvc_get_string(o, key), value))
			return o;
	}
	o = json_object_new_object();
	if (nvhi_json_add_string(o, key, value) ||
	    nvhi_json_add(o, list, json_object_new_array())) {
		json_object_put(o);
		return NULL;
	}
	return nvhi_json_append(array, o) ? NULL : o;
}

/* What a port of config.json may say: all but what names the host, the subsystem and the daemon's
 * own. */
static struct json_object *dump_port(struct json_object *connection)
{
	static const char *const others[] = {"nqn", "hostnqn", "hostid", "name", "follow"};
	struct json_object *port = NULL;

	if (json_object_deep_copy(connection, &port, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		json_object_object_del(port, others[i]);
	return port;
}

static int dump_add(struct json_object *root, struct json_object *connection, const char *hostnqn,
		    const char *hostid)
{
	const char *own_nqn = nvc_get_string(connection, "hostnqn");
	const char *own_id = nvc_get_string(connection, "hostid");
	const char *nqn = nvc_get_string(connection, "nqn");
	struct json_object *host, *subsys;

	host = dump_group(root, "hostnqn", own_nqn[0] ? own_nqn : hostnqn, "subsystems");
	if (!host)
		return -ENOMEM;
	if (!own_nqn[0])
		own_id = hostid;
	if (own_id[0] && !nvc_get(host, "hostid") && nvhi_json_add_string(host, "hostid", own_id))
		return -ENOMEM;
	subsys = dump_group(nvc_get(host, "subsystems"), "nqn", nqn[0] ? nqn : NVH_DISCOVERY_NQN,
			    "ports");
	return subsys ? nvhi_json_append(nvc_get(subsys, "ports"), dump_port(connection)) : -ENOMEM;
}

struct json_object *nvc_dump_build(struct json_object *connections, const char *hostnqn,
				   const char *hostid)
{
	struct json_object *root = json_object_new_array();
	int err = root ? 0 : -ENOMEM;

	for (size_t i = 0; i < json_object_array_length(connections) && !err; i++)
		err = dump_add(root, json_object_array_get_idx(connections, i), hostnqn, hostid);
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

int nvc_dump_config(void)
{
	struct json_object *answer, *root;

	if (nvc_call("connections", NULL, &answer) < 0)
		return 1;
	root = nvc_dump_build(nvc_get(answer, "connections"), nvc_get_string(answer, "hostnqn"),
			      nvc_get_string(answer, "hostid"));
	json_object_put(answer);
	if (!root)
		return nvc_fail("out of memory");
	nvc_print_json(root);
	return 0;
}
