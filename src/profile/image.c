/* image.c: finds images by the loader's _dl_find_object, which is made for unwinding: it takes no
 * lock and may be called in signal handlers (glibc 2.35 and later). Elsewhere those images are
 * found that cannot be unloaded. */
#include "image.h"

#include "base/attributes.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* The code of molt, where the linker knows where that lies: in libmolt.so, and in a program that is
 * linked with libmolt.a (Makefile). */
extern HIDDEN const char molt_text_start[] __attribute__((weak));
extern HIDDEN const char molt_text_end[] __attribute__((weak));

bool image_is_own(uintptr_t address)
{
    return address > (uintptr_t)molt_text_start && address <= (uintptr_t)molt_text_end;
}

/* ---- The index ---- */

struct index_entry {
    int32_t function; /* both from the start of the index */
    int32_t entry;
};

/* In the encoding that all linkers write. */
struct index {
    uint8_t version;          /* 1 */
    uint8_t table_encoding;   /* 0x1b: int32_t from its own place */
    uint8_t count_encoding;   /* 3: uint32_t */
    uint8_t entries_encoding; /* 0x3b: int32_t from the start of the index */
    int32_t table;
    uint32_t count;
    struct index_entry entries[];
};

static const uint8_t usual_head[4] = {1, 0x1b, 3, 0x3b};

const uint8_t *image_entry(const struct image *image, uintptr_t address)
{
    const struct index *index = image->index;
    int64_t offset = (int64_t)(address - (uintptr_t)index);
    uint32_t low = 0, high = index->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->entries[middle].function <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? (const uint8_t *)index + index->entries[low - 1].entry : NULL;
}

/* ---- Unloading ---- */

static _Atomic(uint64_t) unloads;

void image_unloaded(void)
{
    atomic_fetch_add(&unloads, 1);
}

uint64_t image_unloads(void)
{
    return atomic_load_explicit(&unloads, memory_order_acquire);
}

/* ---- Images ---- */

/* Two builds of one plugin may have the same index. */
static bool fill_image(struct image *image, uintptr_t start, uintptr_t end, const void *index)
{
    uint64_t head[2] = {0};
    if (index == NULL || memcmp(index, usual_head, sizeof usual_head) != 0)
        return false;
    memcpy(head, index, offsetof(struct index, entries));
    *image = (struct image){.start = start, .end = end, .index = index};
    image->identity = ((uintptr_t)index ^ head[0] ^ head[1] << 17 ^ image_unloads() << 48) *
                      UINT64_C(0x9e3779b97f4a7c15);
    return true;
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
typedef int find_object_function(void *address, struct dl_find_object *found);
static _Atomic(find_object_function *) find_object;

static bool ask_loader(uintptr_t address, struct dl_find_object *found)
{
    find_object_function *find = atomic_load_explicit(&find_object, memory_order_relaxed);
    return find != NULL && find((void *)address, found) == 0;
}

static bool find_by_loader(uintptr_t address, struct image *image)
{
    struct dl_find_object found;
    if (!ask_loader(address, &found) ||
        !fill_image(image, (uintptr_t)found.dlfo_map_start, (uintptr_t)found.dlfo_map_end,
                    found.dlfo_eh_frame))
        return false;
    image->map = found.dlfo_link_map;
    return true;
}

static bool locate_by_loader(uintptr_t address, struct image *image)
{
    struct dl_find_object found;
    if (!ask_loader(address, &found))
        return false;
    *image = (struct image){.start = (uintptr_t)found.dlfo_map_start,
                            .end = (uintptr_t)found.dlfo_map_end,
                            .map = found.dlfo_link_map};
    return true;
}

static const char *path_by_loader(uintptr_t address, uintptr_t *base)
{
    struct dl_find_object found;
    if (!ask_loader(address, &found))
        return NULL;
    *base = found.dlfo_link_map->l_addr;
    return found.dlfo_link_map->l_name;
}

static bool prepare_loader(void)
{
    find_object_function *found;
    *(void **)&found = dlsym(RTLD_DEFAULT, "_dl_find_object");
    atomic_store_explicit(&find_object, found, memory_order_relaxed);
    return found != NULL;
}
#else
static bool find_by_loader(uintptr_t address, struct image *image)
{
    (void)address, (void)image;
    return false;
}

static bool locate_by_loader(uintptr_t address, struct image *image)
{
    (void)address, (void)image;
    return false;
}

static const char *path_by_loader(uintptr_t address, uintptr_t *base)
{
    (void)address, (void)base;
    return NULL;
}

static bool prepare_loader(void)
{
    return false;
}
#endif

/* Images that are never unloaded: the program, and the one that molt is in. */
enum { NOTED_MAX = 2 };
static struct noted {
    struct image image;
    uintptr_t base;
    const char *path;
} noted[NOTED_MAX];
static _Atomic(unsigned) noted_count;

/* Notes an image from its first segment to its last. */
static int note_image(struct dl_phdr_info *info, size_t size, void *count)
{
    uintptr_t start = UINTPTR_MAX, end = 0, own = (uintptr_t)&noted;
    const void *index = NULL;
    unsigned *next = count;
    (void)size;
    for (const ElfW(Phdr) *segment = info->dlpi_phdr; segment < info->dlpi_phdr + info->dlpi_phnum;
         segment++) {
        uintptr_t at = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD) {
            start = at < start ? at : start;
            end = at + segment->p_memsz > end ? at + segment->p_memsz : end;
        } else if (segment->p_type == PT_GNU_EH_FRAME) {
            index = (const void *)at;
        }
    }
    if (*info->dlpi_name == '\0' || (own >= start && own < end)) {
        noted[*next].base = info->dlpi_addr;
        noted[*next].path = info->dlpi_name;
        *next += fill_image(&noted[*next].image, start, end, index);
    }
    return *next == NOTED_MAX;
}

static const struct noted *noted_around(uintptr_t address)
{
    unsigned count = atomic_load_explicit(&noted_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (address >= noted[i].image.start && address < noted[i].image.end)
            return &noted[i];
    return NULL;
}

static bool find_noted(uintptr_t address, struct image *image)
{
    const struct noted *found = noted_around(address);
    if (found != NULL)
        *image = found->image;
    return found != NULL;
}

static bool (*_Atomic finder)(uintptr_t address, struct image *image) = find_noted;

bool image_prepare(void)
{
    bool has_loader = prepare_loader();
    unsigned count = 0;
    if (has_loader) {
        atomic_store_explicit(&finder, find_by_loader, memory_order_release);
    } else if (atomic_load_explicit(&noted_count, memory_order_relaxed) == 0) {
        dl_iterate_phdr(note_image, &count);
        atomic_store_explicit(&noted_count, count, memory_order_release);
    }
    return has_loader;
}

bool image_find(uintptr_t address, struct image *image)
{
    return atomic_load_explicit(&finder, memory_order_acquire)(address, image);
}

bool image_locate(uintptr_t address, struct image *image)
{
    return locate_by_loader(address, image);
}

const char *image_path(uintptr_t address, uintptr_t *base)
{
    const char *path = path_by_loader(address, base);
    const struct noted *found = path == NULL ? noted_around(address) : NULL;
    if (found == NULL)
        return path;
    *base = found->base;
    return found->path;
}
