/*
 * What an administrator is told when a controller cannot be connected or is lost: what failed, on
 * which address, with which answer, and what to do about it (a refused Connect's text comes from
 * fabric/connect.c by way of the queue pair). Home reactor; pure text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

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
	char hint[160];

	memset(error, 0, sizeof(*error));
	error->err = err;
	error->has_cpl = cpl != NULL;
	if (cpl)
		error->cpl = *cpl;
	if (cpl && !text[0])
		text = nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl));
	snprintf(error->message, sizeof(error->message), "%s %s: %s%s", what, ctrlr->where, text,
		 cpl ? "" : error_errno_hint(ctrlr, err, hint, sizeof(hint)));
}
