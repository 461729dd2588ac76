/* api.c: the molt_ names of molt.h. */
#include "molt.h"

#include "account.h"
#include "background.h"
#include "huge.h"
#include "init.h"
#include "malloc.h"
#include "map.h"
#include "peak.h"
#include "sample.h" // profile_hooks
#include "stats.h"
#include "trim.h"

#include "base/options.h"

#include <errno.h>
#include <string.h>

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *molt_version(void)
{
    return VERSION_TEXT(MOLT_VERSION_MAJOR, MOLT_VERSION_MINOR, MOLT_VERSION_PATCH);
}

void *molt_malloc(size_t size)
{
    return malloc_fast(size);
}

void *molt_calloc(size_t count, size_t size)
{
    return calloc_fast(count, size);
}

void *molt_realloc(void *block, size_t size)
{
    if (block == NULL)
        return malloc_fast(size);
    if (size != 0)
        return malloc_resize(block, size);
    free_fast(block);
    return NULL;
}

void molt_free(void *block)
{
    free_fast(block);
}

void molt_free_sized(void *block, size_t size)
{
    free_sized_as("free_sized", block, size, false);
}

void *molt_aligned_alloc(size_t alignment, size_t size)
{
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    return malloc_aligned(alignment, size);
}

size_t molt_usable_size(const void *block)
{
    return malloc_block_bytes(block, "malloc_usable_size");
}

size_t molt_good_size(size_t size)
{
    return malloc_good_size(size);
}

bool molt_owns(const void *p)
{
    size_t bytes;
    return map_in_arena(p) || huge_find(p, &bytes) != 0;
}

int molt_trim(size_t keep_bytes)
{
    return trim(keep_bytes) != 0;
}

/* Copies a struct of this library's to one of a caller that may know fewer or more fields. */
static void copy_fields(void *out, size_t out_size, const void *fields, size_t size)
{
    if (out_size > size) {
        memset((char *)out + size, 0, out_size - size);
        out_size = size;
    }
    memcpy(out, fields, out_size);
}

int molt_stats_get(struct molt_stats *out, size_t out_size)
{
    if (out == NULL) {
        errno = EINVAL;
        return -1;
    }
    struct molt_stats stats;
    stats_get(&stats);
    copy_fields(out, out_size, &stats, sizeof stats);
    return 0;
}

int molt_stats_write(int fd, enum molt_format format)
{
    return stats_write(fd, format);
}

int molt_account_get(struct molt_account *out, size_t out_size)
{
    if (out == NULL) {
        errno = EINVAL;
        return -1;
    }
    struct molt_account account;
    account_get(&account);
    copy_fields(out, out_size, &account, sizeof account);
    return 0;
}

size_t molt_classes_get(struct molt_class *out, size_t class_size, size_t count)
{
    if (class_size == 0 || (out == NULL && count > 0)) {
        errno = EINVAL;
        return 0;
    }
    struct molt_class classes[ACCOUNT_CLASSES];
    if (count > 0)
        account_get_classes(classes);
    for (size_t i = 0; i < count && i < ACCOUNT_CLASSES; i++)
        copy_fields((char *)out + i * class_size, class_size, &classes[i], sizeof classes[i]);
    return ACCOUNT_CLASSES;
}

int molt_account_write(int fd, enum molt_format format)
{
    return account_write(fd, format);
}

/* Copies the option's value, with its NUL, to `old`. */
static int read_option(const char *name, char *old, size_t *old_len)
{
    long length = options_get(name, strlen(name), old, old == NULL ? 0 : *old_len);
    if (length < 0)
        return ENOENT;
    size_t room = *old_len;
    *old_len = (size_t)length + 1;
    return old != NULL && room < *old_len ? ERANGE : 0;
}

static int write_option(const char *name, const char *value, size_t length)
{
    if (length > 0 && value[length - 1] == '\0')
        length--;
    int error = profile_hooks.command(name, value, length);
    if (error >= 0)
        return error;
    switch (options_set(name, strlen(name), value, length, true)) {
    case OPTION_DONE:
        background_adjust();
        peak_set_limits();
        profile_hooks.follow_options();
        return 0;
    case OPTION_UNKNOWN:
        return ENOENT;
    case OPTION_FIXED:
        return EPERM;
    default:
        return EINVAL;
    }
}

int molt_ctl(const char *name, void *old, size_t *old_len, const void *new_, size_t new_len)
{
    int error = name == NULL || (old != NULL && old_len == NULL) ? EINVAL : 0;
    if (error == 0 &&
        !init_done()) /* else the first allocation, which reads $MOLT, would undo this */
        error = ENOMEM;
    if (error == 0 && old_len != NULL)
        error = read_option(name, old, old_len);
    if (error == 0 && new_ != NULL)
        error = write_option(name, new_, new_len);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
