/* hash.c: hashes of values, with a key that the kernel has made at random for this process. */
#include "compare.h"

#include <string.h>
#include <sys/auxv.h>

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

/* Keeps 0 free, which means that a hash is not known yet. */
static uint64_t not_zero(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

/* ---- The key ---- */

struct key {
    uint64_t low, high;
};

static struct key read_key(void)
{
    static const struct key fixed = {1, 2}; /* for a kernel that gives none */
    static _Atomic(const void *) found;
    struct key key;
    const void *bytes = atomic_load_explicit(&found, memory_order_relaxed);
    if (UNLIKELY(bytes == NULL)) {
        bytes = (const void *)getauxval(AT_RANDOM);
        bytes = bytes != NULL ? bytes : &fixed;
        atomic_store_explicit(&found, bytes, memory_order_relaxed);
    }
    memcpy(&key, bytes, sizeof key);
    return key;
}

/* ---- SipHash-1-3: one round a word, three at the end (Aumasson, Bernstein 2012) ---- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static ALWAYS_INLINE void sip_round(struct sip *s)
{
    s->v0 += s->v1, s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0, s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1, s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2, s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static ALWAYS_INLINE void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t sip_hash(const char *bytes, size_t length)
{
    struct key key = read_key();
    struct sip s = {key.low ^ UINT64_C(0x736f6d6570736575), key.high ^ UINT64_C(0x646f72616e646f6d),
                    key.low ^ UINT64_C(0x6c7967656e657261),
                    key.high ^ UINT64_C(0x7465646279746573)};
    size_t at = 0;
    uint64_t word;
    for (; length - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        sip_word(&s, word);
    }
    word = 0;
    memcpy(&word, bytes + at, length - at);
    sip_word(&s, word | (uint64_t)length << 56);
    s.v2 ^= 0xff;
    sip_round(&s), sip_round(&s), sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- By kind ---- */

uint64_t hash_of_string(const molt_str *string)
{
    molt_str *cache = (molt_str *)(uintptr_t)string;
    uint64_t hash = atomic_load_explicit(&cache->hash, memory_order_relaxed);
    if (hash == 0) {
        hash = not_zero(sip_hash(string->bytes, string->length));
        atomic_store_explicit(&cache->hash, hash, memory_order_relaxed);
    }
    return hash;
}

/* Spreads a number over all bits: the finalizer of SplitMix (Steele, Lea, Flood 2014). */
static uint64_t hash_of_number(uint64_t number)
{
    uint64_t x = number ^ read_key().low;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return not_zero(x ^ x >> 31);
}

/* Combines the items' hashes as xxHash combines words (Collet 2012). */
static int hash_of_tuple(const molt_tuple *tuple, uint64_t *out, unsigned depth)
{
    molt_tuple *cache = (molt_tuple *)(uintptr_t)tuple;
    uint64_t hash = atomic_load_explicit(&cache->hash, memory_order_relaxed), item;
    if (hash == 0) {
        if (!depth_fits(depth))
            return -1;
        hash = UINT64_C(0x27d4eb2f165667c5);
        for (size_t i = 0; i < tuple->length; i++) {
            if (hash_of(tuple->items[i], &item, depth + 1) != 0)
                return -1;
            hash += item * UINT64_C(0xc2b2ae3d27d4eb4f);
            hash = rotate(hash, 31) * UINT64_C(0x9e3779b185ebca87);
        }
        hash = hash_of_number(hash + tuple->length);
        atomic_store_explicit(&cache->hash, hash, memory_order_relaxed);
    }
    *out = hash;
    return 0;
}

int hash_of(const void *value, uint64_t *hash, unsigned depth)
{
    switch (kind_of(value)) {
    case KIND_INT:
        *hash = hash_of_number((uint64_t)((const molt_int *)value)->value);
        return 0;
    case KIND_STR:
        *hash = hash_of_string(value);
        return 0;
    case KIND_TUPLE:
        return hash_of_tuple(value, hash, depth);
    case KIND_OTHER:
        *hash = hash_of_number((uintptr_t)value);
        return 0;
    default:
        errno = EINVAL;
        return -1;
    }
}

int molt_hash(const void *value, uint64_t *hash)
{
    if (value == NULL || hash == NULL) {
        errno = EINVAL;
        return -1;
    }
    return hash_of(value, hash, 0);
}
