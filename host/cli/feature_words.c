/*
 * get-feature -H: the value of a feature in words, with nvme-cli's labels. A row is one part of the
 * value. Base Specification 2.1, section 5.1.25.1.
 */
#include <nvhost/spec/nvme.h>

#include "host/cli/bits.h"

enum part_form {
	PART_NUMBER, /* counted from 0 */
	PART_COUNT,  /* the value counts from 0, the reader from 1 */
	PART_HUNDREDS,
	PART_ENABLED,
	PART_TRUE,
	PART_EVENT,
	PART_BURST,
	PART_KELVIN,
};

struct part {
	uint8_t id, hi, lo;
	enum part_form form;
	const char *label, *unit;
};

static const struct part parts[] = {
	{NVH_FID_ARBITRATION, 31, 24, PART_COUNT, "High Priority Weight   (HPW)", ""},
	{NVH_FID_ARBITRATION, 23, 16, PART_COUNT, "Medium Priority Weight (MPW)", ""},
	{NVH_FID_ARBITRATION, 15, 8, PART_COUNT, "Low Priority Weight    (LPW)", ""},
	{NVH_FID_ARBITRATION, 2, 0, PART_BURST, "Arbitration Burst       (AB)", ""},
	{NVH_FID_POWER_MGMT, 4, 0, PART_NUMBER, "Power State   (PS)", ""},
	{NVH_FID_TEMP_THRESH, 15, 0, PART_KELVIN, "Temperature Threshold         (TMPTH)", ""},
	{NVH_FID_ERROR_RECOVERY, 16, 16, PART_ENABLED,
	 "Deallocated or Unwritten Logical Block Error Enable (DULBE)", ""},
	{NVH_FID_ERROR_RECOVERY, 15, 0, PART_HUNDREDS,
	 "Time Limited Error Recovery                          (TLER)", " ms"},
	{NVH_FID_VWC, 0, 0, PART_ENABLED, "Volatile Write Cache Enable (WCE)", ""},
	{NVH_FID_NUM_QUEUES, 31, 16, PART_COUNT, "Number of IO Completion Queues Allocated (NCQA)",
	 ""},
	{NVH_FID_NUM_QUEUES, 15, 0, PART_COUNT, "Number of IO Submission Queues Allocated (NSQA)",
	 ""},
	{NVH_FID_IRQ_COALESCE, 15, 8, PART_HUNDREDS, "Aggregation Time     (TIME)", " usec"},
	{NVH_FID_IRQ_COALESCE, 7, 0, PART_COUNT, "Aggregation Threshold (THR)", ""},
	{NVH_FID_IRQ_CONFIG, 16, 16, PART_TRUE, "Coalescing Disable (CD)", ""},
	{NVH_FID_IRQ_CONFIG, 15, 0, PART_NUMBER, "Interrupt Vector   (IV)", ""},
	{NVH_FID_WRITE_ATOMICITY, 0, 0, PART_TRUE, "Disable Normal (DN)", ""},
	{NVH_FID_AEC, 31, 31, PART_EVENT,
	 "Discovery Log Page Change Notices                         ", ""},
	{NVH_FID_AEC, 14, 14, PART_EVENT,
	 "Endurance Group Event Aggregate Log Change Notices        ", ""},
	{NVH_FID_AEC, 13, 13, PART_EVENT,
	 "LBA Status Information Notices                            ", ""},
	{NVH_FID_AEC, 12, 12, PART_EVENT,
	 "Predictable Latency Event Aggregate Log Change Notices    ", ""},
	{NVH_FID_AEC, 11, 11, PART_EVENT,
	 "Asymmetric Namespace Access Change Notices                ", ""},
	{NVH_FID_AEC, 10, 10, PART_EVENT,
	 "Telemetry Log Notices                                     ", ""},
	{NVH_FID_AEC, 9, 9, PART_EVENT,
	 "Firmware Activation Notices                               ", ""},
	{NVH_FID_AEC, 8, 8, PART_EVENT,
	 "Namespace Attribute Notices                               ", ""},
	{NVH_FID_AEC, 7, 0, PART_EVENT,
	 "SMART / Health Critical Warnings                          ", ""},
	{NVH_FID_KATO, 31, 0, PART_NUMBER, "Keep Alive Timeout (KATO) in milliseconds", ""},
	{NVH_FID_NOPSC, 0, 0, PART_TRUE,
	 "Non-Operational Power State Permissive Mode Enable (NOPPME)", ""},
	{NVH_FID_RRL, 3, 0, PART_NUMBER, "Read Recovery Level (RRL)", ""},
	{NVH_FID_SANITIZE, 0, 0, PART_NUMBER, "No-Deallocate Response Mode (NODRM) ", ""},
	{NVH_FID_SW_PROGRESS, 7, 0, PART_NUMBER, "Pre-boot Software Load Count (PBSLC)", ""},
	{NVH_FID_RESV_MASK, 3, 3, PART_TRUE, "Mask Reservation Preempted Notification  (RESPRE)",
	 ""},
	{NVH_FID_RESV_MASK, 2, 2, PART_TRUE, "Mask Reservation Released Notification   (RESREL)",
	 ""},
	{NVH_FID_RESV_MASK, 1, 1, PART_TRUE, "Mask Registration Preempted Notification (REGPRE)",
	 ""},
};

static void part_print(FILE *out, const struct part *p, uint32_t bits)
{
	fprintf(out, "\t%s: ", p->label);
	switch (p->form) {
	case PART_NUMBER:
		fprintf(out, "%u%s\n", bits, p->unit);
		break;
	case PART_COUNT:
		fprintf(out, "%u%s\n", bits + 1, p->unit);
		break;
	case PART_HUNDREDS:
		fprintf(out, "%u%s\n", bits * 100, p->unit);
		break;
	case PART_ENABLED:
		fprintf(out, "%s\n", bits ? "Enabled" : "Disabled");
		break;
	case PART_TRUE:
		fprintf(out, "%s\n", bits ? "True" : "False");
		break;
	case PART_EVENT:
		fprintf(out, "%s\n", bits ? "Send async event" : "Do not send async event");
		break;
	case PART_BURST:
		if (bits == 7)
			fputs("No limit\n", out);
		else
			fprintf(out, "%u\n", 1u << bits);
		break;
	case PART_KELVIN:
		fprintf(out, "%d°C (%u Kelvin)\n", (int)bits - 273, bits);
		break;
	}
}

void nvc_feature_print(FILE *out, uint8_t id, uint32_t value)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct part *p = &parts[i];

		if (p->id == id)
			part_print(out, p,
				   (uint32_t)(value >> p->lo & ((2ull << (p->hi - p->lo)) - 1)));
	}
}
