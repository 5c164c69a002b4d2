/*
 * All of the NVMe wire structures: commands, completions, status, identify, logs, features,
 * registers. NVMe-oF has its own headers, nvmf.h and nvme_tcp.h.
 */
#ifndef NVHOST_SPEC_NVME_H
#define NVHOST_SPEC_NVME_H

#include "le.h"
#include "nvme_ccr.h"
#include "nvme_cmd.h"
#include "nvme_feature.h"
#include "nvme_identify.h"
#include "nvme_log.h"
#include "nvme_status.h"
#include "regs.h"

#endif
