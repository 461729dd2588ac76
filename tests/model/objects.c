/* objects.c: the collector against models of it that are too simple to be wrong.
 *
 * Graphs: every graph of up to --nodes nodes with two references each, with every choice of nodes
 * that the program holds. What dies when the rest is let go of, and what the collection after that
 * finds, is compared with what the graph itself tells. Of 5 nodes and more, one graph of all that
 * differ in the nodes' numbers, or in the references' order, alone.
 *
 * Streams: random operations on objects of all kinds, and the same on a table of what there should
 * be: counts, generations, weak references, finalizers and what they do. Compared after each.
 *
 *   objects [--nodes N] [--seed S] [--streams N] [--ops N] */
#include "failure.h"
#include "molt_object.h"

#include <limits.h>
#include <string.h>

/* ---- Objects with two references, declared in each of the ways ---- */

enum kind { FIELDS, BITMAP, ARRAY, TRAILING, HIDDEN, LARGE, ACYCLIC, KINDS };

struct object {
    MOLT_OBJECT;
    int id;
    uint8_t length;
    void *fields[2];
    void **items; /* of ARRAY and HIDDEN */
    void *trailing[];
};

static void *spare; /* so that a graph's arrays need no malloc each time */

static void on_finalize(struct object *object);
static void on_dispose(struct object *object);

static void finalize(void *object)
{
    on_finalize(object);
}

static void dispose(void *object)
{
    struct object *o = object;
    if (o->items != NULL) {
        molt_free(spare);
        spare = o->items;
    }
    on_dispose(o);
}

static int traverse(void *object, molt_visit *visit, void *arg)
{
    void **items = ((struct object *)object)->items;
    for (int i = 0; i < 2; i++) {
        int result = items[i] != NULL ? visit(items[i], arg) : 0;
        if (result != 0)
            return result;
    }
    return 0;
}

static void clear(void *object)
{
    void **items = ((struct object *)object)->items;
    for (int i = 0; i < 2; i++)
        molt_clear(&items[i]);
}

static const uint16_t field_offsets[] = {offsetof(struct object, fields[0]),
                                         offsetof(struct object, fields[1])};
static const uint64_t field_bits[] = {UINT64_C(3) << (offsetof(struct object, fields) / 8)};

#define COMMON .name = "object", .size = sizeof(struct object), .dispose = dispose
#define LISTED .refs = field_offsets, .ref_count = 2
#define ARRAYED                                                                               \
    .array = offsetof(struct object, items), .array_length = offsetof(struct object, length), \
    .array_length_bytes = 1
#define FINALIZED .finalize = finalize

/* Without a finalizer, and with one. */
static molt_type types[2][KINDS] = {
    {
        {COMMON, LISTED},
        {COMMON, .ref_bitmap = field_bits, .ref_bitmap_words = 1},
        {COMMON, ARRAYED},
        {COMMON, .flags = MOLT_TRAILING_REFS},
        {COMMON, .traverse = traverse, .clear = clear},
        {COMMON, LISTED},
        {COMMON, LISTED, .flags = MOLT_ACYCLIC},
    },
    {
        {COMMON, LISTED, FINALIZED},
        {COMMON, .ref_bitmap = field_bits, .ref_bitmap_words = 1, FINALIZED},
        {COMMON, ARRAYED, FINALIZED},
        {COMMON, .flags = MOLT_TRAILING_REFS, FINALIZED},
        {COMMON, .traverse = traverse, .clear = clear, FINALIZED},
        {COMMON, LISTED, FINALIZED},
        {COMMON, LISTED, .flags = MOLT_ACYCLIC, FINALIZED},
    },
};

static struct object *object_new(enum kind kind, bool has_finalizer, int id)
{
    size_t extra = kind == TRAILING ? 16 : kind == LARGE ? 40000 : 0;
    struct object *object = molt_new_extra(&types[has_finalizer][kind], extra);
    REQUIRE(object != NULL, "no memory");
    object->id = id;
    object->length = 2;
    if (kind == ARRAY || kind == HIDDEN) {
        object->items = spare != NULL ? spare : molt_malloc(16);
        spare = NULL;
        object->items[0] = object->items[1] = NULL;
    }
    return object;
}

