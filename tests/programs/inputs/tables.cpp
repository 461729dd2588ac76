// Classes whose constructors clean up after an exception: for a compiler, many short vectors of small
// structures, the padding of which holds whatever lay on the stack.
#include <cstddef>
#include <utility>

template <std::size_t N> struct Node {
    Node();
    ~Node();
    unsigned char bytes[N];
};

template <std::size_t N, std::size_t STATE> class Table {
  public:
    explicit Table(std::size_t count) : size(count / N + 1), rows(new Node<N> *[size + 3])
    {
        try {
            fill(rows + (size + 3) / 2, rows + size);
        } catch (...) {
            delete[] rows;
            rows = nullptr;
            state = {};
            throw;
        }
    }

    ~Table();

  private:
    void fill(Node<N> **from, Node<N> **to)
    {
        Node<N> **at = from;
        try {
            for (; at < to; at++)
                *at = new Node<N>;
        } catch (...) {
            while (at-- > from)
                delete *at;
            state = {};
            throw;
        }
    }

    struct {
        unsigned char bytes[STATE];
    } state;
    std::size_t size;
    Node<N> **rows;
};

template <std::size_t N> std::size_t use(std::size_t count)
{
    Table<N, 3> a(count);
    Table<N, 6> b(count);
    Table<N, 12> c(count);
    Table<N, 16> d(count);
    return N;
}

template <std::size_t... N> std::size_t use_all(std::size_t count, std::index_sequence<N...>)
{
    return (use<N + 1>(count) + ...);
}

int main(int count, char **)
{
    return static_cast<int>(use_all(static_cast<std::size_t>(count), std::make_index_sequence<8>()));
}
