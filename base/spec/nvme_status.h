/*
 * Status codes: every (status code type, status code) pair with its name and text.
 *
 * Base Specification 2.1 section 4.2.3; NVM Command Set 1.1; Zoned Namespaces 1.2. Codes 80h to
 * BFh of type 1h depend on the command: the Fabrics meanings are a list of their own.
 */
#ifndef NVHOST_SPEC_NVME_STATUS_H
#define NVHOST_SPEC_NVME_STATUS_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum nvh_sct {
	NVH_SCT_GENERIC = 0,
	NVH_SCT_CMD_SPECIFIC = 1,
	NVH_SCT_MEDIA = 2,
	NVH_SCT_PATH = 3,
	NVH_SCT_VENDOR = 7,
};

/* X(sct, sc, NAME, "text") */
#define NVH_STATUS_GENERIC_LIST(X)                                                                 \
	X(0, 0x00, SUCCESS, "Successful Completion")                                               \
	X(0, 0x01, INVALID_OPCODE, "Invalid Command Opcode")                                       \
	X(0, 0x02, INVALID_FIELD, "Invalid Field in Command")                                      \
	X(0, 0x03, CID_CONFLICT, "Command ID Conflict")                                            \
	X(0, 0x04, DATA_XFER_ERROR, "Data Transfer Error")                                         \
	X(0, 0x05, ABORTED_POWER_LOSS, "Commands Aborted due to Power Loss Notification")          \
	X(0, 0x06, INTERNAL, "Internal Error")                                                     \
	X(0, 0x07, ABORT_REQUESTED, "Command Abort Requested")                                     \
	X(0, 0x08, ABORTED_SQ_DELETION, "Command Aborted due to SQ Deletion")                      \
	X(0, 0x09, ABORTED_FAILED_FUSED, "Command Aborted due to Failed Fused Command")            \
	X(0, 0x0a, ABORTED_MISSING_FUSED, "Command Aborted due to Missing Fused Command")          \
	X(0, 0x0b, INVALID_NS, "Invalid Namespace or Format")                                      \
	X(0, 0x0c, CMD_SEQUENCE, "Command Sequence Error")                                         \
	X(0, 0x0d, SGL_INVALID_SEGMENT, "Invalid SGL Segment Descriptor")                          \
	X(0, 0x0e, SGL_INVALID_COUNT, "Invalid Number of SGL Descriptors")                         \
	X(0, 0x0f, SGL_INVALID_DATA_LEN, "Data SGL Length Invalid")                                \
	X(0, 0x10, SGL_INVALID_METADATA_LEN, "Metadata SGL Length Invalid")                        \
	X(0, 0x11, SGL_INVALID_TYPE, "SGL Descriptor Type Invalid")                                \
	X(0, 0x12, CMB_INVALID_USE, "Invalid Use of Controller Memory Buffer")                     \
	X(0, 0x13, PRP_INVALID_OFFSET, "PRP Offset Invalid")                                       \
	X(0, 0x14, AWU_EXCEEDED, "Atomic Write Unit Exceeded")                                     \
	X(0, 0x15, OP_DENIED, "Operation Denied")                                                  \
	X(0, 0x16, SGL_INVALID_OFFSET, "SGL Offset Invalid")                                       \
	X(0, 0x18, HOSTID_INCONSISTENT, "Host Identifier Inconsistent Format")                     \
	X(0, 0x19, KEEP_ALIVE_EXPIRED, "Keep Alive Timer Expired")                                 \
	X(0, 0x1a, KEEP_ALIVE_INVALID, "Keep Alive Timeout Invalid")                               \
	X(0, 0x1b, ABORTED_PREEMPT, "Command Aborted due to Preempt and Abort")                    \
	X(0, 0x1c, SANITIZE_FAILED, "Sanitize Failed")                                             \
	X(0, 0x1d, SANITIZE_IN_PROGRESS, "Sanitize In Progress")                                   \
	X(0, 0x1e, SGL_GRANULARITY, "SGL Data Block Granularity Invalid")                          \
	X(0, 0x1f, CMD_NOT_IN_CMB, "Command Not Supported for Queue in CMB")                       \
	X(0, 0x20, NS_WRITE_PROTECTED, "Namespace is Write Protected")                             \
	X(0, 0x21, CMD_INTERRUPTED, "Command Interrupted")                                         \
	X(0, 0x22, TRANSIENT_TRANSPORT, "Transient Transport Error")                               \
	X(0, 0x23, LOCKDOWN, "Command Prohibited by Command and Feature Lockdown")                 \
	X(0, 0x24, ADMIN_MEDIA_NOT_READY, "Admin Command Media Not Ready")                         \
	X(0, 0x25, INVALID_KEY_TAG, "Invalid Key Tag")                                             \
	X(0, 0x26, HOST_DISPERSED_NS, "Host Dispersed Namespace Support Not Enabled")              \
	X(0, 0x27, HOSTID_NOT_INITIALIZED, "Host Identifier Not Initialized")                      \
	X(0, 0x28, INCORRECT_KEY, "Incorrect Key")                                                 \
	X(0, 0x29, FDP_DISABLED, "FDP Disabled")                                                   \
	X(0, 0x2a, INVALID_PLACEMENT, "Invalid Placement Handle List")                             \
	X(0, 0x80, LBA_RANGE, "LBA Out of Range")                                                  \
	X(0, 0x81, CAPACITY_EXCEEDED, "Capacity Exceeded")                                         \
	X(0, 0x82, NS_NOT_READY, "Namespace Not Ready")                                            \
	X(0, 0x83, RESV_CONFLICT, "Reservation Conflict")                                          \
	X(0, 0x84, FORMAT_IN_PROGRESS, "Format In Progress")

