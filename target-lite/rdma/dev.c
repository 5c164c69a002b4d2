/*
 * A poll group's use of a device: completion channel and queues, the shared receive queue where the
 * device has one, the data buffers. Made by the first connection on it and gone with the last, so
 * that a device can be removed. Group reactor.
 *
 * iWARP ends a connection whose message finds no receive buffer, RoCE lets it come again. So on
 * iWARP connections share a receive queue only as far as it has an entry for each of their
 * commands.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/rdma/rdma_impl.h"

static struct tl_rdma_stats *dev_stats(struct tl_rdma_group *tg, const char *name)
{
	struct tl_rdma_stats *stats = tg->stats;

	for (uint32_t i = 0; i < TL_RDMA_DEVS_MAX - 1; i++, stats++)
		if (!stats->name[0] || !strcmp(stats->name, name))
			break;
	if (!stats->name[0])
		snprintf(stats->name, sizeof(stats->name), "%s", name);
	return stats;
}

static uint32_t dev_srq_depth(const struct tl_rdma_dev *dev)
{
	const struct tl_transport_opts *opts = tl_rdma_opts(dev->tg);
	int most = dev->dev->attr.max_srq_wr;

	if (opts->no_srq || dev->dev->attr.max_srq <= 0 || most < 2)
		return 0;
	return opts->max_srq_depth < (uint32_t)most ? opts->max_srq_depth : (uint32_t)most;
}

static int dev_srq(struct tl_rdma_dev *dev, char *errbuf, size_t errbuf_len)
{
	uint32_t depth = dev_srq_depth(dev);
	struct ibv_srq_init_attr attr = {.attr = {.max_wr = depth, .max_sge = 1}};
	int err;

	if (!depth)
		return 0;
	errno = 0;
	dev->srq.srq = dev->dev->verbs->create_srq(dev->dev->pd, &attr);
	if (!dev->srq.srq) {
		nvhi_log(INFO, RDMA, "%s: no shared receive queue: %s",
			 nvhi_rdma_dev_name(dev->dev), strerror(errno));
		return 0;
	}
	dev->has_srq = true;
	err = tl_rdma_rq_init(dev, &dev->srq, depth, errbuf, errbuf_len);
	if (err)
		return err;
	tl_rdma_rq_give_all(&dev->srq);
	err = tl_rdma_rq_post(dev, &dev->srq);
	if (err)
		snprintf(errbuf, errbuf_len, "%s: filling the shared receive queue: %s",
			 nvhi_rdma_dev_name(dev->dev), strerror(-err));
	return err;
}

static void dev_free(struct tl_rdma_dev *dev)
{
	tl_rdma_cq_stop(dev);
	if (dev->srq.srq)
		dev->dev->verbs->destroy_srq(dev->srq.srq);
	tl_rdma_rq_done(dev, &dev->srq);
	tl_rdma_bufs_done(dev);
	nvhi_log(DEBUG, RDMA, "%s: %s no longer uses it", nvhi_rdma_dev_name(dev->dev),
		 dev->tg->group->name);
	nvhi_rdma_dev_put(dev->dev);
	free(dev);
}

static int dev_new(struct tl_rdma_group *tg, struct ibv_context *context, char *errbuf,
		   size_t errbuf_len, struct tl_rdma_dev **ret_dev)
{
	struct tl_rdma_dev *dev = calloc(1, sizeof(*dev));
	int err;

	if (!dev) {
		snprintf(errbuf, errbuf_len, "no memory");
		return -ENOMEM;
	}
	dev->tg = tg;
	nvhi_list_init(&dev->cqs);
	nvhi_list_init(&dev->waiters);
	for (uint32_t i = 0; i < TL_RDMA_HASH; i++)
		nvhi_list_init(&dev->conns[i]);
	err = nvhi_rdma_dev_get(tg->rdma->verbs, context, errbuf, errbuf_len, &dev->dev);
	if (err) {
		free(dev);
		return err;
	}
	dev->stats = dev_stats(tg, nvhi_rdma_dev_name(dev->dev));
	err = tl_rdma_cq_start(dev);
	if (err)
		snprintf(errbuf, errbuf_len, "%s: no completion channel: %s",
			 nvhi_rdma_dev_name(dev->dev), strerror(-err));
	if (!err)
		err = tl_rdma_bufs_init(dev, errbuf, errbuf_len);
	if (!err)
		err = dev_srq(dev, errbuf, errbuf_len);
	if (err) {
		dev_free(dev);
		return err;
	}
	nvhi_log(INFO, RDMA, "%s: %s uses it: %u buffers of %u KiB, %s", tg->group->name,
		 nvhi_rdma_dev_name(dev->dev), dev->large.count,
		 (unsigned int)(dev->large.size >> 10),
		 dev->has_srq ? "a shared receive queue" : "a receive queue each");
	*ret_dev = dev;
	return 0;
}

int tl_rdma_dev_get(struct tl_rdma_group *tg, struct ibv_context *context, char *errbuf,
		    size_t errbuf_len, struct tl_rdma_dev **ret_dev)
{
	struct tl_rdma_dev *dev;
	int err;

	nvhi_list_for_each(dev, &tg->devs, link) {
		if (dev->dev->context == context) {
			dev->refs++;
			*ret_dev = dev;
			return 0;
		}
	}
	err = dev_new(tg, context, errbuf, errbuf_len, &dev);
	if (err)
		return err;
	dev->refs = 1;
	nvhi_list_add_tail(&tg->devs, &dev->link);
	*ret_dev = dev;
	return 0;
}

void tl_rdma_dev_put(struct tl_rdma_dev *dev)
{
	if (--dev->refs)
		return;
	nvhi_list_del(&dev->link);
	dev_free(dev);
}

/* ---- completion queues ----------------------------------------------------------------------- */

