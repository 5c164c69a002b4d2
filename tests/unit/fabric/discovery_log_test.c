/*
 * The discovery log: read in chunks from a log that moves, and parsed from a stranger's bytes.
 */
#include "fabric/discovery_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"

/* A log page as a discovery controller holds it. */
struct fake_log {
	struct nvh_discovery_log_header hdr;
	struct nvh_discovery_log_entry entries[40];
	unsigned int reads;
};

/* The raw layout of an entry, by the byte offsets of figure 295. */
static void put_entry(struct nvh_discovery_log_entry *entry, unsigned int portid)
{
	uint8_t *b = (uint8_t *)entry;

	memset(b, 0, 1024);
	b[0] = 3; /* TCP */
	b[1] = 1; /* IPv4 */
	b[2] = 2; /* NVM subsystem */
	b[3] = 4; /* SQ flow control may be off */
	b[4] = (uint8_t)portid;
	b[6] = 0xff;
	b[7] = 0xff;
	b[8] = 32;
	b[10] = 1;
	memset(b + 32, ' ', 32);
	memcpy(b + 32, "4420", 4);
	memcpy(b + 256, "nqn.2016-06.io.spdk:cnode1", 26);
	memset(b + 512, ' ', 256);
	memcpy(b + 512, "10.0.0.1", 8);
}

static void fake_init(struct fake_log *log, unsigned int num, uint64_t genctr)
{
	memset(log, 0, sizeof(*log));
	nvh_le64_put(&log->hdr.genctr, genctr);
	nvh_le64_put(&log->hdr.numrec, num);
	for (unsigned int i = 0; i < num; i++)
		put_entry(&log->entries[i], i);
}

/* Answers one read; 1 while there is more to read. */
static int fake_step(struct fake_log *log, struct nvhi_discovery_reader *reader, int *ret_err)
{
	uint64_t offset;
	uint32_t len;

	if (!nvhi_discovery_reader_next(reader, &offset, &len))
		return 0;
	CU_ASSERT_FATAL(offset + len <= sizeof(*log));
	log->reads++;
	*ret_err = nvhi_discovery_reader_feed(reader, (uint8_t *)log + offset, len, NULL);
	return !*ret_err;
}

static int read_all(struct fake_log *log, struct nvhi_discovery_reader *reader)
{
	int err = 0;

	while (fake_step(log, reader, &err))
		;
	return err;
}

static void a_log_is_read_in_chunks_and_confirmed(void)
{
	struct nvhi_discovery_reader reader;
	struct nvhi_discovery_entry entry;
	static struct fake_log log;

	fake_init(&log, 10, 7);
	nvhi_discovery_reader_init(&reader, 4096 + 100);
	CU_ASSERT_EQUAL(read_all(&log, &reader), 0);
	CU_ASSERT_EQUAL(log.reads, 1 + 3 + 1);
	CU_ASSERT_EQUAL(reader.state, NVHI_DISCOVERY_DONE);
	CU_ASSERT_EQUAL(reader.genctr, 7);
	CU_ASSERT_EQUAL_FATAL(reader.numrec, 10);
	for (unsigned int i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(nvhi_discovery_entry_parse(&reader.raw[i], &entry, NULL), 0);
		CU_ASSERT_EQUAL(entry.portid, i);
	}
	nvhi_discovery_reader_fini(&reader);
}

static void an_empty_log_is_one_read(void)
{
	struct nvhi_discovery_reader reader;
	static struct fake_log log;

	fake_init(&log, 0, 1);
	nvhi_discovery_reader_init(&reader, 1024);
	CU_ASSERT_EQUAL(read_all(&log, &reader), 0);
	CU_ASSERT_EQUAL(log.reads, 1);
	CU_ASSERT_EQUAL(reader.state, NVHI_DISCOVERY_DONE);
	CU_ASSERT_EQUAL(reader.numrec, 0);
	nvhi_discovery_reader_fini(&reader);
}

static void a_log_that_changes_while_read_is_read_again(void)
{
	struct nvhi_discovery_reader reader;
	static struct fake_log log;
	int err = 0;

	fake_init(&log, 3, 7);
	nvhi_discovery_reader_init(&reader, 1024);
	CU_ASSERT_EQUAL(fake_step(&log, &reader, &err), 1);
	CU_ASSERT_EQUAL(fake_step(&log, &reader, &err), 1);
	fake_init(&log, 12, 8); /* grows while its second entry is read */
	CU_ASSERT_EQUAL(read_all(&log, &reader), 0);
	CU_ASSERT_EQUAL(reader.genctr, 8);
	CU_ASSERT_EQUAL(reader.numrec, 12);
	CU_ASSERT_EQUAL(reader.raw[11].portid.b[0], 11);
	nvhi_discovery_reader_fini(&reader);
}

static void a_log_that_never_stands_still_is_given_up(void)
{
	struct nvhi_discovery_reader reader;
	static struct fake_log log;
	uint64_t genctr = 1;
	int err = 0;

	fake_init(&log, 2, genctr);
	nvhi_discovery_reader_init(&reader, 1024);
	while (fake_step(&log, &reader, &err))
		nvh_le64_put(&log.hdr.genctr, ++genctr);
	CU_ASSERT_EQUAL(err, -EAGAIN);
	CU_ASSERT_EQUAL(reader.state, NVHI_DISCOVERY_FAILED);
	CU_ASSERT(log.reads <= 4 * (NVHI_DISCOVERY_MAX_RESTARTS + 2));
	nvhi_discovery_reader_fini(&reader);
}