static void **slot_of(struct object *object, enum kind kind, int slot)
{
    return kind == TRAILING                  ? &object->trailing[slot]
           : kind == ARRAY || kind == HIDDEN ? &object->items[slot]
                                             : &object->fields[slot];
}

static struct object *to_object(void *p)
{
    return p;
}

/* ---- Graphs ---- */

enum { NODES_MAX = 6, ORDERS_MAX = 720, ALL_ORDERS_TO = 4 };

/* An order of the nodes: which comes when, and when each comes. */
static struct order {
    int node[NODES_MAX + 1], place[NODES_MAX + 1];
} orders[ORDERS_MAX];
static size_t order_count;

struct graph {
    int nodes;
    const struct order *order; /* in which the nodes are made */
    enum kind kind;
    bool finalized;
    int target[NODES_MAX][2]; /* `nodes`: none */
    unsigned held;            /* a bit a node */
    unsigned swapped;         /* … : its references are in the other order */
};

static unsigned graph_died, graph_finalized;

static unsigned reachable_from(const struct graph *graph, unsigned set)
{
    for (unsigned before = 0; before != set;) {
        before = set;
        for (int i = 0; i < graph->nodes; i++)
            for (int slot = 0; slot < 2 && (set >> i & 1) != 0; slot++)
                if (graph->target[i][slot] < graph->nodes)
                    set |= 1u << graph->target[i][slot];
    }
    return set;
}

/* The references to each node from the nodes of a set. */
static void count_edges(const struct graph *graph, unsigned from, int counts[NODES_MAX])
{
    memset(counts, 0, NODES_MAX * sizeof *counts);
    for (int i = 0; i < graph->nodes; i++)
        for (int slot = 0; slot < 2 && (from >> i & 1) != 0; slot++)
            if (graph->target[i][slot] < graph->nodes)
                counts[graph->target[i][slot]]++;
}

/* What is left when only counts are asked. */
static unsigned alive_by_counts(const struct graph *graph)
{
    unsigned alive = (1u << graph->nodes) - 1;
    for (unsigned before = 0; before != alive;) {
        int counts[NODES_MAX];
        before = alive;
        count_edges(graph, alive, counts);
        for (int i = 0; i < graph->nodes; i++)
            if (counts[i] == 0 && (graph->held >> i & 1) == 0)
                alive &= ~(1u << i);
    }
    return alive;
}

static void test_graph(const struct graph *graph, int generation)
{
    struct object *nodes[NODES_MAX];
    int counts[NODES_MAX];
    unsigned all = (1u << graph->nodes) - 1;
    graph_died = graph_finalized = 0;
    for (int i = 0; i < graph->nodes; i++) {
        int node = graph->order->node[i];
        nodes[node] = object_new(graph->kind, graph->finalized, node);
    }
    for (int i = 0; i < graph->nodes; i++)
        for (int slot = 0; slot < 2; slot++)
            if (graph->target[i][slot] < graph->nodes)
                *slot_of(nodes[i], graph->kind, slot ^ (int)(graph->swapped >> i & 1)) =
                    molt_retain(nodes[graph->target[i][slot]]);
    for (int i = 0; i < graph->nodes; i++)
        if ((graph->held >> i & 1) == 0)
            molt_release(nodes[i]);

    unsigned counted = alive_by_counts(graph), reached = reachable_from(graph, graph->held);
    REQUIRE(graph_died == (all & ~counted), "died by counts: %#x, not %#x", graph_died,
            all & ~counted);
    long found = molt_gc_collect(generation);
    REQUIRE(found == __builtin_popcount(counted & ~reached), "%ld found, not %d", found,
            __builtin_popcount(counted & ~reached));
    REQUIRE(graph_died == (all & ~reached), "died: %#x, not %#x", graph_died, all & ~reached);
    count_edges(graph, reached, counts);
    for (int i = 0; i < graph->nodes; i++)
        if ((reached >> i & 1) != 0)
            REQUIRE(molt_refcount(nodes[i]) == (size_t)counts[i] + (graph->held >> i & 1),
                    "node %d has %zu references", i, molt_refcount(nodes[i]));
    for (int i = 0; i < graph->nodes; i++)
        if ((graph->held >> i & 1) != 0)
            molt_release(nodes[i]);
    molt_gc_collect(2);
    REQUIRE(graph_died == all, "left: %#x", all & ~graph_died);
    REQUIRE(graph_finalized == (graph->finalized ? all : 0), "finalized: %#x", graph_finalized);
}

