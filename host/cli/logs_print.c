/*
 * The SMART and the error log for people and for programs. Base Specification 2.1, figures 207 and
 * 206.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/logs.h"

/* ---- SMART -------------------------------------------------------------------------------- */

static int smart_celsius(unsigned int kelvin)
{
	return (int)kelvin - 273;
}

static void smart_counter(FILE *out, const char *label, const struct nvh_le128 *value)
{
	char text[40];

	nvc_le128_text(value, text);
	fprintf(out, "%s: %s\n", label, text);
}

/* Data units are 1,000 blocks of 512 bytes: shown as bytes too. */
static void smart_units(FILE *out, const char *label, const struct nvh_le128 *value)
{
	double bytes = ((double)nvh_le64_get(value->hi) * 18446744073709551616.0 +
			(double)nvh_le64_get(value->lo)) *
		       512000.0;
	const char *suffix = nvc_suffix_si(&bytes);
	char text[40];

	nvc_le128_text(value, text);
	fprintf(out, "%s: %s (%.2f %sB)\n", label, text, bytes, suffix);
}

/* The bits of the critical warning. Figure 207. */
static void smart_warnings(FILE *out, uint8_t warning)
{
	static const char *const names[] = {
		"Available Spare[0]",
		"Temp. Threshold[1]",
		"NVM subsystem Reliability[2]",
		"Read-only[3]",
		"Volatile mem. backup failed[4]",
		"Persistent Mem. RO[5]",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fprintf(out, "      %-31s: %u\n", names[i], warning >> i & 1u);
}

void nvc_smart_print(FILE *out, const struct nvh_smart_log *log, const char *device, uint32_t nsid,
		     bool human)
{
	unsigned int kelvin = nvh_le16_get(log->composite_temp);

	fprintf(out, "Smart Log for NVME device:%s namespace-id:%x\n", device, nsid);
	fprintf(out, "critical_warning\t\t\t: %#x\n", log->critical_warning);
	if (human)
		smart_warnings(out, log->critical_warning);
	fprintf(out, "temperature\t\t\t\t: %d°C (%u Kelvin)\n", smart_celsius(kelvin), kelvin);
	fprintf(out, "available_spare\t\t\t\t: %u%%\n", log->avail_spare);
	fprintf(out, "available_spare_threshold\t\t: %u%%\n", log->spare_thresh);
	fprintf(out, "percentage_used\t\t\t\t: %u%%\n", log->percent_used);
	fprintf(out, "endurance group critical warning summary: %#x\n", log->endu_grp_warning);
	smart_units(out, "Data Units Read\t\t\t\t", &log->data_units_read);
	smart_units(out, "Data Units Written\t\t\t", &log->data_units_written);
	smart_counter(out, "host_read_commands\t\t\t", &log->host_reads);
	smart_counter(out, "host_write_commands\t\t\t", &log->host_writes);
	smart_counter(out, "controller_busy_time\t\t\t", &log->ctrlr_busy_minutes);
	smart_counter(out, "power_cycles\t\t\t\t", &log->power_cycles);
	smart_counter(out, "power_on_hours\t\t\t\t", &log->power_on_hours);
	smart_counter(out, "unsafe_shutdowns\t\t\t", &log->unsafe_shutdowns);
	smart_counter(out, "media_errors\t\t\t\t", &log->media_errors);
	smart_counter(out, "num_err_log_entries\t\t\t", &log->num_error_entries);
	fprintf(out, "Warning Temperature Time\t\t: %u\n", nvh_le32_get(log->warning_temp_minutes));
	fprintf(out, "Critical Composite Temperature Time\t: %u\n",
		nvh_le32_get(log->critical_temp_minutes));
	for (int i = 0; i < 8; i++) {
		unsigned int sensor = nvh_le16_get(log->temp_sensor[i]);

		if (sensor)
			fprintf(out, "Temperature Sensor %d           : %d°C (%u Kelvin)\n", i + 1,
				smart_celsius(sensor), sensor);
	}
	fprintf(out, "Thermal Management T1 Trans Count\t: %u\n", nvh_le32_get(log->tmt1_count));
	fprintf(out, "Thermal Management T2 Trans Count\t: %u\n", nvh_le32_get(log->tmt2_count));
	fprintf(out, "Thermal Management T1 Total Time\t: %u\n", nvh_le32_get(log->tmt1_seconds));
	fprintf(out, "Thermal Management T2 Total Time\t: %u\n", nvh_le32_get(log->tmt2_seconds));
}

#define SMART(nam, memb)                                                                           \
	{                                                                                          \
		.name = (nam), .offset = offsetof(struct nvh_smart_log, memb),                     \
		.size = sizeof(((struct nvh_smart_log *)0)->memb), .form = NVC_FIELD_DEC           \
	}

static const struct nvc_field smart_json_head[] = {
	SMART("critical_warning", critical_warning),
	SMART("temperature", composite_temp),
	SMART("avail_spare", avail_spare),
	SMART("spare_thresh", spare_thresh),
	SMART("percent_used", percent_used),
	SMART("endurance_grp_critical_warning_summary", endu_grp_warning),
	SMART("data_units_read", data_units_read),
	SMART("data_units_written", data_units_written),
	SMART("host_read_commands", host_reads),
	SMART("host_write_commands", host_writes),
	SMART("controller_busy_time", ctrlr_busy_minutes),
	SMART("power_cycles", power_cycles),
	SMART("power_on_hours", power_on_hours),
	SMART("unsafe_shutdowns", unsafe_shutdowns),
	SMART("media_errors", media_errors),
	SMART("num_err_log_entries", num_error_entries),
	SMART("warning_temp_time", warning_temp_minutes),
	SMART("critical_comp_time", critical_temp_minutes),
	{.name = NULL},
};

static const struct nvc_field smart_json_tail[] = {
	SMART("thm_temp1_trans_count", tmt1_count),
	SMART("thm_temp2_trans_count", tmt2_count),
	SMART("thm_temp1_total_time", tmt1_seconds),
	SMART("thm_temp2_total_time", tmt2_seconds),
	{.name = NULL},
};

struct json_object *nvc_smart_to_json(const struct nvh_smart_log *log)
{
	struct json_object *root = json_object_new_object();
	int err = root ? nvc_fields_to_json(root, smart_json_head, log) : -ENOMEM;
	char name[32];

	for (int i = 0; i < 8 && !err; i++) {
		unsigned int sensor = nvh_le16_get(log->temp_sensor[i]);

		snprintf(name, sizeof(name), "temperature_sensor_%d", i + 1);
		if (sensor)
			err = nvhi_json_add_u64(root, name, sensor);
	}
	err = err ? err : nvc_fields_to_json(root, smart_json_tail, log);
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

/* ---- errors ------------------------------------------------------------------------------- */

static const char *error_trtype(uint8_t trtype)
{
	switch (trtype) {
	case 0:
		return "The transport type is not indicated or the error is not transport related.";
	case 1:
		return "RDMA Transport error.";
	case 2:
		return "Fibre Channel Transport error.";
	case 3:
		return "TCP Transport error.";
	case 254:
		return "Intra-host Transport error.";
	default:
		return "Reserved";
	}
}

void nvc_errors_print(FILE *out, const struct nvh_error_log_entry *entries, unsigned int nr,
		      const char *device)
{
	fprintf(out, "Error Log Entries for device:%s entries:%u\n", device, nr);
	fprintf(out, ".................\n");
	for (unsigned int i = 0; i < nr; i++) {
		const struct nvh_error_log_entry *e = &entries[i];
		unsigned int status = nvh_le16_get(e->status) >> 1;

		fprintf(out, " Entry[%2u]   \n.................\n", i);
		fprintf(out, "error_count\t: %llu\n",
			(unsigned long long)nvh_le64_get(e->error_count));
		fprintf(out, "sqid\t\t: %u\n", nvh_le16_get(e->sqid));
		fprintf(out, "cmdid\t\t: %#x\n", nvh_le16_get(e->cid));
		fprintf(out, "status_field\t: %#x(%s)\n", status,
			nvh_status_text(status >> 8 & 7, status & 0xff));
		fprintf(out, "phase_tag\t: %#x\n", nvh_le16_get(e->status) & 1u);
		fprintf(out, "parm_err_loc\t: %#x\n", nvh_le16_get(e->param_loc));
		fprintf(out, "lba\t\t: %#llx\n", (unsigned long long)nvh_le64_get(e->lba));
		fprintf(out, "nsid\t\t: %#x\n", nvh_le32_get(e->nsid));
		fprintf(out, "vs\t\t: %u\n", e->vs);
		fprintf(out, "trtype\t\t: %s\n", error_trtype(e->trtype));
		fprintf(out, "cs\t\t: %#llx\n", (unsigned long long)nvh_le64_get(e->cs));
		fprintf(out, "trtype_spec_info: %#x\n", nvh_le16_get(e->trtype_spec));
		fprintf(out, ".................\n");
	}
}

static struct json_object *error_to_json(const struct nvh_error_log_entry *e)
{
	struct json_object *o = json_object_new_object();
	int err = nvhi_json_add_u64(o, "error_count", nvh_le64_get(e->error_count));

	err = err ? err : nvhi_json_add_u64(o, "sqid", nvh_le16_get(e->sqid));
	err = err ? err : nvhi_json_add_u64(o, "cmdid", nvh_le16_get(e->cid));
	err = err ? err : nvhi_json_add_u64(o, "status_field", nvh_le16_get(e->status) >> 1);
	err = err ? err : nvhi_json_add_u64(o, "phase_tag", nvh_le16_get(e->status) & 1u);
	err = err ? err : nvhi_json_add_u64(o, "parm_error_location", nvh_le16_get(e->param_loc));
	err = err ? err : nvhi_json_add_u64(o, "lba", nvh_le64_get(e->lba));
	err = err ? err : nvhi_json_add_u64(o, "nsid", nvh_le32_get(e->nsid));
	err = err ? err : nvhi_json_add_u64(o, "vs", e->vs);
	err = err ? err : nvhi_json_add_u64(o, "trtype", e->trtype);
	err = err ? err : nvhi_json_add_u64(o, "cs", nvh_le64_get(e->cs));
	err = err ? err : nvhi_json_add_u64(o, "trtype_spec_info", nvh_le16_get(e->trtype_spec));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

struct json_object *nvc_errors_to_json(const struct nvh_error_log_entry *entries, unsigned int nr)
{
	struct json_object *root = json_object_new_object(), *array = json_object_new_array();
	int err = root && array ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < nr && !err; i++)
		err = nvhi_json_append(array, error_to_json(&entries[i]));
	if (err) {
		json_object_put(array);
		json_object_put(root);
		return NULL;
	}
	if (nvhi_json_add(root, "errors", array)) {
		json_object_put(root);
		return NULL;
	}
	return root;
}
