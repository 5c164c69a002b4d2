/*
 * Following a discovery controller: what its log names is connected, now and whenever it says that
 * the log changed (or may have, while it was lost). Nothing is ever disconnected because of a log:
 * a discovery controller that forgets, or answers with nothing, must not take the storage away.
 * Base Specification 2.1, section 3.1.3.3 (persistent discovery).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/daemon.h"

static const char *follow_transport(uint8_t trtype)
{
	return trtype == NVH_TRTYPE_TCP ? "tcp" : trtype == NVH_TRTYPE_RDMA ? "rdma" : NULL;
}

static void follow_connected(void *arg, int err, struct nvd_conn *conn, const char *message)
{
	struct nvd_daemon *daemon = arg;

	(void)daemon;
	if (err)
		nvhi_log(WARN, DAEMON, "found by discovery: %s", message);
	else
		nvhi_log(INFO, DAEMON, "%s: found by discovery: %s", conn->name, conn->params.nqn);
}

static void follow_entry(struct nvd_conn *via, const struct nvh_discovery_entry *entry)
{
	const char *transport = follow_transport(entry->trtype);
	struct nvd_params params = via->params;
	struct json_object *json;
	char err[512] = "";
	int rc;

	if (entry->subtype != NVH_SUBTYPE_NVM || !transport ||
	    strcmp(transport, via->params.transport) != 0)
		return;
	params.traddr = entry->traddr;
	params.trsvcid = entry->trsvcid;
	params.nqn = entry->subnqn;
	params.name = NULL;
	params.discovery = params.persistent = params.follow = false;
	params.has_keep_alive_tmo = false;
	json = nvd_params_to_json(&params);
	rc = json ? nvd_conn_add(via->daemon, json, follow_connected, via->daemon, err, sizeof(err))
		  : -ENOMEM;
	json_object_put(json);
	if (rc && rc != -EALREADY)
		nvhi_log(WARN, DAEMON, "%s: found %s %s, not connected: %s", via->name,
			 entry->subnqn, entry->traddr, err[0] ? err : strerror(-rc));
}

struct follow_read {
	struct nvd_daemon *daemon;
	char name[32]; /* the connection may be gone when the answer comes */
};

static void follow_done(void *arg, int err, const struct nvh_discovery_log_view *log,
			const char *message, const struct nvh_cpl *cpl)
{
	struct follow_read *read = arg;
	struct nvd_conn *conn = nvd_conn_find(read->daemon, read->name);

	(void)cpl;
	free(read);
	if (!conn || conn->state != NVD_CONN_LIVE)
		return;
	conn->following = false;
	if (err)
		nvhi_log(WARN, DAEMON, "%s: the discovery log was not read: %s", conn->name,
			 message ? message : strerror(-err));
	for (uint64_t i = 0; !err && i < log->nr_entries; i++)
		follow_entry(conn, &log->entries[i]);
	/* It changed while it was being read. */
	if (conn->follow_again) {
		conn->follow_again = false;
		nvd_follow(conn);
	}
}

void nvd_follow(struct nvd_conn *conn)
{
	struct follow_read *read;
	int rc;

	if (!conn->params.follow || conn->state != NVD_CONN_LIVE || conn->daemon->stopping)
		return;
	if (conn->following) {
		conn->follow_again = true;
		return;
	}
	read = calloc(1, sizeof(*read));
	if (!read) {
		nvhi_log(ERROR, DAEMON, "%s: out of memory, not followed", conn->name);
		return;
	}
	read->daemon = conn->daemon;
	memcpy(read->name, conn->name, sizeof(read->name));
	conn->following = true;
	rc = nvh_ctrlr_get_discovery_log(conn->ctrlr, follow_done, read);
	if (rc) {
		/* Not live just now: its return brings us here again. */
		conn->following = false;
		free(read);
		nvhi_log(INFO, DAEMON, "%s: the discovery log was not read: %s", conn->name,
			 strerror(-rc));
	}
}

static struct nvd_conn *follow_find(struct nvd_daemon *daemon, const struct nvh_ctrlr *ctrlr)
{
	struct nvd_conn *conn;

	nvhi_list_for_each(conn, &daemon->conns, link) {
		if (conn->ctrlr == ctrlr)
			return conn;
	}
	return NULL;
}

void nvd_follow_notice(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr, uint8_t type,
		       uint8_t info)
{
	struct nvd_conn *conn = follow_find(daemon, ctrlr);

	if (conn && type == NVH_AER_NOTICE && info == NVH_AER_DISCOVERY_CHANGED)
		nvd_follow(conn);
}

void nvd_follow_state(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct nvd_conn *conn = follow_find(daemon, ctrlr);

	if (!conn || !conn->params.follow)
		return;
	nvh_ctrlr_info(ctrlr, &info);
	if (info.state && !strcmp(info.state, "live"))
		nvd_follow(conn);
}
