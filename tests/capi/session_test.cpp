// Sessions of the C API: the bits of the C++ interface, and every error.
#include "octile/session.h"

#include <string>
#include <vector>

#include "octile/packed_model.h"
#include "tests/capi/c_handles.h"
#include "tests/capi/c_network.h"

namespace octile::test {
namespace {

// One call of a session, which a test may change.
struct Call {
    explicit Call(const Network& network)
        : logits(static_cast<std::size_t>(2 * network.features())), name(network.output()) {}

    octile_status run(const CSession& session, octile_error& error) {
        return octile_session_run(session.get(), lengths.data(), lengths.size(), inputs.data(), inputs.size(),
                                  outputs.data(), outputs.size(), &error);
    }

    std::vector<std::int32_t> lengths{3, 2}, ids{1, 2, 3, 4, 5};
    std::vector<float> logits;
    std::string name;
    std::vector<octile_session_input> inputs{{"token_ids", ids.data(), ids.size(), {}}};
    std::vector<octile_session_output> outputs{{name.c_str(), logits.data(), logits.size()}};
};

octile_session_options small() {
    auto options = initial<octile_session_options>(octile_session_options_init);
    options.max_rows = 8;
    options.max_sequences = 2;
    options.max_context = 10;
    return options;
}

int observed = 0;

TEST_CASE("capi session: the bits of the C++ interface, and what it says of itself") {
    const Network network;
    const CModel model = network.open();
    octile_session_options options = small();
    options.observer = [](void* context, const char* node, const octile_matrix* value) {
        observed++;
        if (node == *static_cast<std::string*>(context)) CHECK(value->columns == DecoderSizes{}.vocabulary);
    };
    std::string last = network.output();
    options.observer_context = &last;
    const CSession session = network.session(model.get(), &options);
    const PackedModel cpp = PackedModel::open(network.file(), usable_isas().value()).value();
    Session expected = Session::create(graph_from_json(cpp.graph()).value(), cpp.plan(), cpp.parameters(),
                                       {.max_rows = 8, .max_sequences = 2, .max_context = 10})
                           .value();
    Call call(network);
    octile_error error;
    for (int turn = 0; turn < 2; turn++) {  // the second continues the first
        require_ok(call.run(session, error), error);
        std::vector<float> logits(call.logits.size());
        REQUIRE(expected.run(call.lengths, {{{"token_ids", call.ids, {}}}}, {{{call.name, logits}}}).ok());
        CHECK(call.logits == logits);
    }
    CHECK(observed > 0);

    std::int64_t tokens = 0;
    require_ok(octile_session_get_context(session.get(), 1, &tokens, &error), error);
    CHECK(tokens == 4);
    require_ok(octile_session_reset_sequence(session.get(), 1, &error), error);
    require_ok(octile_session_get_context(session.get(), 1, &tokens, &error), error);
    CHECK(tokens == 0);
    require_ok(octile_session_get_context(session.get(), 0, &tokens, &error), error);
    CHECK(tokens == 6);
    require_ok(octile_session_reset(session.get(), &error), error);
    require_ok(octile_session_get_context(session.get(), 0, &tokens, &error), error);
    CHECK(tokens == 0);

    auto memory = sized<octile_session_memory>();
    require_ok(octile_session_get_memory(session.get(), &memory, &error), error);
    CHECK(memory.total == memory.arena + memory.panels + memory.scratch + memory.cache + memory.tables);
    CHECK(memory.cache == expected.memory().cache);
    auto made = sized<octile_session_options>();
    require_ok(octile_session_get_options(session.get(), &made, &error), error);
    CHECK(made.max_context == 10);

    REQUIRE(octile_session_input_count(session.get()) == 1);
    auto input = sized<octile_input_info>();
    require_ok(octile_session_get_input(session.get(), 0, &input, &error), error);
    CHECK(input.name == std::string("token_ids"));
    CHECK(input.features == 0);
    CHECK(input.optional == 0);
    REQUIRE(octile_session_output_count(session.get()) == 1);
    auto output = sized<octile_output_info>();
    require_ok(octile_session_get_output(session.get(), 0, &output, &error), error);
    CHECK(output.name == network.output());
    CHECK(output.features == network.features());
    CHECK(output.per_sequence == 1);
    require_error(octile_session_get_input(session.get(), 1, &input, &error), error, OCTILE_INVALID_ARGUMENT,
                  {"index"});
    require_error(octile_session_get_output(session.get(), 1, &output, &error), error, OCTILE_INVALID_ARGUMENT,
                  {"index"});
}

TEST_CASE("capi session: runs that cannot be, after which the session is as before") {
    const Network network;
    const CModel model = network.open();
    const octile_session_options options = small();
    const CSession session = network.session(model.get(), &options);
    octile_error error;
    const auto fails = [&](void (*change)(Call&), const std::vector<std::string>& words) {
        Call call(network);
        change(call);
        require_error(call.run(session, error), error, OCTILE_INVALID_ARGUMENT, words);
        for (std::int64_t sequence : {0, 1}) {
            std::int64_t tokens = -1;
            require_ok(octile_session_get_context(session.get(), sequence, &tokens, &error), error);
            CHECK(tokens == 0);
        }
    };
    fails([](Call& c) { c.lengths = {}; }, {"lengths"});
    fails([](Call& c) { c.lengths = {1, 1, 1}; }, {"lengths", "1 to 2"});
    fails([](Call& c) { c.lengths = {0, 5}; }, {"lengths[0]"});
    fails([](Call& c) { c.lengths = {INT32_MIN, 5}; }, {"lengths[0]"});
    fails([](Call& c) { c.lengths = {INT32_MAX, INT32_MAX}; }, {"lengths"});
    fails([](Call& c) { c.lengths = {5, 4}; }, {"lengths", "8"});
    fails([](Call& c) { c.ids[2] = 60; }, {"token_ids", "60"});
    fails([](Call& c) { c.ids[2] = -1; }, {"token_ids", "-1"});
    fails([](Call& c) { c.inputs[0].index_count = 4; }, {"token_ids", "found 4"});
    fails([](Call& c) { c.inputs[0].index_count = SIZE_MAX; }, {"token_ids", std::to_string(SIZE_MAX)});
    fails([](Call& c) { c.inputs[0].name = "ids"; }, {"\"ids\""});
    fails([](Call& c) { c.inputs.push_back(c.inputs[0]); }, {"inputs", "at most 1", "found 2"});
    fails([](Call& c) { c.inputs.clear(); }, {"token_ids", "none"});
    fails([](Call& c) { c.inputs[0].values = {&c, 1, 1, 1, 77}; }, {"token_ids.type", "77"});
    fails([](Call& c) { c.inputs[0].values = {&c, 5, 1, 1, OCTILE_F32}; }, {"token_ids", "found both"});
    fails([](Call& c) { c.outputs[0].name = "logits?"; }, {"logits?"});
    fails([](Call& c) { c.outputs[0].value_count--; }, {"values"});
    fails([](Call& c) { c.outputs[0].value_count = SIZE_MAX / 8; }, {"values"});
    fails([](Call& c) { c.outputs.clear(); }, {"none"});
    fails([](Call& c) { c.outputs[0].values = reinterpret_cast<float*>(reinterpret_cast<char*>(c.logits.data()) + 1); },
          {"multiple of 4"});
    Call call(network);
    require_ok(call.run(session, error), error);
}

TEST_CASE("capi session: those that cannot be made, and sequences that there are not") {
    const Network network;
    const CModel model = network.open();
    octile_error error;
    octile_session* session = nullptr;
    const auto fails = [&](void (*change)(octile_session_options&), octile_status expected,
                           const std::vector<std::string>& words) {
        octile_session_options options = small();
        change(options);
        require_error(octile_session_create(model.get(), &options, &session, &error), error, expected, words);
        CHECK(session == nullptr);
    };
    for (const auto change : {+[](octile_session_options& o) { o.max_rows = 0; },
                              +[](octile_session_options& o) { o.max_rows = INT64_MAX; },
                              +[](octile_session_options& o) { o.max_sequences = -1; },
                              +[](octile_session_options& o) { o.max_context = INT64_MIN; }})
        fails(change, OCTILE_INVALID_ARGUMENT, {"max_", "expected 1 to"});
    fails([](octile_session_options& o) { o.isas = 1u << 20; }, OCTILE_INVALID_ARGUMENT, {"isas"});
    fails([](octile_session_options& o) { o.isas = ~octile_supported_isas() & 0xff; }, OCTILE_UNSUPPORTED, {"lacks"});
    fails([](octile_session_options& o) { o.size = 1; }, OCTILE_INVALID_ARGUMENT, {"options.size"});

    const octile_session_options options = small();
    const CSession made = network.session(model.get(), &options);
    std::int64_t tokens = 0;
    for (const std::int64_t sequence : {std::int64_t{-1}, std::int64_t{2}, INT64_MIN, INT64_MAX}) {
        require_error(octile_session_reset_sequence(made.get(), sequence, &error), error, OCTILE_INVALID_ARGUMENT,
                      {"sequence", "0 to 1", std::to_string(sequence)});
        require_error(octile_session_get_context(made.get(), sequence, &tokens, &error), error, OCTILE_INVALID_ARGUMENT,
                      {"sequence"});
    }
}

}  // namespace
}  // namespace octile::test
