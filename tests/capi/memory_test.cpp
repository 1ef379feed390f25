// Memory that runs out, at each allocation of each kind of call in turn: an error, nothing left behind and nothing
// aborted; and calls that must not need any.
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "tests/capi/c_handles.h"
#include "tests/capi/c_network.h"
#include "tests/capi/failing_heap.h"
#include "tests/support/process_settings.h"

namespace octile::test {
namespace {

// Fails the allocations of call() in turn, from the 64th on in growing steps, each alone and with all behind it, until
// there is none left to fail. call() may do without one, as a sort does.
void check_every_allocation(const std::string& what, const std::function<octile_status(octile_error*)>& call) {
    for (const bool all : {false, true}) {
        int failures = 0;
        for (int number = 0;; number += 1 + number / 64) {
            octile_error error;
            octile_status status = OCTILE_OK;
            bool failed = false;
            {
                const FailingHeap heap(number, all);
                status = call(&error);
                failed = heap.has_failed();
            }
            INFO(what << ", allocation " << number << ": " << error.message);
            REQUIRE((status == OCTILE_OK || status == OCTILE_OUT_OF_MEMORY));
            if (!failed) {
                REQUIRE(status == OCTILE_OK);
                break;
            }
            failures += status == OCTILE_OUT_OF_MEMORY;
        }
        INFO(what << ", all: " << all);
        CHECK(failures > 0);
    }
}

constexpr std::int64_t kM = 40, kK = 256, kN = 320;

std::vector<float> values(std::int64_t count) {
    std::vector<float> made;
    for (std::int64_t i = 0; i < count; i++)
        made.push_back(static_cast<float>(i % 97) * 0.01f - 0.5f);
    return made;
}

TEST_CASE("capi memory: linears and norms") {
    const ThreadCount threads(2);
    const std::vector<float> w = values(kN * kK), x = values(kM * kK), weight(kK, 1), multiplier(kK, 2);
    std::vector<float> y(kM * kN);
    const octile_matrix weights{w.data(), kN, kK, 0, OCTILE_F32}, from{x.data(), kM, kK, 0, OCTILE_F32};
    const octile_mutable_matrix to{y.data(), kM, kN, 0, OCTILE_F32};
    for (const octile_precision precision : {OCTILE_INT8, OCTILE_FP16}) {
        auto options = initial<octile_linear_options>(octile_linear_options_init);
        options.precision = precision;
        options.input_multiplier = multiplier.data();
        options.input_multiplier_count = kK;
        check_every_allocation("pack", [&](octile_error* error) {
            octile_linear* linear = nullptr;
            const octile_status status = octile_linear_pack(&weights, nullptr, 0, &options, &linear, error);
            if ((status == OCTILE_OK) != (linear != nullptr)) std::abort();
            octile_linear_free(linear);
            return status;
        });
        octile_linear* linear = nullptr;
        REQUIRE(octile_linear_pack(&weights, nullptr, 0, &options, &linear, nullptr) == OCTILE_OK);
        const CLinear owner(linear);
        check_every_allocation("run", [&](octile_error* error) {
            octile_workspace* workspace = nullptr;
            octile_status status = octile_workspace_create(&workspace, error);
            if (status == OCTILE_OK) status = octile_linear_run(linear, &from, &to, workspace, nullptr, error);
            octile_workspace_free(workspace);
            return status;
        });
        check_every_allocation("rows", [&](octile_error* error) {
            octile_packed_rows* rows = nullptr;
            octile_status status = octile_packed_rows_create(&rows, error);
            if (status == OCTILE_OK) status = octile_linear_pack_rows(linear, &from, rows, error);
            octile_packed_rows_free(rows);
            return status;
        });
    }
    check_every_allocation("norm", [&](octile_error* error) {
        octile_norm* norm = nullptr;
        const octile_status status =
            octile_norm_make(OCTILE_RMS_NORM, weight.data(), weight.size(), nullptr, 0, 0, 0, &norm, error);
        octile_norm_free(norm);
        return status;
    });
}

TEST_CASE("capi memory: plans") {
    const std::string csv =
        "name,m,k,n,op,act,bias\nnorm,4,64,64,layernorm,none,1\nup,4,64,256,linear,none,1\n"
        "act,4,256,256,activation,gelu,0\ndown,4,256,64,linear,none,1\n";
    const std::string json = R"({"model": "net", "layers": [{"name": "fc", "m": 4, "k": 64, "n": 32, "act": "gelu"}]})";
    const octile_force forces[] = {{"do[wx]n", OCTILE_FP16}};
    auto options = initial<octile_plan_options>(octile_plan_options_init);
    options.core = "neoverse-n1";
    options.policy = OCTILE_POLICY_COST;
    options.forces = forces;
    options.force_count = 1;
    const auto plan = [&](const std::string& list, octile_list_format format) {
        return [&, format](octile_error* error) {
            octile_plan* made = nullptr;
            char* text = nullptr;
            octile_status status = octile_plan_make(list.data(), list.size(), format, &options, &made, error);
            if (status == OCTILE_OK) status = octile_plan_to_text(made, &text, error);
            octile_string_free(text);
            octile_plan_free(made);
            return status;
        };
    };
    check_every_allocation("csv", plan(csv, OCTILE_LIST_CSV));
    check_every_allocation("json", plan(json, OCTILE_LIST_JSON));
    octile_plan* made = nullptr;
    REQUIRE(octile_plan_make(csv.data(), csv.size(), OCTILE_LIST_CSV, &options, &made, nullptr) == OCTILE_OK);
    const CPlan owner(made);
    check_every_allocation("round trip", [&](octile_error* error) {
        char* text = nullptr;
        octile_plan* read = nullptr;
        octile_status status = octile_plan_to_json(made, &text, error);
        if (status == OCTILE_OK) status = octile_plan_from_json(text, std::strlen(text), &read, error);
        octile_string_free(text);
        octile_plan_free(read);
        return status;
    });
    check_every_allocation("core", [&](octile_error* error) {
        char* text = nullptr;
        const octile_status status = octile_core_to_json("cortex-a53", &text, error);
        octile_string_free(text);
        return status;
    });
}

TEST_CASE("capi memory: an error's own message") {
    const std::string list = "name,m,k,n\nfc,1,2,x\n";
    const float one = 1;
    const octile_matrix weights{&one, 1, 1, 0, 99};
    for (int number = 0; number < 40; number++) {
        octile_error error;
        octile_plan* plan = nullptr;
        octile_linear* linear = nullptr;
        octile_status parsed = OCTILE_OK, packed = OCTILE_OK;
        {
            const FailingHeap heap(number, true);
            parsed = octile_plan_make(list.data(), list.size(), OCTILE_LIST_CSV, nullptr, &plan, &error);
        }
        {
            const FailingHeap heap(number, true);
            packed = octile_linear_pack(&weights, nullptr, 0, nullptr, &linear, &error);
        }
        CHECK((parsed == OCTILE_PARSE_ERROR || parsed == OCTILE_OUT_OF_MEMORY));
        CHECK((packed == OCTILE_INVALID_ARGUMENT || packed == OCTILE_OUT_OF_MEMORY));
    }
}

TEST_CASE("capi memory: a row that is no number, found by a worker without memory for a message") {
    const ThreadCount threads(2);
    const std::vector<float> w = values(kN * kK);
    std::vector<float> x = values(kM * kK), y(kM * kN);
    const octile_matrix weights{w.data(), kN, kK, 0, OCTILE_F32}, from{x.data(), kM, kK, 0, OCTILE_F32};
    const octile_mutable_matrix to{y.data(), kM, kN, 0, OCTILE_F32};
    octile_linear* linear = nullptr;
    REQUIRE(octile_linear_pack(&weights, nullptr, 0, nullptr, &linear, nullptr) == OCTILE_OK);
    const CLinear owner(linear);
    const CWorkspace workspace = make_workspace();
    octile_error error;
    require_ok(octile_linear_run(linear, &from, &to, workspace.get(), nullptr, &error), error);
    x[3 * kK + 1] = HUGE_VALF;
    const FailingHeap heap(0, true);
    const octile_status status = octile_linear_run(linear, &from, &to, workspace.get(), nullptr, &error);
    CHECK((status == OCTILE_OUT_OF_MEMORY || status == OCTILE_NON_FINITE));
}

TEST_CASE("capi memory: models and sessions") {
    const ThreadCount threads(1);
    const Network network;
    const std::string path = network.file().string();
    auto options = initial<octile_session_options>(octile_session_options_init);
    options.max_rows = options.max_context = 8;
    options.max_sequences = 1;
    check_every_allocation("open", [&](octile_error* error) {
        octile_model* model = nullptr;
        const octile_status status = octile_model_open(path.c_str(), 0, &model, error);
        octile_model_free(model);
        return status;
    });
    const CModel model = network.open();
    check_every_allocation("session", [&](octile_error* error) {
        octile_session* session = nullptr;
        const octile_status status = octile_session_create(model.get(), &options, &session, error);
        octile_session_free(session);
        return status;
    });
}

TEST_CASE("capi memory: the second run of a shape, and every run of a session, takes none") {
    const ThreadCount threads(2);
    const Network network;
    const CModel model = network.open();
    const CSession session = network.session(model.get());
    const std::vector<float> w = values(kN * kK), x = values(kM * kK);
    std::vector<float> y(kM * kN), logits(static_cast<std::size_t>(network.features()));
    const octile_matrix weights{w.data(), kN, kK, 0, OCTILE_F32}, from{x.data(), kM, kK, 0, OCTILE_F32};
    const octile_mutable_matrix to{y.data(), kM, kN, 0, OCTILE_F32};
    octile_linear* linear = nullptr;
    REQUIRE(octile_linear_pack(&weights, nullptr, 0, nullptr, &linear, nullptr) == OCTILE_OK);
    const CLinear owner(linear);
    const CWorkspace workspace = make_workspace();
    REQUIRE(octile_linear_run(linear, &from, &to, workspace.get(), nullptr, nullptr) == OCTILE_OK);
    const std::int32_t ids[] = {1, 2, 3}, length = 3;
    const octile_session_input input{"token_ids", ids, 3, {}};
    const octile_session_output output{network.output().c_str(), logits.data(), logits.size()};
    octile_error error;
    octile_status ran = OCTILE_INTERNAL, session_ran = OCTILE_INTERNAL;
    bool allocated = false;
    {
        const FailingHeap heap(0, true);
        ran = octile_linear_run(linear, &from, &to, workspace.get(), nullptr, &error);
        session_ran = octile_session_run(session.get(), &length, 1, &input, 1, &output, 1, &error);
        allocated = heap.has_failed();
    }
    CHECK(ran == OCTILE_OK);
    CHECK(session_ran == OCTILE_OK);
    CHECK_FALSE(allocated);
}

}  // namespace
}  // namespace octile::test
