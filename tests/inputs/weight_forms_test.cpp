// How weights are spelled by those who quantized them: what is read, what is refused by name, and what is left out.
#include "inputs/weight_forms.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "tests/inputs/status_checks.h"
#include "tests/inputs/weight_files.h"

using namespace octile;
using octile::test::find;
using octile::test::Found;
using octile::test::require_error;
using octile::test::try_find;
using Builder = octile::test::WeightFile;

namespace {

const std::vector<std::int8_t> kLevels = {1, -2, 3, 4, -5, 6, 127, -128};  // [2, 4]

}  // namespace

TEST_CASE("weight forms: floats of eight bits by tensor, channel and block") {
    // 0x38 is 1 and 0x40 is 2 in E4M3.
    std::vector<std::uint8_t> ones(6 * 8, 0x38);
    ones[8 * 5 + 7] = 0x40;
    const auto with = [&](const std::string& ending, const std::vector<std::int64_t>& shape,
                          const std::vector<float>& scales) {
        Builder builder;
        builder.add("a.weight", "F8_E4M3", {6, 8}, ones).add("a" + ending, "F32", shape, scales);
        const Found found = find(builder);
        CHECK(found.linear("a").layer.weights == WeightForm::kFloat);
        CHECK(found.tensors.left_out.empty());
        return values_of(found.linear("a").weight);
    };
    const auto at = [](const std::vector<float>& values, std::size_t row, std::size_t column) {
        return values[row * 8 + column];
    };
    for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{{}, {1}, {1, 1}}) {
        const std::vector<float> values = with(".weight_scale", shape, {3});
        CHECK((at(values, 0, 0) == 3 && at(values, 5, 7) == 6));
    }
    for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{{6}, {6, 1}, {1, 6}}) {
        const std::vector<float> values = with(".weight_scale", shape, {1, 2, 3, 4, 5, 6});
        CHECK((at(values, 1, 3) == 2 && at(values, 5, 7) == 12));
    }
    // Blocks of 4 x 4: the last row of blocks is cut.
    const std::vector<float> blocks = with(".weight_scale_inv", {2, 2}, {1, 2, 3, 4});
    CHECK((at(blocks, 3, 3) == 1 && at(blocks, 3, 4) == 2 && at(blocks, 4, 0) == 3 && at(blocks, 5, 7) == 8));
    CHECK(values_of(find(Builder().add("a.weight", "F8_E4M3", {6, 8}, ones)).linear("a").weight)[0] == 1);

    Builder wrong;
    wrong.add("a.weight", "F8_E4M3", {6, 8}, ones).floats("a.weight_scale", {5});
    require_error(try_find(wrong).status(), StatusCode::kParseError, {"a.weight_scale", "[6, 1]", "[5]"});
}

TEST_CASE("weight forms: doubles are floats") {
    Builder builder;
    builder.add("a.weight", "F64", {2, 2}, std::vector<double>{0.1, 1, 2, 3})
        .add("a.bias", "F64", {2}, std::vector<double>{1, 2});
    const Found found = find(builder);
    CHECK(values_of(found.linear("a").weight) == std::vector<float>{0.1f, 1, 2, 3});
    CHECK(found.linear("a").layer.bias);
}

TEST_CASE("weight forms: LLM.int8() and torchao are int8 with a scale for each row") {
    Builder bnb;
    bnb.add("a.weight", "I8", {2, 4}, kLevels)
        .add("a.SCB", "F32", {2}, std::vector<float>{127, 254})
        .bytes("a.weight_format", "U8", {}, 1, 0);
    const Found a = find(bnb);
    CHECK(a.linear("a").layer.weights == WeightForm::kInt8);
    CHECK(int8_rows_of(a.linear("a").weight).scales == std::vector<float>{1, 2});
    CHECK(a.tensors.left_out.empty());
    Builder turned;
    turned.add("a.weight", "I8", {2, 4}, kLevels).floats("a.SCB", {2}).bytes("a.weight_format", "U8", {}, 1, 2);
    require_error(try_find(turned).status(), StatusCode::kParseError, {"a.weight_format", "another order"});

    Builder ao;
    ao.add("a._weight_qdata", "I8", {2, 4}, kLevels).floats("a._weight_scale", {2, 1}).floats("a.bias", {2});
    const Found b = find(ao);
    CHECK((b.linear("a").layer.bias && b.linear("a").layer.weights == WeightForm::kInt8));
    CHECK(values_of(b.linear("a").weight)[7] == -64);
    Builder scaled;
    scaled.add("a._weight_qdata", "I8", {2, 4}, kLevels)
        .floats("a._weight_scale", {2, 1})
        .floats("a._weight_act_pre_scale", {4});
    require_error(try_find(scaled).status(), StatusCode::kParseError, {"act_pre_scale"});
}

