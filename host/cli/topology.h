/*
 * What the daemon holds, grouped by subsystem: the model that list, list-subsys and show-topology
 * print. It borrows the daemon's answer.
 */
#ifndef NVC_TOPOLOGY_H
#define NVC_TOPOLOGY_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct nvc_subsys {
	char name[48]; /* "nvh-subsys0": the number of its first controller */
	const char *nqn;
	struct json_object **ctrlrs, **nss; /* members of the answer */
	size_t nr_ctrlrs, nr_nss;
};

struct nvc_topology {
	struct json_object *root; /* the answer */
	struct nvc_subsys *subsys;
	size_t nr;
};

/* Takes `root`, an answer of list or list_subsys. -ENOMEM. */
int nvc_topology_build(struct json_object *root, struct nvc_topology *ret_topology);
void nvc_topology_free(struct nvc_topology *topology);
/* "traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.9" */
void nvc_topology_address(struct json_object *ctrlr, char *ret_text, size_t len);
/* The controller of that name in the subsystem; NULL. */
struct json_object *nvc_topology_ctrlr(const struct nvc_subsys *subsys, const char *name);

/* Output. */
void nvc_list_print(FILE *out, const struct nvc_topology *topology);
void nvc_list_print_verbose(FILE *out, const struct nvc_topology *topology);
struct json_object *nvc_list_to_json(const struct nvc_topology *topology);
struct json_object *nvc_list_to_json_verbose(const struct nvc_topology *topology);
/* only: print this subsystem; NULL: all. show_ana: with the paths' ANA states. */
void nvc_subsys_print(FILE *out, const struct nvc_topology *topology, const char *only,
		      bool show_ana);
struct json_object *nvc_subsys_to_json(const struct nvc_topology *topology, const char *only,
				       bool show_ana);
void nvc_topology_print(FILE *out, const struct nvc_topology *topology, bool by_ctrlr,
			bool verbose);
struct json_object *nvc_topology_to_json(const struct nvc_topology *topology);

#endif
