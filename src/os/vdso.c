/* vdso.c: finding a function in the image that the kernel maps: a small shared library (vdso(7)).
 */
#include "vdso.h"

#include "base/attributes.h"
#include "base/syscall.h"

#include <elf.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#define CLOCK_NAME "__vdso_clock_gettime"
#elif defined(__aarch64__)
#define CLOCK_NAME "__kernel_clock_gettime"
#endif

typedef int clock_function(clockid_t clock, struct timespec *now);

static _Atomic(clock_function *) kernel_clock;

/* ---- The image's tables ---- */

struct image {
    uintptr_t shift; /* address in memory = address in the file + shift */
    const Elf64_Dyn *dynamic;
    const Elf64_Sym *symbols;
    const char *names;
    const uint32_t *hash, *gnu_hash; /* an image has one or both */
};

/* Returns the table that an entry of the dynamic section with this tag leads to, or NULL. */
static const void *table_of(const struct image *image, Elf64_Sxword tag)
{
    for (const Elf64_Dyn *entry = image->dynamic; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return (const void *)(image->shift + entry->d_un.d_ptr);
    return NULL;
}

static bool read_image(const void *start, struct image *image)
{
    const Elf64_Ehdr *header = start;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    const Elf64_Phdr *part = (const void *)((const char *)start + header->e_phoff);
    bool is_loaded = false;
    *image = (struct image){.shift = 0};
    for (unsigned i = 0; i < header->e_phnum; i++, part++) {
        if (part->p_type == PT_LOAD && !is_loaded) {
            image->shift = (uintptr_t)start + part->p_offset - part->p_vaddr;
            is_loaded = true;
        } else if (part->p_type == PT_DYNAMIC) {
            image->dynamic = (const void *)((const char *)start + part->p_offset);
        }
    }
    if (!is_loaded || image->dynamic == NULL)
        return false;
    image->symbols = table_of(image, DT_SYMTAB);
    image->names = table_of(image, DT_STRTAB);
    image->hash = table_of(image, DT_HASH);
    image->gnu_hash = table_of(image, DT_GNU_HASH);
    return image->symbols != NULL && image->names != NULL;
}

/* Returns how many symbols there are, by the GNU table: each bucket names the first symbol of a
 * chain, and the last entry of a chain has its lowest bit set. */
static uint32_t count_by_gnu_hash(const uint32_t *table)
{
    uint32_t buckets = table[0], first = table[1], filter_words = table[2], last = 0;
    const uint32_t *bucket = table + 4 + 2 * filter_words, *chain = bucket + buckets;
    for (uint32_t i = 0; i < buckets; i++)
        if (bucket[i] > last)
            last = bucket[i];
    if (last < first)
        return first;
    while ((chain[last - first] & 1) == 0)
        last++;
    return last + 1;
}

/* Returns how many symbols there are: about ten, so that a search may look at each. */
static uint32_t count_symbols(const struct image *image)
{
    if (image->hash != NULL)
        return image->hash[1];
    return image->gnu_hash != NULL ? count_by_gnu_hash(image->gnu_hash) : 0;
}

/* Versions are not looked at: each name has a single one in every kernel so far, LINUX_2.6 on
 * x86-64, LINUX_2.6.39 on arm64. */
void *vdso_find(const void *start, const char *name)
{
    struct image image;
    if (start == NULL || !read_image(start, &image))
        return NULL;
    uint32_t count = count_symbols(&image);
    for (const Elf64_Sym *symbol = image.symbols; symbol < image.symbols + count; symbol++)
        if (symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
            strcmp(image.names + symbol->st_name, name) == 0)
            return (void *)(image.shift + symbol->st_value);
    return NULL;
}

/* ---- The clock ---- */

void vdso_init(const void *image)
{
    atomic_store_explicit(&kernel_clock, (clock_function *)vdso_find(image, CLOCK_NAME),
                          memory_order_relaxed);
}

void vdso_clock(clockid_t clock, struct timespec *now)
{
    clock_function *kernels = atomic_load_explicit(&kernel_clock, memory_order_relaxed);
    if (LIKELY(kernels != NULL) && kernels(clock, now) == 0)
        return;
    SYSCALL(clock_gettime, clock, now);
}
