/*
 * The options that name a controller and how to connect to it, as discover, connect, connect-all
 * and the programs that connect by themselves share them.
 */
#ifndef NVC_CONNECT_OPTS_H
#define NVC_CONNECT_OPTS_H

#include "host/cli/opts.h"
#include "host/daemon/params.h"

/* Entries of an option table that fill `p`, a struct nvd_params (an lvalue). */
#define NVC_CONNECT_OPTS(p)                                                                        \
	NVC_STRING("transport", 't', "STR", &(p).transport, "transport type"),                     \
		NVC_STRING("traddr", 'a', "STR", &(p).traddr, "transport address"),                \
		NVC_STRING("trsvcid", 's', "STR", &(p).trsvcid,                                    \
			   "transport service id (e.g. IP port)"),                                 \
		NVC_STRING("host-traddr", 'w', "STR", &(p).host_traddr,                            \
			   "address to connect from"),                                             \
		NVC_STRING("host-iface", 'f', "STR", &(p).host_iface,                              \
			   "network interface to connect by"),                                     \
		NVC_STRING("hostnqn", 'q', "STR", &(p).hostnqn, "user-defined hostnqn"),           \
		NVC_STRING("hostid", 'I', "STR", &(p).hostid,                                      \
			   "user-defined hostid (if default not used)"),                           \
		NVC_STRING("nqn", 'n', "STR", &(p).nqn, "subsystem nqn"),                          \
		NVC_STRING("policy", 0, "NAME", &(p).policy,                                       \
			   "path selection: latency (default), round-robin, queue-depth, numa"),   \
		NVC_STRING("write-fence", 0, "MODE", &(p).write_fence,                             \
			   "writes of a lost connection: auto (default), strict, off"),            \
		NVC_STRING("no-path", 0, "WHAT", &(p).no_path,                                     \
			   "I/O without a usable path: fail, queue:SECONDS, queue (default: waits " \
			   "for ctrl-loss-tmo)"),                                                  \
		NVC_FLAG("hedge-reads", 0, &(p).hedge_reads,                                       \
			 "send small reads that are late a second time over another path"),        \
		NVC_NUMBER("no-path-bytes", 0, U64, &(p).no_path_bytes,                            \
			   "at most so many bytes of it wait a namespace (default 0: no limit)"),  \
		NVC_STRING("dhchap-secret", 'S', "STR", &(p).dhchap_secret,                        \
			   "authentication key (not supported yet)"),                              \
		NVC_NUMBER("nr-io-queues", 'i', U32, &(p).nr_io_queues,                            \
			   "number of io queues to use (default: one a reactor)", .max = 1024),    \
		NVC_NUMBER("nr-write-queues", 'W', U32, &(p).nr_write_queues,                      \
			   "number of write queues to use (not supported)", .max = 1024),          \
		NVC_NUMBER("nr-poll-queues", 'P', U32, &(p).nr_poll_queues,                        \
			   "number of poll queues to use (not supported)", .max = 1024),           \
		NVC_NUMBER("queue-size", 'Q', U32, &(p).queue_size,                                \
			   "number of io queue elements to use (default 128)", .min = 16,          \
			   .max = 1024),                                                           \
		NVC_NUMBER("keep-alive-tmo", 'k', U32, &(p).keep_alive_tmo,                        \
			   "keep alive timeout period in seconds (default 5)",                     \
			   .given = &(p).has_keep_alive_tmo, .max = 86400),                        \
		NVC_NUMBER("reconnect-delay", 'c', SECONDS, &(p).reconnect_delay,                  \
			   "reconnect period in seconds (default: from 0.1 growing to 10)"),       \
		NVC_NUMBER("ctrl-loss-tmo", 'l', INT, &(p).ctrl_loss_tmo,                          \
			   "controller loss timeout period in seconds (default 600, -1: never)"),  \
		NVC_NUMBER("fast_io_fail_tmo", 0, INT, &(p).fast_io_fail_tmo,                      \
			   "fail I/O after so many seconds without a path (default -1: off)"),     \
		NVC_NUMBER("io-timeout", 0, SECONDS, &(p).io_timeout,                              \
			   "abort a command that is not answered for so long (default 30)"),       \
		NVC_NUMBER("suspect-tmo", 0, SECONDS, &(p).suspect_tmo,                            \
			   "doubt and probe a path that is silent for so long (default 0.1, more " \
			   "where answers usually take longer)"),                                  \
		NVC_FLAG("no-fast-detect", 0, &(p).no_fast_detect,                                 \
			 "leave a silent path by keep-alive and io-timeout alone"),                \
		NVC_NUMBER("tos", 'T', INT, &(p).tos, "type of service"),                          \
		NVC_FLAG("duplicate-connect", 'D', &(p).duplicate_connect,                         \
			 "allow duplicate connections between same transport host and subsystem "  \
			 "port"),                                                                  \
		NVC_FLAG("disable-sqflow", 'd', &(p).disable_sqflow,                               \
			 "disable controller sq flow control (default false)"),                    \
		NVC_FLAG("hdr-digest", 'g', &(p).hdr_digest,                                       \
			 "enable transport protocol header digest (TCP transport)"),               \
		NVC_FLAG("data-digest", 'G', &(p).data_digest,                                     \
			 "enable transport protocol data digest (TCP transport)"),                 \
		NVC_FLAG("tls", 0, &(p).tls, "enable TLS (not supported yet)")

#endif
