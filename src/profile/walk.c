/* walk.c: the steps, and the cache of rules. */
#include "walk.h"

#include "frame_rule.h"

#include "base/attributes.h"
#include "os/os.h" // os_is_readable

#include <signal.h> // siginfo_t
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

/* ---- The cache ---- */

/* Threads read and write an entry's words in any order; words that were not written together do not
 * fit each other, for `check` is the rule's word exclusive-or the key. A key is an address and what
 * tells its image from one that was at the same place before. */
struct cached {
    _Atomic(uint64_t) check;
    _Atomic(uint64_t) rule; /* a struct frame_rule; no rule that is cached is 0 */
};

enum { CACHE_SHIFT = 11 };
static struct cached cache[1 << CACHE_SHIFT];

static struct cached *cached_at(uint64_t key)
{
    return &cache[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - CACHE_SHIFT)];
}

_Static_assert(sizeof(struct frame_rule) == sizeof(uint64_t), "a rule is one word");

/* Returns the rule for an address of the image; FRAME_UNKNOWN, too, is worth caching. */
static struct frame_rule find_rule(const struct image *image, uintptr_t address)
{
    uint64_t key = address + image->identity;
    struct cached *cached = cached_at(key);
    uint64_t word = atomic_load_explicit(&cached->rule, memory_order_relaxed);
    struct frame_rule rule;
    if (LIKELY((word ^ atomic_load_explicit(&cached->check, memory_order_relaxed)) == key)) {
        memcpy(&rule, &word, sizeof rule);
        return rule;
    }
    const uint8_t *entry = image_entry(image, address);
    rule = entry != NULL ? frame_rule_read(entry, address) : (struct frame_rule){.kind = 0};
    memcpy(&word, &rule, sizeof word);
    atomic_store_explicit(&cached->rule, word, memory_order_relaxed);
    atomic_store_explicit(&cached->check, word ^ key, memory_order_relaxed);
    return rule;
}

/* ---- Steps ---- */

/* arm64 may sign return addresses in their high bits. */
static uintptr_t strip_signature(uintptr_t address)
{
#if defined(__aarch64__)
    register uintptr_t x30 __asm__("x30") = address;
    __asm__("hint #7" /* xpaclri */ : "+r"(x30));
    return x30;
#else
    return address;
#endif
}

/* A caller's frame lies above: so a walk ends. */
static bool go_to(struct walk *walk, uintptr_t address, uintptr_t sp, uintptr_t fp)
{
    bool is_above = sp > walk->sp || (walk->is_exact && sp == walk->sp);
    walk->address = strip_signature(address);
    walk->sp = sp;
    walk->fp = fp;
    walk->is_exact = false;
    return is_above && address != 0;
}

/* The kernel has written the interrupted registers above the handler's frame. */
static bool go_to_interrupted(struct walk *walk)
{
#if defined(__x86_64__)
    uintptr_t registers = walk->sp + offsetof(ucontext_t, uc_mcontext.gregs);
    uintptr_t sp_at = registers + 8 * REG_RSP, fp_at = registers + 8 * REG_RBP;
    uintptr_t address_at = registers + 8 * REG_RIP, return_at = address_at;
#elif defined(__aarch64__)
    uintptr_t registers = walk->sp + sizeof(siginfo_t) + offsetof(ucontext_t, uc_mcontext.regs);
    uintptr_t sp_at = registers + 8 * 31, fp_at = registers + 8 * 29;
    uintptr_t address_at = registers + 8 * 32, return_at = registers + 8 * 30;
#endif
    walk->is_exact = thread_stack_read(&walk->stack, sp_at, &walk->sp) &&
                     thread_stack_read(&walk->stack, fp_at, &walk->fp) &&
                     thread_stack_read(&walk->stack, return_at, &walk->return_address) &&
                     thread_stack_read(&walk->stack, address_at, &walk->address);
    if (walk->is_exact) /* the handler may have had a stack of its own */
        thread_stack_begin(&walk->stack, walk->sp);
    return walk->is_exact && walk->address != 0;
}

static bool step_by_chain(struct walk *walk)
{
    uintptr_t fp, address;
    return walk->fp >= walk->sp && thread_stack_read(&walk->stack, walk->fp, &fp) &&
           thread_stack_read(&walk->stack, walk->fp + sizeof fp, &address) &&
           go_to(walk, address, walk->fp + 2 * sizeof fp, fp);
}

/* ---- Code without a rule ---- */

static bool read_code(uintptr_t address, void *code, size_t bytes)
{
    bool can_read = os_is_readable((const void *)address, bytes);
    if (can_read)
        memcpy(code, (const void *)address, bytes);
    return can_read;
}

