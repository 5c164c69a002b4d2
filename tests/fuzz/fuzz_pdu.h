/*
 * The PDU decoder under fuzzing, either role; see fuzz_pdu.c.
 */
#ifndef TESTS_FUZZ_FUZZ_PDU_H
#define TESTS_FUZZ_FUZZ_PDU_H

#include "fabric/tcp/pdu.h"

/* Input: one byte of switches, HPDA, CPDA, and the stream. */
void pdu_fuzz_one(enum nvhi_pdu_role role, const uint8_t *data, size_t size);

#endif