/* All orders of the nodes, beginning with those that start as `start` does. */
static void find_orders(int nodes, int known, struct order start)
{
    if (known == 0)
        order_count = 0;
    if (known == nodes) {
        start.node[nodes] = start.place[nodes] = nodes; /* "none" stays */
        orders[order_count++] = start;
        return;
    }
    for (int node = 0; node < nodes; node++) {
        bool is_new = true;
        for (int i = 0; i < known; i++)
            is_new &= start.node[i] != node;
        if (!is_new)
            continue;
        start.node[known] = node;
        start.place[node] = known;
        find_orders(nodes, known + 1, start);
    }
}

/* Less than 0: with its nodes in that order the graph comes before itself as it is. The references
 * of a node are in the order of their targets. */
static int compare_in_order(const struct graph *graph, const struct order *order)
{
    for (int i = 0; i < graph->nodes; i++) {
        const int *as_it_is = graph->target[i], *target = graph->target[order->node[i]];
        int first = order->place[target[0]], second = order->place[target[1]];
        int low = first < second ? first : second, high = first < second ? second : first;
        if (low != as_it_is[0] || high != as_it_is[1])
            return low != as_it_is[0] ? low - as_it_is[0] : high - as_it_is[1];
    }
    return 0;
}

static bool stands_for_all(const struct graph *graph)
{
    for (int i = 0; i < graph->nodes; i++)
        if (graph->target[i][0] > graph->target[i][1])
            return false;
    for (size_t i = 0; i < order_count; i++)
        if (compare_in_order(graph, &orders[i]) < 0)
            return false;
    return true;
}

