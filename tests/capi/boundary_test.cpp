// Exceptions and messages at the boundary, and structs that grow.
#include "capi/boundary.h"

#include <cstddef>
#include <new>
#include <stdexcept>

#include "capi/sized.h"
#include "tests/capi/c_handles.h"

namespace octile::test {
namespace {

TEST_CASE("capi: no exception leaves") {
    octile_error error;
    const auto thrown = [&](auto exception) { return capi::boundary(&error, [&] { throw exception; }); };
    require_error(thrown(std::bad_alloc()), error, OCTILE_OUT_OF_MEMORY, {"memory"});
    require_error(thrown(std::runtime_error("a reason")), error, OCTILE_INTERNAL, {"a reason"});
    require_error(thrown(42), error, OCTILE_INTERNAL, {"unknown"});
    require_error(thrown(capi::Refusal{Status(StatusCode::kParseError, "line 3")}), error, OCTILE_PARSE_ERROR,
                  {"line 3"});
    require_ok(capi::boundary(&error, [] {}), error);
    CHECK(capi::boundary(nullptr, [] { throw 1; }) == OCTILE_INTERNAL);
    CHECK(capi::value_or(7, []() -> int { throw 1; }) == 7);
}

TEST_CASE("capi: a long message keeps its beginning and its end, in whole characters") {
    octile_error error;
    const std::size_t most = sizeof(error.message) - 1;
    const std::string fits(most, 'x');
    (void)capi::fail(&error, StatusCode::kInternal, fits);
    CHECK(error.message == fits);
    for (std::size_t shift = 0; shift < 4; shift++) {
        std::string text = "begins" + std::string(shift, '-');
        for (int i = 0; i < 1000; i++)
            text += "\u20ac";
        text += "ends";
        CHECK(capi::fail(&error, StatusCode::kInternal, text) == OCTILE_INTERNAL);
        const std::string message = error.message;
        CHECK(message.size() <= most);
        CHECK(message.size() > most - 8);
        CHECK(message.starts_with("begins"));
        CHECK(message.ends_with("ends"));
        CHECK(message.find("...") != std::string::npos);
        CHECK(internal::is_printable(message));
    }
}

// Sizes of the first version are those of today, less the bytes that were added.
template <typename T>
void check_first_size(std::size_t added = 0) {
    CHECK(capi::kFirstSize<T> + added == sizeof(T));
    CHECK(offsetof(T, size) == 0);
}

TEST_CASE("capi: sizes of structs are the interface's") {
    check_first_size<octile_linear_options>();
    check_first_size<octile_linear_info>();
    check_first_size<octile_int4_weights>();
    check_first_size<octile_run_options>();
    check_first_size<octile_norm_info>();
    check_first_size<octile_norm_options>();
    check_first_size<octile_plan_options>();
    check_first_size<octile_planned_layer>(sizeof(octile_planned_layer::int4_us));
    check_first_size<octile_plan_summary>(sizeof(octile_plan_summary::int4));
    check_first_size<octile_model_figures>();
    check_first_size<octile_tensor>();
    check_first_size<octile_session_options>();
    check_first_size<octile_input_info>();
    check_first_size<octile_output_info>();
    check_first_size<octile_session_memory>();
    CHECK(sizeof(octile_error) == 1024);
    CHECK(sizeof(octile_matrix) == 40);
    CHECK(sizeof(octile_mutable_matrix) == 40);
    CHECK(sizeof(octile_force) == 16);
    CHECK(sizeof(octile_layer_error) == 32);
    CHECK(sizeof(octile_measurement_key) == 48);
    CHECK(sizeof(octile_session_input) == 64);
    CHECK(sizeof(octile_session_output) == 24);
}

// A caller of a later version, whose struct has more.
struct LaterOptions {
    octile_linear_options options;
    std::uint64_t added[2];
};

TEST_CASE("capi: options of a later version are taken as long as they say nothing new") {
    LaterOptions later;
    std::memset(&later, 0xff, sizeof(later));
    CHECK(octile_linear_options_init(&later.options, sizeof(later)) == OCTILE_OK);
    CHECK(later.options.size == sizeof(later));
    CHECK(later.added[0] == 0);
    CHECK(later.added[1] == 0);

    octile_error error;
    octile_linear* linear = nullptr;
    const float one = 1;
    const octile_matrix weights{&one, 1, 1, 0, OCTILE_F32};
    const auto pack = [&] { return octile_linear_pack(&weights, nullptr, 0, &later.options, &linear, &error); };
    require_ok(pack(), error);
    octile_linear_free(linear);
    later.added[1] = 1;
    require_error(pack(), error, OCTILE_UNSUPPORTED, {"options", "byte 64", "later version", "0.1.0"});
    CHECK(linear == nullptr);
    for (const std::size_t size : {std::size_t{0}, std::size_t{7}, sizeof(octile_linear_options) - 1, SIZE_MAX}) {
        later.options.size = size;
        require_error(pack(), error, OCTILE_INVALID_ARGUMENT, {"options.size", "56", std::to_string(size)});
        CHECK(octile_linear_options_init(&later.options, size) == OCTILE_INVALID_ARGUMENT);
        CHECK(later.options.size == size);
    }
}

TEST_CASE("capi: an answer fills in a later caller's struct, and zeros behind it") {
    struct {
        octile_linear_info info;
        std::uint64_t added;
    } later = {{sizeof(later), 9, 9, 9, 9, 9, 9}, 9};
    octile_linear* linear = nullptr;
    const float one = 1;
    const octile_matrix weights{&one, 1, 1, 0, OCTILE_F32};
    REQUIRE(octile_linear_pack(&weights, nullptr, 0, nullptr, &linear, nullptr) == OCTILE_OK);
    const CLinear owner(linear);
    octile_error error;
    require_ok(octile_linear_get_info(linear, &later.info, &error), error);
    CHECK(later.info.size == sizeof(later));
    CHECK(later.info.k == 1);
    CHECK(later.added == 0);
    later.info.size = 3;
    require_error(octile_linear_get_info(linear, &later.info, &error), error, OCTILE_INVALID_ARGUMENT, {"info.size"});
}

}  // namespace
}  // namespace octile::test
