/*
 * Decoded commands and completions for `-L nvme`: one line each, the same from every transport.
 * Any thread; costs one load and one branch when off.
 */
#ifndef NVHI_BASE_CMD_TRACE_H
#define NVHI_BASE_CMD_TRACE_H

#include "base/log.h"
#include "base/spec/nvme.h"

/* Texts without the log, for tests and other printers. `sqid` 0: an admin command. Return buf. */
const char *nvhi_cmd_text(uint16_t sqid, const struct nvh_cmd *cmd, char *buf, size_t len);
const char *nvhi_cpl_text(uint16_t sqid, const struct nvh_cmd *cmd, const struct nvh_cpl *cpl,
			  char *buf, size_t len);

void nvhi_trace_cmd_write(const char *who, uint16_t sqid, const struct nvh_cmd *cmd);
void nvhi_trace_cpl_write(const char *who, uint16_t sqid, const struct nvh_cmd *cmd,
			  const struct nvh_cpl *cpl);

static inline void nvhi_trace_cmd(const char *who, uint16_t sqid, const struct nvh_cmd *cmd)
{
	if (__builtin_expect(nvhi_log_on(NVHI_LOG_DEBUG, NVHI_LOG_NVME), 0))
		nvhi_trace_cmd_write(who, sqid, cmd);
}

/* `cmd` is the command that was answered. */
static inline void nvhi_trace_cpl(const char *who, uint16_t sqid, const struct nvh_cmd *cmd,
				  const struct nvh_cpl *cpl)
{
	if (__builtin_expect(nvhi_log_on(NVHI_LOG_DEBUG, NVHI_LOG_NVME), 0))
		nvhi_trace_cpl_write(who, sqid, cmd, cpl);
}

#endif
