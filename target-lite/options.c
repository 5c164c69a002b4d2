/*
 * Reading the command line: every mistake is one line that names the option and its value.
 */
#include "target-lite/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "target-lite/rpc/rpc.h"

static const char options_help[] =
	"usage: target-lite [OPTIONS]\n"
	"       target-lite rpc METHOD [JSON]\n"
	"\n"
	"An NVMe-oF target for tests. With --listen and --ns it serves one subsystem at once; "
	"without\n"
	"them it waits for JSON-RPC (SPDK's method names, scripts/rpc.py works).\n"
	"\n"
	"  --listen tcp:ADDR:PORT     listen there; port 0 picks one. Repeatable. [::1] for IPv6\n"
	"  --listen rdma:ADDR:PORT    the same over RDMA (the address of an RDMA device's interface)\n"
	"  --listen vfio-user:FOLDER  be a PCIe controller to who connects to FOLDER/cntrl\n"
	"  --ns malloc:SIZE           a namespace in memory (64M, 1G), zero until written\n"
	"  --ns null:SIZE             one that forgets writes and reads as zeroes\n"
	"  --ns file:PATH[:SIZE]      one in a file or block device; SIZE creates the file\n"
	"                             each may end in ,bs=512..65536 ,ro ,uuid=UUID. Repeatable\n"
	"  --nqn NQN                  the subsystem's name (" TL_DEFAULT_NQN ")\n"
	"  --serial TEXT, --model TEXT\n"
	"  --host NQN                 allow this host only. Repeatable; default: any host\n"
	"  --ana                      report asymmetric namespace access\n"
	"  --rpc ADDRESS              JSON-RPC at a Unix socket path or tcp:127.0.0.1:PORT\n"
	"                             (" TL_RPC_DEFAULT_ADDRESS ")\n"
	"  --no-rpc                   no JSON-RPC\n"
	"  --rpc-allow-remote         JSON-RPC also on addresses other than loopback\n"
	"  --wait-for-rpc             start nothing before framework_start_init\n"
	"  -c, --config FILE          a configuration as the RPC save_config writes it\n"
	"  -m, --cpumask MASK         one reactor for each CPU (0x3, or a list [0,1])\n"
	"  --poll                     never sleep: for CPUs of its own\n"
	"  --spin US                  idle time polled before sleeping (40)\n"
	"  --max-io-size BYTES        power of two, 8K to 4M (128K)\n"
	"  --in-capsule BYTES         in-capsule data of I/O queues (8K)\n"
	"  --queue-depth N            entries of an I/O queue (1024)\n"
	"  --io-queues N              I/O queues a controller (127)\n"
	"  --r2t-size BYTES           most that one R2T asks for (all of a command)\n"
	"  --no-c2h-success           always answer reads with a response capsule\n"
	"  --tbkas                    offer traffic-based keep-alive\n"
	"  --handshake-timeout MS     from connection to Connect (10000)\n"
	"  --stall-timeout MS         for the rest of a PDU, or a response taken (30000)\n"
	"  -L, --log SPEC             all:info, tcp, nvme (decoded commands)...\n"
	"  -V, --version, -h, --help\n"
	"\n"
	"It prints a line for each listener and \"ready\" when it serves; SIGTERM or SIGINT ends "
	"it.\n";

static int __attribute__((format(printf, 1, 2))) options_wrong(const char *fmt, ...)
{
	va_list args;

	fputs("target-lite: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs(" (target-lite --help lists the options)\n", stderr);
	return -EINVAL;
}

/* ---- values --------------------------------------------------------------------------------- */

/* "64M", "1GiB", "4096"; *ret_end is behind it. */
static int options_size(const char *text, const char **ret_end, uint64_t *ret_bytes)
{
	static const char units[] = "kmgt";
	char *end;
	uint64_t value;
	const char *unit;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (end == text || errno || *text == '-')
		return -EINVAL;
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (value > UINT64_MAX >> shift)
			return -EINVAL;
		value <<= shift;
		end++;
		if (end[0] == 'i' && end[1] == 'B')
			end += 2;
		else if (end[0] == 'B' || end[0] == 'b')
			end++;
	}
	*ret_end = end;
	*ret_bytes = value;
	return 0;
}

