/* object.c: making objects and asking what they are. */
#include "object.h"

#include "attach.h"
#include "count.h"
#include "error.h"
#include "find.h"
#include "hooks.h"
#include "owner.h"
#include "safepoint.h"
#include "type.h"

#include "alloc/malloc.h"
#include "alloc/object_block.h"
#include "alloc/sample.h" // sample_type
#include "alloc/sampled.h"
#include "alloc/size_class.h"
#include "base/fork.h"
#include "os/os.h" // os_page_bytes

#include <errno.h>
#include <string.h>

_Atomic size_t object_new_bytes;
atomic_bool object_is_deferred;

/* ---- Making ---- */

typedef unsigned long long piece __attribute__((vector_size(16), may_alias, aligned(1)));

/* Zeroes a block of `bytes` bytes, a multiple of 8 from 16 to 64. */
static ALWAYS_INLINE void zero_small(char *block, size_t bytes)
{
    *(piece *)block = (piece){0};
    if (bytes > 32) {
        *(piece *)(block + 16) = (piece){0};
        *(piece *)(block + bytes - 32) = (piece){0};
    }
    *(piece *)(block + bytes - 16) = (piece){0};
}

/* A zeroed block becomes an object of the owner: its header is written last. `number` is the
 * type's, with HEADER_LARGE in it for a large object. */
static ALWAYS_INLINE void *begin_life(void *block, const struct owner *owner, unsigned number)
{
    atomic_signal_fence(memory_order_release);
    header_set(block, owner->newborn + number);
    return block;
}

static NOINLINE void *begin_life_zeroed(void *block, size_t bytes, const struct owner *owner,
                                        unsigned number)
{
    memset(block, 0, bytes);
    return begin_life(block, owner, number);
}

static void note_new_bytes(size_t bytes)
{
    atomic_fetch_add_explicit(&object_new_bytes, bytes, memory_order_relaxed);
}

/* A block of the class; its pool has a GC table if `tracked`. If there is no memory for a table the
 * heap loses the pool again, since molt_new takes blocks from the heap's pool without asking. */
static void *take_block(struct owner *owner, unsigned size_class, bool tracked, bool *is_sampled)
{
    *is_sampled = false;
    void *block = object_block_pop(owner->heap, size_class);
    if (block != NULL)
        return block;
    block = object_block_refill(size_class, is_sampled);
    if (block == NULL || !tracked)
        return block;
    size_t bytes = size_class_bytes(size_class);
    /* Pools are carved in these steps. */
    note_new_bytes(bytes > os_page_bytes() ? bytes : os_page_bytes());
    struct gc_table *table = gc_table_of_pool(map_pool(block));
    if (table == NULL) {
        object_block_undo_refill(size_class, block);
        return NULL;
    }
    gc_table_add_young(table);
    return block;
}

/* What stands in front of a large object in its block. */
static size_t large_front(size_t alignment)
{
    return (sizeof(struct large) + alignment - 1) & ~(alignment - 1);
}

static size_t large_alignment(const struct descriptor *type)
{
    return type->alignment < CACHE_LINE ? CACHE_LINE : type->alignment;
}

/* Makes a large object of a block of malloc. */
static void *begin_large(char *block, struct owner *owner, const struct descriptor *type,
                         size_t bytes)
{
    size_t front = large_front(large_alignment(type));
    memset(block, 0, front + bytes);
    struct large *large = large_of(block + front);
    large->block = block;
    gc_table_init_large(large, owner, bytes, type->tracked);
    if (type->tracked) {
        gc_table_add_young(&large->table);
        note_new_bytes(bytes);
    }
    return block + front;
}

static void *make_large(struct owner *owner, const struct descriptor *type, size_t bytes)
{
    size_t alignment = large_alignment(type), front = large_front(alignment);
    if (bytes > PTRDIFF_MAX - front)
        return NULL;
    sample_type = type->type->name;
    char *block = malloc_aligned(alignment, front + bytes);
    sample_type = NULL;
    return block != NULL ? begin_large(block, owner, type, bytes) : NULL;
}

/* An object that a heap profile samples, in place of one in the block of a pool, which is given
 * back. It is a large object, however small it is: so its block's free is seen. NULL: it is not
 * recorded, and the block serves; so it does for types of a larger alignment than a cache line. */
static COLD void *make_sampled(struct owner *owner, const struct descriptor *type, size_t bytes,
                               void *block, unsigned size_class)
{
    size_t whole = sizeof(struct large) + bytes;
    if (whole > BLOCK_MAX || type->alignment > CACHE_LINE)
        return NULL;
    sample_type = type->type->name;
    char *sampled = sampled_alloc(size_class_aligned(whole, CACHE_LINE), bytes,
                                  size_class_bytes(size_class), block);
    sample_type = NULL;
    if (sampled == NULL)
        return NULL;
    object_block_undo_refill(size_class, block);
    return begin_large(sampled, owner, type, bytes);
}

