/* audit.c: compares what types declare with what memory holds. In each live object the declared
 * references must lead to live objects, and the other words should not.
 *
 * The same fault at the same place in many objects of a type is one finding. Findings lie in a hash
 * table of fixed size; the last line tells if there are more. */
#include "snapshot.h"
#include "walk.h"

#include "alloc/arena.h" // arena_find_run
#include "alloc/huge.h"  // huge_find
#include "base/sort.h"
#include "gc/exclusive.h"
#include "object/find.h" // object_dead_type
#include "object/type.h"
#include "os/os.h"

#include <errno.h>

enum kind {
    UNDECLARED, /* a word that is not declared leads to a live object */
    DEAD,       /* a declared reference leads to a dead object */
    INSIDE,     /* a declared reference leads into the middle of an object */
    MALLOC,     /* a declared reference leads into memory of malloc */
    WILD,       /* a declared reference leads anywhere else */
    NO_ARRAY,   /* the array cannot be read, or its length is wrong */
};

enum where { WORD, EXTRA, ARRAY, TRAVERSE };

struct finding {
    unsigned type; /* type of the objects; 0: the entry is free */
    enum where where;
    size_t offset; /* WORD: offset of the word; else 0 */
    enum kind kind;
    unsigned target_type;        /* type of what the references lead to; 0: not known */
    size_t objects;              /* objects that have the fault */
    const void *example, *value; /* the first of them, and the word that it has there */
    const void *last;            /* the last of them so far */
};

#define FINDINGS_MAX 4096u
#define FINDINGS_BYTES (FINDINGS_MAX * sizeof(struct finding))

struct audit {
    struct snapshot snapshot;
    struct finding *findings;
    unsigned count;
    bool is_full;
    void *object;       /* the object that is being checked */
    const void *wanted; /* the word that its traverse callback may tell */
};

/* ---- Findings ---- */

static bool is_same(const struct finding *a, const struct finding *b)
{
    return a->type == b->type && a->where == b->where && a->offset == b->offset &&
           a->kind == b->kind && a->target_type == b->target_type;
}

static uint64_t finding_hash(const struct finding *finding)
{
    uint64_t key = (uint64_t)finding->type << 40 ^ (uint64_t)finding->target_type << 24 ^
                   (uint64_t)finding->kind << 20 ^ (uint64_t)finding->where << 18 ^ finding->offset;
    return key * UINT64_C(0x9e3779b97f4a7c15) >> 32;
}

/* The finding's entry, or a free one for it. A quarter of the entries stays free. */
static struct finding *place_in_table(const struct audit *audit, const struct finding *finding)
{
    uint64_t at = finding_hash(finding);
    struct finding *found;
    do
        found = &audit->findings[at++ % FINDINGS_MAX];
    while (found->type != 0 && !is_same(found, finding));
    return found;
}

static void note_finding(struct audit *audit, struct finding finding, const void *value)
{
    finding.type = header_type(header_of(audit->object));
    struct finding *found = place_in_table(audit, &finding);
    if (found->type == 0) {
        if (audit->count >= FINDINGS_MAX / 4 * 3) {
            audit->is_full = true;
            return;
        }
        audit->count++;
        *found = finding;
        found->example = audit->object;
        found->value = value;
    }
    found->objects += found->last != audit->object;
    found->last = audit->object;
}

/* A finding at that place. All extra words are one place, and so are all elements of an array. */
static struct finding finding_at(const struct audit *audit, struct place place)
{
    const struct descriptor *type = type_of(audit->object);
    if (place.kind == PLACE_ARRAY)
        return (struct finding){.where = ARRAY};
    if (place.kind == PLACE_TRAVERSE)
        return (struct finding){.where = TRAVERSE};
    if (place.at >= type->size)
        return (struct finding){.where = EXTRA};
    return (struct finding){.where = WORD, .offset = place.at};
}

/* ---- Wrong references ---- */

/* What a reference p leads to that points into a part, but not to a live object. */
static void judge_in_part(const struct snapshot_part *part, const void *p, struct finding *finding)
{
    size_t offset = ((uintptr_t)p - part->start) % part->block_bytes;
    const void *start = (const char *)p - offset;
    uint64_t header = header_of(start);
    unsigned tag = header_tag(header);
    finding->kind = tag_is_live(tag) ? INSIDE : DEAD;
    finding->target_type = tag == BLOCK_MARK ? object_dead_type(start) : header_type(header);
}

static bool is_in_run(const void *p)
{
    uintptr_t start;
    size_t pages;
    bool retired;
    return arena_find_run(p, &start, &pages, &retired) && !retired;
}

/* The same for p outside all parts. Asks the records alone: memory at p may not be readable. */
static enum kind judge_elsewhere(const void *p)
{
    size_t bytes;
    const struct pool *pool = map_pool_around(p);
    if (pool != NULL)
        return pool_has_objects(pool) ? DEAD : MALLOC;
    bool is_found = map_in_arena(p) ? is_in_run(p) : huge_find(p, &bytes) != 0;
    return is_found ? MALLOC : WILD;
}

