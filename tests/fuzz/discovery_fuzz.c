/*
 * Fuzz target: the discovery log, headers and entries, as a hostile discovery controller answers.
 *
 * Input: one byte for the chunk size, then the bytes of the answers in order (zeroes behind them).
 */
#include <errno.h>

#include "fabric/discovery_log.h"
#include "fabric/nqn.h"
#include "tests/fuzz/fuzz.h"

static void check_string(const char *s, size_t max)
{
	size_t len = strnlen(s, max + 1);

	FUZZ_CHECK(len <= max);
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)s[i] >= ' ' && s[i] != 0x7f);
}

static void check_entries(const struct nvhi_discovery_reader *reader)
{
	struct nvhi_discovery_entry e;
	const char *why = NULL;

	for (uint64_t i = 0; i < reader->numrec; i++) {
		if (nvhi_discovery_entry_parse(&reader->raw[i], &e, &why)) {
			FUZZ_CHECK(why);
			continue;
		}
		check_string(e.trsvcid, NVH_TRSVCID_SIZE);
		check_string(e.traddr, NVH_TRADDR_SIZE);
		check_string(e.subnqn, NVH_NQN_MAX);
		FUZZ_CHECK(e.subnqn[0]);
		nvhi_nqn_check(e.subnqn, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint32_t chunk = 1024u * (1u + fuzz_u8(&in) % 4);
	struct nvhi_discovery_reader reader;
	const char *why = NULL;
	uint64_t offset, steps = 0;
	uint32_t len;
	int err = 0;

	nvhi_discovery_reader_init(&reader, chunk);
	/* Past the input's end the answers are zeroes, which soon ends any log; bounded all the
	 * same. */
	while (!err && steps++ < 300 && nvhi_discovery_reader_next(&reader, &offset, &len)) {
		uint8_t *answer = malloc(len);

		FUZZ_CHECK(answer && len && len <= (chunk > 1024 ? chunk : 1024));
		fuzz_fill(&in, answer, len);
		err = nvhi_discovery_reader_feed(&reader, answer, len, &why);
		free(answer);
	}
	if (err)
		FUZZ_CHECK(why && reader.state == NVHI_DISCOVERY_FAILED);
	if (reader.state == NVHI_DISCOVERY_DONE)
		check_entries(&reader);
	nvhi_discovery_reader_fini(&reader);
	return 0;
}
