/*
 * Discovery log entries for people (nvme-cli's "normal" shape) and for programs (its JSON).
 * Base Specification 2.1, section 5.1.12.3.1.
 */
#include <string.h>

#include "base/json_util.h"
#include "host/cli/discovery_print.h"

struct name {
	unsigned int value;
	const char *text;
};

static const char *name_of(const struct name *names, unsigned int value)
{
	for (; names->text; names++) {
		if (names->value == value)
			return names->text;
	}
	return "unrecognized";
}

static const struct name names_trtype[] = {
	{NVH_TRTYPE_RDMA, "rdma"},
	{NVH_TRTYPE_FC, "fc"},
	{NVH_TRTYPE_TCP, "tcp"},
	{NVH_TRTYPE_LOOP, "loop"},
	{0, NULL},
};

static const struct name names_adrfam[] = {
	{NVH_ADRFAM_PCI, "pci"},       {NVH_ADRFAM_IPV4, "ipv4"},        {NVH_ADRFAM_IPV6, "ipv6"},
	{NVH_ADRFAM_IB, "infiniband"}, {NVH_ADRFAM_FC, "fibre-channel"}, {0, NULL},
};

static const struct name names_subtype[] = {
	{NVH_SUBTYPE_DISC_REFERRAL, "discovery subsystem referral"},
	{NVH_SUBTYPE_NVM, "nvme subsystem"},
	{NVH_SUBTYPE_DISC_CURRENT, "current discovery subsystem"},
	{0, NULL},
};

static const struct name names_treq[] = {
	{NVH_TREQ_NOT_SPECIFIED, "not specified"},
	{NVH_TREQ_REQUIRED, "required"},
	{NVH_TREQ_NOT_REQUIRED, "not required"},
	{NVH_TREQ_DISABLE_SQFLOW, "not specified, sq flow control disable supported"},
	{NVH_TREQ_REQUIRED | NVH_TREQ_DISABLE_SQFLOW,
	 "required, sq flow control disable supported"},
	{NVH_TREQ_NOT_REQUIRED | NVH_TREQ_DISABLE_SQFLOW,
	 "not required, sq flow control disable supported"},
	{0, NULL},
};

static const struct name names_sectype[] = {
	{NVH_TCP_SEC_NONE, "none"},
	{NVH_TCP_SEC_TLS12, "tls"},
	{NVH_TCP_SEC_TLS13, "tls13"},
	{0, NULL},
};

static const struct name names_prtype[] = {
	{NVH_RDMA_PRTYPE_NONE, "not specified"}, {NVH_RDMA_PRTYPE_IB, "infiniband"},
	{NVH_RDMA_PRTYPE_ROCE, "roce"},          {NVH_RDMA_PRTYPE_ROCEV2, "roce-v2"},
	{NVH_RDMA_PRTYPE_IWARP, "iwarp"},        {0, NULL},
};

static const struct name names_qptype[] = {
	{NVH_RDMA_QPTYPE_CONNECTED, "connected"},
	{NVH_RDMA_QPTYPE_DATAGRAM, "datagram"},
	{0, NULL},
};

static const struct name names_cms[] = {{NVH_RDMA_CMS_RDMA_CM, "rdma-cm"}, {0, NULL}};

static const struct name names_eflags[] = {
	{NVH_EFLAGS_EPCSD, "explicit discovery connections"},
	{NVH_EFLAGS_DUPRETINFO, "duplicate discovery information"},
	{NVH_EFLAGS_NCC, "no cdc connectivity"},
	{0, NULL},
};

const char *nvc_trtype_name(uint8_t trtype)
{
	return name_of(names_trtype, trtype);
}

static void eflags_text(unsigned int flags, char *ret_text, size_t len)
{
	size_t used = 0;

	snprintf(ret_text, len, "%s", flags ? "" : "none");
	if (flags & ~(unsigned int)(NVH_EFLAGS_EPCSD | NVH_EFLAGS_DUPRETINFO | NVH_EFLAGS_NCC)) {
		snprintf(ret_text, len, "unrecognized");
		return;
	}
	/* nvme-cli names the explicit connections first. */
	for (const struct name *n = names_eflags; n->text; n++) {
		if (flags & n->value)
			used += (size_t)snprintf(ret_text + used, len - used, "%s%s",
						 used ? ", " : "", n->text);
	}
}