static int options_u32(const char *name, const char *text, uint32_t min, uint32_t max,
		       uint32_t *ret_value)
{
	const char *end;
	uint64_t value;

	if (options_size(text, &end, &value) || *end || value < min || value > max)
		return options_wrong("--%s %s: not a number from %u to %u", name, text, min, max);
	*ret_value = (uint32_t)value;
	return 0;
}

static int options_uuid(const char *text, uint8_t ret_uuid[16])
{
	unsigned int n = 0;

	for (; *text; text++) {
		unsigned int nibble;

		if (*text == '-')
			continue;
		if (n == 32 || sscanf((char[]){*text, 0}, "%1x", &nibble) != 1)
			return -EINVAL;
		ret_uuid[n / 2] = (uint8_t)(n & 1 ? ret_uuid[n / 2] | nibble : nibble << 4);
		n++;
	}
	return n == 32 ? 0 : -EINVAL;
}

static int options_listen_folder(struct tl_options *o, struct tl_listen_addr *addr, const char *text)
{
	const char *folder = text + strlen("vfio-user:");

	if (!*folder || strlen(folder) >= sizeof(addr->traddr))
		return options_wrong("--listen %s: not a folder", text);
	*addr = (struct tl_listen_addr){.trtype = TL_TRTYPE_VFIOUSER, .adrfam = TL_ADRFAM_IPV4};
	strcpy(addr->traddr, folder);
	o->listen_count++;
	return 0;
}

static int options_listen(struct tl_options *o, const char *text)
{
	struct tl_listen_addr *addr = &o->listens[o->listen_count];
	static const char *const forms =
		"tcp:ADDRESS:PORT, rdma:ADDRESS:PORT or vfio-user:FOLDER";
	char host[sizeof(addr->traddr)];
	const char *rest, *colon;
	unsigned char bin[16];
	size_t len;

	if (o->listen_count == TL_MAX_LISTENS)
		return options_wrong("--listen: more than %u of them", TL_MAX_LISTENS);
	if (!strncmp(text, "vfio-user:", 10))
		return options_listen_folder(o, addr, text);
	if (!strncmp(text, "tcp:", 4))
		addr->trtype = TL_TRTYPE_TCP;
	else if (!strncmp(text, "rdma:", 5))
		addr->trtype = TL_TRTYPE_RDMA;
	else
		return options_wrong("--listen %s: not %s", text, forms);
	rest = strchr(text, ':') + 1;
	colon = strrchr(rest, ':');
	if (!colon || colon == rest || (size_t)(colon - rest) >= sizeof(host) ||
	    strlen(colon + 1) >= sizeof(addr->trsvcid))
		return options_wrong("--listen %s: not %s", text, forms);
	len = (size_t)(colon - rest);
	if (*rest == '[' && colon[-1] == ']') {
		rest++;
		len -= 2;
	}
	memcpy(host, rest, len);
	host[len] = 0;
	if (!strcmp(host, "localhost"))
		memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
	addr->adrfam = strchr(host, ':') ? TL_ADRFAM_IPV6 : TL_ADRFAM_IPV4;
	if (inet_pton(addr->adrfam == TL_ADRFAM_IPV6 ? AF_INET6 : AF_INET, host, bin) != 1)
		return options_wrong("--listen %s: '%s' is not a numeric address", text, host);
	if (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strtoul(colon + 1, NULL, 10) > 65535)
		return options_wrong("--listen %s: '%s' is not a port", text, colon + 1);
	memcpy(addr->traddr, host, len + 1);
	if (strlen(addr->traddr) != len)
		snprintf(addr->traddr, sizeof(addr->traddr), "%s", host);
	snprintf(addr->trsvcid, sizeof(addr->trsvcid), "%lu", strtoul(colon + 1, NULL, 10));
	o->listen_count++;
	return 0;
}