#define NVH_STATUS_CMD_LIST(X)                                                                     \
	X(1, 0x00, CQ_INVALID, "Completion Queue Invalid")                                         \
	X(1, 0x01, QID_INVALID, "Invalid Queue Identifier")                                        \
	X(1, 0x02, QSIZE_INVALID, "Invalid Queue Size")                                            \
	X(1, 0x03, ABORT_LIMIT, "Abort Command Limit Exceeded")                                    \
	X(1, 0x05, AER_LIMIT, "Asynchronous Event Request Limit Exceeded")                         \
	X(1, 0x06, FW_SLOT, "Invalid Firmware Slot")                                               \
	X(1, 0x07, FW_IMAGE, "Invalid Firmware Image")                                             \
	X(1, 0x08, INVALID_VECTOR, "Invalid Interrupt Vector")                                     \
	X(1, 0x09, INVALID_LOG_PAGE, "Invalid Log Page")                                           \
	X(1, 0x0a, INVALID_FORMAT, "Invalid Format")                                               \
	X(1, 0x0b, FW_NEEDS_CONV_RESET, "Firmware Activation Requires Conventional Reset")         \
	X(1, 0x0c, INVALID_QUEUE_DELETION, "Invalid Queue Deletion")                               \
	X(1, 0x0d, FEATURE_NOT_SAVEABLE, "Feature Identifier Not Saveable")                        \
	X(1, 0x0e, FEATURE_NOT_CHANGEABLE, "Feature Not Changeable")                               \
	X(1, 0x0f, FEATURE_NOT_PER_NS, "Feature Not Namespace Specific")                           \
	X(1, 0x10, FW_NEEDS_SUBSYS_RESET, "Firmware Activation Requires NVM Subsystem Reset")      \
	X(1, 0x11, FW_NEEDS_RESET, "Firmware Activation Requires Controller Level Reset")          \
	X(1, 0x12, FW_NEEDS_MAX_TIME, "Firmware Activation Requires Maximum Time Violation")       \
	X(1, 0x13, FW_PROHIBITED, "Firmware Activation Prohibited")                                \
	X(1, 0x14, OVERLAPPING_RANGE, "Overlapping Range")                                         \
	X(1, 0x15, NS_INSUFFICIENT_CAP, "Namespace Insufficient Capacity")                         \
	X(1, 0x16, NSID_UNAVAILABLE, "Namespace Identifier Unavailable")                           \
	X(1, 0x18, NS_ALREADY_ATTACHED, "Namespace Already Attached")                              \
	X(1, 0x19, NS_IS_PRIVATE, "Namespace Is Private")                                          \
	X(1, 0x1a, NS_NOT_ATTACHED, "Namespace Not Attached")                                      \
	X(1, 0x1b, THIN_NOT_SUPPORTED, "Thin Provisioning Not Supported")                          \
	X(1, 0x1c, CTRLR_LIST_INVALID, "Controller List Invalid")                                  \
	X(1, 0x1d, SELF_TEST_IN_PROGRESS, "Device Self-test In Progress")                          \
	X(1, 0x1e, BOOT_PARTITION, "Boot Partition Write Prohibited")                              \
	X(1, 0x1f, CTRLR_ID_INVALID, "Invalid Controller Identifier")                              \
	X(1, 0x20, SECONDARY_CTRLR, "Invalid Secondary Controller State")                          \
	X(1, 0x21, CTRLR_RESOURCES, "Invalid Number of Controller Resources")                      \
	X(1, 0x22, RESOURCE_ID, "Invalid Resource Identifier")                                     \
	X(1, 0x23, SANITIZE_PMR, "Sanitize Prohibited While Persistent Memory Region is Enabled")  \
	X(1, 0x24, ANA_GROUP_INVALID, "ANA Group Identifier Invalid")                              \
	X(1, 0x25, ANA_ATTACH_FAILED, "ANA Attach Failed")                                         \
	X(1, 0x26, INSUFFICIENT_CAPACITY, "Insufficient Capacity")                                 \
	X(1, 0x27, NS_ATTACH_LIMIT, "Namespace Attachment Limit Exceeded")                         \
	X(1, 0x28, LOCKDOWN_UNSUPPORTED, "Prohibition of Command Execution Not Supported")         \
	X(1, 0x29, IOCS_NOT_SUPPORTED, "I/O Command Set Not Supported")                            \
	X(1, 0x2a, IOCS_NOT_ENABLED, "I/O Command Set Not Enabled")                                \
	X(1, 0x2b, IOCS_COMBINATION, "I/O Command Set Combination Rejected")                       \
	X(1, 0x2c, IOCS_INVALID, "Invalid I/O Command Set")                                        \
	X(1, 0x2d, ID_UNAVAILABLE, "Identifier Unavailable")                                       \
	X(1, 0x2e, NS_IS_DISPERSED, "Namespace Is Dispersed")                                      \
	X(1, 0x2f, DISCOVERY_INFO_INVALID, "Invalid Discovery Information")                        \
	X(1, 0x30, ZONING_LOCKED, "Zoning Data Structure Locked")                                  \
	X(1, 0x31, ZONING_NOT_FOUND, "Zoning Data Structure Not Found")                            \
	X(1, 0x32, DISCOVERY_RESOURCES, "Insufficient Discovery Resources")                        \
	X(1, 0x33, FUNCTION_DISABLED, "Requested Function Disabled")                               \
	X(1, 0x34, ZONEGROUP_ORIGINATOR, "ZoneGroup Originator Invalid")                           \
	X(1, 0x35, HOST_INVALID, "Invalid Host")                                                   \
	X(1, 0x36, SUBSYSTEM_INVALID, "Invalid NVM Subsystem")                                     \
	X(1, 0x37, CDQ_INVALID, "Invalid Controller Data Queue")                                   \
	X(1, 0x38, NOT_ENOUGH_RESOURCES, "Not Enough Resources")                                   \
	X(1, 0x39, CTRLR_SUSPENDED, "Controller Suspended")                                        \
	X(1, 0x3a, CTRLR_NOT_SUSPENDED, "Controller Not Suspended")                                \
	X(1, 0x3b, CDQ_FULL, "Controller Data Queue Full")                                         \
	X(1, 0x3c, MAX_NS_SANITIZE, "Exceeds Maximum Namespace Sanitize")                          \
	X(1, 0x3e, INVALID_POWER_LIMIT, "Invalid Power Limit")                                     \
	X(1, 0x3f, CCR_IN_PROGRESS, "Cross-Controller Reset In Progress")                          \
	X(1, 0x40, CCR_LOG_FULL, "Cross-Controller Reset Log Page Full")                           \
	X(1, 0x41, CCR_LIMIT, "Cross-Controller Reset Limit Exceeded")                             \
	X(1, 0x80, CONFLICTING_ATTRS, "Conflicting Attributes")                                    \
	X(1, 0x81, INVALID_PI, "Invalid Protection Information")                                   \
	X(1, 0x82, WRITE_TO_RO_RANGE, "Attempted Write to Read Only Range")                        \
	X(1, 0x83, CMD_SIZE_LIMIT, "Command Size Limit Exceeded")                                  \
	X(1, 0x85, INCOMPATIBLE_NS, "Incompatible Namespace or Format")                            \
	X(1, 0x86, FAST_COPY, "Fast Copy Not Possible")                                            \
	X(1, 0x87, OVERLAPPING_IO, "Overlapping I/O Range")                                        \
	X(1, 0x88, NS_NOT_REACHABLE, "Namespace Not Reachable")                                    \
	X(1, 0x89, INSUFFICIENT_RESOURCES, "Insufficient Resources")                               \
	X(1, 0xb6, ZONE_INVALID_OP, "Invalid Zone Operation Request")                              \
	X(1, 0xb7, ZONE_ZRWA_RESOURCES, "ZRWA Resources Unavailable")                              \
	X(1, 0xb8, ZONE_BOUNDARY, "Zoned Boundary Error")                                          \
	X(1, 0xb9, ZONE_FULL, "Zone Is Full")                                                      \
	X(1, 0xba, ZONE_READ_ONLY, "Zone Is Read Only")                                            \
	X(1, 0xbb, ZONE_OFFLINE, "Zone Is Offline")                                                \
	X(1, 0xbc, ZONE_INVALID_WRITE, "Zone Invalid Write")                                       \
	X(1, 0xbd, ZONE_TOO_MANY_ACTIVE, "Too Many Active Zones")                                  \
	X(1, 0xbe, ZONE_TOO_MANY_OPEN, "Too Many Open Zones")                                      \
	X(1, 0xbf, ZONE_TRANSITION, "Invalid Zone State Transition")

