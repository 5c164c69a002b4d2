/*
 * What the two files of the socket network share: streams (stream_sock.c) and listeners
 * (listener_sock.c).
 */
#ifndef NVHI_BASE_STREAM_SOCK_H
#define NVHI_BASE_STREAM_SOCK_H

#include "base/stream.h"

int nvhi_sock_listen(struct nvhi_net *net, struct nvh_reactor *reactor, const struct sockaddr *addr,
		     socklen_t addr_len, int backlog, nvhi_accept_fn on_accept,
		     struct nvhi_listener **ret_listener);
void nvhi_sock_unlisten(struct nvhi_listener *listener);
/* "10.0.0.1:4420", "[fe80::1%eth0]:4420"; "?" for what is no IP address. */
void nvhi_sock_addr_text(const struct sockaddr *addr, char *out, size_t len);

#endif
