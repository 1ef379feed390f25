// The vocabularies of C and of C++ are the same, whole.
#include "capi/enums.h"

#include <catch2/catch.hpp>
#include <string_view>

namespace {

// How the compiler spells a value: an enumerator's name, or else a cast.
template <auto kValue>
constexpr bool is_enumerator() {
    const std::string_view text = __PRETTY_FUNCTION__;
    return text[text.find("kValue = ") + 9] != '(';
}

template <typename Enum>
constexpr bool is_whole() {
    return is_enumerator<static_cast<Enum>(octile::capi::kCount<Enum> - 1)>() &&
           !is_enumerator<static_cast<Enum>(octile::capi::kCount<Enum>)>();
}

template <typename Enum>
void check_names(const char* (*name)(std::int32_t)) {
    for (const auto& [c, cpp] : octile::capi::kPairs<Enum>) {
        REQUIRE(name(c) != nullptr);
        CHECK(name(c) == name_of(cpp));
    }
    CHECK(name(-1) == nullptr);
    CHECK(name(static_cast<std::int32_t>(octile::capi::kCount<Enum>)) == nullptr);
    CHECK(name(INT32_MIN) == nullptr);
    CHECK(name(INT32_MAX) == nullptr);
}

}  // namespace

TEST_CASE("capi enums: C has every value that C++ has") {
    using namespace octile;
    STATIC_REQUIRE(is_whole<StatusCode>());
    STATIC_REQUIRE(is_whole<DataType>());
    STATIC_REQUIRE(is_whole<Precision>());
    STATIC_REQUIRE(is_whole<Activation>());
    STATIC_REQUIRE(is_whole<InputScaling>());
    STATIC_REQUIRE(is_whole<NormKind>());
    STATIC_REQUIRE(is_whole<Isa>());
    STATIC_REQUIRE(is_whole<ThreadSource>());
    STATIC_REQUIRE(is_whole<Policy>());
    STATIC_REQUIRE(is_whole<Op>());
    STATIC_REQUIRE(is_whole<Reason>());
    STATIC_REQUIRE(is_whole<InputPanel>());
}

TEST_CASE("capi enums: names, and none for what is no value") {
    check_names<octile::StatusCode>(octile_status_name);
    check_names<octile::DataType>(octile_data_type_name);
    check_names<octile::Precision>(octile_precision_name);
    check_names<octile::Activation>(octile_activation_name);
    check_names<octile::Isa>(octile_isa_name);
    check_names<octile::ThreadSource>(octile_thread_source_name);
    check_names<octile::Policy>(octile_policy_name);
    check_names<octile::Op>(octile_op_name);
    check_names<octile::Reason>(octile_reason_name);
    check_names<octile::InputPanel>(octile_input_panel_name);
}
