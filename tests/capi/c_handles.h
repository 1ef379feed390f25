// Handles of the C API that free themselves, and what every error of it must be.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/printable.h"
#include "octile/octile.h"

namespace octile::test {

template <auto kFree>
struct Freer {
    template <typename T>
    void operator()(T* handle) const {
        kFree(handle);
    }
};

using CLinear = std::unique_ptr<octile_linear, Freer<octile_linear_free>>;
using CWorkspace = std::unique_ptr<octile_workspace, Freer<octile_workspace_free>>;
using CRows = std::unique_ptr<octile_packed_rows, Freer<octile_packed_rows_free>>;
using CNorm = std::unique_ptr<octile_norm, Freer<octile_norm_free>>;
using CPlan = std::unique_ptr<octile_plan, Freer<octile_plan_free>>;
using CModel = std::unique_ptr<octile_model, Freer<octile_model_free>>;
using CSession = std::unique_ptr<octile_session, Freer<octile_session_free>>;
using CText = std::unique_ptr<char, Freer<octile_string_free>>;

// Of a call with &error last that has to work.
inline void require_ok(octile_status status, const octile_error& error) {
    INFO(error.message);
    REQUIRE(status == OCTILE_OK);
    CHECK(error.code == OCTILE_OK);
    CHECK(std::string(error.message).empty());
}

// Of one that must not: the code in both places, one printable line, and these words in it.
inline void require_error(octile_status status, const octile_error& error, octile_status expected,
                          const std::vector<std::string>& words) {
    INFO(error.message);
    REQUIRE(std::memchr(error.message, 0, sizeof(error.message)) != nullptr);
    CHECK(status == expected);
    CHECK(error.code == expected);
    CHECK(internal::is_printable(error.message));
    CHECK_FALSE(std::string(error.message).empty());
    for (const std::string& word : words) {
        INFO("expected the message to contain: " << word);
        CHECK(std::string(error.message).find(word) != std::string::npos);
    }
}

inline CWorkspace make_workspace() {
    octile_workspace* made = nullptr;
    REQUIRE(octile_workspace_create(&made, nullptr) == OCTILE_OK);
    return CWorkspace(made);
}

inline CRows make_rows() {
    octile_packed_rows* made = nullptr;
    REQUIRE(octile_packed_rows_create(&made, nullptr) == OCTILE_OK);
    return CRows(made);
}

// A struct that a function fills in.
template <typename T>
T sized() {
    T made = {};
    made.size = sizeof(made);
    return made;
}

template <typename Options, typename Init>
Options initial(Init init) {
    Options options;
    std::memset(&options, 0xa5, sizeof(options));
    REQUIRE(init(&options, sizeof(options)) == OCTILE_OK);
    CHECK(options.size == sizeof(options));
    return options;
}

}  // namespace octile::test
