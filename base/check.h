// Checks for a caller's own mistakes, on in every build type: they print both values and abort. What input can cause is
// a Status instead.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace octile::internal {

template <typename A, typename B>
[[noreturn]] void check_failed(const char* file, int line, const char* text, const A& a, const B& b) {
    std::ostringstream message;
    message << file << ':' << line << ": check failed: " << text << " (" << a << " against " << b << ")\n";
    std::fputs(message.str().c_str(), stderr);
    std::abort();
}

}  // namespace octile::internal

#define OCTILE_CHECK_OP(a, op, b)                                                                                    \
    do {                                                                                                             \
        const auto& octile_check_a = (a);                                                                            \
        const auto& octile_check_b = (b);                                                                            \
        if (!(octile_check_a op octile_check_b)) {                                                                   \
            ::octile::internal::check_failed(__FILE__, __LINE__, #a " " #op " " #b, octile_check_a, octile_check_b); \
        }                                                                                                            \
    } while (false)

#define OCTILE_CHECK_EQ(a, b) OCTILE_CHECK_OP(a, ==, b)
#define OCTILE_CHECK_LT(a, b) OCTILE_CHECK_OP(a, <, b)
#define OCTILE_CHECK_LE(a, b) OCTILE_CHECK_OP(a, <=, b)
