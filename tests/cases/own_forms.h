/* own_forms.h: definitions of the forms in OWN_FORMS, a mask of compile time. Each counts its calls
 * in form_calls, then does by malloc, aligned_alloc or free what the form has to do. HEADER: the
 * unaligned ones keep 16 bytes in front of their blocks and check them. */
#ifndef OWN_FORMS_H
#define OWN_FORMS_H

#include "forms.h"

#ifndef HEADER
#define HEADER 0
#endif

static const uint64_t own_header = 0x5afe5afe5afe5afe;

[[maybe_unused]] static void *own_new(enum form form, std::size_t size)
{
    __atomic_add_fetch(&form_calls[form], 1, __ATOMIC_RELAXED);
    char *block = static_cast<char *>(malloc(size < size + 16 ? size + 16 : size));
    if (block && HEADER) {
        memcpy(block, &own_header, sizeof own_header);
        block += 16;
    }
    return block;
}

[[maybe_unused]] static void *own_new_aligned(enum form form, std::size_t size,
                                              std::align_val_t align)
{
    __atomic_add_fetch(&form_calls[form], 1, __ATOMIC_RELAXED);
    return aligned_alloc(std::size_t(align), size);
}

[[maybe_unused]] static void own_delete(enum form form, void *p)
{
    __atomic_add_fetch(&form_calls[form], 1, __ATOMIC_RELAXED);
    if (p && HEADER) {
        p = static_cast<char *>(p) - 16;
        REQUIRE(memcmp(p, &own_header, sizeof own_header) == 0);
    }
    free(p);
}

[[maybe_unused]] static void own_delete_aligned(enum form form, void *p)
{
    __atomic_add_fetch(&form_calls[form], 1, __ATOMIC_RELAXED);
    free(p);
}

[[maybe_unused]] static void *or_throw(void *p)
{
    if (!p)
        throw std::bad_alloc();
    return p;
}

#define OWN(number) ((OWN_FORMS) >> (number)&1) /* the preprocessor knows no enumerators */

#if OWN(0)
void *operator new(std::size_t size)
{
    return or_throw(own_new(NEW, size));
}
#endif

#if OWN(1)
void *operator new[](std::size_t size)
{
    return or_throw(own_new(NEW_ARRAY, size));
}
#endif

#if OWN(2)
void *operator new(std::size_t size, const std::nothrow_t &) noexcept
{
    return own_new(NEW_NOTHROW, size);
}
#endif

#if OWN(3)
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept
{
    return own_new(NEW_ARRAY_NOTHROW, size);
}
#endif

#if OWN(4)
void *operator new(std::size_t size, std::align_val_t align)
{
    return or_throw(own_new_aligned(NEW_ALIGNED, size, align));
}
#endif

#if OWN(5)
void *operator new[](std::size_t size, std::align_val_t align)
{
    return or_throw(own_new_aligned(NEW_ARRAY_ALIGNED, size, align));
}
#endif

#if OWN(6)
void *operator new(std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept
{
    return own_new_aligned(NEW_ALIGNED_NOTHROW, size, align);
}
#endif

#if OWN(7)
void *operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept
{
    return own_new_aligned(NEW_ARRAY_ALIGNED_NOTHROW, size, align);
}
#endif

#if OWN(8)
void operator delete(void *p) noexcept
{
    own_delete(DELETE, p);
}
#endif

#if OWN(9)
void operator delete[](void *p) noexcept
{
    own_delete(DELETE_ARRAY, p);
}
#endif

#if OWN(10)
void operator delete(void *p, std::size_t) noexcept
{
    own_delete(DELETE_SIZED, p);
}
#endif

#if OWN(11)
void operator delete[](void *p, std::size_t) noexcept
{
    own_delete(DELETE_ARRAY_SIZED, p);
}
#endif

#if OWN(12)
void operator delete(void *p, const std::nothrow_t &) noexcept
{
    own_delete(DELETE_NOTHROW, p);
}
#endif

#if OWN(13)
void operator delete[](void *p, const std::nothrow_t &) noexcept
{
    own_delete(DELETE_ARRAY_NOTHROW, p);
}
#endif

#if OWN(14)
void operator delete(void *p, std::align_val_t) noexcept
{
    own_delete_aligned(DELETE_ALIGNED, p);
}
#endif

#if OWN(15)
void operator delete[](void *p, std::align_val_t) noexcept
{
    own_delete_aligned(DELETE_ARRAY_ALIGNED, p);
}
#endif

#if OWN(16)
void operator delete(void *p, std::size_t, std::align_val_t) noexcept
{
    own_delete_aligned(DELETE_SIZED_ALIGNED, p);
}
#endif

#if OWN(17)
void operator delete[](void *p, std::size_t, std::align_val_t) noexcept
{
    own_delete_aligned(DELETE_ARRAY_SIZED_ALIGNED, p);
}
#endif

#if OWN(18)
void operator delete(void *p, std::align_val_t, const std::nothrow_t &) noexcept
{
    own_delete_aligned(DELETE_ALIGNED_NOTHROW, p);
}
#endif

#if OWN(19)
void operator delete[](void *p, std::align_val_t, const std::nothrow_t &) noexcept
{
    own_delete_aligned(DELETE_ARRAY_ALIGNED_NOTHROW, p);
}
#endif

/* glibc's names lead to the definitions behind. */
extern "C" {
void *__libc_malloc(std::size_t);
void *__libc_memalign(std::size_t, std::size_t);
void __libc_free(void *);

#if OWN(20)
void *malloc(std::size_t size)
{
    __atomic_add_fetch(&form_calls[MALLOC], 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}
#endif

#if OWN(21)
void *aligned_alloc(std::size_t align, std::size_t size)
{
    __atomic_add_fetch(&form_calls[ALIGNED_ALLOC], 1, __ATOMIC_RELAXED);
    return __libc_memalign(align, size);
}
#endif

#if OWN(22)
void free(void *p)
{
    __atomic_add_fetch(&form_calls[FREE], 1, __ATOMIC_RELAXED);
    __libc_free(p);
}
#endif
}

#endif