#define NVH_STATUS_MEDIA_LIST(X)                                                                   \
	X(2, 0x80, WRITE_FAULT, "Write Fault")                                                     \
	X(2, 0x81, READ_ERROR, "Unrecovered Read Error")                                           \
	X(2, 0x82, GUARD_CHECK, "End-to-end Guard Check Error")                                    \
	X(2, 0x83, APPTAG_CHECK, "End-to-end Application Tag Check Error")                         \
	X(2, 0x84, REFTAG_CHECK, "End-to-end Reference Tag Check Error")                           \
	X(2, 0x85, COMPARE_FAILED, "Compare Failure")                                              \
	X(2, 0x86, ACCESS_DENIED, "Access Denied")                                                 \
	X(2, 0x87, UNWRITTEN_BLOCK, "Deallocated or Unwritten Logical Block")                      \
	X(2, 0x88, STORAGE_TAG_CHECK, "End-to-End Storage Tag Check Error")

#define NVH_STATUS_PATH_LIST(X)                                                                    \
	X(3, 0x00, INTERNAL_PATH, "Internal Path Error")                                           \
	X(3, 0x01, ANA_PERSISTENT_LOSS, "Asymmetric Access Persistent Loss")                       \
	X(3, 0x02, ANA_INACCESSIBLE, "Asymmetric Access Inaccessible")                             \
	X(3, 0x03, ANA_TRANSITION, "Asymmetric Access Transition")                                 \
	X(3, 0x60, CTRLR_PATHING, "Controller Pathing Error")                                      \
	X(3, 0x70, HOST_PATHING, "Host Pathing Error")                                             \
	X(3, 0x71, HOST_ABORTED, "Command Aborted By Host")

