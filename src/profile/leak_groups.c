/* leak_groups.c: a hash table that becomes a sorted list. */
#include "leak_groups.h"

#include "record.h"

#include "base/sort.h"
#include "os/os.h"

bool leak_groups_begin(struct leak_groups *groups, uint64_t most)
{
    *groups = (struct leak_groups){.capacity = 64};
    while (groups->capacity < 2 * most)
        groups->capacity *= 2;
    groups->mapped_bytes = os_round_to_pages(groups->capacity * sizeof(struct leak_group));
    groups->groups = os_map(groups->mapped_bytes);
    return groups->groups != NULL;
}

void leak_groups_end(struct leak_groups *groups)
{
    if (groups->groups != NULL)
        os_unmap(groups->groups, groups->mapped_bytes);
}

static size_t hash_of(const struct site *site, enum leak_kind kind)
{
    uint64_t key = (uintptr_t)site->stack ^ (uint64_t)(uintptr_t)site->type << 7 ^ kind;
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static bool is_group_of(const struct leak_group *group, const struct site *site,
                        enum leak_kind kind)
{
    return group->stack == site->stack && group->type == site->type && group->kind == kind;
}

/* The group, a new one if need be; NULL: no room. */
static struct leak_group *find_group(struct leak_groups *groups, const struct site *site,
                                     enum leak_kind kind)
{
    size_t at = hash_of(site, kind);
    for (;; at++) {
        struct leak_group *group = &groups->groups[at & (groups->capacity - 1)];
        if (group->blocks != 0 && is_group_of(group, site, kind))
            return group;
        if (group->blocks != 0)
            continue;
        if (groups->count + 1 == groups->capacity)
            return NULL;
        groups->count++;
        *group = (struct leak_group){
            .stack = site->stack, .type = site->type, .kind = kind, .oldest_ns = UINT64_MAX};
        return group;
    }
}

void leak_groups_add(struct leak_groups *groups, enum leak_kind kind, const struct record *record)
{
    struct leak_group *group = find_group(groups, record->site, kind);
    if (group == NULL) {
        groups->left_out++;
        return;
    }
    group->blocks++;
    group->bytes += record->size;
    if (record->at_ns < group->oldest_ns)
        group->oldest_ns = record->at_ns;
}

static int compare(const void *a, const void *b)
{
    const struct leak_group *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (left->bytes != right->bytes)
        return left->bytes > right->bytes ? -1 : 1;
    return left->blocks > right->blocks ? -1 : left->blocks < right->blocks;
}

void leak_groups_sort(struct leak_groups *groups)
{
    size_t filled = 0;
    for (size_t n = 0; n < groups->capacity; n++)
        if (groups->groups[n].blocks != 0)
            groups->groups[filled++] = groups->groups[n];
    sort(groups->groups, groups->count, sizeof *groups->groups, compare);
}
