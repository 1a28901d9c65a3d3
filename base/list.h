/* base/list.h - intrusive doubly linked list.
 *
 * A node is embedded in what is listed and belongs to one list at a time. A list is a ring through its head, so
 * a node can be removed without knowing the list; a removed node is self-linked and may be removed again.
 * Neither a head nor a linked node may be moved or copied. */
#ifndef TERN_BASE_LIST_H
#define TERN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define TERN_CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct tern_list {
    struct tern_list *next;
    struct tern_list *prev;
};

/* Makes an empty list, or an unlinked node. */
static inline void tern_list_init(struct tern_list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool tern_list_is_empty(const struct tern_list *list)
{
    return list->next == list;
}

/* Of a node that tern_list_init has seen: is it on a list? */
static inline bool tern_list_is_linked(const struct tern_list *node)
{
    return node->next != node;
}

/* Links node, which is on no list, before place (a node, or the head for the end). */
static inline void tern_list_insert_before(struct tern_list *place, struct tern_list *node)
{
    node->next = place;
    node->prev = place->prev;
    place->prev->next = node;
    place->prev = node;
}

static inline void tern_list_push_back(struct tern_list *list, struct tern_list *node)
{
    tern_list_insert_before(list, node);
}

static inline void tern_list_push_front(struct tern_list *list, struct tern_list *node)
{
    tern_list_insert_before(list->next, node);
}

static inline void tern_list_remove(struct tern_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    tern_list_init(node);
}

/* Unlinks and returns the first node, or NULL. */
static inline struct tern_list *tern_list_pop_front(struct tern_list *list)
{
    struct tern_list *node = list->next;

    if (node == list)
        return NULL;
    tern_list_remove(node);
    return node;
}

/* Moves all of from to the end of list; from is empty afterwards. */
static inline void tern_list_splice_back(struct tern_list *list, struct tern_list *from)
{
    if (tern_list_is_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    tern_list_init(from);
}

/* The body may unlink or free node, but no other node. Where callbacks may unlink any node, splice to a list of
 * your own and pop until it is empty. */
#define TERN_LIST_FOREACH(node, list)                                                                                  \
    for (struct tern_list *node = (list)->next, *node##_next = node->next; node != (list);                             \
         node = node##_next, node##_next = node->next)

#endif
