// NULL, for each argument of each function in turn, is an error or an empty answer.
#include "tests/capi/c_handles.h"
#include "tests/capi/c_network.h"

namespace octile::test {
namespace {

TEST_CASE("capi: NULL is an error, whichever argument it is") {
    const Network network;
    octile_error error;
    const float one = 1;
    float out = 0;
    std::int32_t ids[] = {1};
    const octile_matrix x{&one, 1, 1, 1, OCTILE_F32};
    const octile_mutable_matrix y{&out, 1, 1, 1, OCTILE_F32};
    octile_linear* linear = nullptr;
    octile_norm* norm = nullptr;
    octile_plan* plan = nullptr;
    REQUIRE(octile_linear_pack(&x, nullptr, 0, nullptr, &linear, nullptr) == OCTILE_OK);
    const CLinear linear_owner(linear);
    REQUIRE(octile_norm_make(OCTILE_RMS_NORM, &one, 1, nullptr, 0, 0, 0, &norm, nullptr) == OCTILE_OK);
    const CNorm norm_owner(norm);
    const std::string list = "name,m,k,n\nfc,1,2,3\n";
    REQUIRE(octile_plan_make(list.data(), list.size(), OCTILE_LIST_CSV, nullptr, &plan, nullptr) == OCTILE_OK);
    const CPlan plan_owner(plan);
    const CWorkspace workspace = make_workspace();
    const CRows rows = make_rows();
    const CModel model = network.open();
    const CSession session = network.session(model.get());
    auto linear_info = sized<octile_linear_info>();
    auto norm_info = sized<octile_norm_info>();
    auto layer = sized<octile_planned_layer>();
    auto summary = sized<octile_plan_summary>();
    auto figures = sized<octile_model_figures>();
    auto tensor = sized<octile_tensor>();
    auto memory = sized<octile_session_memory>();
    char* text = nullptr;
    std::size_t index = 0;
    std::int64_t tokens = 0;
    octile_isa_set isas = 0;
    octile_linear* l = nullptr;
    octile_norm* n = nullptr;
    octile_plan* p = nullptr;
    octile_model* m = nullptr;
    octile_session* s = nullptr;
    const auto null = [&](octile_status status) { require_error(status, error, OCTILE_INVALID_ARGUMENT, {"NULL"}); };

    null(octile_usable_isas(nullptr, &error));
    null(octile_limit_isas(1, nullptr, &isas, &error));
    null(octile_limit_isas(1, "avx2", nullptr, &error));

    null(octile_linear_pack(nullptr, nullptr, 0, nullptr, &l, &error));
    null(octile_linear_pack(&x, nullptr, 1, nullptr, &l, &error));
    null(octile_linear_pack(&x, &one, 0, nullptr, &l, &error));  // a pointer, and nothing behind it
    null(octile_linear_pack(&x, nullptr, 0, nullptr, nullptr, &error));
    null(octile_linear_pack_quantized(nullptr, &one, 1, nullptr, 0, nullptr, &l, &error));
    null(octile_linear_pack_quantized(&x, nullptr, 1, nullptr, 0, nullptr, &l, &error));
    null(octile_linear_pack_quantized(&x, &one, 1, nullptr, 0, nullptr, nullptr, &error));
    null(octile_linear_pack_int4(nullptr, nullptr, 0, nullptr, &l, &error));
    auto int4 = sized<octile_int4_weights>();
    null(octile_linear_pack_int4(&int4, nullptr, 0, nullptr, nullptr, &error));
    int4.q4_count = 1;
    null(octile_linear_pack_int4(&int4, nullptr, 0, nullptr, &l, &error));
    null(octile_linear_pack_gated(nullptr, nullptr, 0, &x, nullptr, 0, nullptr, &l, &error));
    null(octile_linear_pack_gated(&x, nullptr, 0, nullptr, nullptr, 0, nullptr, &l, &error));
    null(octile_linear_pack_gated(&x, nullptr, 0, &x, nullptr, 0, nullptr, nullptr, &error));
    null(octile_linear_get_info(nullptr, &linear_info, &error));
    null(octile_linear_get_info(linear, nullptr, &error));
    null(octile_workspace_create(nullptr, &error));
    null(octile_packed_rows_create(nullptr, &error));
    null(octile_linear_run(nullptr, &x, &y, workspace.get(), nullptr, &error));
    null(octile_linear_run(linear, nullptr, &y, workspace.get(), nullptr, &error));
    null(octile_linear_run(linear, &x, nullptr, workspace.get(), nullptr, &error));
    null(octile_linear_run(linear, &x, &y, nullptr, nullptr, &error));
    null(octile_linear_pack_rows(nullptr, &x, rows.get(), &error));
    null(octile_linear_pack_rows(linear, nullptr, rows.get(), &error));
    null(octile_linear_pack_rows(linear, &x, nullptr, &error));
    null(octile_linear_run_rows(nullptr, rows.get(), &y, workspace.get(), nullptr, &error));
    null(octile_linear_run_rows(linear, nullptr, &y, workspace.get(), nullptr, &error));
    null(octile_linear_run_rows(linear, rows.get(), nullptr, workspace.get(), nullptr, &error));
    null(octile_linear_run_rows(linear, rows.get(), &y, nullptr, nullptr, &error));
    null(octile_linear_reserve(nullptr, 1, rows.get(), workspace.get(), &error));
    null(octile_linear_reserve(linear, 1, nullptr, workspace.get(), &error));
    null(octile_linear_reserve(linear, 1, rows.get(), nullptr, &error));

    null(octile_norm_make(OCTILE_RMS_NORM, nullptr, 1, nullptr, 0, 0, 0, &n, &error));
    null(octile_norm_make(OCTILE_RMS_NORM, &one, 1, nullptr, 0, 0, 0, nullptr, &error));
    null(octile_norm_get_info(nullptr, &norm_info, &error));
    null(octile_norm_get_info(norm, nullptr, &error));
    null(octile_norm_run(nullptr, &x, &y, workspace.get(), nullptr, &error));
    null(octile_norm_run(norm, nullptr, &y, workspace.get(), nullptr, &error));
    null(octile_norm_run(norm, &x, nullptr, workspace.get(), nullptr, &error));
    null(octile_norm_run(norm, &x, &y, nullptr, nullptr, &error));

    null(octile_plan_make(nullptr, 3, OCTILE_LIST_CSV, nullptr, &p, &error));
    null(octile_plan_make(list.data(), list.size(), OCTILE_LIST_CSV, nullptr, nullptr, &error));
    null(octile_plan_from_json(nullptr, 3, &p, &error));
    null(octile_plan_from_json("{}", 2, nullptr, &error));
    null(octile_plan_to_json(nullptr, &text, &error));
    null(octile_plan_to_json(plan, nullptr, &error));
    null(octile_plan_to_text(nullptr, &text, &error));
    null(octile_plan_to_text(plan, nullptr, &error));
    null(octile_plan_compare(nullptr, plan, &text, &error));
    null(octile_plan_compare(plan, nullptr, &text, &error));
    null(octile_plan_compare(plan, plan, nullptr, &error));
    null(octile_plan_get_layer(nullptr, 0, &layer, &error));
    null(octile_plan_get_layer(plan, 0, nullptr, &error));
    null(octile_plan_find_layer(nullptr, "fc", &index, &error));
    null(octile_plan_find_layer(plan, nullptr, &index, &error));
    null(octile_plan_find_layer(plan, "fc", nullptr, &error));
    null(octile_plan_get_summary(nullptr, &summary, &error));
    null(octile_plan_get_summary(plan, nullptr, &error));
    null(octile_core_to_json(nullptr, &text, &error));
    null(octile_core_to_json("neoverse-n1", nullptr, &error));

    null(octile_model_open(nullptr, 0, &m, &error));
    null(octile_model_open("x", 0, nullptr, &error));
    null(octile_model_get_figures(nullptr, &figures, &error));
    null(octile_model_get_figures(model.get(), nullptr, &error));
    null(octile_model_get_plan(nullptr, &p, &error));
    null(octile_model_get_plan(model.get(), nullptr, &error));
    null(octile_model_get_linear(nullptr, "x", &l, &error));
    null(octile_model_get_linear(model.get(), nullptr, &l, &error));
    null(octile_model_get_linear(model.get(), "x", nullptr, &error));
    null(octile_model_get_tensor(nullptr, 0, &tensor, &error));
    null(octile_model_get_tensor(model.get(), 0, nullptr, &error));

    null(octile_session_create(nullptr, nullptr, &s, &error));
    null(octile_session_create(model.get(), nullptr, nullptr, &error));
    null(octile_session_reset(nullptr, &error));
    null(octile_session_reset_sequence(nullptr, 0, &error));
    null(octile_session_get_context(nullptr, 0, &tokens, &error));
    null(octile_session_get_context(session.get(), 0, nullptr, &error));
    null(octile_session_get_memory(nullptr, &memory, &error));
    null(octile_session_get_memory(session.get(), nullptr, &error));
    null(octile_session_get_options(nullptr, nullptr, &error));
    null(octile_session_get_options(session.get(), nullptr, &error));
    null(octile_session_get_input(nullptr, 0, nullptr, &error));
    null(octile_session_get_input(session.get(), 0, nullptr, &error));
    null(octile_session_get_output(nullptr, 0, nullptr, &error));
    null(octile_session_get_output(session.get(), 0, nullptr, &error));
    std::vector<float> logits(static_cast<std::size_t>(network.features()));
    const octile_session_input in{"token_ids", ids, 1, {}}, no_name{nullptr, ids, 1, {}},
        no_ids{"token_ids", nullptr, 1, {}};
    const octile_session_output to{network.output().c_str(), logits.data(), logits.size()},
        no_memory{network.output().c_str(), nullptr, logits.size()}, no_output_name{nullptr, logits.data(), 1};
    const std::int32_t length = 1;
    null(octile_session_run(nullptr, &length, 1, &in, 1, &to, 1, &error));
    null(octile_session_run(session.get(), nullptr, 1, &in, 1, &to, 1, &error));
    null(octile_session_run(session.get(), &length, 1, nullptr, 1, &to, 1, &error));
    null(octile_session_run(session.get(), &length, 1, &no_name, 1, &to, 1, &error));
    null(octile_session_run(session.get(), &length, 1, &no_ids, 1, &to, 1, &error));
    null(octile_session_run(session.get(), &length, 1, &in, 1, nullptr, 1, &error));
    null(octile_session_run(session.get(), &length, 1, &in, 1, &no_memory, 1, &error));
    null(octile_session_run(session.get(), &length, 1, &in, 1, &no_output_name, 1, &error));
    require_ok(octile_session_run(session.get(), &length, 1, &in, 1, &to, 1, &error), error);
}

TEST_CASE("capi: what has no code to return answers nothing for NULL, and frees it") {
    CHECK(octile_linear_kernel_name(nullptr, 1) == nullptr);
    CHECK(octile_workspace_bytes(nullptr) == 0);
    CHECK(octile_packed_rows_rows(nullptr) == 0);
    CHECK(octile_packed_rows_columns(nullptr) == 0);
    CHECK(octile_packed_rows_bytes(nullptr) == 0);
    CHECK(octile_linear_accepts(nullptr, nullptr) == 0);
    CHECK(octile_plan_layer_count(nullptr) == 0);
    CHECK(octile_plan_note_count(nullptr) == 0);
    CHECK(octile_plan_note(nullptr, 0) == nullptr);
    CHECK(octile_model_note_count(nullptr) == 0);
    CHECK(octile_model_note(nullptr, 0) == nullptr);
    CHECK(octile_model_graph_json(nullptr) == nullptr);
    CHECK(octile_model_linear_count(nullptr) == 0);
    CHECK(octile_model_linear_name(nullptr, 0) == nullptr);
    CHECK(octile_model_tensor_count(nullptr) == 0);
    CHECK(octile_session_input_count(nullptr) == 0);
    CHECK(octile_session_output_count(nullptr) == 0);
    CHECK(octile_core_name(octile_core_count()) == nullptr);
    CHECK(octile_core_name(0) != nullptr);
    octile_linear_free(nullptr);
    octile_workspace_free(nullptr);
    octile_packed_rows_free(nullptr);
    octile_norm_free(nullptr);
    octile_plan_free(nullptr);
    octile_model_free(nullptr);
    octile_session_free(nullptr);
    octile_string_free(nullptr);
    CHECK(octile_linear_options_init(nullptr, sizeof(octile_linear_options)) == OCTILE_INVALID_ARGUMENT);
    CHECK(octile_run_options_init(nullptr, sizeof(octile_run_options)) == OCTILE_INVALID_ARGUMENT);
    CHECK(octile_norm_options_init(nullptr, sizeof(octile_norm_options)) == OCTILE_INVALID_ARGUMENT);
    CHECK(octile_plan_options_init(nullptr, sizeof(octile_plan_options)) == OCTILE_INVALID_ARGUMENT);
    CHECK(octile_session_options_init(nullptr, sizeof(octile_session_options)) == OCTILE_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace octile::test
