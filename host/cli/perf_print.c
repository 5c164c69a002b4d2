/*
 * What perf found out, for people and for programs.
 */
#include <errno.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/fields.h"
#include "host/cli/perf.h"

static const double perf_percentiles[] = {1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99};
static const size_t perf_nr_percentiles = sizeof(perf_percentiles) / sizeof(perf_percentiles[0]);

static double perf_rate(const struct perf_result *r, double amount)
{
	return r->seconds > 0 ? amount / r->seconds : 0;
}

static uint64_t perf_total(const struct perf_result *r)
{
	return r->dir[PERF_READ].ios + r->dir[PERF_WRITE].ios;
}

static void perf_print_dir(FILE *out, const struct perf_result *r, const char *name,
			   const struct perf_dir *dir)
{
	double iops = perf_rate(r, (double)dir->ios);

	fprintf(out, "  %-6s: IOPS=%.0f, BW=%.1f MiB/s, %llu I/Os\n", name, iops,
		perf_rate(r, (double)dir->bytes) / 1048576, (unsigned long long)dir->ios);
	fprintf(out, "          latency (us): min=%.2f, avg=%.2f, max=%.2f\n",
		(double)dir->latency.min / 1e3, nvhi_histogram_mean(&dir->latency) / 1e3,
		(double)dir->latency.max / 1e3);
	fprintf(out, "          percentiles (us):");
	for (size_t i = 0; i < perf_nr_percentiles; i++)
		fprintf(out, "%s%gth=%.2f",
			i ? i % 6 ? ", " : ",\n                           " : " ",
			perf_percentiles[i],
			(double)nvhi_histogram_percentile(&dir->latency, perf_percentiles[i]) /
				1e3);
	fputc('\n', out);
}

void perf_print(FILE *out, const struct perf_result *r)
{
	const struct perf_opts *o = r->opts;
	uint64_t total = perf_total(r);

	fprintf(out, "%s, bs %llu, iodepth %u, %u job%s, %.2f s on %s\n", o->rw,
		(unsigned long long)o->bs, o->iodepth, o->numjobs, o->numjobs == 1 ? "" : "s",
		r->seconds, r->target);
	if (r->dir[PERF_READ].ios)
		perf_print_dir(out, r, "read", &r->dir[PERF_READ]);
	if (r->dir[PERF_WRITE].ios)
		perf_print_dir(out, r, "write", &r->dir[PERF_WRITE]);
	if (total)
		fprintf(out, "  cpu   : %.2f us an I/O (user %.2f, sys %.2f), %.0f %% of a core\n",
			(r->user_us + r->sys_us) / (double)total, r->user_us / (double)total,
			r->sys_us / (double)total,
			perf_rate(r, (r->user_us + r->sys_us) / 1e6) * 100);
	if (o->verify)
		fprintf(out, "  verify: %llu checked, %llu wrong\n",
			(unsigned long long)r->verified, (unsigned long long)r->verify_errors);
	if (r->hedge.on)
		fprintf(out, "  hedged: %llu reads sent twice, %llu answered first by the copy\n",
			(unsigned long long)r->hedge.sent, (unsigned long long)r->hedge.won);
	if (r->errors)
		fprintf(out, "  errors: %llu\n", (unsigned long long)r->errors);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static int perf_add_double(struct json_object *o, const char *name, double value)
{
	char text[40];

	/* Three decimals are nanoseconds; all the digits of a double would be noise. */
	snprintf(text, sizeof(text), "%.3f", value);
	return nvhi_json_add(o, name, json_object_new_double_s(value, text));
}

static struct json_object *perf_latency_to_json(const struct nvhi_histogram *hist)
{
	struct json_object *o = json_object_new_object(), *p = json_object_new_object();
	int err = perf_add_double(o, "min", hist->count ? (double)hist->min / 1e3 : 0);
	char name[16];

	err = err ? err : perf_add_double(o, "mean", nvhi_histogram_mean(hist) / 1e3);
	err = err ? err : perf_add_double(o, "max", (double)hist->max / 1e3);
	for (size_t i = 0; i < perf_nr_percentiles && !err; i++) {
		snprintf(name, sizeof(name), "%g", perf_percentiles[i]);
		err = perf_add_double(p, name,
				      (double)nvhi_histogram_percentile(hist, perf_percentiles[i]) /
					      1e3);
	}
	if (err)
		json_object_put(p);
	else
		err = nvhi_json_add(o, "percentile", p);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *perf_dir_to_json(const struct perf_result *r, const struct perf_dir *dir)
{
	struct json_object *o = json_object_new_object();
	int err = nvhi_json_add_u64(o, "ios", dir->ios);

	err = err ? err : nvhi_json_add_u64(o, "bytes", dir->bytes);
	err = err ? err : perf_add_double(o, "iops", perf_rate(r, (double)dir->ios));
	err = err ? err : perf_add_double(o, "bw_bytes", perf_rate(r, (double)dir->bytes));
	err = err ? err : nvhi_json_add(o, "lat_us", perf_latency_to_json(&dir->latency));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static int perf_add_setup(struct json_object *root, const struct perf_result *r)
{
	const struct perf_opts *o = r->opts;
	int err = nvhi_json_add_string(root, "target", r->target);

	err = err ? err : nvhi_json_add_string(root, "rw", o->rw);
	err = err ? err : nvhi_json_add_u64(root, "bs", o->bs);
	err = err ? err : nvhi_json_add_u64(root, "iodepth", o->iodepth);
	err = err ? err : nvhi_json_add_u64(root, "numjobs", o->numjobs);
	return err ? err : perf_add_double(root, "seconds", r->seconds);
}

static int perf_add_hedge(struct json_object *root, const struct nvh_hedge_info *hedge)
{
	struct json_object *o;
	int err;

	if (!hedge->on)
		return 0;
	o = json_object_new_object();
	err = nvhi_json_add_u64(o, "reads", hedge->reads);
	err = err ? err : nvhi_json_add_u64(o, "sent", hedge->sent);
	err = err ? err : nvhi_json_add_u64(o, "won", hedge->won);
	if (err) {
		json_object_put(o);
		return err;
	}
	return nvhi_json_add(root, "hedge", o);
}

struct json_object *perf_to_json(const struct perf_result *r)
{
	struct json_object *root = json_object_new_object(), *cpu = json_object_new_object();
	double total = (double)perf_total(r);
	int err = perf_add_setup(root, r);

	err = err ? err : nvhi_json_add(root, "read", perf_dir_to_json(r, &r->dir[PERF_READ]));
	err = err ? err : nvhi_json_add(root, "write", perf_dir_to_json(r, &r->dir[PERF_WRITE]));
	err = err ? err : perf_add_double(cpu, "user_us_per_io", total ? r->user_us / total : 0);
	err = err ? err : perf_add_double(cpu, "sys_us_per_io", total ? r->sys_us / total : 0);
	err = err ? err
		  : perf_add_double(cpu, "us_per_io", total ? (r->user_us + r->sys_us) / total : 0);
	if (err)
		json_object_put(cpu);
	else
		err = nvhi_json_add(root, "cpu", cpu);
	err = err ? err : nvhi_json_add_u64(root, "verified", r->verified);
	err = err ? err : nvhi_json_add_u64(root, "verify_errors", r->verify_errors);
	err = err ? err : nvhi_json_add_u64(root, "errors", r->errors);
	err = err ? err : perf_add_hedge(root, &r->hedge);
	if (!err && r->first_error[0])
		err = nvhi_json_add_string(root, "first_error", r->first_error);
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}