static unsigned long power(unsigned long base, int exponent)
{
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

static void test_graphs_of(int nodes)
{
    static const enum kind kinds[] = {FIELDS, BITMAP, ARRAY, TRAILING, HIDDEN};
    unsigned long count = power((unsigned long)nodes + 1, 2 * nodes), tested = 0;
    find_orders(nodes, 0, (struct order){.node = {0}});
    for (unsigned long number = 0; number < count; number++) {
        struct graph graph = {.nodes = nodes, .kind = kinds[number % 5]};
        unsigned long rest = number;
        for (int i = 0; i < 2 * nodes; i++, rest /= (unsigned long)nodes + 1)
            graph.target[i / 2][i % 2] = (int)(rest % ((unsigned long)nodes + 1));
        if (nodes > ALL_ORDERS_TO && !stands_for_all(&graph))
            continue;
        place.step = number;
        for (graph.held = 0; graph.held < 1u << nodes; graph.held++, tested++) {
            graph.order = &orders[tested % order_count];
            graph.swapped = nodes > ALL_ORDERS_TO ? (unsigned)(tested % 29) : 0;
            graph.finalized = (number + graph.held) % 2 != 0;
            test_graph(&graph, (int)((number + graph.held) % 3));
        }
    }
    printf("objects: %lu graphs of %d nodes\n", tested, nodes);
}

/* ---- The model of a stream ---- */

/* What a finalizer does, to its own object. */
enum action { NOTHING, REVIVE, UNLINK, RELINK, ATTACH, COLLECT, ACTIONS };

enum { YOUNG, MIDDLE, OLD, FROZEN, UNTRACKED };
enum { OBJECTS_MAX = 4000, HELD_MAX = 40, WEAK_MAX = 40 };

struct model {
    struct object *object;
    enum kind kind;
    enum action action;
    bool has_finalizer, is_finalized;
    bool lives, is_condemned;
    int generation;
    int count, handles; /* of all references; those that are the stream's */
    int slot[2];        /* -1: none */
    int weak;           /* weak references whose callback is to come */
};

/* What has happened, in numbers: model and library do the same, though not in the same order. */
struct happened {
    size_t finalized, disposed, told;
};

static struct model models[OBJECTS_MAX];
static int model_count;
static struct happened expected, seen;
static struct {
    molt_weak *weak;
    int of;
    bool has_callback, is_told;
} weak[WEAK_MAX];
static bool is_stream, is_collecting;
static struct object *new_in_finalizer[OBJECTS_MAX]; /* by the id of the finalized one */
static bool disposed[OBJECTS_MAX], finalized[OBJECTS_MAX];

static int model_new(enum kind kind, bool has_finalizer, enum action action)
{
    int id = model_count++;
    models[id] = (struct model){.kind = kind,
                                .has_finalizer = has_finalizer,
                                .action = action,
                                .lives = true,
                                .generation = kind == ACYCLIC ? UNTRACKED : YOUNG,
                                .count = 1,
                                .slot = {-1, -1}};
    return id;
}

static void model_release(int id);

static void model_set(int id, int slot, int target)
{
    int old = models[id].slot[slot];
    models[id].slot[slot] = target;
    if (target >= 0)
        models[target].count++;
    model_release(old);
}

static void model_act(int id)
{
    struct model *model = &models[id];
    model->is_finalized = true;
    expected.finalized++;
    switch (model->action) {
    case REVIVE:
        model->handles++;
        model->count++;
        break;
    case UNLINK:
        model_set(id, 0, -1);
        break;
    case RELINK:
        model_set(id, 1, id);
        break;
    case ATTACH: {
        int new = model_new(FIELDS, false, NOTHING);
        models[new].object = new_in_finalizer[id];
        models[new].count = 0;
        model_set(id, 1, new);
        break;
    }
    default:
        break;
    }
}

/* The object's weak references that have a callback die. */
static void model_tell(int id)
{
    if (id < 0)
        return;
    expected.told += (size_t)models[id].weak;
    models[id].weak = 0;
}

static void model_die(int id)
{
    struct model *model = &models[id];
    model->lives = false;
    expected.disposed++;
    model_tell(id);
    for (int slot = 0; slot < 2; slot++) {
        int target = model->slot[slot];
        model->slot[slot] = -1;
        model_release(target);
    }
}

static void model_release(int id)
{
    if (id < 0 || --models[id].count > 0 || models[id].is_condemned)
        return;
    struct model *model = &models[id];
    if (model->has_finalizer && !model->is_finalized) {
        model->count++;
        model_act(id);
        if (--model->count > 0) { /* revived */
            model->generation = model->generation == UNTRACKED ? UNTRACKED : YOUNG;
            return;
        }
    }
    model_die(id);
}

/* Of the candidates, those that nothing outside of them leads to. */
static void model_deduce(bool candidate[])
{
    static int outside[OBJECTS_MAX], stack[OBJECTS_MAX];
    int waiting = 0;
    for (int i = 0; i < model_count; i++)
        outside[i] = models[i].count;
    for (int i = 0; i < model_count; i++)
        for (int slot = 0; slot < 2; slot++)
            if (candidate[i] && models[i].slot[slot] >= 0)
                outside[models[i].slot[slot]]--;
    for (int i = 0; i < model_count; i++)
        if (candidate[i] && outside[i] > 0)
            stack[waiting++] = i, candidate[i] = false;
    while (waiting > 0) {
        const struct model *model = &models[stack[--waiting]];
        for (int slot = 0; slot < 2; slot++) {
            int target = model->slot[slot];
            if (target >= 0 && candidate[target])
                stack[waiting++] = target, candidate[target] = false;
        }
    }
}

/* The objects that become garbage are those left in `garbage`. */
static long model_collect(int generation)
{
    static bool garbage[OBJECTS_MAX];
    long found = 0;
    int before = model_count;
    memset(garbage, 0, sizeof garbage);
    for (int i = 0; i < before; i++)
        garbage[i] = models[i].lives && models[i].generation <= generation;
    for (int i = 0; i < before; i++)
        if (garbage[i])
            models[i].generation = generation < 2 ? generation + 1 : 2;
    model_deduce(garbage);
    for (int i = 0; i < before; i++) {
        models[i].count += garbage[i];
        model_tell(garbage[i] ? i : -1);
    }
    for (int i = 0; i < before; i++)
        if (garbage[i] && models[i].has_finalizer && !models[i].is_finalized)
            model_act(i);
    for (int i = 0; i < before; i++)
        models[i].count -= garbage[i];
    model_deduce(garbage);
    for (int i = 0; i < before; i++) {
        models[i].is_condemned = garbage[i];
        found += garbage[i];
    }
    for (int i = 0; i < before; i++)
        if (garbage[i])
            model_die(i);
    return found;
}

/* ---- What the library does meanwhile ---- */

static void on_finalize(struct object *object)
{
    if (!is_stream) {
        REQUIRE((graph_finalized >> object->id & 1) == 0, "node %d finalized twice", object->id);
        REQUIRE((graph_died >> object->id & 1) == 0, "node %d finalized after its death",
                object->id);
        graph_finalized |= 1u << object->id;
        return;
    }
    int id = object->id;
    REQUIRE(!finalized[id] && !disposed[id], "object %d finalized twice, or too late", id);
    finalized[id] = true;
    seen.finalized++;
    switch (models[id].action) {
    case REVIVE:
        molt_retain(object);
        break;
    case UNLINK:
        molt_clear(slot_of(object, models[id].kind, 0));
        break;
    case RELINK:
        molt_set(slot_of(object, models[id].kind, 1), object);
        break;
    case ATTACH:
        new_in_finalizer[id] = object_new(FIELDS, false, -1);
        molt_set(slot_of(object, models[id].kind, 1), new_in_finalizer[id]);
        molt_release(new_in_finalizer[id]);
        break;
    case COLLECT:
        if (is_collecting)
            REQUIRE(molt_gc_collect(2) == 0, "a collection in a collection");
        break;
    default:
        break;
    }
}

static void on_dispose(struct object *object)
{
    if (!is_stream) {
        REQUIRE((graph_died >> object->id & 1) == 0, "node %d died twice", object->id);
        graph_died |= 1u << object->id;
        return;
    }
    seen.disposed++;
    if (object->id < 0)
        return; /* made in a finalizer, and not known by number yet */
    REQUIRE(!disposed[object->id], "object %d died twice", object->id);
    disposed[object->id] = true;
}

static void on_death(molt_weak *of, void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    REQUIRE(weak[i].weak == of && !weak[i].is_told, "a weak reference told twice");
    REQUIRE(molt_weak_get(of) == NULL, "told of an object that lives");
    weak[i].is_told = true;
    seen.told++;
}

/* ---- Operations ---- */

static uint64_t randomness;

/* A random object that the stream holds, or -1. */
static int any_held(void)
{
    int start = model_count == 0 ? 0 : (int)random_below(&randomness, (uint32_t)model_count);
    for (int i = 0; i < model_count; i++) {
        int id = (start + i) % model_count;
        if (models[id].handles > 0)
            return id;
    }
    return -1;
}

static int held_count(void)
{
    int count = 0;
    for (int i = 0; i < model_count; i++)
        count += models[i].handles;
    return count;
}

static void op_new(void)
{
    if (held_count() >= HELD_MAX || model_count >= OBJECTS_MAX / 2)
        return;
    static const enum kind usual[] = {FIELDS,   FIELDS, FIELDS, BITMAP, ARRAY,
                                      TRAILING, HIDDEN, HIDDEN, LARGE,  ACYCLIC};
    enum kind kind = usual[random_below(&randomness, 10)];
    bool has_finalizer = random_below(&randomness, 3) == 0;
    int id = model_new(kind, has_finalizer, (enum action)random_below(&randomness, ACTIONS));
    models[id].handles = 1;
    models[id].object = object_new(kind, has_finalizer, id);
}

static void op_set(void)
{
    int id = any_held(), target = random_below(&randomness, 5) == 0 ? -1 : any_held();
    if (id < 0)
        return;
    int slot = (int)random_below(&randomness, 2);
    molt_set(slot_of(models[id].object, models[id].kind, slot),
             target < 0 ? NULL : models[target].object);
    model_set(id, slot, target);
}

/* One more reference to what an object refers to. */
static void op_get(void)
{
    int id = any_held();
    int target = id < 0 ? -1 : models[id].slot[random_below(&randomness, 2)];
    if (target < 0 || held_count() >= HELD_MAX)
        return;
    molt_retain(models[target].object);
    models[target].count++;
    models[target].handles++;
}

static void op_drop(void)
{
    int id = any_held();
    if (id < 0)
        return;
    models[id].handles--;
    molt_release(models[id].object);
    model_release(id);
}

static void op_weak(void)
{
    size_t i = random_below(&randomness, WEAK_MAX);
    int id = any_held();
    if (weak[i].weak != NULL) {
        models[weak[i].of].weak -= weak[i].has_callback && !weak[i].is_told;
        molt_weak_free(weak[i].weak);
        weak[i].weak = NULL;
    } else if (id >= 0) {
        weak[i].of = id;
        weak[i].is_told = false;
        weak[i].has_callback = random_below(&randomness, 2) != 0;
        weak[i].weak =
            molt_weak_new(models[id].object, weak[i].has_callback ? on_death : NULL, (void *)i);
        REQUIRE(weak[i].weak != NULL, "no weak reference");
        models[id].weak += weak[i].has_callback;
    }
}

static void op_weak_get(void)
{
    size_t i = random_below(&randomness, WEAK_MAX);
    if (weak[i].weak == NULL)
        return;
    struct model *model = &models[weak[i].of];
    bool lives = model->lives && !weak[i].is_told;
    void *object = molt_weak_get(weak[i].weak);
    REQUIRE(object == (lives ? model->object : NULL), "a weak reference to object %d", weak[i].of);
    if (object == NULL)
        return;
    model->handles++;
    model->count++;
}

/* Not what a finalizer may revive, which is tracked again then. */
static void op_untrack(void)
{
    int id = any_held();
    if (id < 0 || models[id].has_finalizer || random_below(&randomness, 10) != 0)
        return;
    molt_gc_untrack(models[id].object);
    models[id].generation = UNTRACKED;
}

static void op_freeze(void)
{
    molt_gc_freeze();
    for (int i = 0; i < model_count; i++)
        if (models[i].generation <= OLD)
            models[i].generation = FROZEN;
}

static void op_unfreeze(void)
{
    molt_gc_unfreeze();
    for (int i = 0; i < model_count; i++)
        if (models[i].generation == FROZEN)
            models[i].generation = OLD;
}

static void op_collect(int generation)
{
    is_collecting = true;
    long found = molt_gc_collect(generation);
    is_collecting = false;
    long should = model_collect(generation);
    REQUIRE(found == should, "collect(%d) found %ld, not %ld", generation, found, should);
}

static void do_op(void)
{
    uint32_t dice = random_below(&randomness, 100);
    if (dice < 22)
        op_new();
    else if (dice < 50)
        op_set();
    else if (dice < 58)
        op_get();
    else if (dice < 80)
        op_drop();
    else if (dice < 84)
        op_weak();
    else if (dice < 87)
        op_weak_get();
    else if (dice < 88)
        op_untrack();
    else if (dice < 97)
        op_collect((int)random_below(&randomness, 3));
    else if (dice < 98)
        op_freeze();
    else
        op_unfreeze();
}

/* ---- Comparing ---- */

static void check_object(int id)
{
    const struct model *model = &models[id];
    struct object *object = model->object;
    if (object != NULL && object->id == -1 && model->lives)
        object->id = id; /* made in a finalizer */
    REQUIRE(model->lives != disposed[id], "object %d: %s", id, model->lives ? "dead" : "alive");
    REQUIRE(molt_refcount(object) == (size_t)model->count, "object %d has %zu references, not %d",
            id, molt_refcount(object), model->count);
    REQUIRE(molt_gc_is_tracked(object) == (model->generation != UNTRACKED), "object %d: tracked",
            id);
    for (int slot = 0; slot < 2; slot++) {
        struct object *target = to_object(*slot_of(object, model->kind, slot));
        REQUIRE(target == (model->slot[slot] < 0 ? NULL : models[model->slot[slot]].object),
                "object %d: slot %d", id, slot);
    }
}

static void check(void)
{
    size_t generations[5] = {0};
    REQUIRE(seen.finalized == expected.finalized, "%zu finalized, not %zu", seen.finalized,
            expected.finalized);
    REQUIRE(seen.disposed == expected.disposed, "%zu died, not %zu", seen.disposed,
            expected.disposed);
    REQUIRE(seen.told == expected.told, "%zu told, not %zu", seen.told, expected.told);
    for (int i = 0; i < model_count; i++) {
        if (!models[i].lives)
            continue;
        check_object(i);
        generations[models[i].generation]++;
    }
    for (int generation = YOUNG; generation <= OLD; generation++) {
        size_t objects = molt_gc_objects(generation, NULL, NULL);
        REQUIRE(objects == generations[generation], "generation %d: %zu objects, not %zu",
                generation, objects, generations[generation]);
    }
    REQUIRE(molt_gc_frozen_count() == generations[FROZEN], "frozen: %zu, not %zu",
            molt_gc_frozen_count(), generations[FROZEN]);
}

static void let_go(int id)
{
    struct model *model = &models[id];
    for (int slot = 0; slot < 2 && model->lives; slot++) {
        molt_retain(model->object);
        model->count++;
        molt_clear(slot_of(model->object, model->kind, slot));
        model_set(id, slot, -1);
        molt_release(model->object);
        model_release(id);
    }
    while (model->lives && model->handles > 0) {
        model->handles--;
        molt_release(model->object);
        model_release(id);
    }
}

static void end_stream(void)
{
    for (size_t i = 0; i < WEAK_MAX; i++)
        molt_weak_free(weak[i].weak);
    memset(weak, 0, sizeof weak);
    for (int i = 0; i < model_count; i++)
        models[i].weak = 0;
    op_unfreeze();
    /* Finalizers revive; rings through objects that collections do not look at have to be broken.
     */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < model_count; i++)
            let_go(i);
        check();
        op_collect(2);
    }
    check();
    REQUIRE(seen.disposed == (size_t)model_count, "%zu of %d died", seen.disposed, model_count);
}

