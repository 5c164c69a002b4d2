/*
 * The ghost-write matrix: what a target offers for fencing, what the host makes of it, and how a
 * write of unknown fate comes about. A cell bends what a seed draws so that ghosts are likely: disks
 * hold commands for as long as their target's promise allows, links break, few blocks are hot.
 */
#ifndef TESTS_SIM_CELL_H
#define TESTS_SIM_CELL_H

#include <stdbool.h>
#include <stdint.h>

enum sim_offer { SIM_OFFER_CCR, SIM_OFFER_CQT, SIM_OFFER_NEITHER, SIM_OFFERS };
enum sim_mode { SIM_MODE_AUTO, SIM_MODE_STRICT, SIM_MODE_OFF, SIM_MODES };
enum sim_story { SIM_STORY_TWO, SIM_STORY_ONE, SIM_STORY_FAILED, SIM_STORY_KILLED, SIM_STORIES };
extern const char *const sim_offer_names[SIM_OFFERS], *const sim_mode_names[SIM_MODES],
	*const sim_story_names[SIM_STORIES];

struct sim_cell {
	bool on;
	enum sim_offer offer;
	enum sim_mode mode;
	enum sim_story story;
	bool later; /* drawn: a Cross-Controller Reset is accepted first, done later */
	uint16_t cqt_ms;
};
extern struct sim_cell sim_cell;

struct sim_plan;
/* "ccr:auto:two-paths"; false: no such cell. */
bool sim_cell_parse(const char *text);
/* Bends the plan. */
void sim_cell_plan(struct sim_plan *plan);
/* How long a disk may hold a command at most. */
uint64_t sim_cell_hold_ns(void);
/* In the killed story: the host process dies at a time drawn, and another one starts. */
void sim_cell_start(void);
void sim_cell_stop(void);

#endif
