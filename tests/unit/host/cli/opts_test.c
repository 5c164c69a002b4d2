/*
 * host/cli/opts.c: options as nvme-cli has them, and the one line that names a wrong one.
 */
#include "host/cli/connect_opts.h"
#include "tests/unit/host/cli/capture.h"
#include "tests/unit/nvh_cunit.h"

struct sample {
	const char *text;
	bool flag, given;
	unsigned int count;
	int32_t number;
	uint8_t small;
	uint32_t ranged;
	uint64_t big, size;
	double seconds;
};

/* Parses; 0 or the exit status, -1 when it printed help. *ret_words: what is left. */
static int parse(struct sample *s, int *ret_words, char **ret_first, const char *where, int argc,
		 char **argv)
{
	const struct nvc_opt opts[] = {
		NVC_STRING("text", 't', "STR", &s->text, "a text"),
		NVC_FLAG("flag", 'f', &s->flag, "a flag"),
		NVC_COUNT("verbose", 'v', &s->count, "more"),
		NVC_NUMBER("number", 'n', INT, &s->number, "a number"),
		NVC_NUMBER("small", 's', U8, &s->small, "one byte", .given = &s->given),
		NVC_NUMBER("ranged", 0, U32, &s->ranged, "16 to 1024", .min = 16, .max = 1024),
		NVC_NUMBER("big", 'b', U64, &s->big, "with SI suffixes"),
		NVC_NUMBER("size", 0, SIZE, &s->size, "with binary suffixes"),
		NVC_NUMBER("time", 0, SECONDS, &s->seconds, "seconds"),
		NVC_FLAG("twin", 't', &s->flag, "the letter is taken: the first one has it"),
		NVC_END,
	};
	const struct nvc_usage usage = {.command = "sample",
					.args = "DEVICE",
					.opts = opts,
					.max_args = 1,
					.about = "A sample.",
					.where = where};
	struct nvc_args args = {0};
	int status;

	memset(s, 0, sizeof(*s));
	nvc_command = "sample";
	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status ? status : -1;
	if (ret_words)
		*ret_words = args.count;
	if (ret_first)
		*ret_first = args.count ? args.words[0] : NULL;
	return 0;
}

#define PARSE(s, words, first, ...)                                                                \
	({                                                                                         \
		char *argv_[] = {(char *)"sample", __VA_ARGS__, NULL};                             \
		parse(s, words, first, NULL, (int)(sizeof(argv_) / sizeof(argv_[0])) - 1, argv_);  \
	})

static void long_and_short_options_fill_their_variables(void)
{
	struct sample s;
	char *first;
	int words;

	CU_ASSERT_EQUAL(PARSE(&s, &words, &first, "--text=a", "-f", "-vv", "nvh0n1", "--number",
			      "-5", "-s", "0xff", "--big=4k", "--size", "4k", "--time=1.5"),
			0);
	CU_ASSERT_STRING_EQUAL(s.text, "a");
	CU_ASSERT_TRUE(s.flag && s.given);
	CU_ASSERT_EQUAL(s.count, 2);
	CU_ASSERT_EQUAL(s.number, -5);
	CU_ASSERT_EQUAL(s.small, 255);
	CU_ASSERT_EQUAL(s.big, 4000);
	CU_ASSERT_EQUAL(s.size, 4096);
	CU_ASSERT_DOUBLE_EQUAL(s.seconds, 1.5, 0);
	CU_ASSERT_EQUAL(words, 1);
	CU_ASSERT_STRING_EQUAL(first, "nvh0n1");
}

static void flags_take_0_and_1_as_fio_writes_them(void)
{
	struct sample s;

	CU_ASSERT_EQUAL(PARSE(&s, NULL, NULL, "--flag=1"), 0);
	CU_ASSERT_TRUE(s.flag);
	CU_ASSERT_EQUAL(PARSE(&s, NULL, NULL, "--flag=0"), 0);
	CU_ASSERT_FALSE(s.flag);
}

static void long_options_may_be_cut_short(void)
{
	struct sample s;

	CU_ASSERT_EQUAL(PARSE(&s, NULL, NULL, "--numb=7"), 0);
	CU_ASSERT_EQUAL(s.number, 7);
}

