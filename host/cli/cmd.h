/*
 * The sub-commands: each is one function that parses its own options and returns the exit status.
 */
#ifndef NVC_CMD_H
#define NVC_CMD_H

#include "host/cli/opts.h"

/* X(name, function, "what it does") in the order of `nvhost help`. */
#define NVC_COMMANDS(X)                                                                            \
	X("discover", nvc_discover, "Show what a discovery controller offers")                     \
	X("connect", nvc_connect, "Connect to an NVMe-oF subsystem")                               \
	X("connect-all", nvc_connect_all, "Connect to everything that discovery finds")            \
	X("disconnect", nvc_disconnect, "Disconnect a subsystem or a controller")                  \
	X("disconnect-all", nvc_disconnect_all, "Disconnect everything")                           \
	X("list", nvc_list, "List the namespaces")                                                 \
	X("list-subsys", nvc_list_subsys, "List the subsystems and the paths to them")             \
	X("show-topology", nvc_show_topology, "Show the namespaces and their paths")               \
	X("set-policy", nvc_set_policy, "Choose how paths share the I/O of a subsystem")           \
	X("set-no-path", nvc_set_no_path, "What I/O does that finds no path")                      \
	X("set-hedge", nvc_set_hedge, "Hedged reads of a subsystem on or off")                     \
	X("timers", nvc_timers, "The worst-case fate of an I/O in each kind of failure")           \
	X("monitor", nvc_monitor, "Print failovers and other events as they happen")               \
	X("mount", nvc_mount, "Show namespaces as files")                                          \
	X("umount", nvc_umount, "Take them away again")                                            \
	X("id-ctrl", nvc_id_ctrl, "Identify Controller")                                           \
	X("id-ns", nvc_id_ns, "Identify Namespace")                                                \
	X("ns-descs", nvc_ns_descs, "Namespace Identification Descriptors")                        \
	X("list-ns", nvc_list_ns, "The active namespace list")                                     \
	X("get-log", nvc_get_log, "Any log page, in hexadecimal or raw")                           \
	X("smart-log", nvc_smart_log, "The SMART / Health log page")                               \
	X("error-log", nvc_error_log, "The Error Information log page")                            \
	X("get-feature", nvc_get_feature, "Get Features")                                          \
	X("read", nvc_read, "Read blocks")                                                         \
	X("write", nvc_write, "Write blocks")                                                      \
	X("compare", nvc_compare, "Compare blocks with data")                                      \
	X("verify", nvc_verify, "Verify blocks")                                                   \
	X("write-zeroes", nvc_write_zeroes, "Zero blocks")                                         \
	X("dsm", nvc_dsm, "Dataset Management: deallocate and other advice")                       \
	X("flush", nvc_flush, "Commit the volatile write cache")                                   \
	X("admin-passthru", nvc_admin_passthru, "Send any admin command")                          \
	X("io-passthru", nvc_io_passthru, "Send any I/O command")                                  \
	X("reset", nvc_reset, "Reset a controller")                                                \
	X("ns-rescan", nvc_ns_rescan, "Read a controller's namespace list again")                  \
	X("pci", nvc_pci, "Local drives: list them, hand them over, give them back")               \
	X("perf", nvc_perf, "Measure, and verify data, in the manner of fio")                      \
	X("rpc", nvc_rpc, "Call a method of the daemon")                                           \
	X("gen-hostnqn", nvc_gen_hostnqn, "Make a new host NQN")                                   \
	X("show-hostnqn", nvc_show_hostnqn, "Show the host NQN in use")                            \
	X("version", nvc_version, "Show the version")                                              \
	X("help", nvc_help, "Show this, or the help of a sub-command")

#define X(name, fn, about) int fn(int argc, char **argv);
NVC_COMMANDS(X)
#undef X

#endif
