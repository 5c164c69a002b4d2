/*
 * State machines as tables: states and names from one X-macro, a const matrix of legal edges, one
 * setter that checks, logs and counts. Usage:
 *
 *	#define NVHI_CTRLR_STATES(X) X(NEW, new) X(CONNECTING, connecting) ...
 *	NVHI_FSM_ENUM(nvhi_ctrlr_state, NVHI_CTRLR, NVHI_CTRLR_STATES);
 *	NVHI_FSM_NAMES(ctrlr_state_names, NVHI_CTRLR_STATES);
 *	static const uint32_t edges[] = { [NVHI_CTRLR_NEW] = NVHI_FSM_TO(NVHI_CTRLR_CONNECTING), ... };
 *	const struct nvhi_fsm nvhi_ctrlr_fsm = NVHI_FSM_INIT("ctrlr", ctrlr_state_names, edges);
 *
 * An illegal edge is a bug of ours: asserted. Taken edges are counted when a coverage table is set
 * (the simulated world prints them).
 */
#ifndef NVHI_BASE_FSM_H
#define NVHI_BASE_FSM_H

#include <assert.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"

#define NVHI_FSM_TO(state) (1u << (state))

struct nvhi_fsm {
	const char *name;
	const char *const *state_names;
	const uint32_t *edges; /* [from] = bit set of legal targets */
	uint32_t states;
	uint64_t *taken; /* [from * states + to], NULL: not counted */
};

#define NVHI_FSM_INIT(fsm_name, names, edge_table)                                                 \
	{                                                                                          \
		.name = (fsm_name), .state_names = (names), .edges = (edge_table),                   \
		.states = NVHI_ARRAY_SIZE(names),                                                    \
	}

static inline bool nvhi_fsm_legal(const struct nvhi_fsm *fsm, uint32_t from, uint32_t to)
{
	return from < fsm->states && to < fsm->states && (fsm->edges[from] & (1u << to));
}

/* Moves *state along a legal edge; `who` names the object in the log. */
static inline void nvhi_fsm_set(const struct nvhi_fsm *fsm, uint32_t *state, uint32_t to,
				enum nvhi_log_component component, const char *who)
{
	uint32_t from = *state;

	assert(nvhi_fsm_legal(fsm, from, to));
	if (fsm->taken)
		fsm->taken[from * fsm->states + to]++;
	if (__builtin_expect(nvhi_log_on(NVHI_LOG_DEBUG, component), 0))
		nvhi_log_write(NVHI_LOG_DEBUG, component, "%s: %s %s -> %s", who, fsm->name,
			       fsm->state_names[from], fsm->state_names[to]);
	*state = to;
}

#endif