static void a_letter_given_twice_is_the_first_options(void)
{
	struct sample s;

	CU_ASSERT_EQUAL(PARSE(&s, NULL, NULL, "-t", "x"), 0);
	CU_ASSERT_STRING_EQUAL(s.text, "x");
	CU_ASSERT_FALSE(s.flag);
}

/* One line on stderr that has `needle`, and exit status 2. */
#define CHECK_WRONG(needle, ...)                                                                   \
	do {                                                                                       \
		struct sample s_;                                                                  \
		int status_;                                                                       \
		const char *said_;                                                                 \
                                                                                                   \
		capture_begin();                                                                   \
		status_ = PARSE(&s_, NULL, NULL, __VA_ARGS__);                                     \
		said_ = capture_end();                                                             \
		CU_ASSERT_EQUAL(status_, 2);                                                       \
		CU_ASSERT_PTR_NOT_NULL(strstr(said_, needle));                                     \
		CU_ASSERT_PTR_EQUAL(strchr(said_, '\n'), said_ + strlen(said_) - 1);               \
	} while (0)

static void a_wrong_option_gets_one_line_that_names_it(void)
{
	CHECK_WRONG("nvhost sample: unknown option '--frob'", "--frob");
	CHECK_WRONG("unknown option '-x'", "-x");
	CHECK_WRONG("unknown option '-x'", "-fx");
	CHECK_WRONG("option '-n' needs a value", "-n");
	CHECK_WRONG("option '--number' needs a value", "--number");
	CHECK_WRONG("--number: 'abc' is not a number", "--number=abc");
	CHECK_WRONG("--number: '99999999999' is not a number", "--number=99999999999");
	CHECK_WRONG("--small: '256' is out of range (0 to 255)", "-s", "256");
	CHECK_WRONG("--ranged: '15' is out of range (16 to 1024)", "--ranged=15");
	CHECK_WRONG("--size: '12q' is not a number", "--size=12q");
	CHECK_WRONG("--time: '-1' is not a time", "--time=-1");
	CHECK_WRONG("--flag: 'yes' is neither 0 nor 1", "--flag=yes");
	CHECK_WRONG("unexpected argument 'two'", "one", "two");
}

static void a_place_in_a_file_stands_before_the_complaint(void)
{
	struct sample s;
	char *argv[] = {(char *)"sample", (char *)"--frob", NULL};
	const char *said;

	capture_begin();
	CU_ASSERT_EQUAL(parse(&s, NULL, NULL, "/etc/x.conf:3", 2, argv), 2);
	said = capture_end();
	CU_ASSERT_STRING_EQUAL(said, "nvhost sample: /etc/x.conf:3: unknown option '--frob'\n");
}

