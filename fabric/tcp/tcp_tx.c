/*
 * Transmit: slots that want to send stand in a list; at the end of the reactor's turn their PDUs
 * are encoded into one iovec array (headers in an arena, data from the caller's buffers) which
 * leaves in one sendmsg. A full stream keeps the rest, and WRITABLE resumes it. On the queue pair's
 * reactor. NVMe/TCP 1.1 sections 3.3.2 (data transfers) and 3.6.2.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/tcp/tcp_impl.h"

/* Elements a sendmsg takes at most (IOV_MAX), and what an admin queue makes do with. */
#define TX_IOV_MAX 1024
#define TX_IOV_MIN 128
/* What one PDU's header, digest and padding may take of the arena. */
#define TX_PDU_ROOM  (NVHI_PDU_HDR_ROOM + NVH_TCP_DIGEST_SIZE)
#define TX_ARENA_MAX (64u << 10)

static void tx_deferred(struct nvhi_defer *defer)
{
	struct nvhi_tcp_qpair *q = nvhi_container_of(defer, struct nvhi_tcp_qpair, tx.defer);

	nvhi_tcp_tx_flush(q);
}

int nvhi_tcp_tx_init(struct nvhi_tcp_qpair *q)
{
	struct nvhi_tcp_tx *tx = &q->tx;

	nvhi_list_init(&tx->want);
	nvhi_list_init(&tx->defer.link);
	tx->defer.fn = tx_deferred;
	tx->iov_max = 4u * q->qpair.depth;
	if (tx->iov_max > TX_IOV_MAX)
		tx->iov_max = TX_IOV_MAX;
	if (tx->iov_max < TX_IOV_MIN)
		tx->iov_max = TX_IOV_MIN;
	tx->arena_size = TX_PDU_ROOM * (q->qpair.depth + 1u);
	if (tx->arena_size > TX_ARENA_MAX)
		tx->arena_size = TX_ARENA_MAX;
	tx->iov = calloc(tx->iov_max, sizeof(*tx->iov));
	tx->arena = malloc(tx->arena_size);
	return tx->iov && tx->arena ? 0 : -ENOMEM;
}

void nvhi_tcp_tx_fini(struct nvhi_tcp_qpair *q)
{
	nvhi_reactor_undefer(q->qpair.reactor, &q->tx.defer);
	free(q->tx.iov);
	free(q->tx.arena);
}

void nvhi_tcp_tx_stop(struct nvhi_tcp_qpair *q)
{
	struct nvhi_tcp_tx *tx = &q->tx;

	nvhi_reactor_undefer(q->qpair.reactor, &tx->defer);
	while (!nvhi_list_empty(&tx->want))
		nvhi_list_del(tx->want.next);
	tx->iov_head = tx->iov_tail = 0;
	tx->arena_used = 0;
	tx->data_left = 0;
	tx->digest_due = false;
	tx->queued = tx->sent;
}

bool nvhi_tcp_tx_idle(const struct nvhi_tcp_qpair *q)
{
	return q->tx.queued == q->tx.sent;
}

static void tx_schedule(struct nvhi_tcp_qpair *q)
{
	if (!q->tx.blocked)
		nvhi_reactor_defer(q->qpair.reactor, &q->tx.defer);
}

void nvhi_tcp_tx_want(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot)
{
	if (nvhi_list_empty(&slot->link))
		nvhi_list_add_tail(&q->tx.want, &slot->link);
	tx_schedule(q);
}

/* ---- encoding ---------------------------------------------------------------------------- */

/* Makes the arena's next `len` bytes part of what is sent. */
static void tx_take_arena(struct nvhi_tcp_tx *tx, uint32_t len)
{
	uint8_t *at = tx->arena + tx->arena_used;

	tx->arena_used += len;
	if (tx->iov_tail > tx->iov_head) {
		struct iovec *last = &tx->iov[tx->iov_tail - 1];

		if ((uint8_t *)last->iov_base + last->iov_len == at) {
			last->iov_len += len;
			return;
		}
	}
	tx->iov[tx->iov_tail++] = (struct iovec){.iov_base = at, .iov_len = len};
}

void nvhi_tcp_tx_raw(struct nvhi_tcp_qpair *q, const void *pdu, uint32_t len)
{
	memcpy(q->tx.arena + q->tx.arena_used, pdu, len);
	tx_take_arena(&q->tx, len);
	q->tx.queued += len;
	tx_schedule(q);
}

/* Appends what fits of the current PDU's data; true when the PDU is whole. */
static bool tx_push_data(struct nvhi_tcp_tx *tx)
{
	while (tx->data_left > 0) {
		uint32_t room = tx->iov_max - tx->iov_tail;
		size_t bytes;

		if (room == 0)
			return false;
		tx->iov_tail += nvhi_iov_cursor_window(&tx->data, tx->data_left,
						       &tx->iov[tx->iov_tail], room, &bytes);
		assert(bytes > 0); /* the request's iovec holds len bytes */
		nvhi_iov_cursor_advance(&tx->data, bytes);
		tx->data_left -= (uint32_t)bytes;
	}
	if (tx->digest_due) {
		if (tx->iov_tail == tx->iov_max)
			return false;
		nvhi_pdu_ddgst_put(tx->arena + tx->arena_used, tx->digest);
		tx_take_arena(tx, NVH_TCP_DIGEST_SIZE);
		tx->digest_due = false;
	}
	return true;
}

