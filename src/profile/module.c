/* module.c: noting modules, by their first page. */
#include "module.h"

#include "chain.h" // chain_hash
#include "image.h"
#include "memory.h" // profile_memory_take

#include "os/os.h" // os_copy

#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static _Atomic(struct module *) newest;

enum { SHIFT_BITS = 48, SHIFTS_MAX = (1 << 15) - 1 };
static _Atomic(unsigned) shifts; /* that have been given */

/* ---- The first page ---- */

struct contents {
    uint64_t identity;
    ElfW(Phdr) code; /* the executable segment; p_type 0: not known */
};

static const struct {
    ElfW(Nhdr) head;
    char name[4];
} build_id_note = {{4, 0, NT_GNU_BUILD_ID}, "GNU"};

/* Another thread may unload the library meanwhile. */
static bool copy(void *to, const void *from, size_t bytes)
{
    return os_copy(to, from, bytes) == bytes;
}

/* Whether the segment, or its first bytes, lie in the page. */
static bool is_in_page(const ElfW(Phdr) * segment, size_t bytes)
{
    size_t page = os_page_bytes();
    return segment->p_vaddr < page && segment->p_memsz >= bytes && bytes <= page - segment->p_vaddr;
}

/* Adds the build-id if the segment of notes begins with it. */
static uint64_t add_build_id(uint64_t hash, const struct image *image, const ElfW(Phdr) * notes)
{
    struct {
        ElfW(Nhdr) head;
        char name[4];
        uint64_t id[2];
    } note;
    if (!is_in_page(notes, sizeof note) ||
        !copy(&note, (const char *)image->start + notes->p_vaddr, sizeof note))
        return hash;
    note.head.n_descsz = 0;
    if (memcmp(&note, &build_id_note, sizeof build_id_note) != 0)
        return hash;
    return chain_hash(chain_hash(hash, note.id[0]), note.id[1]);
}

static uint64_t hash_name(const struct image *image)
{
    uint64_t hash = 0;
    const char *name;
    char part[64];
    if (!copy(&name, &image->map->l_name, sizeof name))
        return 0;
    for (size_t bytes; (bytes = os_copy(part, name, sizeof part)) > 0; name += bytes)
        for (size_t i = 0; i < bytes; i++) {
            if (part[i] == '\0')
                return hash;
            hash = chain_hash(hash, (unsigned char)part[i]);
        }
    return hash;
}

static void add_segment(struct contents *contents, const struct image *image,
                        const ElfW(Phdr) * segment)
{
    if (segment->p_type == PT_NOTE)
        contents->identity = add_build_id(contents->identity, image, segment);
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 && contents->code.p_type == 0)
        contents->code = *segment;
}

