/*
 * What becomes of an I/O when something fails: the worst case, computed from the options in force and
 * from what the controllers told.
 */
#ifndef NVHOST_FATE_H
#define NVHOST_FATE_H

#include <nvhost/host.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define NVH_FATE_NEVER UINT64_MAX

/* All times ns from the failure on, at most. */
struct nvh_fate {
	size_t size;
	const char *failure;	/* "connection reset", "silent path"...; static text */
	const char *noticed_by; /* static text */
	uint64_t noticed_ns;	/* until it is known; NVH_FATE_NEVER: nothing bounds it */
	/* With another usable path: until the I/O is repeated there. */
	uint64_t read_ns;
	uint64_t write_ns;	/* of unknown fate: fenced first, where write-fence says so */
	uint64_t overlap_ns;	/* later writes over the same blocks may have to wait so long */
	/* Without another path: until it fails with -ENOTCONN if none returns. */
	uint64_t alone_ns;
};
/* The index-th kind of failure for I/O to this subsystem, over the worst of its controllers. Set
 * ret_fate->size before. -ENOENT: past the end, or no such subsystem. Home reactor. */
int nvh_subsys_fate(struct nvh_host *host, const char *subnqn, unsigned int index,
		    struct nvh_fate *ret_fate);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
