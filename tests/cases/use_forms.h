/* use_forms.h: code of the C++ library that allocates and frees by several forms. */
#ifndef USE_FORMS_H
#define USE_FORMS_H

#include "case.h"
#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

static inline void use_containers()
{
    std::vector<std::string> strings;
    for (int i = 0; i < 5000; i++)
        strings.push_back(std::string(std::size_t(i * 7919 % 100), char('a' + i % 26)));
    std::stable_sort(strings.begin(), strings.end());
    CHECK(std::is_sorted(strings.begin(), strings.end()));

    std::map<int, std::unique_ptr<int[]>> map;
    for (int i = 0; i < 1000; i++)
        map[i * 31 % 1000].reset(new int[std::size_t(i) + 1]);
    std::thread other([&] { map.clear(); });
    other.join();

    std::ostringstream text;
    for (int i = 0; i < 1000; i++)
        text << i << ' ';
    CHECK(text.str().size() == 3890);
    auto shared = std::make_shared<std::vector<long>>(10000, 1L);
    CHECK(std::count(shared->begin(), shared->end(), 1L) == 10000);
}

#endif