/* ---- namespaces ----------------------------------------------------------------------------- */

static int options_ns_flag(struct tl_ns_spec *ns, const char *spec, char *flag)
{
	const char *end;
	uint64_t size;

	if (!strcmp(flag, "ro")) {
		ns->read_only = true;
		return ns->kind == TL_NS_FILE ? 0 : options_wrong("--ns %s: ro is for files", spec);
	}
	if (!strncmp(flag, "bs=", 3)) {
		if (options_size(flag + 3, &end, &size) || *end || size < 512 || size > 65536 ||
		    size & (size - 1))
			return options_wrong(
				"--ns %s: '%s' is not a power of two from 512 to 65536", spec,
				flag);
		ns->block_size = (uint32_t)size;
		return 0;
	}
	if (!strncmp(flag, "uuid=", 5)) {
		if (options_uuid(flag + 5, ns->uuid))
			return options_wrong("--ns %s: '%s' is not a UUID", spec, flag + 5);
		return 0;
	}
	return options_wrong("--ns %s: unknown '%s' (bs=, ro, uuid=)", spec, flag);
}

/* "PATH[:SIZE]": a colon counts when a size stands behind it. */
static int options_ns_file(struct tl_ns_spec *ns, char *path)
{
	char *colon = strrchr(path, ':');
	const char *end;

	if (colon && !options_size(colon + 1, &end, &ns->bytes) && !*end)
		*colon = 0;
	else
		ns->bytes = 0;
	ns->filename = path;
	return *path ? 0 : -EINVAL;
}

static int options_ns(struct tl_options *o, char *spec)
{
	struct tl_ns_spec *ns = &o->ns[o->ns_count];
	char *text = strdup(spec), *value, *flag, *save;
	const char *end;
	int ret = 0;

	if (o->ns_count == TL_MAX_NAMESPACES || !text)
		return options_wrong("--ns: more than %u of them", TL_MAX_NAMESPACES);
	ns->block_size = 512;
	value = strchr(text, ':');
	strtok_r(text, ",", &save);
	if (value)
		*value++ = 0;
	if (!strcmp(text, "malloc"))
		ns->kind = TL_NS_MALLOC;
	else if (!strcmp(text, "null"))
		ns->kind = TL_NS_NULL;
	else if (!strcmp(text, "file"))
		ns->kind = TL_NS_FILE;
	else
		ret = options_wrong("--ns %s: not malloc:SIZE, null:SIZE or file:PATH", spec);
	if (!ret && ns->kind == TL_NS_FILE) {
		if (!value || options_ns_file(ns, value))
			ret = options_wrong("--ns %s: no path", spec);
	} else if (!ret &&
		   (!value || options_size(value, &end, &ns->bytes) || *end || !ns->bytes)) {
		ret = options_wrong("--ns %s: '%s' is not a size (64M, 1G)", spec,
				    value ? value : "");
	}
	while (!ret && (flag = strtok_r(NULL, ",", &save)))
		ret = options_ns_flag(ns, spec, flag);
	if (!ret && ns->bytes % ns->block_size)
		ret = options_wrong("--ns %s: the size is no multiple of the block size %u", spec,
				    ns->block_size);
	if (ret || ns->kind != TL_NS_FILE)
		free(text); /* a file's path stays in use */
	o->ns_count += !ret;
	return ret;
}

/* ---- CPUs ----------------------------------------------------------------------------------- */

static int options_add_cpu(struct tl_options *o, unsigned long cpu)
{
	if (o->cpu_count == TL_MAX_CPUS || cpu > 4095)
		return -EINVAL;
	o->cpus[o->cpu_count++] = (int)cpu;
	return 0;
}