#define NVH_STATUS_LIST(X)                                                                         \
	NVH_STATUS_GENERIC_LIST(X)                                                                 \
	NVH_STATUS_CMD_LIST(X)                                                                     \
	NVH_STATUS_MEDIA_LIST(X)                                                                   \
	NVH_STATUS_PATH_LIST(X)

/* What type 1h codes mean when a Fabrics command or a discovery log read returns them. */
#define NVH_FABRICS_STATUS_LIST(X)                                                                 \
	X(1, 0x80, CONNECT_FORMAT, "Connect Incompatible Format")                                  \
	X(1, 0x81, CONNECT_BUSY, "Connect Controller Busy")                                        \
	X(1, 0x82, CONNECT_INVALID_PARAM, "Connect Invalid Parameters")                            \
	X(1, 0x83, CONNECT_RESTART_DISC, "Connect Restart Discovery")                              \
	X(1, 0x84, CONNECT_INVALID_HOST, "Connect Invalid Host")                                   \
	X(1, 0x85, INVALID_QUEUE_TYPE, "Invalid Queue Type")                                       \
	X(1, 0x90, DISCOVER_RESTART, "Discover Restart")                                           \
	X(1, 0x91, AUTH_REQUIRED, "Authentication Required")

/* NVH_SC_*: the status code alone (8 bits). NVH_ST_*: SCT << 8 | SC, see nvh_cpl_code(). */
enum nvh_sc {
#define NVH_X(sct, sc, name, text) NVH_SC_##name = sc,
	NVH_STATUS_LIST(NVH_X) NVH_FABRICS_STATUS_LIST(NVH_X)
#undef NVH_X
};

enum nvh_st {
#define NVH_X(sct, sc, name, text) NVH_ST_##name = (sct) << 8 | (sc),
	NVH_STATUS_LIST(NVH_X) NVH_FABRICS_STATUS_LIST(NVH_X)
#undef NVH_X
};

/*
 * Text for a status; never NULL. nvh_fabrics_status_text() is for completions of Fabrics
 * commands and falls back to the general list.
 */
NVH_API const char *nvh_status_text(unsigned sct, unsigned sc);
NVH_API const char *nvh_fabrics_status_text(unsigned sct, unsigned sc);
/* Upper-case name as nvme-cli prints it (INVALID_FIELD); never NULL. */
NVH_API const char *nvh_status_name(unsigned sct, unsigned sc);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
