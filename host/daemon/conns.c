/*
 * The connections the daemon was asked for. A first attempt that fails is the caller's error and
 * leaves nothing; a connection that was once made, or that comes from the saved state, is kept: the
 * library reconnects it after a loss until ctrl-loss-tmo, and a saved one is tried again for ever,
 * with back-off and jitter, so that a target that starts later than its host is found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsm.h"
#include "host/daemon/daemon.h"

#define CONN_RETRY_MIN_MS 500u
#define CONN_RETRY_MAX_MS 10000u

static const char *const conn_state_names[] = {
#define X(upper, lower) #lower,
	NVD_CONN_STATES(X)
#undef X
};

static const uint32_t conn_edges[] = {
	[NVD_CONN_CONNECTING] = NVHI_FSM_TO(NVD_CONN_LIVE) | NVHI_FSM_TO(NVD_CONN_WAITING),
	[NVD_CONN_LIVE] = NVHI_FSM_TO(NVD_CONN_DELETING),
	[NVD_CONN_WAITING] = NVHI_FSM_TO(NVD_CONN_CONNECTING),
	[NVD_CONN_DELETING] = 0,
};

static const struct nvhi_fsm conn_fsm = NVHI_FSM_INIT("connection", conn_state_names, conn_edges);

static void conn_set(struct nvd_conn *conn, enum nvd_conn_state state)
{
	nvhi_fsm_set(&conn_fsm, &conn->state, state, NVHI_LOG_DAEMON, conn->name);
}

const char *nvd_conn_state_name(const struct nvd_conn *conn)
{
	return conn_state_names[conn->state];
}

struct nvd_conn *nvd_conn_find(struct nvd_daemon *daemon, const char *name)
{
	struct nvd_conn *conn;

	nvhi_list_for_each(conn, &daemon->conns, link) {
		if (!strcmp(conn->name, name))
			return conn;
	}
	return NULL;
}

static void conn_free(struct nvd_conn *conn)
{
	nvhi_timer_cancel(nvd_home(conn->daemon), &conn->retry);
	nvhi_list_del(&conn->link);
	json_object_put(conn->json);
	free(conn);
}

/* The lowest nvhN that neither a connection nor a saved one still waiting has. */
static void conn_pick_name(struct nvd_daemon *daemon, char *ret_name, size_t len)
{
	for (unsigned int i = 0;; i++) {
		snprintf(ret_name, len, "nvh%u", i);
		if (!nvd_conn_find(daemon, ret_name) && !nvh_ctrlr_find(daemon->host, ret_name))
			return;
	}
}

/* ---- attempts ----------------------------------------------------------------------------- */

static void conn_attempt(struct nvd_conn *conn);

static void conn_retry_due(struct nvhi_timer *timer)
{
	struct nvd_conn *conn = nvhi_container_of(timer, struct nvd_conn, retry);

	conn_set(conn, NVD_CONN_CONNECTING);
	conn_attempt(conn);
}

static void conn_retry_later(struct nvd_conn *conn, const char *message)
{
	unsigned int shift = conn->attempts < 6 ? conn->attempts : 6;
	uint64_t ms = (uint64_t)CONN_RETRY_MIN_MS << shift;

	if (ms > CONN_RETRY_MAX_MS)
		ms = CONN_RETRY_MAX_MS;
	ms = ms / 2 + (uint64_t)random() % (ms / 2 + 1);
	/* Once a minute is enough in the log. */
	if (conn->attempts++ % 8 == 0)
		nvhi_log(WARN, DAEMON, "%s: %s; trying on", conn->name, message);
	snprintf(conn->last_message, sizeof(conn->last_message), "%s", message);
	conn_set(conn, NVD_CONN_WAITING);
	if (nvhi_timer_arm(nvd_home(conn->daemon), &conn->retry, ms * NVHI_NSEC_PER_MSEC) < 0)
		nvhi_log(ERROR, DAEMON, "%s: out of memory, not tried again", conn->name);
}

static void conn_failed(struct nvd_conn *conn, int err, const char *message)
{
	if (!conn->doomed && !conn->done) {
		conn_retry_later(conn, message);
		return;
	}
	if (conn->done)
		conn->done(conn->arg, conn->doomed ? -ECANCELED : err, NULL,
			   conn->doomed ? "disconnected meanwhile" : message);
	conn_free(conn);
}

static void conn_done(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
		      const struct nvh_cpl *cpl)
{
	struct nvd_conn *conn = arg;
	nvd_conn_fn done = conn->done;

	(void)cpl;
	if (err) {
		conn_failed(conn, err, message ? message : strerror(-err));
		return;
	}
	conn->ctrlr = ctrlr;
	conn->attempts = 0;
	conn->last_message[0] = '\0';
	conn_set(conn, NVD_CONN_LIVE);
	conn->done = NULL;
	if (!conn->doomed)
		nvd_state_save(conn->daemon);
	if (done)
		done(conn->arg, conn->doomed ? -ECANCELED : 0, conn, "disconnected meanwhile");
	if (conn->doomed)
		nvd_conn_delete(conn, NULL, NULL);
	else
		nvd_follow(conn);
}

