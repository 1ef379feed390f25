#include "inputs/layer_lists/json_layers.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/inputs/status_checks.h"

using namespace octile;
using octile::test::require_error;

namespace {

Result<Model> parse(const std::string& text) {
    return parse_json_layers(text, "lists/net.json");
}

Model parse_ok(const std::string& text) {
    Result<Model> model = parse(text);
    INFO(text << "\n-> " << model.status().message());
    REQUIRE(model.ok());
    return std::move(model).value();
}

std::string layers(const std::string& inside) {
    return "{\"layers\":[" + inside + "]}";
}

std::string repeat(const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i)
        out += text;
    return out;
}

}  // namespace

TEST_CASE("json: all keys") {
    const Model model = parse_ok(R"({"model": "tiny net", "layers": [
        {"name": "norm", "op": "layernorm", "m": 128, "k": 768, "n": 768, "count": 12, "act": "none", "bias": true, "inputs": []},
        {"name": "fc", "op": "linear", "m": 128, "k": 768, "n": 3072, "act": "gelu", "bias": 1, "inputs": ["norm"]},
        {"name": "out", "m": 2147483647, "k": 131072, "n": 1, "bias": false, "inputs": ["norm", "fc"]}]})");
    CHECK(model.name == "tiny net");
    REQUIRE(model.layers.size() == 3);
    CHECK(model.layers[0] == Layer{"norm", Op::kLayerNorm, 128, 768, 768, 12, Activation::kNone, true, {}, {}, {}});
    CHECK(model.layers[1] == Layer{"fc", Op::kLinear, 128, 768, 3072, 1, Activation::kGelu, true, {}, {}, {"norm"}});
    CHECK(model.layers[2] ==
          Layer{"out", Op::kLinear, kMaxExtent, kMaxReduction, 1, 1, Activation::kNone, false, {}, {}, {"norm", "fc"}});
}