static void sizes_are_exact_and_bounded(void)
{
	uint64_t v;

	CU_ASSERT_EQUAL(nvc_parse_size("0", 1024, &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(nvc_parse_size("18446744073709551615", 1024, &v), 0);
	CU_ASSERT_EQUAL(v, UINT64_MAX);
	CU_ASSERT_EQUAL(nvc_parse_size("9007199254740993", 1024, &v), 0); /* not a double */
	CU_ASSERT_EQUAL(v, 9007199254740993ull);
	CU_ASSERT_EQUAL(nvc_parse_size("1.5G", 1024, &v), 0);
	CU_ASSERT_EQUAL(v, 1610612736);
	CU_ASSERT_EQUAL(nvc_parse_size("4KiB", 1024, &v), 0);
	CU_ASSERT_EQUAL(v, 4096);
	CU_ASSERT_EQUAL(nvc_parse_size("0x10", 1024, &v), 0);
	CU_ASSERT_EQUAL(v, 16);
	CU_ASSERT_EQUAL(nvc_parse_size("16E", 1024, &v), -EINVAL);
	CU_ASSERT_EQUAL(nvc_parse_size("18446744073709551616", 1024, &v), -EINVAL);
	CU_ASSERT_EQUAL(nvc_parse_size("-1", 1024, &v), -EINVAL);
	CU_ASSERT_EQUAL(nvc_parse_size("", 1024, &v), -EINVAL);
	CU_ASSERT_EQUAL(nvc_parse_size("k", 1024, &v), -EINVAL);
	CU_ASSERT_EQUAL(nvc_parse_size("1kk", 1024, &v), -EINVAL);
	CU_ASSERT_EQUAL(v, 16); /* untouched on failure */
}

static void connect_takes_nvme_clis_options(void)
{
	struct nvd_params p;
	const struct nvc_opt opts[] = {NVC_CONNECT_OPTS(p), NVC_END};
	const struct nvc_usage usage = {
		.command = "connect", .args = "", .about = "", .opts = opts};
	char *argv[] = {(char *)"connect",
			(char *)"-t",
			(char *)"tcp",
			(char *)"-a",
			(char *)"::1",
			(char *)"-s",
			(char *)"4420",
			(char *)"-n",
			(char *)"nqn.x",
			(char *)"-w",
			(char *)"1.2.3.4",
			(char *)"-f",
			(char *)"eth0",
			(char *)"-q",
			(char *)"hq",
			(char *)"-I",
			(char *)"hi",
			(char *)"-i",
			(char *)"4",
			(char *)"-Q",
			(char *)"64",
			(char *)"-k",
			(char *)"0",
			(char *)"-c",
			(char *)"2",
			(char *)"-l",
			(char *)"-1",
			(char *)"-T",
			(char *)"7",
			(char *)"-D",
			(char *)"-d",
			(char *)"-g",
			(char *)"-G",
			(char *)"--fast_io_fail_tmo=3",
			NULL};
	struct nvc_args args;
	int status;

	nvd_params_init(&p);
	CU_ASSERT_EQUAL(nvc_opts_parse(&usage, (int)(sizeof(argv) / sizeof(argv[0])) - 1, argv,
				       &args, &status),
			0);
	CU_ASSERT_STRING_EQUAL(p.transport, "tcp");
	CU_ASSERT_STRING_EQUAL(p.traddr, "::1");
	CU_ASSERT_STRING_EQUAL(p.trsvcid, "4420");
	CU_ASSERT_STRING_EQUAL(p.nqn, "nqn.x");
	CU_ASSERT_STRING_EQUAL(p.host_traddr, "1.2.3.4");
	CU_ASSERT_STRING_EQUAL(p.host_iface, "eth0");
	CU_ASSERT_STRING_EQUAL(p.hostnqn, "hq");
	CU_ASSERT_STRING_EQUAL(p.hostid, "hi");
	CU_ASSERT_EQUAL(p.nr_io_queues, 4);
	CU_ASSERT_EQUAL(p.queue_size, 64);
	CU_ASSERT_TRUE(p.has_keep_alive_tmo && p.keep_alive_tmo == 0);
	CU_ASSERT_DOUBLE_EQUAL(p.reconnect_delay, 2, 0);
	CU_ASSERT_EQUAL(p.ctrl_loss_tmo, -1);
	CU_ASSERT_EQUAL(p.fast_io_fail_tmo, 3);
	CU_ASSERT_EQUAL(p.tos, 7);
	CU_ASSERT_TRUE(p.duplicate_connect && p.disable_sqflow && p.hdr_digest && p.data_digest);
}

static void formats_are_checked(void)
{
	enum nvc_format format = NVC_BINARY;

	CU_ASSERT_EQUAL(nvc_parse_format(NULL, false, &format), 0);
	CU_ASSERT_EQUAL(format, NVC_NORMAL);
	CU_ASSERT_EQUAL(nvc_parse_format("json", false, &format), 0);
	CU_ASSERT_EQUAL(format, NVC_JSON);
	capture_begin();
	CU_ASSERT_EQUAL(nvc_parse_format("binary", false, &format), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture_end(), "'binary' is none of normal, json"));
	CU_ASSERT_EQUAL(format, NVC_JSON);
	CU_ASSERT_EQUAL(nvc_parse_format("binary", true, &format), 0);
	CU_ASSERT_EQUAL(format, NVC_BINARY);
}

NVH_UNIT_MAIN("host/cli/opts", NVH_TEST(long_and_short_options_fill_their_variables),
	      NVH_TEST(flags_take_0_and_1_as_fio_writes_them),
	      NVH_TEST(long_options_may_be_cut_short),
	      NVH_TEST(a_letter_given_twice_is_the_first_options),
	      NVH_TEST(a_wrong_option_gets_one_line_that_names_it),
	      NVH_TEST(a_place_in_a_file_stands_before_the_complaint),
	      NVH_TEST(sizes_are_exact_and_bounded), NVH_TEST(connect_takes_nvme_clis_options),
	      NVH_TEST(formats_are_checked))
