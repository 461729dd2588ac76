// molt.hpp: molt for C++17: references that count themselves, types, tags of heap profiles,
// allocators. Header only.
//
//     struct node { MOLT_OBJECT; molt::ref<node> next; node *other; int value; };
//     static const auto node_type =
//         molt::type<node>("node").refs(&node::next, &node::other).dispose<&node::close>();
//
//     molt::ref<node> n = node_type.make();        // a constructor runs, on zero bytes
//     n->next = n;                                 // a circle: the collector's
//     molt::weak<node> w(n);
//     std::vector<int, molt::allocator<int>> v;
//     std::pmr::list<int> l(molt::default_resource());
//
// molt_object.h says how objects live and die, and what holds of threads, callbacks and fork. An
// object of C++ is a struct of standard layout whose first member is MOLT_OBJECT. A member
// molt::ref<U> is a reference field as a U * is, with the counting done; declare it with .refs().
// type<T>::make constructs the object. When the object dies, the library releases the references
// that its type declares, then calls `dispose`, then the destructor; so members may be of any type,
// a molt::weak or a std::string too. Until the constructor has returned there is no object yet: it
// must not hand out references to itself.
//
// Errors: no memory is std::bad_alloc, a type that contradicts itself std::invalid_argument, which
// says why. What the library calls (finalize, dispose, the destructor, traverse, clear) must not
// throw: that ends the program.
//
// Threads: as with any pointer, one ref or weak is for one thread at a time; several refs to one
// object may be used by several threads. Copying, assigning and destroying a ref is molt_retain and
// molt_release: what those may do, callbacks too, happens there.
#ifndef MOLT_HPP
#define MOLT_HPP

