/*
 * The discovery log page: entry parser and chunked reader with GENCTR check.
 *
 * Runs on the reactor of the discovery controller. Every byte is a stranger's: counts are bounded,
 * strings are checked, nothing is taken until the log held still for a whole pass.
 * Base Specification 2.1 section 5.1.12.3.1.
 */
#include "fabric/discovery_log.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DISC_HEADER_SIZE ((uint32_t)sizeof(struct nvh_discovery_log_header))
#define DISC_ENTRY_SIZE  ((uint32_t)sizeof(struct nvh_discovery_log_entry))

static int disc_fail(const char **ret_why, int err, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return err;
}

/* ---- one entry ------------------------------------------------------------------------------ */

/* Copies a padded field, trimmed. False when a control byte is within. `out` has size + 1 bytes. */
static bool disc_string(char *out, const char *field, size_t size)
{
	size_t len = strnlen(field, size);

	while (len && field[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)field[i] < ' ' || field[i] == 0x7f)
			return false;
	}
	memcpy(out, field, len);
	out[len] = '\0';
	return true;
}

int nvhi_discovery_entry_parse(const struct nvh_discovery_log_entry *raw,
			       struct nvhi_discovery_entry *ret_entry, const char **ret_why)
{
	struct nvhi_discovery_entry e = {
		.trtype = raw->trtype,
		.adrfam = raw->adrfam,
		.subtype = raw->subtype,
		.treq = raw->treq,
		.portid = nvh_le16_get(raw->portid),
		.cntlid = nvh_le16_get(raw->cntlid),
		.asqsz = nvh_le16_get(raw->asqsz),
		.eflags = nvh_le16_get(raw->eflags),
	};

	if (!disc_string(e.trsvcid, raw->trsvcid, sizeof(raw->trsvcid)))
		return disc_fail(ret_why, -EPROTO, "TRSVCID has a control character");
	if (!disc_string(e.traddr, raw->traddr, sizeof(raw->traddr)))
		return disc_fail(ret_why, -EPROTO, "TRADDR has a control character");
	if (!disc_string(e.subnqn, raw->subnqn, sizeof(raw->subnqn)))
		return disc_fail(ret_why, -EPROTO, "SUBNQN has a control character");
	if (!e.subnqn[0])
		return disc_fail(ret_why, -EPROTO, "SUBNQN is empty");
	if (strlen(e.subnqn) > NVH_NQN_MAX)
		return disc_fail(ret_why, -EPROTO, "SUBNQN is longer than 223 bytes");
	*ret_entry = e;
	return 0;
}

/* ---- the reader ----------------------------------------------------------------------------- */

void nvhi_discovery_reader_init(struct nvhi_discovery_reader *reader, uint32_t chunk)
{
	assert(chunk >= DISC_ENTRY_SIZE);
	memset(reader, 0, sizeof(*reader));
	reader->state = NVHI_DISCOVERY_HEADER;
	reader->chunk = chunk / DISC_ENTRY_SIZE * DISC_ENTRY_SIZE;
	reader->restarts_left = NVHI_DISCOVERY_MAX_RESTARTS;
	reader->max_records = NVHI_DISCOVERY_MAX_RECORDS;
}

void nvhi_discovery_reader_fini(struct nvhi_discovery_reader *reader)
{
	free(reader->raw);
	reader->raw = NULL;
	reader->numrec = 0;
	reader->state = NVHI_DISCOVERY_FAILED;
}

int nvhi_discovery_reader_next(const struct nvhi_discovery_reader *reader, uint64_t *ret_offset,
			       uint32_t *ret_len)
{
	uint64_t left;

	switch (reader->state) {
	case NVHI_DISCOVERY_HEADER:
	case NVHI_DISCOVERY_CONFIRM:
		*ret_offset = 0;
		*ret_len = DISC_HEADER_SIZE;
		return 1;
	case NVHI_DISCOVERY_ENTRIES:
		left = (reader->numrec - reader->have) * DISC_ENTRY_SIZE;
		*ret_offset = DISC_HEADER_SIZE + reader->have * DISC_ENTRY_SIZE;
		*ret_len = left < reader->chunk ? (uint32_t)left : reader->chunk;
		return 1;
	default:
		return 0;
	}
}

/* A header: begins a pass over the entries. */
static int disc_begin_pass(struct nvhi_discovery_reader *reader,
			   const struct nvh_discovery_log_header *hdr, const char **ret_why)
{
	uint64_t numrec = nvh_le64_get(hdr->numrec);
	struct nvh_discovery_log_entry *raw;

	if (nvh_le16_get(hdr->recfmt))
		return disc_fail(ret_why, -EPROTO, "RECFMT is a format that is not supported");
	if (numrec > reader->max_records)
		return disc_fail(ret_why, -EFBIG, "NUMREC is above 65536");
	if (numrec > reader->room) {
		raw = realloc(reader->raw, numrec * DISC_ENTRY_SIZE);
		if (!raw)
			return disc_fail(ret_why, -ENOMEM, "out of memory");
		reader->raw = raw;
		reader->room = numrec;
	}
	reader->genctr = nvh_le64_get(hdr->genctr);
	reader->numrec = numrec;
	reader->have = 0;
	/* An empty log came whole in this one read: there is nothing to confirm. */
	reader->state = numrec ? NVHI_DISCOVERY_ENTRIES : NVHI_DISCOVERY_DONE;
	return 0;
}

static int disc_confirm(struct nvhi_discovery_reader *reader,
			const struct nvh_discovery_log_header *hdr, const char **ret_why)
{
	if (nvh_le64_get(hdr->genctr) == reader->genctr) {
		/* Same generation: a different count would be a broken controller. */
		if (nvh_le64_get(hdr->numrec) != reader->numrec)
			return disc_fail(ret_why, -EPROTO, "NUMREC changed but GENCTR did not");
		reader->state = NVHI_DISCOVERY_DONE;
		return 0;
	}
	if (!reader->restarts_left)
		return disc_fail(ret_why, -EAGAIN, "GENCTR moved during every pass");
	reader->restarts_left--;
	return disc_begin_pass(reader, hdr, ret_why);
}

int nvhi_discovery_reader_feed(struct nvhi_discovery_reader *reader, const void *data, uint32_t len,
			       const char **ret_why)
{
	uint64_t offset;
	uint32_t want;
	int err = 0;

	if (!nvhi_discovery_reader_next(reader, &offset, &want) || len != want) {
		reader->state = NVHI_DISCOVERY_FAILED;
		return disc_fail(ret_why, -EPROTO, "not the bytes that were asked for");
	}
	switch (reader->state) {
	case NVHI_DISCOVERY_HEADER:
		err = disc_begin_pass(reader, data, ret_why);
		break;
	case NVHI_DISCOVERY_ENTRIES:
		memcpy(&reader->raw[reader->have], data, len);
		reader->have += len / DISC_ENTRY_SIZE;
		if (reader->have == reader->numrec)
			reader->state = NVHI_DISCOVERY_CONFIRM;
		break;
	default:
		err = disc_confirm(reader, data, ret_why);
		break;
	}
	if (err)
		reader->state = NVHI_DISCOVERY_FAILED;
	return err;
}
