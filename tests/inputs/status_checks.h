// What every error of a reader must be: the right code, one line, and the words that name the place.
#pragma once

#include <catch2/catch.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/printable.h"
#include "octile/status.h"

namespace octile::test {

inline void require_error(const Status& status, StatusCode code, const std::vector<std::string>& words) {
    INFO(status.message());
    REQUIRE_FALSE(status.ok());
    CHECK(name_of(status.code()) == name_of(code));
    CHECK(internal::is_printable(status.message()));  // one line among other things
    CHECK(status.message().size() < 1000);
    for (const std::string& word : words) {
        INFO("expected the message to contain: " << word);
        CHECK(status.message().find(word) != std::string::npos);
    }
}

}  // namespace octile::test
