// Structs that begin with their caller's sizeof, so that they may grow: a shorter one is an earlier caller's, of a
// longer one the rest has to be 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>

#include "capi/boundary.h"
#include "octile/octile.h"

namespace octile::capi {

// Their sizes in the first version of the interface, of which no caller has less.
template <typename T>
inline constexpr std::size_t kFirstSize = 0;
template <>
inline constexpr std::size_t kFirstSize<octile_linear_options> = 56;
template <>
inline constexpr std::size_t kFirstSize<octile_linear_info> = 48;
template <>
inline constexpr std::size_t kFirstSize<octile_int4_weights> = 80;
template <>
inline constexpr std::size_t kFirstSize<octile_run_options> = 24;
template <>
inline constexpr std::size_t kFirstSize<octile_norm_info> = 24;
template <>
inline constexpr std::size_t kFirstSize<octile_norm_options> = 40;
template <>
inline constexpr std::size_t kFirstSize<octile_plan_options> = 120;
template <>
inline constexpr std::size_t kFirstSize<octile_planned_layer> = 128;
template <>
inline constexpr std::size_t kFirstSize<octile_plan_summary> = 48;
template <>
inline constexpr std::size_t kFirstSize<octile_model_figures> = 32;
template <>
inline constexpr std::size_t kFirstSize<octile_tensor> = 56;
template <>
inline constexpr std::size_t kFirstSize<octile_session_options> = 56;
template <>
inline constexpr std::size_t kFirstSize<octile_input_info> = 32;
template <>
inline constexpr std::size_t kFirstSize<octile_output_info> = 32;
template <>
inline constexpr std::size_t kFirstSize<octile_session_memory> = 56;

// More than any of them will ever have: a size beyond it is no size.
inline constexpr std::size_t kMaxStructBytes = 4096;

template <typename T>
constexpr bool is_size(std::size_t size) {
    static_assert(std::is_trivially_copyable_v<T> && kFirstSize<T> != 0 && sizeof(T) >= kFirstSize<T>);
    return size >= kFirstSize<T> && size <= kMaxStructBytes;
}

template <typename T>
void check_size(std::size_t size, const char* what) {
    if (is_size<T>(size)) return;
    refuse(std::string(what) + ".size: expected the struct's size, " + std::to_string(sizeof(T)) + ", found " +
           std::to_string(size));
}

// What a caller's options say, over the defaults; null: these.
template <typename T>
T options_of(const T* given, const char* what, T options) {
    if (!given) return options;
    const std::size_t size = given->size;
    check_size<T>(size, what);
    const auto* const bytes = reinterpret_cast<const char*>(given);
    for (std::size_t at = sizeof(T); at < size; at++) {
        if (bytes[at] == 0) continue;
        check(Status(StatusCode::kUnsupported, std::string(what) + ": byte " + std::to_string(at) +
                                                   " is set, which is an option of a later version than " +
                                                   OCTILE_VERSION_STRING));
    }
    std::memcpy(&options, bytes, std::min(size, sizeof(T)));
    return options;
}

// Fills in as much as the caller's struct has, and zeros behind that.
template <typename T>
void copy_into(T* given, std::size_t size, const T& value) {
    std::memset(static_cast<void*>(given), 0, size);
    std::memcpy(static_cast<void*>(given), &value, std::min(size, sizeof(T)));
    given->size = size;
}

// An answer that the caller gave the struct for.
template <typename T>
void give(T* given, const char* what, const T& value) {
    const std::size_t size = object_at(given, what).size;
    check_size<T>(size, what);
    copy_into(given, size, value);
}

// What an octile_..._init() does.
template <typename T>
octile_status init(T* options, std::size_t size, const T& defaults) noexcept {
    if (!options || !is_size<T>(size)) return OCTILE_INVALID_ARGUMENT;
    copy_into(options, size, defaults);
    return OCTILE_OK;
}

}  // namespace octile::capi