static int check_reference(void *target, struct place place, void *context)
{
    struct audit *audit = context;
    if (snapshot_number(&audit->snapshot, target) != SNAPSHOT_NONE)
        return 0;
    struct finding finding = finding_at(audit, place);
    const struct snapshot_part *part = snapshot_part_around(&audit->snapshot, target);
    if (part != NULL)
        judge_in_part(part, target, &finding);
    else
        finding.kind = judge_elsewhere(target);
    note_finding(audit, finding, target);
    return 0;
}

/* ---- Undeclared references ---- */

static int is_wanted_target(void *target, void *context)
{
    return target == ((const struct audit *)context)->wanted;
}

static bool is_told(struct audit *audit, const struct descriptor *type, const void *target)
{
    audit->wanted = target;
    return type->has_traverse && type_traverse(type, audit->object, is_wanted_target, audit) != 0;
}

static void check_word(struct audit *audit, const struct descriptor *type, size_t offset)
{
    const void *value = *(molt_slot *)((char *)audit->object + offset);
    if (snapshot_number(&audit->snapshot, value) == SNAPSHOT_NONE ||
        walk_declares(audit->object, offset) || is_told(audit, type, value))
        return;
    struct finding finding = finding_at(audit, (struct place){PLACE_WORD, offset});
    finding.kind = UNDECLARED;
    finding.target_type = header_type(header_of(value));
    note_finding(audit, finding, value);
}

static void check_object(void *object, uint32_t number, void *context)
{
    struct audit *audit = context;
    const struct descriptor *type = type_of(object);
    (void)number;
    audit->object = object;
    walk_references(object, check_reference, audit);
    if (walk_array_is_wild(object))
        note_finding(audit, (struct finding){.where = ARRAY, .kind = NO_ARRAY}, NULL);
    for (size_t at = sizeof(molt_object); at < object_bytes(object); at += sizeof(void *))
        check_word(audit, type, at);
}

/* ---- Lines ---- */

static int compare_numbers(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

/* By type, then place; free entries come last. */
static int compare_findings(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;
    int result = compare_numbers(left->type - 1u, right->type - 1u);
    result = result != 0 ? result : compare_numbers(left->where, right->where);
    result = result != 0 ? result : compare_numbers(left->offset, right->offset);
    result = result != 0 ? result : compare_numbers(left->kind, right->kind);
    return result != 0 ? result : compare_numbers(left->target_type, right->target_type);
}

static void append_where(struct report_line *line, const struct finding *finding)
{
    static const char *const others[] = {
        [EXTRA] = "extra words", [ARRAY] = "array", [TRAVERSE] = "traverse"};
    if (finding->where == WORD)
        report_append(line, "+%zu", finding->offset);
    else
        report_append(line, "%s", others[finding->where]);
}

static void append_kind(struct report_line *line, const struct finding *finding)
{
    static const char *const texts[] = {
        [UNDECLARED] = "undeclared reference to ",
        [DEAD] = "wrong reference to a dead ",
        [INSIDE] = "wrong reference into the middle of ",
        [MALLOC] = "wrong reference into memory of malloc",
        [WILD] = "wrong reference to no known memory",
        [NO_ARRAY] = "an array that cannot be read",
    };
    report_append(line, "%s", texts[finding->kind]);
    if (finding->kind == DEAD && finding->target_type == 0)
        report_append(line, "object");
    else if (finding->kind <= INSIDE)
        walk_append_type(line, finding->target_type, false);
}

static int write_finding(const struct finding *finding, int fd)
{
    struct report_line line = {.length = 0};
    walk_append_type(&line, finding->type, false);
    report_append(&line, " ");
    append_where(&line, finding);
    report_append(&line, ": ");
    append_kind(&line, finding);
    report_append(&line, " (%zu object%s, e.g. %p", finding->objects,
                  finding->objects == 1 ? "" : "s", finding->example);
    if (finding->kind != UNDECLARED && finding->kind != NO_ARRAY)
        report_append(&line, " has %p", finding->value);
    report_append(&line, ")");
    return report_write_line(fd, &line);
}

static int write_findings(struct audit *audit, int fd)
{
    static const char more[] = "… and more than there is room for\n";
    int result = 0;
    sort(audit->findings, FINDINGS_MAX, sizeof(struct finding), compare_findings);
    for (unsigned n = 0; result == 0 && n < audit->count; n++)
        result = write_finding(&audit->findings[n], fd);
    if (result == 0 && audit->is_full)
        result = report_write(fd, more, sizeof more - 1);
    return result;
}

static int run_audit(struct audit *audit, int fd)
{
    if (audit->findings == NULL || !snapshot_make(&audit->snapshot, 0))
        return exclusive_fail(ENOMEM);
    snapshot_visit(&audit->snapshot, check_object, audit);
    return write_findings(audit, fd) == 0 ? (int)audit->count : -1;
}

int molt_gc_audit(int fd)
{
    struct exclusive exclusive;
    int error = exclusive_begin_still(&exclusive);
    if (error != 0)
        return exclusive_fail(error);
    struct audit audit = {.findings = os_map(os_round_to_pages(FINDINGS_BYTES))};
    int result = run_audit(&audit, fd);
    snapshot_free(&audit.snapshot);
    if (audit.findings != NULL)
        os_unmap(audit.findings, os_round_to_pages(FINDINGS_BYTES));
    exclusive_end(&exclusive);
    return result;
}
