/* roots.c: the segments by the loader's list, stacks and thread-local storage by the mappings. */
#include "roots.h"

#include "alloc/heap.h"
#include "os/asleep.h" // asleep_stack
#include "os/mappings.h"
#include "os/os.h"

#include <errno.h>
#include <link.h> // dl_iterate_phdr
#include <string.h>

/* Above thread-local storage, or below it: libc's descriptor of the thread, and room for libraries
 * that are loaded later. */
#define DESCRIPTOR_BYTES ((size_t)8 << 10)

/* A function may use so much below its stack pointer. */
#define RED_ZONE 128

/* ---- Segments ---- */

static void count_segments(const struct dl_phdr_info *module, struct roots *roots)
{
    for (unsigned n = 0; n < module->dlpi_phnum; n++) {
        const ElfW(Phdr) *header = &module->dlpi_phdr[n];
        roots->segment_capacity += header->p_type == PT_LOAD && (header->p_flags & PF_W) != 0;
        if (header->p_type == PT_TLS)
            roots->thread_bytes += header->p_memsz + header->p_align;
    }
}

static int count_module(struct dl_phdr_info *module, size_t bytes, void *context)
{
    (void)bytes;
    count_segments(module, context);
    return 0;
}

static bool is_loader(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++)
        name = *at == '/' ? at + 1 : name;
    return strncmp(name, "ld-", 3) == 0;
}

static int add_module(struct dl_phdr_info *module, size_t bytes, void *context)
{
    struct roots *roots = context;
    (void)bytes;
    for (unsigned n = 0; n < module->dlpi_phnum; n++) {
        const ElfW(Phdr) *header = &module->dlpi_phdr[n];
        uintptr_t start = module->dlpi_addr + header->p_vaddr;
        struct roots_range range = {start, start + header->p_memsz};
        if (header->p_type != PT_LOAD)
            continue;
        if ((header->p_flags & PF_X) != 0 && is_loader(module->dlpi_name))
            roots->loader = range;
        if ((header->p_flags & PF_W) != 0 && roots->segment_count < roots->segment_capacity)
            roots->segments[roots->segment_count++] = range;
    }
    return 0;
}

static struct roots_range *map_list(size_t capacity, size_t *bytes)
{
    *bytes = os_round_to_pages((capacity + 1) * sizeof(struct roots_range));
    return os_map(*bytes);
}

bool roots_begin(struct roots *roots)
{
    *roots = (struct roots){.thread_bytes = DESCRIPTOR_BYTES};
    dl_iterate_phdr(count_module, roots);
    roots->segments = map_list(roots->segment_capacity, &roots->segment_bytes);
    if (roots->segments == NULL)
        return false;
    dl_iterate_phdr(add_module, roots);
    return true;
}

void roots_end(struct roots *roots)
{
    if (roots->segments != NULL)
        os_unmap(roots->segments, roots->segment_bytes);
    if (roots->mappings != NULL)
        os_unmap(roots->mappings, roots->mapping_bytes);
}

/* ---- Mappings ---- */

static bool is_wanted(const struct mapping *mapping)
{
    return mapping->is_readable && mapping->is_writable;
}

static bool count_mapping(const struct mapping *mapping, void *context)
{
    struct roots *roots = context;
    roots->mapping_capacity += is_wanted(mapping);
    return true;
}

static bool add_mapping(const struct mapping *mapping, void *context)
{
    struct roots *roots = context;
    struct roots_range range = {mapping->start, mapping->end};
    if (is_wanted(mapping) && roots->mapping_count < roots->mapping_capacity)
        roots->mappings[roots->mapping_count++] = range;
    if (strcmp(mapping->name, "[stack]") == 0)
        roots->first_stack = range;
    return true;
}

enum { MAPPINGS_SPARE = 16 }; /* the list itself is one */

