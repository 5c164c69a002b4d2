/*
 * What the targets see of the host's knowledge of ANA states; see anawatch.c.
 */
#ifndef TESTS_SIM_ANAWATCH_H
#define TESTS_SIM_ANAWATCH_H

#include "target-lite/backend/bdev.h"

/* Of 100 reads of an ANA log, so many fail now. */
extern unsigned int sim_unreadable_logs;
void sim_anawatch_init(void);
/* A command has come to a disk. */
void sim_anawatch_io(const struct tl_bdev_io *io);

#endif
