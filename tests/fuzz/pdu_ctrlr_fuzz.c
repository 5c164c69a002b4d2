/*
 * Fuzz target: what a controller receives from a host.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pdu_fuzz_one(NVHI_PDU_CTRLR, data, size);
	return 0;
}