/* Two libraries at one place may be as alike as two builds of one plugin. */
static struct contents read_contents(const struct image *image)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    struct contents contents = {.identity = hash_name(image)};
    if (!copy(&head, (const void *)image->start, sizeof head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return contents;
    contents.identity = chain_hash(contents.identity, head.e_shoff);
    size_t table = head.e_phnum * sizeof segment;
    if (head.e_phoff > os_page_bytes() || table > os_page_bytes() - head.e_phoff)
        return contents;
    const char *from = (const char *)image->start + head.e_phoff;
    for (size_t at = 0; at < table && copy(&segment, from + at, sizeof segment);
         at += sizeof segment)
        add_segment(&contents, image, &segment);
    return contents;
}

/* ---- The list ---- */

static bool overlaps(const struct module *module, uintptr_t start, uintptr_t end)
{
    return module->start < end && start < module->end;
}

static bool is_at(const struct module *module, const struct image *image)
{
    return module->start == image->start && module->end == image->end;
}

static struct module *find(const struct image *image, uint64_t identity)
{
    struct module *module = atomic_load_explicit(&newest, memory_order_acquire);
    while (module != NULL && !(is_at(module, image) && module->identity == identity))
        module = module->older;
    return module;
}

/* The module that the image is; NULL: it has not been noted. What lies somewhere is the same until
 * a library is unloaded. */
static struct module *find_present(const struct image *image)
{
    uint64_t unloads = image_unloads();
    struct module *module = atomic_load_explicit(&newest, memory_order_acquire);
    while (module != NULL && !(is_at(module, image) && module->checked == unloads))
        module = module->older;
    if (module == NULL && (module = find(image, read_contents(image).identity)) != NULL)
        module->checked = unloads;
    return module;
}

static uintptr_t choose_shift(const struct image *image)
{
    const struct module *module = atomic_load_explicit(&newest, memory_order_acquire);
    while (module != NULL && !overlaps(module, image->start, image->end))
        module = module->older;
    if (module == NULL || atomic_load_explicit(&shifts, memory_order_relaxed) >= SHIFTS_MAX)
        return 0;
    unsigned number = atomic_fetch_add_explicit(&shifts, 1, memory_order_relaxed) + 1;
    return (uintptr_t)number << SHIFT_BITS;
}

static void set_code(struct module *module, const ElfW(Phdr) * segment)
{
    const ElfW(Phdr) *code = segment->p_type != 0 ? segment : NULL;
    uintptr_t in_page = code != NULL ? code->p_vaddr & (os_page_bytes() - 1) : 0;
    uintptr_t start = code != NULL ? module->base + code->p_vaddr - in_page : module->start;
    uintptr_t end = code != NULL ? start + os_round_to_pages(in_page + code->p_memsz) : module->end;
    module->code_start = start + module->shift;
    module->code_end = end + module->shift;
    module->code_offset = code != NULL ? code->p_offset - in_page : 0;
}

/* Adds the module to the list, unless another thread has done so meanwhile. */
static struct module *add(struct module *module, const struct image *image,
                          const struct contents *contents)
{
    module->older = atomic_load_explicit(&newest, memory_order_acquire);
    do {
        struct module *there = find(image, module->identity);
        if (there != NULL)
            return there;
        module->shift = choose_shift(image);
        set_code(module, &contents->code);
    } while (!atomic_compare_exchange_weak_explicit(&newest, &module->older, module,
                                                    memory_order_acq_rel, memory_order_acquire));
    return module;
}

static struct module *note(const struct image *image)
{
    struct contents contents = read_contents(image);
    const char *path = image->map->l_name;
    size_t bytes = strlen(path) + 1;
    struct module *module = profile_memory_take(sizeof *module + bytes);
    if (module == NULL)
        return NULL;
    module->identity = contents.identity;
    module->start = image->start;
    module->end = image->end;
    module->base = image->map->l_addr;
    memcpy(module->path, path, bytes);
    return add(module, image, &contents);
}

/* ---- Frames ---- */

/* What is found for one address holds for the next ones in the same image. */
struct place {
    struct image image;
    const struct module *module;
};

static uintptr_t shift_of(struct place *place, uintptr_t address)
{
    struct image *image = &place->image;
    if (address - image->start >= image->end - image->start) {
        place->module = NULL;
        if (!image_find(address, image) || image->map == NULL)
            *image = (struct image){.start = 0};
        else if ((place->module = find_present(image)) == NULL)
            place->module = note(image);
    }
    return place->module != NULL ? place->module->shift : 0;
}

bool module_tell(uintptr_t *frames, unsigned depth)
{
    struct place place = {.module = NULL};
    uintptr_t moved = 0;
    for (unsigned i = 0; i < depth; i++) {
        uintptr_t shift = shift_of(&place, frames[i] - 1);
        frames[i] += shift;
        moved |= shift;
    }
    return moved != 0;
}

bool module_is_told(const uintptr_t *frames, const uintptr_t *told, unsigned depth)
{
    struct place place = {.module = NULL};
    bool is_same = true;
    for (unsigned i = 0; i < depth && is_same; i++)
        is_same = frames[i] + shift_of(&place, frames[i] - 1) == told[i];
    return is_same;
}

/* ---- For readers ---- */

const struct module *module_of(uintptr_t told)
{
    const struct module *module = atomic_load_explicit(&newest, memory_order_acquire);
    while (module != NULL && told - module->start - module->shift >= module->end - module->start)
        module = module->older;
    return module;
}

bool module_is_loaded(const struct module *module)
{
    struct image image;
    return image_locate(module->start + (module->end - module->start) / 2, &image) &&
           image.map != NULL && find_present(&image) == module;
}

static bool is_moved(const struct module *module)
{
    return module->shift != 0 || !module_is_loaded(module);
}

void module_each_moved(void (*visit)(const struct module *module, void *context), void *context)
{
    const struct module *module = atomic_load_explicit(&newest, memory_order_acquire);
    for (; module != NULL; module = module->older)
        if (is_moved(module))
            visit(module, context);
}

bool module_was_at(uintptr_t start, uintptr_t end)
{
    const struct module *module = atomic_load_explicit(&newest, memory_order_acquire);
    while (module != NULL &&
           !(module->shift == 0 && overlaps(module, start, end) && !module_is_loaded(module)))
        module = module->older;
    return module != NULL;
}