static struct tl_rdma_cq *cq_new(struct tl_rdma_dev *dev, uint32_t size)
{
	const struct nvhi_verbs *verbs = dev->dev->verbs;
	struct ibv_context *context = dev->dev->context;
	struct tl_rdma_cq *cq = calloc(1, sizeof(*cq));
	int vectors = context->num_comp_vectors > 0 ? context->num_comp_vectors : 1;

	if (!cq)
		return NULL;
	cq->size = size;
	cq->cq = verbs->create_cq(context, (int)size, cq, dev->channel,
				  (int)dev->tg->group->index % vectors);
	if (!cq->cq) {
		free(cq);
		return NULL;
	}
	/* Each message to the shared receive queue may end in any of them. */
	cq->used = dev->srq.count;
	nvhi_list_add_tail(&dev->cqs, &cq->link);
	return cq;
}

int tl_rdma_cq_get(struct tl_rdma_dev *dev, uint32_t need, char *errbuf, size_t errbuf_len,
		   struct tl_rdma_cq **ret_cq)
{
	uint32_t most = (uint32_t)dev->dev->attr.max_cqe, size = tl_rdma_opts(dev->tg)->num_cqe;
	struct tl_rdma_cq *cq;

	nvhi_list_for_each(cq, &dev->cqs, link)
		if (cq->size - cq->used >= need)
			goto found;
	if (size < dev->srq.count + need)
		size = dev->srq.count + need;
	if (size > most)
		size = most;
	errno = 0;
	if (size < dev->srq.count + need || !(cq = cq_new(dev, size))) {
		snprintf(errbuf, errbuf_len, "%s: no completion queue of %u entries: %s",
			 nvhi_rdma_dev_name(dev->dev), dev->srq.count + need,
			 errno ? strerror(errno) : "the device has no such");
		return -ENOMEM;
	}
found:
	cq->used += need;
	cq->users++;
	*ret_cq = cq;
	return 0;
}

void tl_rdma_cq_put(struct tl_rdma_dev *dev, struct tl_rdma_cq *cq, uint32_t need)
{
	cq->used -= need;
	if (--cq->users)
		return;
	nvhi_list_del(&cq->link);
	dev->dev->verbs->destroy_cq(cq->cq);
	free(cq);
}