static int conn_start(struct nvd_conn *conn, char *err, size_t err_len)
{
	struct nvh_connect_opts opts;
	int rc = nvd_params_to_opts(&conn->params, &opts, conn->hostid_text, err, err_len);

	if (rc)
		return rc;
	opts.name = conn->name;
	/* A retry by the library would hide the reason from whoever waits for the answer, and from
	 * the log: attempts until the first success are made here. */
	opts.no_retry = true;
	return nvh_connect(conn->daemon->host, &opts, conn_done, conn, err, err_len);
}

static void conn_attempt(struct nvd_conn *conn)
{
	char err[512] = "";
	int rc = conn_start(conn, err, sizeof(err));

	if (rc)
		conn_failed(conn, rc, err[0] ? err : strerror(-rc));
}

/* ---- add, delete -------------------------------------------------------------------------- */

static bool conn_is_duplicate(struct nvd_daemon *daemon, const struct nvd_params *params,
			      const char **ret_name)
{
	struct nvd_conn *conn;

	nvhi_list_for_each(conn, &daemon->conns, link) {
		if (nvd_params_same(&conn->params, params)) {
			*ret_name = conn->name;
			return true;
		}
	}
	return false;
}

static int conn_create(struct nvd_daemon *daemon, struct json_object *json,
		       struct nvd_conn **ret_conn, char *err, size_t err_len)
{
	struct nvd_conn *conn = calloc(1, sizeof(*conn));
	const char *other;
	int rc = conn ? 0 : -ENOMEM;

	if (!rc)
		rc = nvd_params_from_json(json, &conn->params, err, err_len);
	if (!rc && !conn->params.duplicate_connect &&
	    conn_is_duplicate(daemon, &conn->params, &other)) {
		snprintf(err, err_len, "already connected as %s", other);
		rc = -EALREADY;
	}
	if (!rc && conn->params.name && conn->params.name[0] &&
	    nvd_conn_find(daemon, conn->params.name)) {
		snprintf(err, err_len, "the name '%s' is taken", conn->params.name);
		rc = -EEXIST;
	}
	if (rc) {
		free(conn);
		return rc;
	}
	conn->daemon = daemon;
	conn->json = json_object_get(json);
	conn->state = NVD_CONN_CONNECTING;
	conn->retry.fn = conn_retry_due;
	if (conn->params.name && conn->params.name[0])
		snprintf(conn->name, sizeof(conn->name), "%s", conn->params.name);
	else
		conn_pick_name(daemon, conn->name, sizeof(conn->name));
	nvhi_list_add_tail(&daemon->conns, &conn->link);
	*ret_conn = conn;
	return 0;
}

int nvd_conn_add(struct nvd_daemon *daemon, struct json_object *json, nvd_conn_fn done, void *arg,
		 char *err, size_t err_len)
{
	struct nvd_conn *conn;
	int rc = conn_create(daemon, json, &conn, err, err_len);

	if (rc)
		return rc;
	conn->done = done;
	conn->arg = arg;
	rc = conn_start(conn, err, err_len);
	if (rc)
		conn_free(conn);
	return rc;
}

int nvd_conn_restore(struct nvd_daemon *daemon, struct json_object *json, char *err, size_t err_len)
{
	struct nvd_conn *conn;
	int rc = conn_create(daemon, json, &conn, err, err_len);

	if (!rc)
		conn_attempt(conn);
	return rc;
}

struct conn_delete {
	struct nvd_conn *conn;
	void (*done)(void *arg);
	void *arg;
};

static void conn_deleted(void *arg)
{
	struct conn_delete *del = arg;

	conn_free(del->conn);
	if (del->done)
		del->done(del->arg);
	free(del);
}

void nvd_conn_delete(struct nvd_conn *conn, void (*done)(void *arg), void *arg)
{
	struct nvd_daemon *daemon = conn->daemon;
	struct conn_delete *del;

	switch (conn->state) {
	case NVD_CONN_CONNECTING:
		/* The attempt ends by its own deadlines and takes the connection with it. */
		conn->doomed = true;
		break;
	case NVD_CONN_WAITING:
		conn_free(conn);
		break;
	case NVD_CONN_LIVE:
		del = calloc(1, sizeof(*del));
		if (!del) {
			nvhi_log(ERROR, DAEMON, "%s: out of memory, not disconnected", conn->name);
			break;
		}
		*del = (struct conn_delete){.conn = conn, .done = done, .arg = arg};
		conn_set(conn, NVD_CONN_DELETING);
		nvd_state_save(daemon);
		nvh_disconnect(conn->ctrlr, conn_deleted, del);
		return;
	default:
		break;
	}
	nvd_state_save(daemon);
	if (done)
		done(arg);
}

void nvd_conn_ctrlr_removed(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr)
{
	struct nvd_conn *conn;

	nvhi_list_for_each(conn, &daemon->conns, link) {
		if (conn->ctrlr != ctrlr || conn->state != NVD_CONN_LIVE)
			continue;
		if (daemon->stopping) {
			conn->ctrlr = NULL; /* stays saved */
			return;
		}
		nvhi_log(WARN, DAEMON, "%s: given up (ctrl-loss-tmo %d s): %s %s", conn->name,
			 conn->params.ctrl_loss_tmo, conn->params.traddr,
			 conn->params.nqn ? conn->params.nqn : "");
		conn_free(conn);
		nvd_state_save(daemon);
		return;
	}
}

void nvd_conns_free(struct nvd_daemon *daemon)
{
	struct nvd_conn *conn, *tmp;

	nvhi_list_for_each_safe(conn, tmp, &daemon->conns, link)
		conn_free(conn);
}