TEST_CASE("weight forms: how whoever quantized the weights wants the input") {
    const auto w8a8 = [](const std::vector<std::int8_t>& zero_point, float scale = 0.25f) {
        Builder builder;
        builder.add("a.weight", "I8", {2, 4}, kLevels)
            .floats("a.weight_scale", {2, 1})
            .add("a.input_scale", "F32", {1}, std::vector<float>{scale});
        if (!zero_point.empty()) builder.add("a.input_zero_point", "I8", {1}, zero_point);
        return builder;
    };
    const Found still = find(w8a8({}));
    CHECK(still.linear("a").input == InputQuantization{.scaling = InputScaling::kStatic, .scale = 0.25f});
    CHECK(find(w8a8({0})).linear("a").input.scaling == InputScaling::kStatic);
    CHECK(still.tensors.left_out.empty());
    CHECK(still.tensors.notes.empty());
    const Found moved = find(w8a8({7}));
    CHECK(moved.linear("a").input.scaling == InputScaling::kAsymmetric);
    REQUIRE(moved.tensors.notes.size() == 1);  // its one zero point is not used
    require_error(try_find(w8a8({}, 0)).status(), StatusCode::kParseError, {"a.input_scale", "positive"});

    Builder dynamic;
    dynamic.add("a.weight", "I8", {2, 4}, kLevels).floats("a.weight_scale", {2, 1});
    const auto config = [](const std::string& inputs) {
        return R"({"quantization_config":{"quant_method":"compressed-tensors","config_groups":{"any":{"targets":["Linear"],
            "weights":{"num_bits":8},"input_activations":)" +
               inputs + "}}}}";
    };
    const ReadOptions options = {.tokens = 4, .skip = {}};
    CHECK(find(dynamic, options, config(R"({"dynamic":true,"symmetric":true})")).linear("a").input.scaling ==
          InputScaling::kDynamic);
    CHECK(find(dynamic, options, config(R"({"dynamic":true,"symmetric":false})")).linear("a").input.scaling ==
          InputScaling::kAsymmetric);
    CHECK(find(dynamic, options, config("null")).tensors.notes.size() == 1);  // made for floats

    const auto torchao = [](const std::string& type, const std::string& inputs) {
        return R"({"quantization_config":{"quant_method":"torchao","quant_type":{"default":{"_type":")" + type +
               R"(","_data":{)" + inputs + "}}}}}";
    };
    const std::string both = "Int8DynamicActivationInt8WeightConfig";
    CHECK(find(dynamic, options, torchao("Int8WeightOnlyConfig", "")).tensors.notes.size() == 1);
    CHECK(find(dynamic, options, torchao(both, "")).tensors.notes.empty());
    CHECK(find(dynamic, options, torchao(both, R"("act_mapping_type":{"_data":"ASYMMETRIC"})")).linear("a").input ==
          InputQuantization{.scaling = InputScaling::kAsymmetric});
}

TEST_CASE("weight forms: a head that is tied and there") {
    Builder differs, same, alone;
    differs.floats("model.embed_tokens.weight", {8, 4}).add("lm_head.weight", "F32", {8, 4}, std::vector<float>(32, 2));
    same.floats("model.embed_tokens.weight", {8, 4}).floats("lm_head.weight", {8, 4});
    alone.floats("fc.weight", {8, 4}).floats("lm_head.weight", {8, 4});
    const ReadOptions options = {.tokens = 4, .skip = {}};
    const auto notes = [&](const Builder& builder, const std::string& config) {
        return find(builder, options, config).tensors.notes;
    };
    const std::string tied = R"({"tie_word_embeddings":true})";
    REQUIRE(notes(differs, tied).size() == 1);
    CHECK(notes(differs, tied).front().find("the head is the file's") != std::string::npos);
    CHECK(notes(differs, R"({"tie_word_embeddings":false})").empty());
    CHECK(notes(differs, "").empty());
    CHECK(notes(same, tied).empty());
    CHECK(notes(alone, tied).empty());
}

