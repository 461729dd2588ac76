/* molt.hpp: references, weak references, types and allocators for C++, as a program uses them.
 */
#include "molt.hpp"
#include "case.h"

#include <list>
#include <map>
#include <memory_resource>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace
{

int finalized, disposed;

struct node {
    MOLT_OBJECT;
    molt::ref<node> next;
    node *other;
    molt::ref<node> *children;
    unsigned child_count;
    int value;

    void on_death()
    {
        finalized++;
    }
};

void dispose(node &dead)
{
    disposed++;
    CHECK(dead.next == nullptr && dead.other == nullptr);
    molt_free(dead.children);
}

const auto node_type = molt::type<node>("node")
                           .refs(&node::next, &node::other)
                           .array(&node::children, &node::child_count)
                           .finalize<&node::on_death>()
                           .dispose<&dispose>();

struct leaf {
    MOLT_OBJECT;
    long value;
};

const molt::type<leaf> leaf_type = molt::type<leaf>("leaf").flags(MOLT_LEAF);

struct link {
    MOLT_OBJECT;
    molt::ref<leaf> target;
};

const auto link_type = molt::type<link>("link").refs(&link::target).flags(MOLT_ACYCLIC);

/* A reference that only callbacks know. */
struct hidden {
    MOLT_OBJECT;
    std::uintptr_t secret; /* a hidden *, complemented */
};

hidden *revealed(const hidden &object)
{
    return object.secret != 0 ? reinterpret_cast<hidden *>(~object.secret) : nullptr;
}

int visit_hidden(hidden &object, molt_visit *visit, void *arg)
{
    hidden *target = revealed(object);
    return target != nullptr ? visit(target, arg) : 0;
}

void clear_hidden(hidden &object)
{
    hidden *target = revealed(object);
    object.secret = 0;
    molt_release(target);
}

const auto hidden_type = molt::type<hidden>("hidden").traverse<&visit_hidden, &clear_hidden>();

molt::ref<node> make(int value)
{
    molt::ref<node> made = node_type.make();
    made->value = value;
    return made;
}

void references()
{
    static_assert(sizeof(molt::ref<node>) == sizeof(node *));
    static_assert(std::is_nothrow_move_constructible_v<molt::ref<node>>);
    disposed = 0;
    molt::ref<node> none, a = make(1), b = a;
    CHECK(!none && none == nullptr && nullptr == none && none.use_count() == 0);
    CHECK(a && a == b && a != none && a.use_count() == 2 && b->value == 1 && (*b).value == 1);
    molt::ref<node> moved = std::move(b);
    CHECK(moved == a && a.use_count() == 2);
    moved = make(2);
    CHECK(moved != a && a.use_count() == 1 && (a < moved) != (moved < a));
    molt::ref<node> &itself = a;
    a = itself;
    CHECK(a.use_count() == 1 && a->value == 1);
    swap(a, moved);
    CHECK(a->value == 2 && moved->value == 1);
    CHECK(disposed == 0);
    a.reset();
    CHECK(disposed == 1 && !a);
    node *raw = moved.detach();
    CHECK(!moved && disposed == 1 && molt_refcount(raw) == 1);
    molt::ref<node> borrowed = molt::ref<node>::borrow(raw);
    CHECK(borrowed.use_count() == 2);
    molt::ref<node> adopted = molt::ref<node>::adopt(raw);
    CHECK(borrowed.use_count() == 2);
    adopted = nullptr;
    CHECK(borrowed.use_count() == 1 && node_type.cast(borrowed.get()) == raw);
    CHECK(leaf_type.cast(borrowed.get()) == nullptr);
}

void containers_of_references()
{
    disposed = 0;
    {
        std::vector<molt::ref<node>> all;
        for (int i = 0; i < 1000; i++)
            all.push_back(make(i));
        std::unordered_set<molt::ref<node>> hashed(all.begin(), all.end());
        std::set<molt::ref<node>> ordered(all.rbegin(), all.rend());
        CHECK(hashed.size() == 1000 && ordered.size() == 1000 && all[7].use_count() == 3);
        all.erase(all.begin(), all.begin() + 500);
        CHECK(disposed == 0 && all[0]->value == 500);
    }
    CHECK(disposed == 1000);
}

void fields()
{
    disposed = 0;
    molt::ref<node> head = make(0);
    for (int i = 1; i <= 100000; i++) { /* long chains go without recursion */
        molt::ref<node> front = make(i);
        front->next = std::move(head);
        head = std::move(front);
    }
    molt_set(&head->other, head->next.get());
    CHECK(head->next.use_count() == 2);
    head.reset();
    CHECK(disposed == 100001);
}

void circles()
{
    finalized = disposed = 0;
    {
        molt::ref<node> a = make(1), b = make(2);
        a->next = b;
        molt_set(&b->other, a.get());
        a->children = static_cast<molt::ref<node> *>(molt_calloc(3, sizeof(molt::ref<node>)));
        a->child_count = 3;
        a->children[0] = a;
        a->children[2] = b;
        molt::ref<hidden> secret = hidden_type.make();
        secret->secret = ~reinterpret_cast<std::uintptr_t>(molt::ref<hidden>(secret).detach());
    }
    CHECK(disposed == 0);
    CHECK(molt_gc_collect(2) == 3);
    CHECK(finalized == 2 && disposed == 2);
}

void weak_references()
{
    molt::weak<node> none;
    CHECK(!none.lock());
    molt::ref<node> object = make(5);
    molt::weak<node> weak(object), copy = weak, moved = std::move(copy);
    CHECK(object.use_count() == 1 && weak.lock() == object && moved.lock()->value == 5);
    CHECK(molt_weak_count(object.get()) == 2);
    {
        molt::weak<node> passing = weak;
        CHECK(passing.lock() == object && molt_weak_count(object.get()) == 3);
        passing = moved;
        CHECK(molt_weak_count(object.get()) == 3);
    }
    CHECK(molt_weak_count(object.get()) == 2);
    none = weak;
    weak.reset();
    CHECK(!weak.lock() && none.lock() == object);
    object.reset();
    CHECK(!none.lock() && !moved.lock());
    molt::weak<node> of_dead = moved, of_none{molt::ref<node>()};
    CHECK(!of_dead.lock() && !of_none.lock());
}

struct absurd {
    MOLT_OBJECT;
    char *misaligned;
};

struct wide {
    MOLT_OBJECT;
    molt::ref<wide> first;
    char bytes[65512];
    molt::ref<wide> last, too_far, *pointers;
    unsigned count;
};

/* Offsets have 16 bits. */
template <class Declare> bool is_too_long(Declare declare)
{
    molt::type<wide> type("wide");
    try {
        declare(type);
    } catch (const std::length_error &) {
        return true;
    }
    return false;
}

void wide_types()
{
    CHECK(!is_too_long([](molt::type<wide> &type) { type.refs(&wide::first, &wide::last); }));
    CHECK(is_too_long([](molt::type<wide> &type) { type.refs(&wide::too_far); }));
    CHECK(is_too_long([](molt::type<wide> &type) { type.array(&wide::pointers, &wide::count); }));
}

void types()
{
    molt::ref<leaf> one = leaf_type.make(), two = leaf_type.make_extra(100);
    CHECK(one->value == 0 && !molt_gc_is_tracked(one.get()));
    CHECK(std::string(molt_typeof(one.get())->name) == "leaf");
    CHECK(two.use_count() == 1 && molt_typeof(two.get()) == leaf_type.get());
    CHECK(!molt_gc_is_tracked(link_type.make().get()) && molt_gc_is_tracked(make(1).get()));
    molt::type<leaf> copy = leaf_type;
    molt::ref<leaf> other = copy.make();
    CHECK(molt_typeof(other.get()) == copy.get() && leaf_type.cast(other.get()) == nullptr);
    static molt_type broken = *molt::type<absurd>("absurd").get();
    static const std::uint16_t odd = 9;
    broken.refs = &odd;
    broken.ref_count = 1;
    bool caught = false;
    try {
        molt::ref<absurd>::make(&broken);
    } catch (const std::invalid_argument &error) {
        caught = std::string(error.what()) == "absurd: the reference field +9 is not aligned: its "
                                              "offset is no multiple of 8";
    }
    CHECK(caught);
    caught = false;
    try {
        leaf_type.make_extra(opaque_size(SIZE_MAX / 2));
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    CHECK(caught);
}

/* ---- Constructing and destroying ---- */

int constructed, destroyed;

/* Counts its values. */
struct counted {
    int number = 0;

    counted() noexcept
    {
        constructed++;
    }
    counted(int value) : number(value)
    {
        if (value < 0)
            throw std::out_of_range("negative");
        constructed++;
    }
    counted(const counted &other) noexcept : number(other.number)
    {
        constructed++;
    }
    ~counted()
    {
        destroyed++;
    }
};

/* An aggregate. */
struct person {
    MOLT_OBJECT;
    std::string name;
    molt::ref<person> friend_;
    molt::weak<person> parent;
    counted count;
    long plain;
};

const auto person_type = molt::type<person>("person").refs(&person::friend_);

/* One with constructors, a private member, and one that makes objects meanwhile. */
class account
{
    MOLT_OBJECT;
    molt::ref<person> owner_;
    counted first_, second_;
    std::vector<int> entries_;

    friend class molt::type<account>;
    friend class molt::ref<account>;

  public:
    account() : entries_(1000, 7)
    {
    }
    account(molt::ref<person> owner, int first, int second)
        : owner_(std::move(owner)), first_(first), second_(second), entries_(1000, first)
    {
        for (int i = 0; i < 3000; i++) /* with collections, as the object is being made */
            make(i)->next = make(i);
        molt_gc_collect(2);
    }
    int entry(std::size_t i) const
    {
        return entries_.at(i);
    }
    const molt::ref<person> &owner() const
    {
        return owner_;
    }
    static molt::type<account> describe()
    {
        return molt::type<account>("account").refs(&account::owner_);
    }
};

const auto account_type = account::describe();

void dispose_person(person &dead)
{
    disposed++;
    CHECK(dead.name == "disposed of" && dead.friend_ == nullptr); /* not destroyed yet */
}

const auto disposed_type =
    molt::type<person>("disposed person").refs(&person::friend_).dispose<&dispose_person>();

struct only_reference {
    MOLT_OBJECT;
    molt::ref<leaf> target;
};

const auto quick_type =
    molt::type<only_reference>("quick").refs(&only_reference::target).no_destructor();

std::size_t live_blocks()
{
    molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    return stats.live_blocks;
}

const char *const long_name = "a name that is too long for the string's own bytes";

void make_circle_of(const molt::ref<person> &parent)
{
    destroyed = 0;
    {
        molt::ref<person> one = person_type.make(long_name), two = person_type.make(long_name, one);
        one->friend_ = two;
        one->parent = molt::weak<person>(parent);
        two->parent = molt::weak<person>(one);
    }
    CHECK(destroyed == 0 && molt_weak_count(parent.get()) == 2);
    CHECK(molt_gc_collect(2) == 2);
    CHECK(destroyed == 2 && molt_weak_count(parent.get()) == 1);
}

void members_with_destructors()
{
    molt::ref<person> parent = person_type.make("parent"); /* makes its shares, too */
    molt::weak<person> first(parent);
    std::size_t blocks = live_blocks();
    constructed = destroyed = 0;
    {
        molt::ref<person> child = person_type.make(long_name, parent, first, 5, 6);
        CHECK(child->name == long_name && child->friend_ == parent && child->count.number == 5);
        CHECK(child->parent.lock() == parent && child->plain == 6);
        CHECK(molt_weak_count(parent.get()) == 2 && parent.use_count() == 2);
    }
    CHECK(constructed == destroyed && constructed > 0);
    CHECK(molt_weak_count(parent.get()) == 1 && parent.use_count() == 1);
    CHECK_MSG(live_blocks() == blocks, "%zu blocks, not %zu", live_blocks(), blocks);
    for (int round = 0; round < 3; round++) {
        make_circle_of(parent);
        if (round == 1) /* the table of weak references has grown by then */
            blocks = live_blocks();
    }
    CHECK_MSG(live_blocks() == blocks, "%zu blocks, not %zu", live_blocks(), blocks);
    /* With a function of its own before, and without arguments. */
    disposed = destroyed = 0;
    disposed_type.make()->name = "disposed of";
    CHECK(disposed == 1 && destroyed == 1);
    /* And with none at all. */
    molt::ref<leaf> target = leaf_type.make(3L);
    CHECK(target->value == 3);
    quick_type.make(target);
    CHECK(target.use_count() == 1 && quick_type.get()->dispose == nullptr);
    CHECK(leaf_type.get()->dispose == nullptr); /* nothing to destroy */
    molt::ref<person> large = person_type.make_extra(100000, long_name);
    CHECK(large->name == long_name);
}

void constructors()
{
    molt::ref<person> owner = person_type.make("owner");
    constructed = destroyed = 0;
    {
        molt::ref<account> plain = account_type.make();
        CHECK(plain->entry(999) == 7 && plain.use_count() == 1);
        molt::ref<account> full = account_type.make(owner, 8, 9);
        CHECK(full->entry(999) == 8 && full->owner() == owner && owner.use_count() == 2);
        CHECK(full.use_count() == 1 && molt_is_object(full.get()));
        molt_gc_collect(2);
        CHECK(full->entry(0) == 8);
    }
    CHECK(constructed == 4 && destroyed == 4 && owner.use_count() == 1);
    CHECK(molt_gc_objects(-1, nullptr, nullptr) != 0);
}

/* The object is gone, with all that had been constructed of it, and no destructor of its own ran.
 */
void constructors_that_throw()
{
    molt::ref<person> owner = person_type.make("owner");
    molt_gc_collect(2);
    std::size_t blocks = live_blocks();
    int caught = 0;
    constructed = destroyed = 0;
    for (int i = 0; i < 3; i++) {
        try {
            switch (i) {
            case 0:
                account_type.make(owner, 1, -1);
                break;
            case 1:
                account_type.make_extra(200000, owner, -1, 1);
                break;
            default:
                person_type.make(long_name, owner, molt::weak<person>(owner), -1);
            }
        } catch (const std::out_of_range &) {
            caught++;
        }
    }
    CHECK(caught == 3 && owner.use_count() == 1 && molt_weak_count(owner.get()) == 0);
    CHECK_MSG(constructed == destroyed, "%d constructed, %d destroyed", constructed, destroyed);
    CHECK_MSG(live_blocks() <= blocks + 1, "%zu blocks, not %zu", live_blocks(), blocks);
    CHECK(molt_gc_collect(2) == 0);
}

void threads()
{
    disposed = 0;
    molt::ref<node> shared = make(7);
    {
        std::vector<std::thread> workers;
        for (int i = 0; i < 4; i++)
            workers.emplace_back([shared] {
                for (int round = 0; round < 10000; round++) {
                    molt::ref<node> copy = shared, own = make(round);
                    own->next = copy;
                    CHECK(own->next->value == 7);
                }
            });
        molt_gc_blocking_begin();
        for (std::thread &worker : workers)
            worker.join();
        molt_gc_blocking_end();
    }
    molt_gc_safepoint();
    CHECK_MSG(shared.use_count() == 1, "%zu references", shared.use_count());
}

struct alignas(256) over_aligned {
    char bytes[256];
};

void allocators()
{
    using string = std::basic_string<char, std::char_traits<char>, molt::allocator<char>>;
    std::map<int, string, std::less<>, molt::allocator<std::pair<const int, string>>> map;
    for (int i = 0; i < 1000; i++)
        map[i] = string(std::size_t(i), 'x');
    CHECK(molt_owns(map[900].data()) && map[900].size() == 900);
    std::vector<over_aligned, molt::allocator<over_aligned>> aligned;
    for (int i = 0; i < 50; i++) {
        aligned.emplace_back();
        CHECK(is_aligned(aligned.data(), 256));
    }
    molt::allocator<int> ints;
    CHECK(ints == molt::allocator<over_aligned>() && !(ints != molt::allocator<char>(ints)));
    for (std::size_t count : {SIZE_MAX, SIZE_MAX / 4 + 2, std::size_t(PTRDIFF_MAX) / 4}) {
        bool caught = false;
        try {
            opaque(ints.allocate(opaque_size(count)));
        } catch (const std::bad_alloc &) {
            caught = true;
        }
        CHECK(caught);
    }
}

void resources()
{
    molt::memory_resource own;
    CHECK(own.is_equal(*molt::default_resource()) && molt::default_resource()->is_equal(own));
    CHECK(!own.is_equal(*std::pmr::null_memory_resource()));
    std::pmr::list<std::pmr::string> list(molt::default_resource());
    for (int i = 0; i < 300; i++)
        list.emplace_back(std::size_t(i) * 7, 'y');
    CHECK(molt_owns(list.back().data()) && molt_owns(&list.back()));
    for (std::size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        for (std::size_t bytes : {1u, 4u, 8u, 9u, 16u, 100u, 5000u, 100000u}) {
            void *blocks[] = {own.allocate(bytes, alignment), own.allocate(bytes, alignment)};
            for (void *block : blocks) {
                CHECK(is_aligned(block, alignment));
                fill_bytes(block, bytes, 1);
            }
            own.deallocate(blocks[0], bytes, alignment);
            own.deallocate(blocks[1], bytes, alignment);
        }
    }
}

} // namespace

int main()
{
    case_watchdog(60);
    references();
    containers_of_references();
    fields();
    circles();
    weak_references();
    types();
    wide_types();
    members_with_destructors();
    constructors();
    constructors_that_throw();
    threads();
    allocators();
    resources();
    return case_end();
}
