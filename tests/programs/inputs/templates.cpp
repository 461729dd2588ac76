// Templates to the depth of -DWIDTH=N: for a compiler, many small allocations.
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#ifndef WIDTH
#define WIDTH 10
#endif

template <std::size_t N> struct Key {
    std::string text = "key " + std::to_string(N);
    bool operator<(const Key &other) const { return text < other.text; }
};

template <std::size_t N> struct Value {
    std::array<int, N + 1> numbers{};
    std::function<int(int)> scale = [](int x) { return x * static_cast<int>(N) + 1; };
};

template <std::size_t N> int use()
{
    std::map<Key<N>, std::vector<Value<N>>> map;
    std::unordered_map<std::string, std::shared_ptr<Value<N>>> names;
    for (int i = 0; i < 10; i++) {
        Value<N> value;
        std::iota(value.numbers.begin(), value.numbers.end(), i);
        map[Key<N>{std::to_string(i * 7 % 10)}].push_back(value);
        names["n" + std::to_string(i)] = std::make_shared<Value<N>>(value);
    }
    int sum = 0;
    for (const auto &[key, values] : map)
        for (const auto &value : values)
            sum += value.scale(std::accumulate(value.numbers.begin(), value.numbers.end(), 0)) +
                   static_cast<int>(key.text.size());
    std::variant<int, std::string, Key<N>, std::tuple<Key<N>, Value<N>>> variant = Key<N>{};
    return sum + static_cast<int>(names.size()) +
           std::visit([](const auto &held) { return static_cast<int>(sizeof held % 7); }, variant);
}

template <std::size_t... N> int use_all(std::index_sequence<N...>)
{
    return (use<N>() + ...);
}

int main()
{
    const std::string text = "alpha=1, beta=22, gamma=333";
    const std::regex pattern(R"((\w+)=(\d+))");
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
        std::cout << (*it)[1] << ' ' << (*it)[2] << '\n';
    std::cout << use_all(std::make_index_sequence<WIDTH>()) << '\n';
}
