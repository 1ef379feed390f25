// Where C calls C++: no exception leaves, every failure becomes a code and a message in memory of the caller's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octile/c/types.h"
#include "octile/status.h"

namespace octile::capi {

// Thrown within a call, caught by boundary(): arguments are many, their error path is one.
struct Refusal {
    Status status;
};

[[noreturn]] void refuse(std::string message);  // kInvalidArgument

inline void check(Status status) {
    if (!status.ok()) throw Refusal{std::move(status)};
}

template <typename T>
T take(Result<T> result) {
    check(result.status());
    return std::move(result).value();
}

// Both allocate nothing. `error` may be null.
octile_status succeed(octile_error* error) noexcept;
octile_status fail(octile_error* error, StatusCode code, std::string_view message) noexcept;

// In a catch block: what was caught, told to `error`.
octile_status fail_by_exception(octile_error* error) noexcept;

// Runs body(), which throws a Refusal where it cannot do what was asked.
template <typename Body>
octile_status boundary(octile_error* error, Body&& body) noexcept {
    try {
        body();
        return succeed(error);
    } catch (...) {
        return fail_by_exception(error);
    }
}

// The same of what has no code to return.
template <typename T, typename Body>
T value_or(T fallback, Body&& body) noexcept {
    try {
        return body();
    } catch (...) {
        return fallback;
    }
}

// An object that has to be there.
template <typename T>
T& object_at(T* object, const char* what) {
    if (!object) refuse(std::string(what) + ": expected an object, found NULL");
    return *object;
}

// Where something that is made goes: a null pointer until it is there.
template <typename T>
T*& cleared(T** made, const char* what) {
    T*& place = object_at(made, what);
    place = nullptr;
    return place;
}

template <typename T>
const T& element_at(const std::vector<T>& elements, std::size_t index) {
    if (index < elements.size()) return elements[index];
    refuse("index: expected less than " + std::to_string(elements.size()) + ", found " + std::to_string(index));
}

// There is no `what` of that name.
[[noreturn]] void refuse_name(std::string_view what, std::string_view name);

// A text that ends with a NUL and has to be there.
inline std::string_view text_at(const char* text, const char* what) {
    return &object_at(text, what);
}

// To be freed by octile_string_free().
char* copy_of(std::string_view text);

}  // namespace octile::capi
