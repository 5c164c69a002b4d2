/*
 * Fuzz target: namespace identification descriptors.
 */
#include "host/ctrlr/ns_desc.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeroes[16];
	struct nvhi_ns_ids ids;
	const char *why = NULL;

	memset(&ids, 0x55, sizeof(ids));
	if (nvhi_ns_desc_parse(data, size, &ids, &why)) {
		FUZZ_CHECK(why && ids.csi == 0x55);
		return 0;
	}
	if (ids.has_uuid)
		FUZZ_CHECK(memcmp(ids.uuid, zeroes, sizeof(ids.uuid)));
	if (ids.has_nguid)
		FUZZ_CHECK(memcmp(ids.nguid, zeroes, sizeof(ids.nguid)));
	if (ids.has_eui64)
		FUZZ_CHECK(memcmp(ids.eui64, zeroes, sizeof(ids.eui64)));
	return 0;
}
