/*
 * host/cli/id_ctrl.c, id_ns.c, logs_print.c: the shapes of nvme-cli 2.3. tests/golden/cli holds
 * what Debian's nvme-cli 2.3 prints for the same bytes (the texts of statuses in error-log.txt are
 * ours).
 */
#include "host/cli/bits.h"
#include "host/cli/identify.h"
#include "host/cli/logs.h"
#include "tests/unit/host/cli/capture.h"
#include "tests/unit/nvh_cunit.h"

/* Bytes that are different everywhere and never make a negative number of 32 bits. */
static void pattern(uint8_t *data, size_t len, unsigned int mul, unsigned int add)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((i * mul + add) & 0x7f);
}

static void make_id_ctrl(struct nvh_id_ctrlr *id)
{
	uint8_t *d = (uint8_t *)id;

	pattern(d, 4096, 37, 11);
	memcpy(id->sn, "SN-1234567890       ", 20);
	memset(id->mn, ' ', 40);
	memcpy(id->mn, "Some Model Number", 17);
	memcpy(id->fr, "1.2.3   ", 8);
	id->npss = 2;
	memset(id->subnqn, 0, sizeof(id->subnqn));
	memcpy(id->subnqn, "nqn.2014-08.org.example:x", 25);
	id->psd[0].flags = 1;
	id->psd[1].flags = 2;
	id->psd[2].flags = 3;
	id->psd[0].ips = 0x40;
	id->psd[1].ips = 0x80;
	id->psd[2].apws = 0xc1;
}

static void make_id_ns(struct nvh_id_ns *id)
{
	pattern((uint8_t *)id, 4096, 29, 5);
	id->nsfeat = 0x1f;
	id->nlbaf = 3;
	id->flbas = 2;
	id->nulbaf = 1;
	for (int i = 0; i < 64; i++) {
		id->lbaf[i].lbads = (uint8_t)(9 + i % 4);
		id->lbaf[i].rp = (uint8_t)(i % 4);
	}
}

static size_t put_desc(uint8_t *data, size_t at, uint8_t type, uint8_t len, unsigned int mul,
		       unsigned int add)
{
	data[at] = type;
	data[at + 1] = len;
	pattern(data + at + 4, len, mul, add);
	return at + 4 + len;
}

static void make_descs(uint8_t *data)
{
	size_t at = 0;

	memset(data, 0, 4096);
	at = put_desc(data, at, NVH_NIDT_EUI64, 8, 3, 1);
	at = put_desc(data, at, NVH_NIDT_NGUID, 16, 5, 2);
	at = put_desc(data, at, NVH_NIDT_UUID, 16, 7, 3);
	put_desc(data, at, NVH_NIDT_CSI, 1, 0, 2);
}

static void make_smart(struct nvh_smart_log *log)
{
	uint8_t *d = (uint8_t *)log;

	pattern(d, 512, 53, 1);
	for (int i = 0; i < 10; i++)
		memset(d + 32 + 16 * i + i + 3, 0, (size_t)(16 - (i + 3)));
	nvh_le16_put(&log->temp_sensor[0], 310);
	nvh_le16_put(&log->temp_sensor[1], 0);
}

static void make_errors(struct nvh_error_log_entry *entries)
{
	static const uint8_t trtypes[] = {0, 1, 2, 3, 254, 9};
	uint8_t *d = (uint8_t *)entries;

	pattern(d, 64 * 64, 41, 9);
	for (int i = 0; i < 64; i++) {
		d[64 * i + 29] = trtypes[i % 6];
		d[64 * i + 12] = 0x04;
		d[64 * i + 13] = 0x40;
	}
}

/* ---- comparing ---------------------------------------------------------------------------- */

static char *printed;
static size_t printed_len;

static FILE *print_begin(void)
{
	return open_memstream(&printed, &printed_len);
}

static void check_text(FILE *out, const char *golden_name)
{
	char *golden = capture_golden(golden_name);

	fclose(out);
	CU_ASSERT_STRING_EQUAL(printed, golden);
	free(printed);
	free(golden);
}

static void check_json(struct json_object *root, const char *golden_name)
{
	char *golden = capture_golden(golden_name);
	size_t len = strlen(golden);

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	if (len && golden[len - 1] == '\n')
		golden[len - 1] = '\0';
	CU_ASSERT_STRING_EQUAL(
		json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE),
		golden);
	json_object_put(root);
	free(golden);
}

static void id_ctrl_prints_as_nvme_cli(void)
{
	static struct nvh_id_ctrlr id;
	FILE *out = print_begin();

	make_id_ctrl(&id);
	nvc_id_ctrl_print(out, &id, false, false);
	check_text(out, "id-ctrl.txt");
	check_json(nvc_id_ctrl_to_json(&id), "id-ctrl.json");
}

