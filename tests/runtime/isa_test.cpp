// Names and sets of ISA levels, and what OCTILE_ISA does to them. What each CPU model is found to have:
// dispatch_test.cpp.
#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "octile/cpu.h"
#include "octile/linear.h"
#include "tests/inputs/status_checks.h"
#include "tests/support/levels.h"
#include "tests/support/process_settings.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

TEST_CASE("levels have one spelling in both directions") {
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        CHECK(parse_isa(name_of(isa)) == isa);
    }
    for (const char* name : {"", "AVX2", "avx2 ", "sve", "neon fp16", "none"}) {
        INFO(name);
        CHECK_FALSE(parse_isa(name));
    }
}

TEST_CASE("a set lists its levels, lowest first") {
    CHECK(to_string({}) == "none");
    CHECK(to_string(IsaSet().add(Isa::kDotprod).add(Isa::kNeon)) == "neon dotprod");
    CHECK(IsaSet().empty());
    CHECK_FALSE(IsaSet().add(Isa::kAvx2).empty());
}

TEST_CASE("this CPU has the lowest level of its architecture, and none of another's") {
    const IsaSet isas = supported_isas();
    CHECK(isas == supported_isas());
#if defined(__aarch64__)
    CHECK(isas.has(Isa::kNeon));
    CHECK((!isas.has(Isa::kI8mm) || isas.has(Isa::kDotprod)));
    const bool arm = true;
#else
    CHECK(isas.has(Isa::kAvx2));
    const bool arm = false;
#endif
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        if ((isa >= Isa::kNeon) != arm) CHECK_FALSE(isas.has(isa));
    }
}

TEST_CASE("a limit keeps what is at or below it and was there") {
    const IsaSet all = IsaSet().add(Isa::kNeon).add(Isa::kFp16).add(Isa::kDotprod).add(Isa::kI8mm);
    const struct {
        const char *level, *left;
    } cases[] = {
        {"neon", "neon"}, {"fp16", "neon fp16"}, {"dotprod", "neon fp16 dotprod"}, {"i8mm", "neon fp16 dotprod i8mm"}};
    for (const auto& [level, left] : cases) {
        const Result<IsaSet> limited = limit_isas(all, level);
        REQUIRE(limited.ok());
        CHECK(to_string(limited.value()) == left);
    }
    const Result<IsaSet> without_fp16 = limit_isas(IsaSet().add(Isa::kNeon).add(Isa::kDotprod), "dotprod");
    REQUIRE(without_fp16.ok());
    CHECK(to_string(without_fp16.value()) == "neon dotprod");
}

TEST_CASE("a level that the set lacks is refused by name, with what there is") {
    const IsaSet some = IsaSet().add(Isa::kNeon).add(Isa::kFp16).add(Isa::kDotprod);
    require_error(limit_isas(some, "i8mm").status(), StatusCode::kUnsupported,
                  {"\"i8mm\"", "not supported by this CPU", "neon fp16 dotprod"});
    require_error(limit_isas(some, "avx2").status(), StatusCode::kUnsupported,
                  {"\"avx2\"", "not supported by this CPU", "neon fp16 dotprod"});
    require_error(limit_isas(some, "sve9").status(), StatusCode::kUnsupported,
                  {"\"sve9\"", "unknown", "neon fp16 dotprod"});
    require_error(limit_isas(some, "").status(), StatusCode::kUnsupported, {"\"\"", "unknown"});
    require_error(limit_isas({}, "neon").status(), StatusCode::kUnsupported, {"\"neon\"", "none"});
}

TEST_CASE("OCTILE_ISA limits the levels, and an unset or empty one does not") {
    for (const std::optional<std::string>& value : {std::optional<std::string>(), std::optional<std::string>("")}) {
        const EnvironmentVariable forced("OCTILE_ISA", value);
        const Result<IsaSet> usable = usable_isas();
        REQUIRE(usable.ok());
        CHECK(usable.value() == supported_isas());
    }
    // Read on every call: nothing that was found out before stays.
    const Level lowest = levels_with(KernelFamily::kGemmS8).front();
    const EnvironmentVariable forced("OCTILE_ISA", std::string(name_of(lowest.isa)));
    const Result<IsaSet> usable = usable_isas();
    REQUIRE(usable.ok());
    CHECK(usable.value() == IsaSet().add(lowest.isa));
}

TEST_CASE("an OCTILE_ISA that cannot be obeyed is an error that names the variable") {
    for (const char* value : {"fastest", "AVX2", "neon,fp16", " "}) {
        const EnvironmentVariable forced("OCTILE_ISA", value);
        require_error(usable_isas().status(), StatusCode::kUnsupported,
                      {"OCTILE_ISA", value, "unknown", to_string(supported_isas())});
    }
    const Isa missing = supported_isas().has(Isa::kAvx2) ? Isa::kI8mm : Isa::kAvx2;
    const EnvironmentVariable forced("OCTILE_ISA", std::string(name_of(missing)));
    require_error(
        usable_isas().status(), StatusCode::kUnsupported,
        {"OCTILE_ISA", std::string(name_of(missing)), "not supported by this CPU", to_string(supported_isas())});
}

TEST_CASE("a layer takes the highest level it may use") {
    const TypedMatrix w(DataType::kF32, 3, 4, std::vector<float>(12, 1.0f));
    for (const auto& [precision, family] :
         {std::pair{Precision::kInt8, KernelFamily::kGemmS8}, {Precision::kFp16, KernelFamily::kGemmF16}}) {
        for (const Level& level : levels_with(family)) {
            const Result<Linear> linear = Linear::pack(w.view(), {}, {.precision = precision}, level.isas);
            REQUIRE(linear.ok());
            for (const std::int64_t m : {0, 1, 2, 5, 100}) {
                INFO(linear.value().kernel_name(m));
                CHECK(linear.value().kernel_name(m).ends_with(name_of(level.isa)));
            }
        }
    }
}

}  // namespace
}  // namespace octile::test