/* Whether the code is what signal handlers return to: it makes the system call rt_sigreturn. */
static bool is_signal_return(uintptr_t address)
{
#if defined(__x86_64__)
    static const uint8_t expected[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
#elif defined(__aarch64__)
    static const uint8_t expected[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4};
#endif
    uint8_t code[sizeof expected];
    return read_code(address, code, sizeof code) && memcmp(code, expected, sizeof code) == 0;
}

/* Whether the instruction before the address is a call. */
static bool follows_call(uintptr_t address)
{
    uint8_t code[8];
    if (!read_code(address - sizeof code, code, sizeof code))
        return false;
#if defined(__x86_64__)
    bool is_call = code[3] == 0xe8; /* of an address */
    for (int at = 1; at <= 6; at++) /* of a register, or of a word in memory */
        is_call = is_call || (code[at] == 0xff && (code[at + 1] & 0x38) == 0x10);
    return is_call;
#elif defined(__aarch64__)
    uint32_t instruction;
    memcpy(&instruction, code + 4, sizeof instruction);
    return (instruction & 0xfc000000) == 0x94000000 || /* bl */
           (instruction & 0xfefff000) == 0xd63f0000;   /* blr and its like */
#endif
}

/* The frame pointer may be used for something else: then it hardly leads to an address that a call
 * returns to. */
static bool step_without_rule(struct walk *walk)
{
    if (is_signal_return(walk->address))
        return go_to_interrupted(walk);
    return step_by_chain(walk) && follows_call(walk->address);
}

/* Code without frame pointers leaves something else in the register: then the walk comes to what
 * is no code. */
bool walk_step_by_fp(struct walk *walk)
{
    if (!step_by_chain(walk))
        return false;
    uintptr_t address = walk->address - 1;
    if (address - walk->image.start < walk->image.end - walk->image.start ||
        image_find(address, &walk->image))
        return true;
    walk->image = (struct image){.start = 0};
    return follows_call(walk->address);
}

/* ---- Code with a rule ---- */

static bool read_word(struct walk *walk, uintptr_t address, const uintptr_t **read, uintptr_t *word)
{
    *read = (const uintptr_t *)address;
    return thread_stack_read(&walk->stack, address, word);
}

static bool find_cfa(struct walk *walk, const struct frame_rule *rule, uintptr_t *cfa)
{
    uintptr_t base = rule->kind == FRAME_BY_SP ? walk->sp : walk->fp;
    *cfa = base + (uintptr_t)rule->cfa;
    walk->reads.by_fp = rule->kind != FRAME_BY_SP;
    return rule->kind != FRAME_ALIGNED || read_word(walk, *cfa, &walk->reads.cfa, cfa);
}

static bool find_fp(struct walk *walk, const struct frame_rule *rule, uintptr_t cfa, uintptr_t *fp)
{
    uintptr_t base = rule->kind == FRAME_ALIGNED ? walk->fp : cfa;
    walk->reads.is_fp_lost = rule->kind != FRAME_ALIGNED && rule->fp == FP_LOST;
    *fp = rule->fp == FP_SAME ? walk->fp : 0;
    if (rule->kind != FRAME_ALIGNED && (rule->fp == FP_SAME || rule->fp == FP_LOST))
        return true;
    return read_word(walk, base + (uintptr_t)(rule->fp * (int)sizeof *fp), &walk->reads.fp, fp);
}

static bool find_return_address(struct walk *walk, const struct frame_rule *rule, uintptr_t cfa,
                                uintptr_t *address)
{
    *address = walk->return_address;
    if (rule->return_address == 0)
        return walk->is_exact;
    return read_word(walk, cfa + (uintptr_t)(rule->return_address * (int)sizeof *address),
                     &walk->reads.address, address);
}

static bool step_by_rule(struct walk *walk, const struct frame_rule *rule)
{
    uintptr_t cfa, fp, address;
    return find_cfa(walk, rule, &cfa) && find_fp(walk, rule, cfa, &fp) &&
           find_return_address(walk, rule, cfa, &address) && go_to(walk, address, cfa, fp);
}

/* An address that a call returns to may be that of the next function, if the call was the last
 * instruction of its own: so the instruction before it is looked up. */
bool walk_step(struct walk *walk)
{
    uintptr_t address = walk->address - !walk->is_exact;
    walk->reads = (struct walk_reads){.address = NULL};
    bool is_in_image = address - walk->image.start < walk->image.end - walk->image.start;
    if (!is_in_image && !image_find(address, &walk->image)) {
        walk->image = (struct image){.start = 0};
        return step_without_rule(walk);
    }
    struct frame_rule rule = find_rule(&walk->image, address);
    switch (rule.kind) {
    case FRAME_UNKNOWN:
        return step_without_rule(walk);
    case FRAME_SIGNAL:
        return go_to_interrupted(walk);
    case FRAME_LAST:
        walk->is_outermost = true;
        return false;
    default:
        return step_by_rule(walk, &rule);
    }
}

void walk_begin(struct walk *walk, uintptr_t address, uintptr_t sp, uintptr_t fp)
{
    *walk = (struct walk){.address = address, .sp = sp, .fp = fp};
    thread_stack_begin(&walk->stack, sp);
}