static void id_ctrl_with_an_absurd_npss_reads_no_further_than_the_structure(void)
{
	static struct nvh_id_ctrlr id;
	struct json_object *root, *psds;

	memset(&id, 0xff, sizeof(id));
	root = nvc_id_ctrl_to_json(&id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_TRUE(json_object_object_get_ex(root, "psds", &psds));
	CU_ASSERT_EQUAL(json_object_array_length(psds), 32);
	json_object_put(root);
}

static void id_ns_prints_as_nvme_cli(void)
{
	static struct nvh_id_ns id;
	FILE *out = print_begin();

	make_id_ns(&id);
	nvc_id_ns_print(out, &id, 1, false, false);
	check_text(out, "id-ns.txt");
	check_json(nvc_id_ns_to_json(&id), "id-ns.json");
}

static void ns_descs_print_as_nvme_cli(void)
{
	static uint8_t data[4096];
	FILE *out = print_begin();

	make_descs(data);
	nvc_ns_descs_print(out, data, 1);
	check_text(out, "ns-descs.txt");
	check_json(nvc_ns_descs_to_json(data), "ns-descs.json");
}

static void descriptors_that_lie_about_their_length_end_the_list(void)
{
	static uint8_t data[4096];
	struct json_object *root;

	memset(data, 0xff, sizeof(data)); /* type 255, length 255, to the end and beyond */
	root = nvc_ns_descs_to_json(data);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_EQUAL(json_object_object_length(root), 0);
	json_object_put(root);
	memset(data, 0, sizeof(data));
	data[0] = NVH_NIDT_UUID; /* a UUID of 4 bytes is no UUID */
	data[1] = 4;
	root = nvc_ns_descs_to_json(data);
	CU_ASSERT_EQUAL(json_object_object_length(root), 0);
	json_object_put(root);
}

static void smart_log_prints_as_nvme_cli(void)
{
	static struct nvh_smart_log log;
	FILE *out = print_begin();

	make_smart(&log);
	nvc_smart_print(out, &log, "nvme0", 0xffffffff, false);
	check_text(out, "smart-log.txt");
	check_json(nvc_smart_to_json(&log), "smart-log.json");
}

static void error_log_prints_as_nvme_cli(void)
{
	static struct nvh_error_log_entry entries[64];
	FILE *out = print_begin();

	make_errors(entries);
	nvc_errors_print(out, entries, 3, "nvme0");
	check_text(out, "error-log.txt");
	check_json(nvc_errors_to_json(entries, 3), "error-log.json");
}

static void bits_are_explained_group_by_group(void)
{
	FILE *out = print_begin();

	/* Supported and not, a value of two bits, reserved bits only when one is set. */
	nvc_bits_print(out, nvc_bits_id_ctrl, "vwc", (const uint8_t *)"\x05", 1);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(printed,
			       "  [2:1] : 0x2\tThe Flush command does not support NSID set "
			       "to FFFFFFFFh\n"
			       "  [0:0] : 0x1\tVolatile Write Cache Present\n\n");
	free(printed);
	out = print_begin();
	nvc_bits_print(out, nvc_bits_id_ctrl, "fuses", (const uint8_t *)"\0\x80", 2);
	nvc_bits_print(out, nvc_bits_id_ctrl, "no such field", (const uint8_t *)"\1", 1);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(printed, "  [15:1] : 0x4000\tReserved\n"
					"  [0:0] : 0\tFused Compare and Write Not Supported\n\n");
	free(printed);
}

/* As nvme-cli 2.3 printed them beside ours in the lab. */
static void bits_stand_in_nvme_clis_columns(void)
{
	static const uint8_t nvmcap[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1};
	static const struct {
		const char *field;
		uint8_t at[4], size;
		const char *text;
	} cases[] = {
		{"cntrltype", {1}, 1, "  [7:2] : 0\tReserved\n  [1:0] : 0x1\tI/O Controller\n"},
		{"elpe", {127}, 1, "  [7:0] : 127 (0's based)\tError Log Page Entries (ELPE)\n\n"},
		{"wctemp",
		 {0x57, 1},
		 2,
		 " [15:0] : 70°C (343 Kelvin)\tWarning Composite Temperature Threshold "
		 "(WCTEMP)\n\n"},
		{"rpmbs",
		 {0x0a, 0, 3, 4},
		 4,
		 " [31:24]: 0x4\tAccess Size\n [23:16]: 0x3\tTotal Size\n"
		 "  [5:3] : 0x1\tAuthentication Method\n  [2:0] : 0x2\tNumber of RPMB Units\n\n"},
		{"cqes",
		 {0x44},
		 1,
		 "  [7:4] : 0x4\tMax CQ Entry Size (16)\n  [3:0] : 0x4\tMin CQ Entry Size "
		 "(16)\n\n"},
	};
	FILE *out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out = print_begin();
		nvc_bits_print(out, nvc_bits_id_ctrl, cases[i].field, cases[i].at, cases[i].size);
		fclose(out);
		CU_ASSERT_STRING_EQUAL(printed, cases[i].text);
		free(printed);
	}
	out = print_begin();
	nvc_bits_print(out, nvc_bits_id_ctrl, "tnvmcap", nvmcap, sizeof(nvmcap));
	fclose(out);
	CU_ASSERT_STRING_EQUAL(
		printed, "[127:0] : 18446744073709551616\n\tTotal NVM Capacity (TNVMCAP)\n\n");
	free(printed);
}