static void hostile_headers_are_refused(void)
{
	struct nvhi_discovery_reader reader;
	static struct fake_log log;
	const char *why = "";

	fake_init(&log, 0, 1);
	nvh_le64_put(&log.hdr.numrec, UINT64_MAX);
	nvhi_discovery_reader_init(&reader, 4096);
	CU_ASSERT_EQUAL(nvhi_discovery_reader_feed(&reader, &log.hdr, 1024, &why), -EFBIG);
	CU_ASSERT_STRING_EQUAL(why, "NUMREC is above 65536");
	CU_ASSERT_EQUAL(nvhi_discovery_reader_feed(&reader, &log.hdr, 1024, NULL), -EPROTO);

	fake_init(&log, 1, 1);
	log.hdr.recfmt.b[0] = 1;
	nvhi_discovery_reader_init(&reader, 4096);
	CU_ASSERT_EQUAL(read_all(&log, &reader), -EPROTO);

	fake_init(&log, 1, 1);
	nvhi_discovery_reader_init(&reader, 4096);
	CU_ASSERT_EQUAL(nvhi_discovery_reader_feed(&reader, &log.hdr, 512, NULL), -EPROTO);

	fake_init(&log, 1, 1);
	nvhi_discovery_reader_init(&reader, 4096);
	CU_ASSERT_EQUAL(nvhi_discovery_reader_feed(&reader, &log.hdr, 1024, NULL), 0);
	CU_ASSERT_EQUAL(nvhi_discovery_reader_feed(&reader, log.entries, 1024, NULL), 0);
	nvh_le64_put(&log.hdr.numrec, 2);
	CU_ASSERT_EQUAL(nvhi_discovery_reader_feed(&reader, &log.hdr, 1024, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "NUMREC changed but GENCTR did not");
	nvhi_discovery_reader_fini(&reader);
}

static void an_entry_has_its_fields_and_trimmed_strings(void)
{
	struct nvh_discovery_log_entry raw;
	struct nvhi_discovery_entry e;

	put_entry(&raw, 5);
	CU_ASSERT_EQUAL_FATAL(nvhi_discovery_entry_parse(&raw, &e, NULL), 0);
	CU_ASSERT_EQUAL(e.trtype, NVH_TRTYPE_TCP);
	CU_ASSERT_EQUAL(e.adrfam, NVH_ADRFAM_IPV4);
	CU_ASSERT_EQUAL(e.subtype, NVH_SUBTYPE_NVM);
	CU_ASSERT_EQUAL(e.treq, NVH_TREQ_DISABLE_SQFLOW);
	CU_ASSERT_EQUAL(e.portid, 5);
	CU_ASSERT_EQUAL(e.cntlid, NVH_CNTLID_DYNAMIC);
	CU_ASSERT_EQUAL(e.asqsz, 32);
	CU_ASSERT_EQUAL(e.eflags, NVH_EFLAGS_DUPRETINFO);
	CU_ASSERT_STRING_EQUAL(e.trsvcid, "4420");
	CU_ASSERT_STRING_EQUAL(e.traddr, "10.0.0.1");
	CU_ASSERT_STRING_EQUAL(e.subnqn, "nqn.2016-06.io.spdk:cnode1");
	memset(raw.traddr, 'x', sizeof(raw.traddr)); /* no terminator at all */
	memset(raw.trsvcid, '9', sizeof(raw.trsvcid));
	CU_ASSERT_EQUAL(nvhi_discovery_entry_parse(&raw, &e, NULL), 0);
	CU_ASSERT_EQUAL(strlen(e.traddr), 256);
	CU_ASSERT_EQUAL(strlen(e.trsvcid), 32);
}

static void hostile_entries_are_refused_by_field(void)
{
	struct nvh_discovery_log_entry raw;
	struct nvhi_discovery_entry e = {.trtype = 77};
	const char *why = "";

	put_entry(&raw, 0);
	raw.traddr[3] = '\x1b';
	CU_ASSERT_EQUAL(nvhi_discovery_entry_parse(&raw, &e, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "TRADDR has a control character");
	put_entry(&raw, 0);
	raw.trsvcid[0] = '\n';
	CU_ASSERT_EQUAL(nvhi_discovery_entry_parse(&raw, &e, &why), -EPROTO);
	put_entry(&raw, 0);
	raw.subnqn[0] = '\0';
	CU_ASSERT_EQUAL(nvhi_discovery_entry_parse(&raw, &e, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "SUBNQN is empty");
	memset(raw.subnqn, 'a', sizeof(raw.subnqn));
	CU_ASSERT_EQUAL(nvhi_discovery_entry_parse(&raw, &e, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "SUBNQN is longer than 223 bytes");
	CU_ASSERT_EQUAL(e.trtype, 77);
}

static int read_once(void *arg)
{
	struct nvhi_discovery_reader reader;
	int err;

	nvhi_discovery_reader_init(&reader, 2048);
	err = read_all(arg, &reader);
	nvhi_discovery_reader_fini(&reader);
	return err;
}

static void memory_that_runs_out_fails_the_read_only(void)
{
	static struct fake_log log;

	fake_init(&log, 4, 1);
	CU_ASSERT(nvh_alloc_walk(read_once, &log, false) >= 1);
}

NVH_UNIT_MAIN("fabric/discovery_log", NVH_TEST(a_log_is_read_in_chunks_and_confirmed),
	      NVH_TEST(an_empty_log_is_one_read),
	      NVH_TEST(a_log_that_changes_while_read_is_read_again),
	      NVH_TEST(a_log_that_never_stands_still_is_given_up),
	      NVH_TEST(hostile_headers_are_refused),
	      NVH_TEST(an_entry_has_its_fields_and_trimmed_strings),
	      NVH_TEST(hostile_entries_are_refused_by_field),
	      NVH_TEST(memory_that_runs_out_fails_the_read_only))
