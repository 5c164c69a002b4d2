/*
 * Synchronous convenience. Each call drives the reactor concerned from the calling thread until the
 * answer is there (when that thread owns it or nobody runs it), or posts to the reactor's thread and
 * waits. Never from inside a callback: -EDEADLK.
 */
#ifndef NVHOST_SYNC_H
#define NVHOST_SYNC_H

#include <nvhost/discovery.h>
#include <nvhost/io.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Runs fn(arg) where everything of `reactor` may be touched: on the thread that serves it, which is
 * waited for, or here when nobody does. So a thread of the application opens a channel, or looks at
 * the lists of namespaces, while a thread of the library runs the reactor. -EDEADLK, -EPERM. */
int nvh_reactor_call(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg);

/* message, when given, gets the text of nvh_connect_fn. */
int nvh_connect_sync(struct nvh_host *host, const struct nvh_connect_opts *opts,
		     struct nvh_ctrlr **ret_ctrlr, char *message, size_t message_len);
void nvh_disconnect_sync(struct nvh_ctrlr *ctrlr);
void nvh_host_close_sync(struct nvh_host *host);
/* Bytes; offset and len must be multiples of the block size. 0 or -errno by nvh_status_to_errno. */
int nvh_read_sync(struct nvh_channel *channel, void *buf, size_t len, uint64_t offset);
int nvh_write_sync(struct nvh_channel *channel, const void *buf, size_t len, uint64_t offset);
int nvh_flush_sync(struct nvh_channel *channel);
/* Any prepared io; ret_cpl may be NULL. Returns err of the callback, 0 when a completion came. */
int nvh_io_sync(struct nvh_channel *channel, struct nvh_io *io, struct nvh_cpl *ret_cpl);
int nvh_admin_sync(struct nvh_ctrlr *ctrlr, const struct nvh_cmd *cmd, void *data, uint32_t len,
		   unsigned int timeout_ms, struct nvh_cpl *ret_cpl);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
