/*
 * Devices in use, counted; registration of memory with errors that help. Any thread: a mutex guards
 * the list, which is touched when a queue comes or goes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "fabric/rdma/dev.h"
#include "fabric/rdma/region.h"

static pthread_mutex_t dev_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvhi_list devs = NVHI_LIST_INIT(devs);

const char *nvhi_rdma_dev_name(const struct nvhi_rdma_dev *dev)
{
	return dev->context->device->name;
}

static int dev_open(const struct nvhi_verbs *verbs, struct ibv_context *context, char *errbuf,
		    size_t errbuf_len, struct nvhi_rdma_dev **ret_dev)
{
	struct nvhi_rdma_dev *dev = calloc(1, sizeof(*dev));
	int err;

	if (!dev) {
		snprintf(errbuf, errbuf_len, "no memory");
		return -ENOMEM;
	}
	dev->verbs = verbs;
	dev->context = context;
	dev->refs = 1;
	err = verbs->query_device(context, &dev->attr);
	if (err) {
		err = -abs(err);
		snprintf(errbuf, errbuf_len, "%s: asking for its limits: %s", context->device->name,
			 strerror(-err));
		goto err_free;
	}
	dev->windows = dev->attr.max_mw > 0 &&
		       (dev->attr.device_cap_flags &
			(IBV_DEVICE_MEM_WINDOW_TYPE_2A | IBV_DEVICE_MEM_WINDOW_TYPE_2B));
	dev->iwarp = context->device->transport_type == IBV_TRANSPORT_IWARP;
	errno = 0;
	dev->pd = verbs->alloc_pd(context);
	if (!dev->pd) {
		err = errno ? -errno : -ENOMEM;
		snprintf(errbuf, errbuf_len, "%s: no protection domain: %s", context->device->name,
			 strerror(-err));
		goto err_free;
	}
	nvhi_list_add_tail(&devs, &dev->link);
	nvhi_rdma_regions_attach(dev);
	nvhi_log(DEBUG, RDMA, "%s: in use; %s, windows %s, max_sge %d, max_qp_wr %d, max_cqe %d",
		 nvhi_rdma_dev_name(dev), dev->iwarp ? "iWARP" : "InfiniBand or RoCE",
		 dev->windows ? "yes" : "no", dev->attr.max_sge, dev->attr.max_qp_wr,
		 dev->attr.max_cqe);
	*ret_dev = dev;
	return 0;

err_free:
	free(dev);
	return err;
}

int nvhi_rdma_dev_get(const struct nvhi_verbs *verbs, struct ibv_context *context, char *errbuf,
		      size_t errbuf_len, struct nvhi_rdma_dev **ret_dev)
{
	struct nvhi_rdma_dev *dev;
	int err = 0;

	pthread_mutex_lock(&dev_lock);
	nvhi_list_for_each(dev, &devs, link) {
		if (dev->context == context && dev->verbs == verbs) {
			dev->refs++;
			*ret_dev = dev;
			goto out;
		}
	}
	err = dev_open(verbs, context, errbuf, errbuf_len, ret_dev);
out:
	pthread_mutex_unlock(&dev_lock);
	return err;
}

void nvhi_rdma_dev_put(struct nvhi_rdma_dev *dev)
{
	bool last;

	if (!dev)
		return;
	pthread_mutex_lock(&dev_lock);
	last = --dev->refs == 0;
	if (last) {
		nvhi_list_del(&dev->link);
		nvhi_rdma_regions_release(dev);
		dev->verbs->dealloc_pd(dev->pd);
	}
	pthread_mutex_unlock(&dev_lock);
	if (last)
		free(dev);
}

/* ---- removal ------------------------------------------------------------------------------ */

#define SWEEPS 8
static uint32_t dev_sweeps;

void nvhi_rdma_dev_missing(void)
{
	__atomic_store_n(&dev_sweeps, SWEEPS, __ATOMIC_RELAXED);
}

void nvhi_rdma_dev_sweep(const struct nvhi_verbs *verbs)
{
	uint32_t left = __atomic_load_n(&dev_sweeps, __ATOMIC_RELAXED);
	struct ibv_context **list;

	if (left == 0)
		return;
	__atomic_store_n(&dev_sweeps, left - 1, __ATOMIC_RELAXED);
	list = verbs->cm_get_devices(NULL);
	if (list)
		verbs->cm_free_devices(list);
}

/* ---- memory ------------------------------------------------------------------------------- */

static unsigned long kib(uint64_t bytes)
{
	return (unsigned long)((bytes + 1023) >> 10);
}

/* What the kernel counts as locked for us already: VmPin, or 0 when /proc does not tell. */
static uint64_t pinned_now(void)
{
	unsigned long value = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmPin: %lu kB", &value) == 1)
			break;
	fclose(f);
	return (uint64_t)value << 10;
}

static void reg_error(struct nvhi_rdma_dev *dev, int err, size_t len, const char *what,
		      char *errbuf, size_t errbuf_len)
{
	struct rlimit limit;

	if ((err == -ENOMEM || err == -EAGAIN) && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY) {
		uint64_t need = pinned_now() + len;

		if (need > limit.rlim_cur) {
			snprintf(errbuf, errbuf_len,
				 "%s: cannot pin %lu KiB for %s: the limit of locked memory is %lu "
				 "KiB, "
				 "needed are %lu KiB (ulimit -l %lu; systemd: LimitMEMLOCK=%luK)",
				 nvhi_rdma_dev_name(dev), kib(len), what, kib(limit.rlim_cur),
				 kib(need), kib(need), kib(need));
			return;
		}
	}
	snprintf(errbuf, errbuf_len, "%s: cannot register %lu KiB for %s: %s",
		 nvhi_rdma_dev_name(dev), kib(len), what, strerror(-err));
}

int nvhi_rdma_reg(struct nvhi_rdma_dev *dev, void *addr, size_t len, int access, const char *what,
		  char *errbuf, size_t errbuf_len, struct ibv_mr **ret_mr)
{
	struct ibv_mr *mr;
	int err;

	errno = 0;
	mr = dev->verbs->reg_mr(dev->pd, addr, len, access);
	if (!mr) {
		err = errno ? -errno : -ENOMEM;
		reg_error(dev, err, len, what, errbuf, errbuf_len);
		return err;
	}
	*ret_mr = mr;
	return 0;
}

void nvhi_rdma_dereg(struct nvhi_rdma_dev *dev, struct ibv_mr *mr)
{
	int err;

	if (!mr)
		return;
	err = dev->verbs->dereg_mr(mr);
	if (err && abs(err) != EIO) /* that: the device is gone, and its registrations with it */
		nvhi_log(ERROR, RDMA, "%s: memory cannot be given back: %s",
			 nvhi_rdma_dev_name(dev), strerror(abs(err)));
}
