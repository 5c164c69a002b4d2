/*
 * Intrusive doubly linked circular list, and container_of. A list head and a node are the same
 * type; a node that points to itself is on no list. No thread of its own: whoever owns the head.
 */
#ifndef NVHI_BASE_LIST_H
#define NVHI_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define nvhi_container_of(ptr, type, member)                                                       \
	((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#define NVHI_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct nvhi_list {
	struct nvhi_list *next, *prev;
};

#define NVHI_LIST_INIT(name) {&(name), &(name)}

static inline void nvhi_list_init(struct nvhi_list *list)
{
	list->next = list->prev = list;
}

static inline bool nvhi_list_empty(const struct nvhi_list *list)
{
	return list->next == list;
}

static inline void nvhi_list_insert(struct nvhi_list *prev, struct nvhi_list *node)
{
	node->prev = prev;
	node->next = prev->next;
	prev->next->prev = node;
	prev->next = node;
}

static inline void nvhi_list_add_tail(struct nvhi_list *head, struct nvhi_list *node)
{
	nvhi_list_insert(head->prev, node);
}

static inline void nvhi_list_add_head(struct nvhi_list *head, struct nvhi_list *node)
{
	nvhi_list_insert(head, node);
}

/* Leaves the node pointing to itself, so removing twice is harmless. */
static inline void nvhi_list_del(struct nvhi_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	nvhi_list_init(node);
}

/* Moves every node of `from` to the tail of `to`. */
static inline void nvhi_list_splice_tail(struct nvhi_list *to, struct nvhi_list *from)
{
	if (nvhi_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	nvhi_list_init(from);
}

#define nvhi_list_entry(node, type, member) nvhi_container_of(node, type, member)
#define nvhi_list_first(head, type, member) nvhi_container_of((head)->next, type, member)
#define nvhi_list_for_each(it, head, member)                                                       \
	for (it = nvhi_container_of((head)->next, __typeof__(*it), member); &it->member != (head);  \
	     it = nvhi_container_of(it->member.next, __typeof__(*it), member))
/* The current node may be removed (and freed) inside the loop. */
#define nvhi_list_for_each_safe(it, tmp, head, member)                                             \
	for (it = nvhi_container_of((head)->next, __typeof__(*it), member),                         \
	    tmp = nvhi_container_of(it->member.next, __typeof__(*it), member);                      \
	     &it->member != (head);                                                                \
	     it = tmp, tmp = nvhi_container_of(tmp->member.next, __typeof__(*tmp), member))

#endif
