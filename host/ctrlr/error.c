/*
 * What an administrator is told when a controller cannot be connected or is lost: what failed, on
 * which address, with which answer, and what to do about it. Home reactor; pure text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

/* Names are the peer's business: shown only as far as a terminal takes them. */
static void error_connect_hint(const struct nvhi_ctrlr *ctrlr, const struct nvh_cpl *cpl, char *hint,
			       size_t len)
{
	const struct nvhi_tctrlr_opts *t = &ctrlr->opts.transport;
	uint32_t dw0 = nvh_le32_get(cpl->dw0);

	hint[0] = '\0';
	switch (nvh_cpl_code(cpl)) {
	case NVH_ST_CONNECT_INVALID_PARAM:
		if (!(dw0 & NVH_CONNECT_IATTR_DATA))
			break;
		if ((dw0 & NVH_CONNECT_IPO_MASK) ==
		    offsetof(struct nvh_fab_connect_data, subnqn))
			snprintf(hint, len,
				 ": no subsystem %s there (nvhost discover -t %s -a %s shows what there is)",
				 t->subnqn, ctrlr->transport->name, t->addr.traddr);
		else if ((dw0 & NVH_CONNECT_IPO_MASK) ==
			 offsetof(struct nvh_fab_connect_data, hostnqn))
			snprintf(hint, len, ": host NQN %s is not accepted", t->hostnqn);
		break;
	case NVH_ST_CONNECT_INVALID_HOST:
		snprintf(hint, len, ": host %s is not allowed on %s (add it on the target)",
			 t->hostnqn, t->subnqn);
		break;
	case NVH_ST_CONNECT_BUSY:
		snprintf(hint, len, ": no controller is free there");
		break;
	default:
		break;
	}
}

static const char *error_errno_hint(const struct nvhi_ctrlr *ctrlr, int err, char *hint, size_t len)
{
	const struct nvhi_tctrlr_opts *t = &ctrlr->opts.transport;

	hint[0] = '\0';
	switch (-err) {
	case ECONNREFUSED:
		snprintf(hint, len, " (is a listener there? nvhost discover -t %s -a %s)",
			 ctrlr->transport->name, t->addr.traddr);
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		snprintf(hint, len, " (is the address right, and the network up?)");
		break;
	case EADDRNOTAVAIL:
		snprintf(hint, len, " (is %s an address of this host?)", t->host_addr.traddr);
		break;
	default:
		break;
	}
	return hint;
}

void nvhi_ctrlr_error_set(struct nvhi_ctrlr *ctrlr, struct nvhi_ctrlr_error *error, int err,
			  const struct nvh_cpl *cpl, const char *what, const char *text)
{
	char hint[sizeof(error->message)];
	bool connect = strncmp(what, "connect", strlen("connect")) == 0;

	memset(error, 0, sizeof(*error));
	error->err = err;
	if (cpl) {
		error->has_cpl = true;
		error->cpl = *cpl;
		if (connect)
			error_connect_hint(ctrlr, cpl, hint, sizeof(hint));
		else
			hint[0] = '\0';
		snprintf(error->message, sizeof(error->message), "%s %s: %s%s%s%s", what,
			 ctrlr->where, text, text[0] ? ": " : "",
			 connect ? nvh_fabrics_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl))
				 : nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)),
			 hint);
		return;
	}
	snprintf(error->message, sizeof(error->message), "%s %s: %s%s", what, ctrlr->where, text,
		 error_errno_hint(ctrlr, err, hint, sizeof(hint)));
}