TEST_CASE("weight forms: a rotation that runs with the network is refused, one of the weights is not") {
    Builder builder;
    builder.floats("a.weight", {2, 4});
    const auto config = [](const std::string& location) {
        return R"({"quantization_config":{"transform_config":{"config_groups":{"R4":{"type":"hadamard",
            "apply":[{"targets":["Linear"],"location":"weight_input"},{"location":")" +
               location + R"("}]}}}}})";
    };
    const ReadOptions options = {.tokens = 4, .skip = {}};
    CHECK(find(builder, options, config("weight_output")).tensors.layers.size() == 1);
    for (const std::string location : {"input", "output", "q_attn", "k_cache"}) {
        require_error(try_find(builder, options, config(location)).status(), StatusCode::kParseError,
                      {"transform_config.config_groups.\"R4\".apply[1].location", location});
    }
}

TEST_CASE("weight forms: packed forms are named") {
    struct Case {
        std::string name;
        std::vector<std::pair<std::string, std::string>> tensors;  // ending, dtype; [8, 8] each
        LeftOutReason reason = LeftOutReason::kFourBit;
    };
    for (const Case& form : std::vector<Case>{
             {"NVFP4 (compressed",
              {{".weight_packed", "U8"}, {".weight_scale", "F8_E4M3"}, {".weight_global_scale", "F32"}}},
             {"NVFP4 (ModelOpt", {{".weight", "U8"}, {".weight_scale", "F8_E4M3"}, {".weight_scale_2", "F32"}}},
             {"bitsandbytes", {{".weight", "U8"}, {".weight.absmax", "F32"}, {".weight.quant_map", "F32"}}},
             {"MXFP4", {{"_blocks", "U8"}, {"_scales", "U8"}}},
             {"HQQ", {{".W_q", "U8"}, {".scale", "F16"}, {".zero", "F16"}}},
             {"quanto", {{".weight._data", "I8"}, {".weight._scale", "F16"}}, LeftOutReason::kDtype},
             {"BitNet", {{".weight", "U8"}, {".weight_scale", "BF16"}}},
         }) {
        INFO(form.name);
        const auto bytes = [](const std::string& dtype) -> std::size_t {
            return dtype == "I64" ? 8 : dtype == "I32" || dtype == "F32" ? 4 : dtype.ends_with("16") ? 2 : 1;
        };
        Builder whole, part;
        for (const auto& [ending, dtype] : form.tensors) {
            for (const std::string module : {"b.0", "b.1", "b.2"})
                whole.bytes(module + ending, dtype, {8, 8}, 64 * bytes(dtype), 1);
            part.bytes("b.0" + ending, dtype, {8, 8}, 64 * bytes(dtype), 1);
        }
        whole.floats("lm_head.weight", {8, 8});
        require_error(try_find(whole).status(), StatusCode::kParseError, {"3 of 4 linears", form.name, "read"});
        part.floats("c.weight", {8, 8}).floats("lm_head.weight", {8, 8});
        const Found found = find(part);
        CHECK(found.tensors.layers.size() == 2);
        CHECK(found.tensors.left_out.size() == form.tensors.size());
        const LeftOut& weights = found.left("b.0" + form.tensors.front().first);
        CHECK(weights.reason == form.reason);
        CHECK(weights.parameters >= 64);
        CHECK(weights.text.find(form.name) != std::string::npos);
        for (std::size_t i = 1; i < form.tensors.size(); i++)
            CHECK(found.left("b.0" + form.tensors[i].first).parameters == 0);
        // And by the user's own wish none of it matters.
        const Found skipped = find(whole, {.tokens = 4, .skip = {}, .may_skip = "^b"});
        CHECK(skipped.tensors.layers.size() == 1);
        CHECK(skipped.tensors.left_out.front().reason == LeftOutReason::kUser);
    }
}

