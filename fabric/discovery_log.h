/*
 * The discovery log page: a reader that says what to read next and puts the chunks together while
 * watching GENCTR, and the parser of one entry. Pure but for its own memory; runs on the reactor of
 * the discovery controller. Every byte is a stranger's.
 *
 * Base Specification 2.1 section 5.1.12.3.1.
 */
#ifndef NVHI_FABRIC_DISCOVERY_LOG_H
#define NVHI_FABRIC_DISCOVERY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/spec/nvmf.h"

/* One entry: numbers in host order, strings trimmed and terminated. */
struct nvhi_discovery_entry {
	uint8_t trtype; /* enum nvh_trtype */
	uint8_t adrfam;
	uint8_t subtype;
	uint8_t treq;
	uint16_t portid;
	uint16_t cntlid;
	uint16_t asqsz;
	uint16_t eflags;
	char trsvcid[NVH_TRSVCID_SIZE + 1];
	char subnqn[NVH_NQN_SIZE + 1];
	char traddr[NVH_TRADDR_SIZE + 1];
};

/*
 * Trims trailing spaces and NULs. -EPROTO when a string has control bytes (it would end up in a
 * terminal, a path or a log) or the NQN is empty, unterminated or too long; *ret_why (if not NULL)
 * names the field. Unknown types are let through: the caller skips what it cannot use.
 */
int nvhi_discovery_entry_parse(const struct nvh_discovery_log_entry *raw,
			       struct nvhi_discovery_entry *ret_entry, const char **ret_why);

enum nvhi_discovery_reader_state {
	NVHI_DISCOVERY_HEADER,  /* reads the header */
	NVHI_DISCOVERY_ENTRIES, /* reads entries */
	NVHI_DISCOVERY_CONFIRM, /* reads the header again: has GENCTR moved? */
	NVHI_DISCOVERY_DONE,
	NVHI_DISCOVERY_FAILED,
};

struct nvhi_discovery_reader {
	/* Results, valid in DONE. */
	uint64_t genctr;
	uint64_t numrec; /* entries at raw[] */
	struct nvh_discovery_log_entry *raw;

	/* Private. */
	uint8_t state;
	uint32_t chunk; /* bytes a read */
	uint32_t restarts_left;
	uint64_t max_records;
	uint64_t have; /* entries read in this pass */
	uint64_t room; /* entries that raw[] holds */
};

/* More records than this in one log are refused (a hostile NUMREC must not take all memory). */
#define NVHI_DISCOVERY_MAX_RECORDS  65536u
#define NVHI_DISCOVERY_MAX_RESTARTS 16u

/* `chunk`: bytes of the largest Get Log Page that the caller can do, at least 1,024. */
void nvhi_discovery_reader_init(struct nvhi_discovery_reader *reader, uint32_t chunk);
void nvhi_discovery_reader_fini(struct nvhi_discovery_reader *reader);

/* What to read now: returns 1 with offset and length, or 0 when there is nothing (DONE, FAILED). */
int nvhi_discovery_reader_next(const struct nvhi_discovery_reader *reader, uint64_t *ret_offset,
			       uint32_t *ret_len);
/*
 * The bytes of the read just asked for: `len` of them, exactly. Returns 0 (ask next() again),
 * -EPROTO (malformed), -EFBIG (too many records), -EAGAIN (GENCTR moved in every one of the
 * passes), -ENOMEM; after an error the state is FAILED and *ret_why (if not NULL) says why.
 */
int nvhi_discovery_reader_feed(struct nvhi_discovery_reader *reader, const void *data, uint32_t len,
			       const char **ret_why);

#endif