/* A PDU of `hdr` bytes (already in the arena) and `len` bytes from the slot's cursor begins. */
static void tx_begin_pdu(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot, uint32_t hdr,
			 uint32_t len)
{
	struct nvhi_tcp_tx *tx = &q->tx;

	tx->queued += hdr + len;
	tx_take_arena(tx, hdr);
	if (len > 0) {
		tx->data = slot->cursor;
		tx->data_left = len;
		nvhi_iov_cursor_advance(&slot->cursor, len);
		if (q->params.ddgst) {
			tx->digest = nvhi_pdu_ddgst(&tx->data, len);
			tx->digest_due = true;
			tx->queued += NVH_TCP_DIGEST_SIZE;
		}
	}
	slot->tx_end = tx->queued;
}

static void tx_encode_capsule(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot)
{
	uint32_t len = slot->in_capsule ? slot->req->len : 0;
	uint32_t hdr = nvhi_pdu_capsule_cmd_build(q->tx.arena + q->tx.arena_used, &q->params,
						  &slot->req->cmd, len);

	nvhi_log(TRACE, TCP, "%s: > CapsuleCmd CID %u data %u", q->qpair.name, slot->cid, len);
	slot->encoded = true;
	slot->tx_start = q->tx.queued;
	tx_begin_pdu(q, slot, hdr, len);
}

/* One H2CData PDU for the oldest R2T of the slot. */
static void tx_encode_h2c(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot)
{
	struct nvhi_tcp_r2t *r2t = &slot->r2ts[slot->r2t_head];
	uint32_t len = r2t->left < q->params.maxh2cdata ? r2t->left : q->params.maxh2cdata;
	uint32_t hdr =
		nvhi_pdu_h2c_data_build(q->tx.arena + q->tx.arena_used, &q->params, slot->cid,
					r2t->ttag, r2t->offset, len, len == r2t->left);

	nvhi_log(TRACE, TCP, "%s: > H2CData CID %u TTAG %u DATAO %u DATAL %u", q->qpair.name,
		 slot->cid, r2t->ttag, r2t->offset, len);
	r2t->offset += len;
	r2t->left -= len;
	if (r2t->left == 0) {
		slot->r2t_head = (slot->r2t_head + 1) % q->maxr2t;
		slot->r2t_count--;
	}
	tx_begin_pdu(q, slot, hdr, len);
}

/* Encodes until nothing wants to be sent or there is no room. */
static void tx_fill(struct nvhi_tcp_qpair *q)
{
	struct nvhi_tcp_tx *tx = &q->tx;

	while (tx_push_data(tx) && !nvhi_list_empty(&tx->want)) {
		struct nvhi_tcp_slot *slot = nvhi_list_first(&tx->want, struct nvhi_tcp_slot, link);

		if (tx->iov_tail == tx->iov_max || tx->arena_size - tx->arena_used < TX_PDU_ROOM)
			return;
		nvhi_list_del(&slot->link);
		if (!slot->encoded)
			tx_encode_capsule(q, slot);
		else
			tx_encode_h2c(q, slot);
		if (slot->r2t_count > 0) /* behind the others: large writes share the stream */
			nvhi_list_add_tail(&tx->want, &slot->link);
	}
}

/* ---- sending ----------------------------------------------------------------------------- */

static void tx_consume(struct nvhi_tcp_tx *tx, size_t bytes)
{
	tx->sent += bytes;
	while (tx->iov_head < tx->iov_tail && bytes >= tx->iov[tx->iov_head].iov_len)
		bytes -= tx->iov[tx->iov_head++].iov_len;
	if (tx->iov_head == tx->iov_tail) {
		tx->iov_head = tx->iov_tail = 0;
		tx->arena_used = 0;
		return;
	}
	tx->iov[tx->iov_head].iov_base = (uint8_t *)tx->iov[tx->iov_head].iov_base + bytes;
	tx->iov[tx->iov_head].iov_len -= bytes;
}

static void tx_set_blocked(struct nvhi_tcp_qpair *q, bool blocked)
{
	if (q->tx.blocked == blocked)
		return;
	q->tx.blocked = blocked;
	q->counters.blocked += blocked;
	q->stream->ops->want(q->stream, NVHI_READABLE | (blocked ? NVHI_WRITABLE : 0));
}

/* True when all that was encoded is gone. */
static bool tx_send(struct nvhi_tcp_qpair *q)
{
	struct nvhi_tcp_tx *tx = &q->tx;
	ssize_t n = q->stream->ops->writev(q->stream, tx->iov + tx->iov_head,
					   (int)(tx->iov_tail - tx->iov_head),
					   tx->data_left > 0 || !nvhi_list_empty(&tx->want));

	if (n < 0 && n != -EAGAIN) {
		nvhi_tcp_fail(q, (int)n, "sending failed: %s", strerror((int)-n));
		return false;
	}
	q->counters.writes++;
	if (n > 0) {
		q->counters.bytes_out += (uint64_t)n;
		tx_consume(tx, (size_t)n);
	}
	if (tx->iov_tail > 0) {
		tx_set_blocked(q, true);
		return false;
	}
	return true;
}

void nvhi_tcp_tx_flush(struct nvhi_tcp_qpair *q)
{
	struct nvhi_tcp_tx *tx = &q->tx;
	bool all = true;

	if (!q->stream || q->state < NVHI_TCP_IC || q->state > NVHI_TCP_LIVE)
		return;
	do {
		tx_fill(q);
		if (tx->iov_tail == 0)
			break;
		all = tx_send(q);
	} while (all);
	if (all)
		tx_set_blocked(q, false);
	if (q->held_count > 0)
		nvhi_tcp_release_held(q);
}