TEST_CASE("weight forms: adapters are no network, and beside one they are left out") {
    Builder alone, beside;
    for (Builder* builder : {&alone, &beside}) {
        builder->floats("base_model.model.q.lora_A.weight", {2, 8}).floats("base_model.model.q.lora_B.weight", {8, 2});
    }
    require_error(try_find(alone).status(), StatusCode::kParseError, {"adapter", "lora_A", "merge"});
    beside.floats("base_model.model.q.base_layer.weight", {8, 8});
    const Found found = find(beside);
    CHECK(found.linear("q").layer.k == 8);
    CHECK(found.left("q.lora_A.weight").reason == LeftOutReason::kAdapter);
}

TEST_CASE("weight forms: prefixes that programs add are followed") {
    for (const std::string prefix : {"_orig_mod.", "module.", "base_model.model.", "module._orig_mod."}) {
        INFO(prefix);
        Builder builder;
        builder.floats(prefix + "h.fc.weight", {8, 8}).floats(prefix + "h.fc.bias", {8});
        const Found found = find(builder);
        CHECK(found.linear("h.fc").layer.bias);
        CHECK(found.checkpoint.find("h.fc.weight") != nullptr);
        CHECK(found.tensors.notes.size() == 1);
    }
    Builder inside;
    inside.floats("h.0._orig_mod.fc.weight", {8, 8}).floats("h.1.fc.weight", {8, 8});
    CHECK(find(inside).linear("h.0.fc").layer.n == 8);
    Builder some;  // not of all
    some.floats("module.fc.weight", {8, 8}).floats("fc.weight", {8, 8});
    CHECK(find(some).linear("module.fc").layer.n == 8);
    Builder twice;  // would be one name
    twice.floats("_orig_mod.fc.weight", {8, 8}).floats("fc.weight", {8, 8});
    CHECK(find(twice).linear("_orig_mod.fc").layer.n == 8);
}

TEST_CASE("weight forms: whatever the user names may be left out, and nothing else changes") {
    Builder builder;
    builder.add("a.weight", "I64", {2, 2}, std::vector<std::int64_t>(4)).floats("b.weight", {2, 2});
    const Found found = find(builder, {.tokens = 4, .skip = {}, .may_skip = "a|b"});
    CHECK(found.tensors.layers.size() == 1);  // b can be read
    CHECK(found.left("a.weight").reason == LeftOutReason::kUser);
    require_error(try_find(builder, {.tokens = 4, .skip = {}, .may_skip = "("}).status(), StatusCode::kInvalidArgument,
                  {"--skip"});
    require_error(try_find(builder, {.tokens = 4, .skip = {}, .transposed = "("}).status(),
                  StatusCode::kInvalidArgument, {"--transposed"});
    Builder conv;
    conv.floats("c_attn.weight", {4, 12}).floats("c_attn.bias", {12});
    require_error(try_find(conv).status(), StatusCode::kParseError, {"--transposed"});
    CHECK(find(conv, {.tokens = 4, .skip = {}, .transposed = "c_attn"}).linear("c_attn").layer.n == 12);
}

TEST_CASE("weight forms: what is left out says how much it is") {
    Builder builder;
    builder.floats("fc.weight", {4, 4})
        .floats("embed_tokens.weight", {9, 4})
        .floats("mlp.experts.up_proj", {2, 4, 4})
        .floats("x.w", {4, 4})
        .add("position_ids", "I64", {1, 9}, std::vector<std::int64_t>(9));
    const Found found = find(builder);
    CHECK(found.tensors.parameters == 16 + 36 + 32 + 16);
    CHECK(found.left("embed_tokens.weight").reason == LeftOutReason::kTable);
    CHECK(found.left("mlp.experts.up_proj").reason == LeftOutReason::kExperts);
    CHECK(found.left("mlp.experts.up_proj").bytes == 128);
    CHECK(found.left("x.w").reason == LeftOutReason::kName);
    CHECK(found.left("position_ids").parameters == 0);
}
