/*
 * A mount without a kernel: its names, its files, and workers on the simulated reactors of
 * mp_fixture, whose namespaces and store stand behind it. Requests are slots filled by hand.
 */
#ifndef TESTS_UNIT_FUSE_FIXTURE_H
#define TESTS_UNIT_FUSE_FIXTURE_H

#include "fuse/impl.h"
#include "tests/unit/mp_fixture.h"

struct fuse_fixture {
	struct nvf_mount mount;
	struct nvf_worker workers[MPF_REACTORS];
	struct mpf_ctrlr *ctrlr;
};
extern struct fuse_fixture ff;

/* `single`: the mount is namespace 1 over a file, else the whole (still empty) tree. */
void ff_start(unsigned int nr_reactors, bool single);
void ff_stop(void);
/* Namespace 1's file, opened; give it back with ff_close and ff_settle. */
struct nvf_file *ff_open(void);
void ff_close(struct nvf_file *file);
/* With these flags of open(2); give it back with nvf_file_release and ff_settle. */
struct fuse_file_info ff_open_as(int flags);
/* A write of [offset, offset + len) on worker `w`, its channel open. */
struct nvf_slot *ff_slot(struct nvf_file *file, unsigned int w, uint64_t offset, const void *data,
			 uint64_t len);
/* Runs everything until nothing moves, completing each command in order on the store. */
void ff_settle(void);

#endif