static void format_progress_is_shown_when_it_is_supported(void)
{
	FILE *out = print_begin();

	nvc_bits_print(out, nvc_bits_id_ns, "fpi", (const uint8_t *)"\0", 1);
	nvc_bits_print(out, nvc_bits_id_ns, "fpi", (const uint8_t *)"\x80", 1);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(printed,
			       "  [7:7] : 0\tFormat Progress Indicator Not Supported\n\n"
			       "  [7:7] : 0x1\tFormat Progress Indicator Supported\n"
			       "  [6:0] : 0\tFormat Progress Indicator (Remaining 0%)\n\n");
	free(printed);
}

static void a_feature_is_explained_in_nvme_clis_words(void)
{
	FILE *out = print_begin();

	nvc_feature_print(out, NVH_FID_NUM_QUEUES, 0x007f0001);
	nvc_feature_print(out, NVH_FID_ARBITRATION, 7);
	nvc_feature_print(out, NVH_FID_HOST_ID, 1);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(printed, "\tNumber of IO Completion Queues Allocated (NCQA): 128\n"
					"\tNumber of IO Submission Queues Allocated (NSQA): 2\n"
					"\tHigh Priority Weight   (HPW): 1\n"
					"\tMedium Priority Weight (MPW): 1\n"
					"\tLow Priority Weight    (LPW): 1\n"
					"\tArbitration Burst       (AB): No limit\n");
	free(printed);
}

static void every_explained_field_is_printed_and_no_group_overlaps(void)
{
	static struct nvh_id_ctrlr id;
	uint64_t seen = 0;
	FILE *out = print_begin();

	memset(&id, 0xff, sizeof(id));
	nvc_id_ctrl_print(out, &id, true, false);
	fclose(out);
	for (const struct nvc_bits *b = nvc_bits_id_ctrl; b->field; b++) {
		char line[40];
		uint64_t mask = b->hi < 64 ? ((2ull << (b->hi - b->lo)) - 1) << b->lo : 0;
		bool first = b == nvc_bits_id_ctrl || strcmp(b[-1].field, b->field) != 0;
		bool same = !first && b[-1].hi == b->hi && b[-1].lo == b->lo;

		snprintf(line, sizeof(line), "\n%s ", b->field);
		CU_ASSERT_PTR_NOT_NULL(strstr(printed, line));
		if (first)
			seen = 0;
		if (!same) {
			CU_ASSERT_EQUAL(seen & mask, 0);
		}
		seen |= mask;
	}
	free(printed);
}

static void a_counter_of_128_bits_has_all_its_digits(void)
{
	struct nvh_le128 v;
	char text[40];

	memset(&v, 0xff, sizeof(v));
	nvc_le128_text(&v, text);
	CU_ASSERT_STRING_EQUAL(text, "340282366920938463463374607431768211455");
	memset(&v, 0, sizeof(v));
	nvc_le128_text(&v, text);
	CU_ASSERT_STRING_EQUAL(text, "0");
}

static void suffixes_are_nvme_clis(void)
{
	double size = 67108864;
	uint64_t block = 4096;

	CU_ASSERT_STRING_EQUAL(nvc_suffix_si(&size), "M");
	CU_ASSERT_DOUBLE_EQUAL(size, 67.108864, 1e-9);
	CU_ASSERT_STRING_EQUAL(nvc_suffix_binary(&block), "Ki");
	CU_ASSERT_EQUAL(block, 4);
	block = 512;
	CU_ASSERT_STRING_EQUAL(nvc_suffix_binary(&block), "");
	CU_ASSERT_EQUAL(block, 512);
}

static void a_hex_dump_shows_sixteen_bytes_a_line(void)
{
	FILE *out = print_begin();

	nvc_hexdump(out, "Hello, world! 0123", 18);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(
		printed,
		"       0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f\n"
		"0000: 48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21 20 30 31 \"Hello,.world!.01\"\n"
		"0010: 32 33                                            \"23\"\n");
	free(printed);
}

NVH_UNIT_MAIN("host/cli/shapes", NVH_TEST(id_ctrl_prints_as_nvme_cli),
	      NVH_TEST(id_ctrl_with_an_absurd_npss_reads_no_further_than_the_structure),
	      NVH_TEST(id_ns_prints_as_nvme_cli), NVH_TEST(ns_descs_print_as_nvme_cli),
	      NVH_TEST(descriptors_that_lie_about_their_length_end_the_list),
	      NVH_TEST(smart_log_prints_as_nvme_cli), NVH_TEST(error_log_prints_as_nvme_cli),
	      NVH_TEST(bits_are_explained_group_by_group),
	      NVH_TEST(bits_stand_in_nvme_clis_columns),
	      NVH_TEST(format_progress_is_shown_when_it_is_supported),
	      NVH_TEST(a_feature_is_explained_in_nvme_clis_words),
	      NVH_TEST(every_explained_field_is_printed_and_no_group_overlaps),
	      NVH_TEST(a_counter_of_128_bits_has_all_its_digits), NVH_TEST(suffixes_are_nvme_clis),
	      NVH_TEST(a_hex_dump_shows_sixteen_bytes_a_line))
