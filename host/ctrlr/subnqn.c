/*
 * The subsystem's NQN where nobody gave one: a drive in this machine tells it in Identify; one that
 * tells none, or one that it shares with others, gets that which the Linux kernel makes up of
 * vendor, serial number and model. Pure. Base Specification 2.1 sections 4.7 and 5.1.13.2.1.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

/* One byte a character, as it stands there: blanks too. */
static size_t put_text(char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	return len;
}

static void subnqn_make_up(const struct nvh_id_ctrlr *id, char *ret_nqn)
{
	int at = snprintf(ret_nqn, NVH_NQN_SIZE, "nqn.2014.08.org.nvmexpress:%04x%04x",
			  nvh_le16_get(id->vid), nvh_le16_get(id->ssvid));
	char *end = ret_nqn + at;

	end += put_text(end, id->sn, sizeof(id->sn));
	end += put_text(end, id->mn, sizeof(id->mn));
	while (end > ret_nqn && end[-1] == ' ')
		end--;
	*end = '\0';
}

void nvhi_subnqn_of(const struct nvh_id_ctrlr *id, uint32_t quirks, char *ret_nqn)
{
	size_t len = strnlen(id->subnqn, sizeof(id->subnqn));

	if (!len || len >= NVH_NQN_SIZE || (quirks & NVHI_QUIRK_NO_SUBNQN))
		subnqn_make_up(id, ret_nqn);
	else
		ret_nqn[put_text(ret_nqn, id->subnqn, len)] = '\0';
}

int nvhi_subnqn_check(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id)
{
	const char *subnqn = ctrlr->opts.transport.subnqn;
	char own[NVH_NQN_SIZE];

	/* The well-known discovery NQN may be answered by a discovery subsystem of another name,
	 * and controllers before 1.2.1 have none. */
	if (!subnqn[0] || !strcmp(subnqn, NVH_DISCOVERY_NQN) || !strcmp(id->subnqn, subnqn))
		return 0;
	if (!id->subnqn[0] && !ctrlr->named_by_identify)
		return 0;
	nvhi_subnqn_of(id, ctrlr->tctrlr ? ctrlr->tctrlr->quirks : 0, own);
	return strcmp(own, subnqn) ? -EPROTO : 0;
}

void nvhi_subnqn_take(struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id)
{
	char *subnqn = ctrlr->opts.transport.subnqn;

	if (subnqn[0])
		return;
	nvhi_subnqn_of(id, ctrlr->tctrlr->quirks, subnqn);
	ctrlr->named_by_identify = true;
	nvhi_log(INFO, CTRLR, "%s: %s: subsystem %s", ctrlr->name, ctrlr->where, subnqn);
}