void nvc_field_text(const char *field, size_t size, char *ret_text)
{
	size_t len = strnlen(field, size);

	while (len && field[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		ret_text[i] = field[i] >= ' ' && field[i] != 0x7f ? field[i] : '?';
	ret_text[len] = '\0';
}

struct entry_text {
	char trsvcid[NVH_TRSVCID_SIZE + 1], subnqn[NVH_NQN_SIZE + 1], traddr[NVH_TRADDR_SIZE + 1];
	char eflags[128];
};

static void entry_text(const struct nvh_discovery_log_entry *e, struct entry_text *text)
{
	nvc_field_text(e->trsvcid, sizeof(e->trsvcid), text->trsvcid);
	nvc_field_text(e->subnqn, sizeof(e->subnqn), text->subnqn);
	nvc_field_text(e->traddr, sizeof(e->traddr), text->traddr);
	eflags_text(nvh_le16_get(e->eflags), text->eflags, sizeof(text->eflags));
}

static void entry_print(FILE *out, uint32_t index, const struct nvh_discovery_log_entry *e)
{
	struct entry_text text;

	entry_text(e, &text);
	fprintf(out, "=====Discovery Log Entry %u======\n", index);
	fprintf(out, "trtype:  %s\n", nvc_trtype_name(e->trtype));
	fprintf(out, "adrfam:  %s\n", text.traddr[0] ? name_of(names_adrfam, e->adrfam) : "");
	fprintf(out, "subtype: %s\n", name_of(names_subtype, e->subtype));
	fprintf(out, "treq:    %s\n", name_of(names_treq, e->treq));
	fprintf(out, "portid:  %u\n", nvh_le16_get(e->portid));
	fprintf(out, "trsvcid: %s\n", text.trsvcid);
	fprintf(out, "subnqn:  %s\n", text.subnqn);
	fprintf(out, "traddr:  %s\n", text.traddr);
	fprintf(out, "eflags:  %s\n", text.eflags);
	if (e->trtype == NVH_TRTYPE_RDMA) {
		fprintf(out, "rdma_prtype: %s\n", name_of(names_prtype, e->tsas.rdma.prtype));
		fprintf(out, "rdma_qptype: %s\n", name_of(names_qptype, e->tsas.rdma.qptype));
		fprintf(out, "rdma_cms:    %s\n", name_of(names_cms, e->tsas.rdma.cms));
		fprintf(out, "rdma_pkey: 0x%04x\n", nvh_le16_get(e->tsas.rdma.pkey));
	} else if (e->trtype == NVH_TRTYPE_TCP) {
		fprintf(out, "sectype: %s\n", name_of(names_sectype, e->tsas.tcp.sectype));
	}
}

void nvc_discovery_print(FILE *out, const struct nvc_discovery *log)
{
	fprintf(out, "\nDiscovery Log Number of Records %u, Generation counter %llu\n", log->nr,
		(unsigned long long)log->genctr);
	for (uint32_t i = 0; i < log->nr; i++)
		entry_print(out, i, &log->entries[i]);
}

static struct json_object *entry_to_json(const struct nvh_discovery_log_entry *e)
{
	struct json_object *o = json_object_new_object();
	struct entry_text t;
	int err = o ? 0 : -1;

	entry_text(e, &t);
	err = err ? err : nvhi_json_add_string(o, "trtype", nvc_trtype_name(e->trtype));
	err = err ? err : nvhi_json_add_string(o, "adrfam", name_of(names_adrfam, e->adrfam));
	err = err ? err : nvhi_json_add_string(o, "subtype", name_of(names_subtype, e->subtype));
	err = err ? err : nvhi_json_add_string(o, "treq", name_of(names_treq, e->treq));
	err = err ? err : nvhi_json_add_u64(o, "portid", nvh_le16_get(e->portid));
	err = err ? err : nvhi_json_add_string(o, "trsvcid", t.trsvcid);
	err = err ? err : nvhi_json_add_string(o, "subnqn", t.subnqn);
	err = err ? err : nvhi_json_add_string(o, "traddr", t.traddr);
	err = err ? err : nvhi_json_add_string(o, "eflags", t.eflags);
	if (e->trtype == NVH_TRTYPE_RDMA) {
		err = err ? err
			  : nvhi_json_add_string(o, "rdma_prtype",
						 name_of(names_prtype, e->tsas.rdma.prtype));
		err = err ? err
			  : nvhi_json_add_string(o, "rdma_qptype",
						 name_of(names_qptype, e->tsas.rdma.qptype));
		err = err ? err
			  : nvhi_json_add_string(o, "rdma_cms",
						 name_of(names_cms, e->tsas.rdma.cms));
		err = err ? err
			  : nvhi_json_add_u64(o, "rdma_pkey", nvh_le16_get(e->tsas.rdma.pkey));
	} else if (e->trtype == NVH_TRTYPE_TCP) {
		err = err ? err
			  : nvhi_json_add_string(o, "sectype",
						 name_of(names_sectype, e->tsas.tcp.sectype));
	}
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

struct json_object *nvc_discovery_to_json(const struct nvc_discovery *log)
{
	struct json_object *root = json_object_new_object();
	struct json_object *records = json_object_new_array();
	int err = nvhi_json_add_u64(root, "genctr", log->genctr);

	for (uint32_t i = 0; i < log->nr && !err; i++)
		err = nvhi_json_append(records, entry_to_json(&log->entries[i]));
	if (err) {
		json_object_put(records);
		json_object_put(root);
		return NULL;
	}
	if (nvhi_json_add(root, "records", records)) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

int nvc_discovery_write_raw(FILE *out, const struct nvc_discovery *log)
{
	struct nvh_discovery_log_header hdr;

	memset(&hdr, 0, sizeof(hdr));
	nvh_le64_put(&hdr.genctr, log->genctr);
	nvh_le64_put(&hdr.numrec, log->nr);
	if (fwrite(&hdr, sizeof(hdr), 1, out) != 1 ||
	    fwrite(log->entries, sizeof(*log->entries), log->nr, out) != log->nr)
		return -1;
	return 0;
}