/* The slow path of molt_new: the thread attaches, is at a safepoint, does what is due (a
 * collection, say), and then makes an object of any type and size. */
static NOINLINE void *new_slow(const molt_type *type, size_t extra)
{
    if (UNLIKELY(owner_must_not_count()))
        error_new(type);
    fork_check();
    struct owner *owner = attach_thread();
    if (owner == NULL)
        return malloc_no_memory();
    const struct descriptor *descriptor = type_register(type);
    if (descriptor == NULL)
        return NULL;
    safepoint_poll(owner);
    if (!atomic_load_explicit(&object_is_deferred, memory_order_relaxed))
        count_merge_queue(owner);
    object_hooks.new_object(owner, descriptor->tracked);

    size_t bytes = (descriptor->size + extra + 7) & ~(size_t)7;
    unsigned number = type_number(type_cache(type));
    unsigned size_class = extra > PTRDIFF_MAX / 2 ? 0 : type_class_for(descriptor, bytes);
    void *object;
    if (size_class != 0) {
        bool is_sampled;
        object = take_block(owner, size_class, descriptor->tracked, &is_sampled);
        void *sampled =
            is_sampled ? make_sampled(owner, descriptor, bytes, object, size_class) : NULL;
        if (sampled != NULL) {
            object = sampled;
            size_class = 0;
        } else if (object != NULL) {
            memset(object, 0, size_class_bytes(size_class));
        }
    } else {
        object = extra > PTRDIFF_MAX / 2 ? NULL : make_large(owner, descriptor, bytes);
    }
    if (object == NULL) {
        if (descriptor->tracked)
            owner_count_down(owner);
        return malloc_no_memory();
    }
    begin_life(object, owner, size_class != 0 ? number : number | (unsigned)HEADER_LARGE);
    if ((type->flags & MOLT_IMMORTAL) != 0)
        molt_immortalize(object);
    return object;
}

void *molt_new(const molt_type *type)
{
    struct owner *owner = owner_self;
    if (UNLIKELY(type == NULL || owner == NULL))
        return new_slow(type, 0);
    const struct type_cache *cache = type_cache(type);
    uint32_t offset = atomic_load_explicit(&cache->list, memory_order_acquire);
    if (UNLIKELY(offset == 0))
        return new_slow(type, 0);
    struct block_list *list = (struct block_list *)((char *)owner->heap + offset);
    struct block *block = list->head, *next;
    if (UNLIKELY(!block_decode(block->link, &next))) /* also: the list is empty */
        return new_slow(type, 0);
    if (cache->tracked) {
        int32_t count = owner->count;
        if (UNLIKELY(count >= atomic_load_explicit(&owner->limit, memory_order_relaxed)))
            return new_slow(type, 0);
        owner->count = count + 1;
    }
    list->head = next;
    if (UNLIKELY(cache->bytes > 64))
        return begin_life_zeroed(block, cache->bytes, owner, type_number(cache));
    zero_small((char *)block, cache->bytes);
    return begin_life(block, owner, type_number(cache));
}

void *molt_new_extra(const molt_type *type, size_t extra)
{
    return extra == 0 ? molt_new(type) : new_slow(type, extra);
}

/* ---- Asking ---- */

bool molt_is_object(const void *p)
{
    if (p == NULL || map.bytes == 0 || object_block_around(p) != p)
        return false;
    return header_is_live(header_of(p));
}

const molt_type *molt_typeof(const void *object)
{
    if (object == NULL)
        return NULL;
    const struct descriptor *type = type_of(object);
    if (UNLIKELY(type == NULL || !tag_is_live(header_tag(header_of(object)))))
        error_if_no_object("molt_typeof", object);
    return type->type;
}

void *molt_cast(void *object, const molt_type *type)
{
    return object != NULL && molt_typeof(object) == type ? object : NULL;
}

size_t molt_refcount(const void *object)
{
    if (object == NULL)
        return 0;
    if (UNLIKELY(!tag_is_live(header_tag(header_of(object)))))
        error_if_no_object("molt_refcount", object);
    return count_of(object);
}

void molt_immortalize(void *object)
{
    if (object == NULL)
        return;
    error_if_no_object("molt_immortalize", object);
    header_set(object, header_with(header_of(object), TAG_IMMORTAL, 0));
}

bool molt_gc_is_tracked(const void *object)
{
    if (object == NULL)
        return false;
    error_if_no_object("molt_gc_is_tracked", object);
    return type_of(object)->tracked && (header_of(object) & HEADER_UNTRACKED) == 0;
}

void molt_gc_untrack(void *object)
{
    if (object == NULL)
        return;
    error_if_no_object("molt_gc_untrack", object);
    header_set(object, header_of(object) | HEADER_UNTRACKED);
}

bool molt_gc_is_finalized(const void *object)
{
    if (object == NULL)
        return false;
    error_if_no_object("molt_gc_is_finalized", object);
    return (header_of(object) & HEADER_FINALIZED) != 0;
}