static int options_cpus(struct tl_options *o, const char *text)
{
	unsigned long long mask;
	char *end;

	if (*text == '[') {
		const char *at = text + 1;

		do {
			unsigned long from = strtoul(at, &end, 10), to = from;

			if (end != at && *end == '-') {
				at = end + 1;
				to = strtoul(at, &end, 10);
			}
			if (end == at || to < from)
				return options_wrong("-m %s: not a list of CPUs", text);
			for (; from <= to; from++)
				if (options_add_cpu(o, from))
					return options_wrong("-m %s: too many CPUs", text);
			at = end + 1;
		} while (*end == ',');
		return strcmp(end, "]") ? options_wrong("-m %s: not a list of CPUs", text) : 0;
	}
	errno = 0;
	mask = strtoull(text, &end, 16);
	if (end == text || *end || errno || !mask)
		return options_wrong("-m %s: not a mask like 0x3", text);
	for (unsigned int cpu = 0; cpu < 64; cpu++)
		if (mask >> cpu & 1)
			options_add_cpu(o, cpu);
	return 0;
}

/* ---- the whole line ------------------------------------------------------------------------- */

enum {
	OPT_LISTEN = 256,
	OPT_NS,
	OPT_NQN,
	OPT_SERIAL,
	OPT_MODEL,
	OPT_HOST,
	OPT_ANA,
	OPT_RPC,
	OPT_NO_RPC,
	OPT_RPC_REMOTE,
	OPT_WAIT,
	OPT_POLL,
	OPT_SPIN,
	OPT_IO_SIZE,
	OPT_ICD,
	OPT_DEPTH,
	OPT_QUEUES,
	OPT_R2T,
	OPT_NO_SUCCESS,
	OPT_TBKAS,
	OPT_HANDSHAKE,
	OPT_STALL,
};

