/*
 * Grouping the daemon's flat answer by subsystem.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/client.h"
#include "host/cli/topology.h"

static struct nvc_subsys *topology_find(struct nvc_topology *t, const char *nqn)
{
	for (size_t i = 0; i < t->nr; i++) {
		if (!strcmp(t->subsys[i].nqn, nqn))
			return &t->subsys[i];
	}
	return NULL;
}

static struct nvc_subsys *topology_get(struct nvc_topology *t, struct json_object *first)
{
	const char *nqn = nvc_get_string(first, "nqn"), *name = nvc_get_string(first, "name");
	struct nvc_subsys *subsys = topology_find(t, nqn);

	if (subsys)
		return subsys;
	subsys = realloc(t->subsys, (t->nr + 1) * sizeof(*subsys));
	if (!subsys)
		return NULL;
	t->subsys = subsys;
	subsys += t->nr++;
	*subsys = (struct nvc_subsys){.nqn = nqn};
	/* nvh3 and nvh3n1 give nvh-subsys3; a controller named by hand gives its whole name. */
	if (!strncmp(name, "nvh", 3) && name[3] >= '0' && name[3] <= '9')
		snprintf(subsys->name, sizeof(subsys->name), "nvh-subsys%d", atoi(name + 3));
	else
		snprintf(subsys->name, sizeof(subsys->name), "nvh-subsys-%s", name);
	return subsys;
}

static int topology_append(struct json_object ***list, size_t *nr, struct json_object *item)
{
	struct json_object **grown = realloc(*list, (*nr + 1) * sizeof(struct json_object *));

	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[(*nr)++] = item;
	return 0;
}

int nvc_topology_build(struct json_object *root, struct nvc_topology *ret_topology)
{
	struct nvc_topology t = {.root = root};
	struct json_object *ctrlrs = nvc_get(root, "controllers");
	struct json_object *nss = nvc_get(root, "namespaces");
	int err = 0;

	for (size_t i = 0; ctrlrs && !err && i < json_object_array_length(ctrlrs); i++) {
		struct json_object *c = json_object_array_get_idx(ctrlrs, i);
		struct nvc_subsys *s = topology_get(&t, c);

		err = s ? topology_append(&s->ctrlrs, &s->nr_ctrlrs, c) : -ENOMEM;
	}
	for (size_t i = 0; nss && !err && i < json_object_array_length(nss); i++) {
		struct json_object *n = json_object_array_get_idx(nss, i);
		struct nvc_subsys *s = topology_get(&t, n);

		err = s ? topology_append(&s->nss, &s->nr_nss, n) : -ENOMEM;
	}
	if (err)
		nvc_topology_free(&t);
	else
		*ret_topology = t;
	return err;
}

void nvc_topology_free(struct nvc_topology *topology)
{
	for (size_t i = 0; i < topology->nr; i++) {
		free(topology->subsys[i].ctrlrs);
		free(topology->subsys[i].nss);
	}
	free(topology->subsys);
	json_object_put(topology->root);
	*topology = (struct nvc_topology){0};
}

void nvc_topology_address(struct json_object *ctrlr, char *ret_text, size_t len)
{
	static const char *const parts[] = {"traddr", "trsvcid", "host_traddr", "host_iface",
					    "src_addr"};
	size_t used = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *value = nvc_get_string(ctrlr, parts[i]);

		if (value[0] && used < len)
			used += (size_t)snprintf(ret_text + used, len - used, "%s%s=%s",
						 used ? "," : "", parts[i], value);
	}
}

struct json_object *nvc_topology_ctrlr(const struct nvc_subsys *subsys, const char *name)
{
	for (size_t i = 0; i < subsys->nr_ctrlrs; i++) {
		if (!strcmp(nvc_get_string(subsys->ctrlrs[i], "name"), name))
			return subsys->ctrlrs[i];
	}
	return NULL;
}
