/*
 * What a command costs the target: many 4 KiB reads and in-capsule writes, one after the other,
 * over a connection in memory. What it counts is instructions, under callgrind
 * (tests/bench/target_cost.sh); here it only has to be right.
 */
#include "tests/unit/target_tcp_fixture.h"

#define ROUNDS 2000u

static void reads_and_writes_are_answered(void)
{
	uint8_t *data = tth_pattern(4096, 1);
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct nvh_cmd cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 8 * (i % 100), 8);

		tth_put_cmd(io, &cmd, NULL, 0);
		tth_pump(io);
		tth_c2h_data(io, 4096, NVH_TCP_F_LAST);
		CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
		cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 8 * (i % 100), 8);
		tth_put_cmd(io, &cmd, data, 4096);
		tth_pump(io);
		CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
		CU_ASSERT_EQUAL_FATAL(tth_pending(io), 0);
		io->in_len = io->in_at = io->out_len = io->out_at = 0; /* the wire's memory ends */
	}
	free(data);
	tth_done_io(io);
}

NVH_UNIT_MAIN("target-lite/tcp/cost", NVH_TEST(reads_and_writes_are_answered))