static const struct option options_table[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"ns", required_argument, NULL, OPT_NS},
	{"nqn", required_argument, NULL, OPT_NQN},
	{"serial", required_argument, NULL, OPT_SERIAL},
	{"model", required_argument, NULL, OPT_MODEL},
	{"host", required_argument, NULL, OPT_HOST},
	{"ana", no_argument, NULL, OPT_ANA},
	{"rpc", required_argument, NULL, OPT_RPC},
	{"no-rpc", no_argument, NULL, OPT_NO_RPC},
	{"rpc-allow-remote", no_argument, NULL, OPT_RPC_REMOTE},
	{"wait-for-rpc", no_argument, NULL, OPT_WAIT},
	{"config", required_argument, NULL, 'c'},
	{"cpumask", required_argument, NULL, 'm'},
	{"poll", no_argument, NULL, OPT_POLL},
	{"spin", required_argument, NULL, OPT_SPIN},
	{"max-io-size", required_argument, NULL, OPT_IO_SIZE},
	{"in-capsule", required_argument, NULL, OPT_ICD},
	{"queue-depth", required_argument, NULL, OPT_DEPTH},
	{"io-queues", required_argument, NULL, OPT_QUEUES},
	{"r2t-size", required_argument, NULL, OPT_R2T},
	{"no-c2h-success", no_argument, NULL, OPT_NO_SUCCESS},
	{"tbkas", no_argument, NULL, OPT_TBKAS},
	{"handshake-timeout", required_argument, NULL, OPT_HANDSHAKE},
	{"stall-timeout", required_argument, NULL, OPT_STALL},
	{"log", required_argument, NULL, 'L'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int options_log(const char *spec)
{
	char culprit[64];

	if (nvhi_log_configure(spec, culprit, sizeof(culprit)))
		return options_wrong("-L %s: '%s' is no component or level", spec, culprit);
	return 0;
}

static int options_host(struct tl_options *o, const char *nqn)
{
	if (!tl_nqn_valid(nqn))
		return options_wrong("--host %s: not an NQN (nqn.yyyy-mm.domain...)", nqn);
	if (o->host_count == TL_MAX_HOSTS)
		return options_wrong("--host: more than %u of them", TL_MAX_HOSTS);
	o->hosts[o->host_count++] = nqn;
	return 0;
}

static int options_one(struct tl_options *o, int opt, char *arg)
{
	struct tl_transport_opts *t = &o->transport;

	switch (opt) {
	case OPT_LISTEN:
		return options_listen(o, arg);
	case OPT_NS:
		return options_ns(o, arg);
	case OPT_NQN:
		o->nqn = arg;
		return tl_nqn_valid(arg)
			       ? 0
			       : options_wrong("--nqn %s: not an NQN (nqn.yyyy-mm.domain...)", arg);
	case OPT_SERIAL:
		o->serial = arg;
		return strlen(arg) <= 20 ? 0 : options_wrong("--serial %s: over 20 bytes", arg);
	case OPT_MODEL:
		o->model = arg;
		return strlen(arg) <= 40 ? 0 : options_wrong("--model %s: over 40 bytes", arg);
	case OPT_HOST:
		return options_host(o, arg);
	case OPT_ANA:
		o->ana = true;
		return 0;
	case OPT_RPC:
		o->rpc = arg;
		return 0;
	case OPT_NO_RPC:
		o->no_rpc = true;
		return 0;
	case OPT_RPC_REMOTE:
		o->allow_remote = true;
		return 0;
	case OPT_WAIT:
		o->wait_for_rpc = true;
		return 0;
	case 'c':
		o->config = arg;
		return 0;
	case 'm':
		return options_cpus(o, arg);
	case OPT_POLL:
		o->poll = true;
		return 0;
	case OPT_SPIN:
		return options_u32("spin", arg, 0, 1000000, &o->spin_us);
	case OPT_IO_SIZE:
		return options_u32("max-io-size", arg, 8192, 4u << 20, &t->max_io_size);
	case OPT_ICD:
		return options_u32("in-capsule", arg, 0, 1u << 20, &t->in_capsule_data_size);
	case OPT_DEPTH:
		return options_u32("queue-depth", arg, 2, 65535, &t->max_queue_depth);
	case OPT_QUEUES:
		return options_u32("io-queues", arg, 1, 65534, &t->max_io_qpairs_per_ctrlr);
	case OPT_R2T:
		return options_u32("r2t-size", arg, 512, 4u << 20, &t->r2t_size);
	case OPT_NO_SUCCESS:
		t->c2h_success = false;
		return 0;
	case OPT_TBKAS:
		o->tbkas = true;
		return 0;
	case OPT_HANDSHAKE:
		return options_u32("handshake-timeout", arg, 1, 3600000, &t->handshake_ms);
	case OPT_STALL:
		return options_u32("stall-timeout", arg, 1, 3600000, &t->stall_ms);
	case 'L':
		return options_log(arg);
	case 'V':
		puts("target-lite " NVHOST_VERSION);
		o->done = true;
		return 0;
	case 'h':
		fputs(options_help, stdout);
		o->done = true;
		return 0;
	default:
		fputs("target-lite --help lists the options\n", stderr);
		return -EINVAL;
	}
}

int tl_options_parse(int argc, char **argv, struct tl_options *ret_options)
{
	struct tl_options *o = ret_options;
	int opt, ret;

	tl_transport_opts_default(&o->transport);
	o->transport.in_capsule_data_size = 8192;
	o->transport.max_queue_depth = 1024;
	o->nqn = TL_DEFAULT_NQN;
	o->spin_us = NVHI_SPIN_DEFAULT_US;
	while ((opt = getopt_long(argc, argv, "c:m:L:Vh", options_table, NULL)) != -1) {
		ret = options_one(o, opt, optarg);
		if (ret || o->done)
			return ret;
	}
	if (optind < argc)
		return options_wrong("'%s' is not an option", argv[optind]);
	if (o->ns_count && !o->listen_count && o->no_rpc)
		return options_wrong("namespaces, but neither --listen nor RPC");
	if (!o->listen_count && o->no_rpc && !o->config)
		return options_wrong("--no-rpc without --listen or --config: nothing to serve");
	if (!o->cpu_count)
		o->cpus[o->cpu_count++] = -1;
	return 0;
}