TEST_CASE("json: epsilon and scale") {
    const Model model = parse_ok(layers(R"({"name":"a","m":1,"k":1,"n":1,"output_scale":0.5},
        {"name":"b","op":"layernorm","m":1,"k":1,"n":1,"eps":0.5})"));
    CHECK(model.layers[0].output_scale == 0.5);
    CHECK(model.layers[1].epsilon == 0.5);
}

TEST_CASE("json: the model's name defaults to the file's") {
    CHECK(parse_ok(layers(R"({"name":"a","m":1,"k":1,"n":1})")).name == "net");
}

TEST_CASE("json: of a key given twice the last counts") {
    CHECK(parse_ok(layers(R"({"name":"a","m":1,"m":7,"k":1,"n":1})")).layers[0].m == 7);
}

TEST_CASE("json: what is JSON but no layer list") {
    struct Case {
        std::string text;
        std::vector<std::string> words;
    };
    const std::string good = R"({"name":"a","m":1,"k":1,"n":1},)";
    const auto with = [](const std::string& extra) {
        return layers(R"({"name":"a","m":1,"k":1,"n":1,)" + extra + "}");
    };
    const std::vector<Case> cases = {
        {"[]", {"$: ", "an object", "found an array"}},
        {"3", {"$: ", "found 3"}},
        {"null", {"$: ", "found null"}},
        {"{}", {"layers: ", "no such key"}},
        {R"({"layers":{}})", {"layers: ", "an array", "found an object"}},
        {R"({"layers":[]})", {"layers: ", "at least one layer", "found none"}},
        {R"({"layers":[],"architectures":["BertModel"]})", {"$: ", "model, layers", "\"architectures\""}},
        {R"({"model":3,"layers":[{"name":"a","m":1,"k":1,"n":1}]})", {"model: ", "a string", "found 3"}},
        {R"({"model":"","layers":[{"name":"a","m":1,"k":1,"n":1}]})", {"model: ", "found nothing"}},
        {R"({"model":"a\nb","layers":[{"name":"a","m":1,"k":1,"n":1}]})", {"model: ", "\\x0a"}},
        {layers("[]"), {"layers[0]: ", "an object", "found an array"}},
        {layers(good + "7"), {"layers[1]: ", "found 7"}},
        {layers("{}"), {"layers[0].name: ", "no such key"}},
        {layers(R"({"name":"a","m":1,"k":1})"), {"layers[0].n: ", "no such key"}},
        {layers(R"({"name":"a","m":1,"k":1,"n":1},{"name":"b","m":1,"n":1})"), {"layers[1].k: ", "no such key"}},
        {layers(R"({"name":3,"m":1,"k":1,"n":1})"), {"layers[0].name: ", "a string", "found 3"}},
        {layers(R"({"name":"","m":1,"k":1,"n":1})"), {"layers[0].name: ", "found nothing"}},
        {layers(R"({"name":"a\u0000b","m":1,"k":1,"n":1})"), {"layers[0].name: ", "\\x00"}},
        {layers(R"({"name":"a\nb","m":1,"k":1,"n":1})"), {"layers[0].name: ", "\\x0a"}},
        // numbers
        {layers(R"({"name":"a","m":0,"k":1,"n":1})"), {"layers[0].m: ", "1 to 2147483647", "found 0"}},
        {layers(R"({"name":"a","m":-1,"k":1,"n":1})"), {"layers[0].m: ", "found -1"}},
        {layers(R"({"name":"a","m":-0,"k":1,"n":1})"), {"layers[0].m: ", "found 0"}},
        {layers(R"({"name":"a","m":1,"k":131073,"n":1})"), {"layers[0].k: ", "1 to 131072", "found 131073"}},
        {layers(good + R"({"name":"b","m":1,"k":1,"n":1.0})"), {"layers[1].n: ", "found 1.0"}},
        {layers(R"({"name":"a","m":1.5,"k":1,"n":1})"), {"layers[0].m: ", "found 1.5"}},
        {layers(R"({"name":"a","m":"128","k":1,"n":1})"), {"layers[0].m: ", "found \"128\""}},
        {layers(R"({"name":"a","m":null,"k":1,"n":1})"), {"layers[0].m: ", "found null"}},
        {layers(R"({"name":"a","m":[1],"k":1,"n":1})"), {"layers[0].m: ", "found an array"}},
        {layers(R"({"name":"a","m":1000000000000000000,"k":1,"n":1})"), {"layers[0].m: ", "found 1000000000000000000"}},
        {layers(R"({"name":"a","m":18446744073709551615,"k":1,"n":1})"),
         {"layers[0].m: ", "found 18446744073709551615"}},
        {layers(R"({"name":"a","m":99999999999999999999999,"k":1,"n":1})"), {"layers[0].m: ", "1 to 2147483647"}},
        {layers(R"({"name":"a","m":1e400,"k":1,"n":1})"), {"expected JSON"}},
        {with(R"("count":0)"), {"layers[0].count: ", "found 0"}},
        // words, names, edges
        {with(R"("op":"layernorm","eps":0)"), {"layers[0].eps: expected a number > 0, found 0"}},
        {with(R"("op":"linear","eps":1e-5)"), {"layers[0].eps: expected none for op linear"}},
        {with(R"("output_scale":"1")"), {"layers[0].output_scale: expected a number > 0, found \"1\""}},
        {with(R"("op":"add")"), {"layers[0].inputs: expected the two layers that op add sums, found 0"}},
        {with(R"("op":"conv")"), {"layers[0].op: ", "linear, layernorm, activation, add or other", "found \"conv\""}},
        {with(R"("op":1)"), {"layers[0].op: ", "a string"}},
        {with(R"("act":"swish")"),
         {"layers[0].act: ", "none, relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu", "found \"swish\""}},
        {with(R"("bias":"yes")"), {"layers[0].bias: ", "true or false", "found \"yes\""}},
        {with(R"("bias":2)"), {"layers[0].bias: ", "found 2"}},
        {with(R"("bias":0.0)"), {"layers[0].bias: ", "found 0.0"}},
        {with(R"("N":1)"), {"layers[0]: ", "name, op, m, k, n, count, act, bias, inputs, eps, output_scale", "\"N\""}},
        {with(R"("activation":"gelu")"), {"layers[0]: ", "\"activation\""}},
        {with(R"("inputs":"a")"), {"layers[0].inputs: ", "an array"}},
        {with(R"("inputs":[3])"), {"layers[0].inputs[0]: ", "a string", "found 3"}},
        {with(R"("inputs":["zzz"])"), {"layers[0].inputs: ", "earlier layer", "\"zzz\""}},
        {layers(good + R"({"name":"a","m":1,"k":1,"n":1})"), {"layers[1].name: ", "once", "\"a\""}},
        {layers(R"({"name":"a","op":"layernorm","m":1,"k":2,"n":3})"), {"layers[0].n: ", "equal to k (2)"}},
        {with(R"("op":"activation")"), {"layers[0].act: ", "found none"}},
    };
    for (const Case& bad : cases) {
        INFO(bad.text);
        const Result<Model> model = parse(bad.text);
        require_error(model.status(), StatusCode::kParseError, bad.words);
        CHECK(model.status().message().rfind("lists/net.json: ", 0) == 0);
    }
}

TEST_CASE("json: what is not JSON is named by line and column") {
    struct Case {
        std::string text;
        std::string place;
    };
    const std::vector<Case> cases = {
        {"", ":1:1: "},
        {"nonsense", ":1:2: "},
        {"{\n  \"layers\": [\n    {\"name\": \"a\",}\n  ]\n}", ":3:18: "},
        {"{\"layers\": [", ":1:13: "},
        {"{\"layers\": [1, 2\n\n}", ":3:1: "},
        {"{\"layers\": \"", ":1:13: "},
        {"{\"layers\": \"a\nb\"}", ":1:14: "},
        {"{} x", ":1:4: "},
        {"{'layers': []}", ":1:2: "},
        {"{\"layers\": [0x10]}", ":1:14: "},
        {"{\"layers\": [\"\xFF\"]}", ":1:14: "},
        {"{\"layers\": [NaN]}", ":1:13: "},
        {"// no comments in JSON\n{}", ":1:1: "},
    };
    for (const Case& bad : cases) {
        INFO(bad.text);
        const Result<Model> model = parse(bad.text);
        require_error(model.status(), StatusCode::kParseError, {"lists/net.json" + bad.place, "JSON"});
    }
}

TEST_CASE("json: depth bombs are refused") {
    for (const std::string& text : {
             repeat("[", 100000),
             repeat("[", 100000) + repeat("]", 100000),
             "{\"layers\":" + repeat("[", 100000) + repeat("]", 100000) + "}",
             repeat("{\"layers\":", 100000),
             layers(R"({"name":)" + repeat("[", 1000000)),
         }) {
        require_error(parse(text).status(), StatusCode::kParseError, {"lists/net.json:1:", "levels of nesting"});
    }
    // Brackets inside strings are no nesting.
    CHECK(parse_ok(layers(R"({"name":"\"[[[[[[[[[[[[[[[[[[[[[[[[","m":1,"k":1,"n":1})")).layers.size() == 1);
}