#include "molt.h"
#include "molt_object.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace molt
{

namespace detail
{

[[noreturn]] inline void throw_invalid(const molt_type *type)
{
    char reason[512];
    molt_type_check(type, reason, sizeof reason);
    throw std::invalid_argument(reason);
}

} // namespace detail

// ---- References ---------------------------------------------------------------------------------

// A strong reference to an object, or to none: a pointer that retains and releases. As large as a
// pointer; zero bytes refer to none.
template <class T> class ref
{
  public:
    constexpr ref() noexcept = default;
    constexpr ref(std::nullptr_t) noexcept
    {
    }
    ref(const ref &other) noexcept : object_(retained(other.object_))
    {
    }
    ref(ref &&other) noexcept : object_(other.detach())
    {
    }
    template <class U, class = std::enable_if_t<std::is_convertible_v<U *, T *>>>
    ref(const ref<U> &other) noexcept : object_(retained(other.get()))
    {
    }
    template <class U, class = std::enable_if_t<std::is_convertible_v<U *, T *>>>
    ref(ref<U> &&other) noexcept : object_(other.detach())
    {
    }
    ~ref()
    {
        molt_release(object_);
    }

    // The new value is there before the old object is released.
    ref &operator=(const ref &other) noexcept
    {
        ref(other).swap(*this);
        return *this;
    }
    ref &operator=(ref &&other) noexcept
    {
        ref(std::move(other)).swap(*this);
        return *this;
    }

    // Makes an object of zero bytes, with `extra` more behind it. No constructor runs, but at its
    // death all that the type has for it does, so this is for types of C. Throws std::bad_alloc,
    // std::invalid_argument. May collect, as molt_new.
    static ref make(const molt_type *type, std::size_t extra = 0)
    {
        static_assert(std::is_standard_layout_v<T>, "objects are structs of standard layout");
        static_assert(offsetof(T, molt_base) == 0, "MOLT_OBJECT is the first member");
        T *object = static_cast<T *>(molt_new_extra(type, extra));
        if (object == nullptr && errno == EINVAL)
            detail::throw_invalid(type);
        if (object == nullptr)
            throw std::bad_alloc();
        return adopt(object);
    }

    // Takes over a reference that the caller has. nullptr is allowed.
    static ref adopt(T *object) noexcept
    {
        ref result;
        result.object_ = object;
        return result;
    }

    // Takes a reference of its own. nullptr is allowed.
    static ref borrow(T *object) noexcept
    {
        return adopt(retained(object));
    }

    T *get() const noexcept
    {
        return object_;
    }
    T *operator->() const noexcept
    {
        return object_;
    }
    T &operator*() const noexcept
    {
        return *object_;
    }
    explicit operator bool() const noexcept
    {
        return object_ != nullptr;
    }

    void reset() noexcept
    {
        ref().swap(*this);
    }

    // Hands the reference over to the caller, and refers to none from then on.
    [[nodiscard]] T *detach() noexcept
    {
        molt_begin_change(&object_);
        return std::exchange(object_, nullptr);
    }

    void swap(ref &other) noexcept
    {
        molt_begin_change(&object_);
        molt_begin_change(&other.object_);
        std::swap(object_, other.object_);
    }
    friend void swap(ref &a, ref &b) noexcept
    {
        a.swap(b);
    }

    // molt_refcount.
    std::size_t use_count() const noexcept
    {
        return molt_refcount(object_);
    }

  private:
    static T *retained(T *object) noexcept
    {
        molt_retain(object);
        return object;
    }

    T *object_ = nullptr;
};

template <class T, class U> bool operator==(const ref<T> &a, const ref<U> &b) noexcept
{
    return a.get() == b.get();
}
template <class T, class U> bool operator!=(const ref<T> &a, const ref<U> &b) noexcept
{
    return a.get() != b.get();
}
template <class T, class U> bool operator<(const ref<T> &a, const ref<U> &b) noexcept
{
    return std::less<const volatile void *>()(a.get(), b.get());
}
template <class T> bool operator==(const ref<T> &a, std::nullptr_t) noexcept
{
    return !a;
}
template <class T> bool operator==(std::nullptr_t, const ref<T> &a) noexcept
{
    return !a;
}
template <class T> bool operator!=(const ref<T> &a, std::nullptr_t) noexcept
{
    return static_cast<bool>(a);
}
template <class T> bool operator!=(std::nullptr_t, const ref<T> &a) noexcept
{
    return static_cast<bool>(a);
}

// ---- Weak references ----------------------------------------------------------------------------

// Refers to an object without keeping it alive. Several threads may call lock() at a time, as long
// as none changes the weak.
template <class T> class weak
{
  public:
    constexpr weak() noexcept = default;
    // Throws std::bad_alloc. Of no object: as weak().
    explicit weak(const ref<T> &object) : weak_(of(object))
    {
    }
    weak(const weak &other) : weak(other.lock())
    {
    }
    weak(weak &&other) noexcept : weak_(std::exchange(other.weak_, nullptr))
    {
    }
    ~weak()
    {
        molt_weak_free(weak_);
    }
    weak &operator=(weak other) noexcept
    {
        swap(other);
        return *this;
    }

    // A reference to the object, or to none once it has died: molt_weak_get.
    ref<T> lock() const noexcept
    {
        return ref<T>::adopt(static_cast<T *>(molt_weak_get(weak_)));
    }

    void reset() noexcept
    {
        weak().swap(*this);
    }

    void swap(weak &other) noexcept
    {
        std::swap(weak_, other.weak_);
    }

  private:
    static molt_weak *of(const ref<T> &object)
    {
        molt_weak *made = object ? molt_weak_new(object.get(), nullptr, nullptr) : nullptr;
        if (object && made == nullptr)
            throw std::bad_alloc();
        return made;
    }

    molt_weak *weak_ = nullptr;
};

// ---- Types --------------------------------------------------------------------------------------

// Describes the objects T, as MOLT_TYPE does in C. It lives as long as the program. A static one is
// initialized at run time, so it must not be used before the program's dynamic initialization has
// come to it. A copy, also the one that ends a chain of calls, is a type of its own.
template <class T> class type
{
    static_assert(std::is_standard_layout_v<T>, "objects are structs of standard layout");
    static_assert(offsetof(T, molt_base) == 0, "MOLT_OBJECT is the first member");

  public:
    static constexpr std::size_t refs_max = 32;

    explicit type(const char *name) noexcept
    {
        type_.name = name;
        type_.size = sizeof(T);
        type_.alignment = alignof(T);
        if constexpr (!std::is_trivially_destructible_v<T>)
            type_.dispose = destroy;
    }
    type(const type &other) noexcept : type_(other.type_), offsets_(other.offsets_)
    {
        type_.refs = offsets_.data();
        type_.molt_private[0] = type_.molt_private[1] = 0;
    }
    type &operator=(const type &) = delete;

    // Members that are references: U * or ref<U>. Throws std::length_error beyond refs_max, and for
    // a member that begins 64 KiB or more behind the object's start.
    template <class... Members> type &refs(Members T::*...members)
    {
        static_assert((is_ref<Members>::value && ...), "a reference is a U * or a molt::ref<U>");
        if (type_.ref_count + sizeof...(members) > refs_max)
            throw std::length_error("molt: too many references in a type");
        type_.refs = offsets_.data();
        ((offsets_[type_.ref_count++] = offset_of(members)), ...);
        return *this;
    }

    // A member that points to an array of references, and one with its length: MOLT_REF_ARRAY.
    // Throws as refs does.
    template <class Array, class Length> type &array(Array *T::*pointer, Length T::*length)
    {
        static_assert(is_ref<Array>::value, "a reference is a U * or a molt::ref<U>");
        static_assert(std::is_integral_v<Length>, "the length is an integer");
        type_.array = offset_of(pointer);
        type_.array_length = offset_of(length);
        type_.array_length_bytes = sizeof(Length);
        return *this;
    }

    // MOLT_LEAF …
    type &flags(unsigned flags) noexcept
    {
        type_.flags |= flags;
        return *this;
    }

    // What is called for an object that is about to die (molt_object.h): a function that takes T &,
    // or a member of T without arguments: .finalize<&node::close>().
    template <auto Function> type &finalize() noexcept
    {
        type_.finalize = call<Function>;
        return *this;
    }
    // The same for one that dies; called before the destructor.
    template <auto Function> type &dispose() noexcept
    {
        type_.dispose = dispose_and_destroy<Function>;
        return *this;
    }

    // Says that death need call no destructor and no dispose, which is faster: all members that
    // have a destructor are declared references, and those are released in any case.
    type &no_destructor() noexcept
    {
        type_.dispose = nullptr;
        return *this;
    }

    // For references that cannot be declared: int (T &, molt_visit *, void *) and (T &).
    template <auto Traverse, auto Clear> type &traverse() noexcept
    {
        type_.traverse = [](void *object, molt_visit *visit, void *arg) noexcept -> int {
            return std::invoke(Traverse, *static_cast<T *>(object), visit, arg);
        };
        type_.clear = call<Clear>;
        return *this;
    }

    const molt_type *get() const noexcept
    {
        return &type_;
    }

    // Makes an object. The arguments are the constructor's, or of an aggregate its members behind
    // MOLT_OBJECT. Throws std::bad_alloc, std::invalid_argument, and what the constructor throws,
    // after the memory has been given back. May collect, as molt_new.
    template <class... Args> ref<T> make(Args &&...args) const
    {
        return make_extra(0, std::forward<Args>(args)...);
    }

    // The same with `extra` zero bytes behind the struct.
    template <class... Args> ref<T> make_extra(std::size_t extra, Args &&...args) const
    {
        T *object = ref<T>::make(&type_, extra).detach();
        const molt_object header = object->molt_base;
        try {
            construct(object, header, std::forward<Args>(args)...);
        } catch (...) {
            undo(object, header);
            throw;
        }
        keep_header(object, header);
        return ref<T>::adopt(object);
    }

    // The object, borrowed, if it is of this type; else null.
    T *cast(void *object) const noexcept
    {
        return static_cast<T *>(molt_cast(object, &type_));
    }

  private:
    template <class Member> struct is_ref : std::is_pointer<Member> {
    };
    template <class U> struct is_ref<ref<U>> : std::true_type {
    };

    template <class Member> static std::uint16_t offset_of(Member T::*member)
    {
        // Only addresses in the storage are computed: there is no T.
        alignas(T) static char storage[sizeof(T)];
        const T *object = reinterpret_cast<const T *>(storage);
        auto address = reinterpret_cast<const char *>(std::addressof(object->*member));
        if (address - storage > UINT16_MAX)
            throw std::length_error("molt: a reference too far behind its object's start");
        return static_cast<std::uint16_t>(address - storage);
    }

    template <auto Function> static void call(void *object) noexcept
    {
        std::invoke(Function, *static_cast<T *>(object));
    }

    static void destroy(void *object) noexcept
    {
        static_cast<T *>(object)->~T();
    }

    template <auto Function> static void dispose_and_destroy(void *object) noexcept
    {
        call<Function>(object);
        destroy(object);
    }

    // The header is the library's. A constructor leaves it, or zeroes it with all the rest: then
    // there is no object while it runs, and what its fields refer to counts as held from outside.
    template <class... Args>
    static void construct(T *object, const molt_object &header, Args &&...args)
    {
        (void)header;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
        if constexpr (std::is_aggregate_v<T>)
            ::new (static_cast<void *>(object)) T{header, std::forward<Args>(args)...};
        else
            ::new (static_cast<void *>(object)) T(std::forward<Args>(args)...);
#pragma GCC diagnostic pop
    }

    // The header again if a constructor has zeroed it. The compiler may take a member that no
    // constructor has set for anything, hence the barrier.
    static void keep_header(T *object, const molt_object &header) noexcept
    {
        __asm__ volatile("" : : "r"(object) : "memory");
        if (object->molt_base.molt_header == 0)
            __atomic_store_n(&object->molt_base.molt_header, header.molt_header, __ATOMIC_RELAXED);
    }

    // Frees an object whose constructor has thrown: its members have been destroyed again.
    static void undo(T *object, const molt_object &header) noexcept
    {
        keep_header(object, header);
        char *body = reinterpret_cast<char *>(object) + sizeof header;
        __builtin_memset(body, 0, sizeof(T) - sizeof header);
        molt_discard(object);
    }

    mutable molt_type type_{}; // the library writes its own part
    std::array<std::uint16_t, refs_max> offsets_{};
};

// ---- Heap profiles ------------------------------------------------------------------------------

// While it exists, what its thread allocates bears a name in heap profiles (molt_tag_push):
//
//     molt::tag tag("cache");
//
// For local variables: tags of a thread end in the reverse order of their beginnings.
class tag
{
  public:
    explicit tag(const char *name) noexcept
    {
        molt_tag_push(name);
    }
    ~tag()
    {
        molt_tag_pop();
    }
    tag(const tag &) = delete;
    tag &operator=(const tag &) = delete;
};

// ---- Allocators ---------------------------------------------------------------------------------

namespace detail
{

// Whether molt_malloc aligns as wanted.
constexpr bool is_aligned(std::size_t bytes, std::size_t alignment) noexcept
{
    return alignment <= 8 || (alignment <= 16 && bytes > 8);
}

inline void *allocate(std::size_t bytes, std::size_t alignment)
{
    void *block =
        is_aligned(bytes, alignment) ? molt_malloc(bytes) : molt_aligned_alloc(alignment, bytes);
    if (block == nullptr)
        throw std::bad_alloc();
    return block;
}

inline void deallocate(void *block, std::size_t bytes, std::size_t alignment) noexcept
{
    if (is_aligned(bytes, alignment))
        molt_free_sized(block, bytes);
    else
        molt_free(block);
}

} // namespace detail

// A standard allocator on molt_malloc: no state, all are equal, any thread. Throws std::bad_alloc.
template <class T> class allocator
{
  public:
    using value_type = T;
    using is_always_equal = std::true_type;
    using propagate_on_container_move_assignment = std::true_type;

    constexpr allocator() noexcept = default;
    template <class U> constexpr allocator(const allocator<U> &) noexcept
    {
    }

    [[nodiscard]] T *allocate(std::size_t count)
    {
        if (count > PTRDIFF_MAX / sizeof(T))
            throw std::bad_array_new_length();
        return static_cast<T *>(detail::allocate(count * sizeof(T), alignof(T)));
    }
    void deallocate(T *block, std::size_t count) noexcept
    {
        detail::deallocate(block, count * sizeof(T), alignof(T));
    }
};

template <class T, class U> bool operator==(const allocator<T> &, const allocator<U> &) noexcept
{
    return true;
}
template <class T, class U> bool operator!=(const allocator<T> &, const allocator<U> &) noexcept
{
    return false;
}

// The same for std::pmr containers; all are equal, any thread. Throws std::bad_alloc.
class memory_resource : public std::pmr::memory_resource
{
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        return detail::allocate(bytes, alignment);
    }
    void do_deallocate(void *block, std::size_t bytes, std::size_t alignment) override
    {
        detail::deallocate(block, bytes, alignment);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        return dynamic_cast<const memory_resource *>(&other) != nullptr;
    }
};

// Returns one that exists as long as the program runs, also in destructors of static objects.
inline memory_resource *default_resource() noexcept
{
    alignas(memory_resource) static std::byte storage[sizeof(memory_resource)];
    static memory_resource *resource = ::new (storage) memory_resource;
    return resource;
}

} // namespace molt

// By identity, for unordered containers.
template <class T> struct std::hash<molt::ref<T>> {
    std::size_t operator()(const molt::ref<T> &object) const noexcept
    {
        return std::hash<T *>()(object.get());
    }
};

#endif