int roots_stop(struct roots *roots)
{
    tracer_stop(&roots->tracer);
    roots->mapping_capacity = MAPPINGS_SPARE;
    if (!mappings_visit(count_mapping, roots))
        return ENXIO;
    roots->mappings = map_list(roots->mapping_capacity, &roots->mapping_bytes);
    if (roots->mappings == NULL)
        return ENOMEM;
    return mappings_visit(add_mapping, roots) ? 0 : ENXIO;
}

void roots_release(struct roots *roots)
{
    tracer_release(&roots->tracer);
}

static bool is_within(struct roots_range range, uintptr_t address)
{
    return address - range.start < range.end - range.start;
}

/* What lies around the address: the block, the mapping, or nothing. */
static struct roots_range around(const struct roots *roots, const struct reach *reach,
                                 uintptr_t address)
{
    struct census_block block;
    if (census_find(&reach->census, address, &block))
        return (struct roots_range){block.start, block.start + block.bytes};
    size_t first = 0, end = roots->mapping_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (roots->mappings[middle].start <= address)
            first = middle + 1;
        else
            end = middle;
    }
    bool is_found = first != 0 && is_within(roots->mappings[first - 1], address);
    return is_found ? roots->mappings[first - 1] : (struct roots_range){0, 0};
}

/* ---- Threads ---- */

struct thread_place {
    uintptr_t stack;  /* the stack pointer */
    uintptr_t thread; /* the thread pointer */
    bool is_first;
};

static uintptr_t lower(uintptr_t a, uintptr_t b)
{
    return a < b ? a : b;
}

static uintptr_t higher(uintptr_t a, uintptr_t b)
{
    return a > b ? a : b;
}

/* glibc's vector of the blocks of dynamic thread-local storage: its length stands in front of it,
 * and each element has two words. The first thread's lies in the loader's own memory. */
static void mark_dynamic_storage(const struct thread_place *place, struct reach *reach)
{
#ifdef __GLIBC__
#if defined(__x86_64__)
    const void *field = (const void *)(place->thread + sizeof(uintptr_t));
#else
    const void *field = (const void *)place->thread;
#endif
    uintptr_t vector = 0, length = 0;
    enum { ELEMENT = 2 * sizeof(uintptr_t), LENGTH_MAX = 1 << 16 };
    if (os_copy(&vector, field, sizeof vector) == sizeof vector && vector > ELEMENT &&
        os_copy(&length, (const void *)(vector - ELEMENT), sizeof length) == sizeof length)
        reach_from_range(reach, vector, vector + (lower(length, LENGTH_MAX) + 1) * ELEMENT);
#else
    (void)place;
    (void)reach;
#endif
}

static void mark_thread(const struct roots *roots, const struct thread_place *place,
                        struct reach *reach)
{
    struct roots_range stack = around(roots, reach, place->stack);
    struct roots_range storage = around(roots, reach, place->thread);
    uintptr_t storage_end = lower(storage.end, place->thread + roots->thread_bytes);
    bool is_own_stack = is_within(stack, place->thread) && place->stack < place->thread;
    if (stack.end != 0)
        reach_from_range(reach, higher(stack.start, place->stack - RED_ZONE),
                         is_own_stack ? storage_end : stack.end);
    if (place->is_first && !is_within(roots->first_stack, place->stack))
        reach_from_range(reach, roots->first_stack.start, roots->first_stack.end);
    /* The stack that libc mapped for the thread lies below its storage. */
    uintptr_t storage_start = higher(storage.start, place->thread - roots->thread_bytes);
    if (storage.end != 0 && !is_own_stack)
        reach_from_range(reach, place->is_first ? storage_start : storage.start, storage_end);
    mark_dynamic_storage(place, reach);
}

static void mark_caller(const struct roots *roots, const struct roots_caller *caller,
                        struct reach *reach)
{
    struct thread_place place = {caller->stack, (uintptr_t)__builtin_thread_pointer(),
                                 os_thread_id() == os_process_id()};
    for (unsigned n = 0; n < sizeof caller->registers / sizeof *caller->registers; n++)
        reach_from_word(reach, caller->registers[n]);
    mark_thread(roots, &place, reach);
}