static void test_stream(uint64_t seed, size_t ops)
{
    is_stream = true;
    place.seed = seed;
    randomness = seed;
    model_count = 0;
    expected = seen = (struct happened){0};
    memset(disposed, 0, sizeof disposed);
    memset(finalized, 0, sizeof finalized);
    for (place.step = 0; place.step < ops; place.step++) {
        do_op();
        check();
    }
    end_stream();
    is_stream = false;
}

/* ---- main ---- */

static const char usage[] = "objects [--nodes N] [--seed S] [--streams N] [--ops N]";

int main(int argc, char **argv)
{
    unsigned long nodes = 5, seed = 1, streams = 1000, ops = 2000;
    for (int i = 1; i < argc; i += 2) {
        unsigned long *option = strcmp(argv[i], "--nodes") == 0     ? &nodes
                                : strcmp(argv[i], "--seed") == 0    ? &seed
                                : strcmp(argv[i], "--streams") == 0 ? &streams
                                : strcmp(argv[i], "--ops") == 0     ? &ops
                                                                    : NULL;
        unsigned long number = option_number(option == NULL ? NULL : argv[i + 1], usage);
        *option = number;
    }
    if (nodes > NODES_MAX)
        option_number(NULL, usage);
    molt_gc_disable();
    place.part = "objects: graphs";
    for (int n = 1; n <= (int)nodes; n++)
        test_graphs_of(n);
    place.part = "objects: streams";
    for (unsigned long i = 0; i < streams; i++)
        test_stream(seed + i, ops);
    printf("objects: seed %lu: %lu streams of %lu operations\n", seed, streams, ops);
    printf("%lu passed, 0 failed\n", nodes + streams);
    return 0;
}