static void mark_stopped(const struct roots *roots, const struct traced *thread,
                         struct reach *reach)
{
    struct thread_place place = {thread->stack, thread->thread,
                                 (unsigned)thread->id == os_process_id()};
    for (unsigned n = 0; n < thread->register_count; n++)
        reach_from_word(reach, thread->registers[n]);
    mark_thread(roots, &place, reach);
}

/* A thread that was not stopped. One that is in a call has a stack pointer; of others the whole
 * stack is scanned, which is the mapping that their thread-local storage lies in. */
static void mark_unstopped(const struct roots *roots, int id, uintptr_t storage,
                           struct reach *reach)
{
    struct thread_place place = {asleep_stack(id), storage, (unsigned)id == os_process_id()};
    struct roots_range range = around(roots, reach, storage);
    if (place.stack != 0)
        mark_thread(roots, &place, reach);
    else if (range.end != 0)
        reach_from_range(reach, range.start, range.end);
    if (place.stack == 0 && place.is_first)
        reach_from_range(reach, roots->first_stack.start, roots->first_stack.end);
}

/* Threads that have never allocated anything are not known. */
static void mark_heaps_threads(const struct roots *roots, struct reach *reach)
{
    uint32_t heaps = atomic_load_explicit(&map.heap_end, memory_order_acquire);
    for (uint32_t number = 1; number <= heaps; number++) {
        struct heap *heap = map_heap(number);
        uintptr_t thread = (uintptr_t)atomic_load_explicit(&heap->thread, memory_order_acquire);
        bool is_caller = heap->thread_id == (int)os_thread_id();
        if (heap_state(heap) == HEAP_OWNED && thread != 0 && !is_caller)
            mark_unstopped(roots, heap->thread_id, thread, reach);
    }
}

extern HIDDEN const char no_pointers[] AT_SECTION_START("molt_no_pointers");
extern HIDDEN const char no_pointers_end[] AT_SECTION_END("molt_no_pointers");

/* The allocator's own notes on its memory are left out. */
static void mark_segment(struct roots_range segment, struct reach *reach)
{
    uintptr_t start = (uintptr_t)no_pointers, end = (uintptr_t)no_pointers_end;
    bool has_notes = is_within(segment, start);
    reach_from_range(reach, segment.start, has_notes ? start : segment.end);
    if (has_notes)
        reach_from_range(reach, end, segment.end);
}

/* What the records of pools and heaps lead to, which lie in the allocator's tables. */
static void mark_records(struct reach *reach)
{
    for (uint32_t slot = 0; slot < reach->census.slots; slot++) {
        const struct pool *pool = map_pool((const void *)(map.base + ((size_t)slot << POOL_SHIFT)));
        if (pool_state(pool) == POOL_NONE || !pool_has_objects(pool))
            continue;
        reach_from_word(reach, (uintptr_t)pool->gc_table);
        reach_from_word(reach, (uintptr_t)pool->shared_counts);
    }
    uint32_t heaps = atomic_load_explicit(&map.heap_end, memory_order_acquire);
    for (uint32_t number = 1; number <= heaps; number++)
        if (map_heap(number)->has_objects)
            reach_from_word(reach, (uintptr_t)map_heap(number)->objects.owner);
}

void roots_mark(const struct roots *roots, const struct roots_caller *caller, struct reach *reach)
{
    for (size_t n = 0; n < roots->segment_count; n++)
        mark_segment(roots->segments[n], reach);
    mark_records(reach);
    mark_caller(roots, caller, reach);
    if (!roots->tracer.has_stopped) {
        mark_heaps_threads(roots, reach);
        return;
    }
    for (unsigned n = 0; n < roots->tracer.count; n++)
        if (roots->tracer.threads[n].is_stopped)
            mark_stopped(roots, &roots->tracer.threads[n], reach);
}
