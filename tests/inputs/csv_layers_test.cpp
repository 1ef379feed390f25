#include "inputs/layer_lists/csv_layers.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/inputs/status_checks.h"

using namespace octile;
using octile::test::require_error;

namespace {

Result<Model> parse(const std::string& text) {
    return parse_csv_layers(text, "lists/net.csv");
}

Model parse_ok(const std::string& text) {
    Result<Model> model = parse(text);
    INFO(text << "\n-> " << model.status().message());
    REQUIRE(model.ok());
    return std::move(model).value();
}

}  // namespace

TEST_CASE("csv: all columns") {
    const Model model = parse_ok(
        "# a comment, with \"anything\" in it\n"
        "\n"
        "name,m,k,n,count,op,act,bias,inputs\n"
        "norm,128,768,768,12,layernorm,none,1,\n"
        "  # an indented comment\n"
        "q,128,768,768,12,linear,none,true,\n"
        "k,128,768,768,12,,,0,norm\n"
        "up,128,768,3072,12,linear,gelu,false, q ; k\n"
        "act,128,3072,3072,1,activation,silu,0,up\n");
    CHECK(model.name == "net");
    REQUIRE(model.layers.size() == 5);
    CHECK(model.layers[0] == Layer{"norm", Op::kLayerNorm, 128, 768, 768, 12, Activation::kNone, true, {}, {}, {}});
    CHECK(model.layers[1] == Layer{"q", Op::kLinear, 128, 768, 768, 12, Activation::kNone, true, {}, {}, {}});
    CHECK(model.layers[2] == Layer{"k", Op::kLinear, 128, 768, 768, 12, Activation::kNone, false, {}, {}, {"norm"}});
    CHECK(model.layers[3] ==
          Layer{"up", Op::kLinear, 128, 768, 3072, 12, Activation::kGelu, false, {}, {}, {"q", "k"}});
    CHECK(model.layers[4] ==
          Layer{"act", Op::kActivation, 128, 3072, 3072, 1, Activation::kSilu, false, {}, {}, {"up"}});
}

TEST_CASE("csv: the same list however it is written") {
    const Model plain = parse_ok("name,m,k,n\nfc1,1,2,3\nfc2,4,5,6\n");
    for (const std::string text : {
             "name,m,k,n\r\nfc1,1,2,3\r\nfc2,4,5,6\r\n",
             "name,m,k,n\nfc1,1,2,3\nfc2,4,5,6",
             "n,k,m,name\n3,2,1,fc1\n6,5,4,fc2\n",
             " name , m ,\tk, n \n fc1 , 1 , 2 , 3 \nfc2,4,5,6   \n",
             "\"name\",\"m\",k,n\n\"fc1\" , \"1\",2,\"3\"\n\"fc2\",4,5,6\n",
             "\n#\n\nname,m,k,n,count,act\n\n\nfc1,1,2,3,,\n#x\nfc2,4,5,6,1,none\n\n",
             "name,m,k,n\nfc1,001,2,3\nfc2,4,5,6\n",
         }) {
        CHECK(parse_ok(text) == plain);
    }
}

TEST_CASE("csv: quotes") {
    const Model model =
        parse_ok("name,m,k,n\n\"a,b\",1,1,1\n\"say \"\"hi\"\"\",1,1,1\n\"\"\"\",1,1,1\n\"# no comment\",1,1,1\n");
    REQUIRE(model.layers.size() == 4);
    CHECK(model.layers[0].name == "a,b");
    CHECK(model.layers[1].name == "say \"hi\"");
    CHECK(model.layers[2].name == "\"");
    CHECK(model.layers[3].name == "# no comment");
}

TEST_CASE("csv: extremes that are right") {
    const Model model = parse_ok("name,m,k,n,count\na,2147483647,131072,2147483647,2147483647\nb,1,1,1,1\n");
    CHECK(model.layers[0].m == kMaxExtent);
    CHECK(model.layers[0].k == kMaxReduction);
    CHECK(parse_ok("name,m,k,n\n\xC3\xA9t\xC3\xA9,1,1,1\n").layers[0].name == "\xC3\xA9t\xC3\xA9");
    CHECK(parse_ok("name,m,k,n\n" + std::string(1024, 'x') + ",1,1,1\n").layers[0].name.size() == 1024);
}

TEST_CASE("csv: bad lists") {
    struct Case {
        std::string text;
        std::vector<std::string> words;
    };
    const std::string head = "# c\nname,m,k,n,count,op,act,bias,inputs\n";  // so that the row is line 3
    const std::vector<Case> cases = {
        // header
        {"", {":1: ", "header", "found nothing"}},
        {"# only\n# comments\n", {":2: ", "header", "found nothing"}},
        {"name,m,k\nfc,1,2\n", {":1: ", "header", "found no \"n\""}},
        {"m,k,n\n1,2,3\n", {":1: ", "found no \"name\""}},
        {"\nfc1,1,2,3\n", {":2: ", "header", "\"fc1\""}},
        {"name,m,k,n,cuont\nfc,1,2,3,4\n", {":1: ", "\"cuont\"", "[,count,op,act,bias,inputs,eps,output_scale]"}},
        {"name,m,k,n,m\nfc,1,2,3,4\n", {":1: ", "once", "\"m\""}},
        {"name,m,k,n,\nfc,1,2,3,\n", {":1: ", "found \"\""}},
        {"Name,M,K,N\nfc,1,2,3\n", {":1: ", "\"Name\""}},
        {"name;m;k;n\nfc;1;2;3\n", {":1: ", "\"name;m;k;n\""}},
        {"{\"layers\": []}", {":1: ", "header"}},
        // no layer
        {"name,m,k,n\n", {":1: ", "at least one layer", "found none"}},
        {head, {":2: ", "at least one layer", "found none"}},
        {head + "# nothing\n\n", {":4: ", "at least one layer"}},
        // fields
        {head + "fc,1,2,3\n", {":3: ", "expected 9 fields", "found 4"}},
        {head + "fc,1,2,3,,,,,,\n", {":3: ", "expected 9 fields", "found 10"}},
        {head + "fc\n", {":3: ", "found 1"}},
        // numbers
        {head + "fc,0,2,3,,,,,\n", {":3: m: ", "1 to 2147483647", "found \"0\""}},
        {head + "fc,1,-2,3,,,,,\n", {":3: k: ", "1 to 131072", "found \"-2\""}},
        {head + "fc,1,2,three,,,,,\n", {":3: n: ", "found \"three\""}},
        {head + "fc,1000000000000000000,2,3,,,,,\n", {":3: m: ", "found \"1000000000000000000\""}},
        {head + "fc,99999999999999999999999,2,3,,,,,\n", {":3: m: ", "found \"99999999999999999999999\""}},
        {head + "fc,2147483648,2,3,,,,,\n", {":3: m: ", "found \"2147483648\""}},
        {head + "fc,1,131073,3,,,,,\n", {":3: k: ", "1 to 131072", "found \"131073\""}},
        {head + "fc,1,2,3,0,,,,\n", {":3: count: ", "found \"0\""}},
        {head + "fc,1,2,3,-1,,,,\n", {":3: count: ", "found \"-1\""}},
        {head + "fc,1.0,2,3,,,,,\n", {":3: m: ", "found \"1.0\""}},
        {head + "fc,1e3,2,3,,,,,\n", {":3: m: ", "found \"1e3\""}},
        {head + "fc,0x10,2,3,,,,,\n", {":3: m: ", "found \"0x10\""}},
        {head + "fc,+1,2,3,,,,,\n", {":3: m: ", "found \"+1\""}},
        {head + "fc,1 2,2,3,,,,,\n", {":3: m: ", "found \"1 2\""}},
        {head + "fc,,2,3,,,,,\n", {":3: m: ", "found \"\""}},
        {head + "fc,nan,2,3,,,,,\n", {":3: m: ", "found \"nan\""}},
        // words
        {head + "fc,1,2,3,1,conv,,,\n", {":3: op: ", "linear, layernorm, activation, add or other", "found \"conv\""}},
        {head + "fc,1,2,3,1,Linear,,,\n", {":3: op: ", "found \"Linear\""}},
        {head + "fc,1,2,3,1,,swish,,\n",
         {":3: act: ", "none, relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu", "found \"swish\""}},
        {head + "fc,1,2,3,1,,,yes,\n", {":3: bias: ", "0, 1, true or false", "found \"yes\""}},
        {head + "fc,1,2,3,1,,,2,\n", {":3: bias: ", "found \"2\""}},
        // names and edges
        {head + ",1,2,3,,,,,\n", {":3: name: ", "found nothing"}},
        {head + "\"\",1,2,3,,,,,\n", {":3: name: ", "found nothing"}},
        {head + std::string(1025, 'x') + ",1,2,3,,,,,\n", {":3: name: ", "1024"}},
        {head + "a\x01"
                "b,1,2,3,,,,,\n",
         {":3: name: ", "control", "\\x01"}},
        {head + "a\xFF"
                "b,1,2,3,,,,,\n",
         {":3: name: ", "UTF-8", "\\xff"}},
        {head + "a\rb,1,2,3,,,,,\n", {":3: name: ", "\\x0d"}},
        {head + "a,1,2,3,,,,,\nb,1,2,3,,,,,\na,1,2,3,,,,,\n", {":5: name: ", "once", "\"a\""}},
        {head + "a,1,2,3,,,,,b\nb,1,2,3,,,,,\n", {":3: inputs: ", "earlier layer", "\"b\""}},
        {head + "a,1,2,3,,,,,a\n", {":3: inputs: ", "\"a\""}},
        {head + "a,1,2,3,,,,,\nb,1,2,3,,,,,a;\n", {":4: inputs: ", "';'"}},
        {head + "a,1,2,3,,,,,\nb,1,2,3,,,,,a;;a\n", {":4: inputs: ", "empty"}},
        // what an op allows
        {head + "a,1,2,3,1,layernorm,,,\n", {":3: n: ", "equal to k (2)", "found 3"}},
        {head + "a,1,2,2,1,layernorm,gelu,,\n", {":3: act: ", "layernorm", "gelu"}},
        {head + "a,1,2,3,1,activation,gelu,,\n", {":3: n: ", "found 3"}},
        {head + "a,1,2,2,1,activation,,,\n", {":3: act: ", "found none"}},
        {head + "a,1,2,2,1,activation,relu,1,\n", {":3: bias: ", "activation"}},
        // quotes
        {head + "\"fc,1,2,3,,,,,\n", {":3: ", "closing quote"}},
        {head + "\"fc\n\",1,2,3,,,,,\n", {":3: ", "closing quote"}},
        {head + "\"fc\"x,1,2,3,,,,,\n", {":3: ", "comma after a quoted field"}},
        {head + "f\"c\",1,2,3,,,,,\n", {":3: ", "quotes around a whole field"}},
        {"\"name,m,k,n\n", {":1: ", "closing quote"}},
    };
    for (const Case& bad : cases) {
        INFO(bad.text);
        const Result<Model> model = parse(bad.text);
        require_error(model.status(), StatusCode::kParseError, bad.words);
        CHECK(model.status().message().rfind("lists/net.csv:", 0) == 0);
    }
}

TEST_CASE("csv: epsilon and scale") {
    const std::string list = "name,m,k,n,op,eps,output_scale\n";
    const Model model = parse_ok(list + "a,1,2,2,layernorm,1e-12,\nb,1,2,3,linear,,0.25\nc,1,2,3,,,\n");
    CHECK(model.layers[0].epsilon == 1e-12);
    CHECK(model.layers[1].output_scale == 0.25);
    CHECK_FALSE((model.layers[2].epsilon || model.layers[2].output_scale));
    for (const auto& [row, words] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"a,1,2,2,layernorm,-1,", {":2: eps: expected a number > 0, found \"-1\""}},
             {"a,1,2,2,layernorm,nan,", {":2: eps: "}},
             {"a,1,2,2,linear,1e-5,", {":2: eps: expected none for op linear"}},
             {"a,1,2,2,layernorm,,1", {":2: output_scale: expected none for op layernorm"}},
             {"a,1,2,2,linear,,0", {":2: output_scale: expected a number > 0"}},
             {"a,1,2,2,linear,,1e999", {":2: output_scale: "}},
             {"a,1,2,2,linear,,x", {":2: output_scale: ", "\"x\""}}}) {
        INFO(row);
        require_error(parse(list + row + "\n").status(), StatusCode::kParseError, words);
    }
}

TEST_CASE("csv: a list of 10,000 layers takes no time") {
    std::string text = "name,m,k,n,count,op,act,bias,inputs\n";
    for (int i = 0; i < 10000; ++i) {
        text += "encoder.layer." + std::to_string(i) + ".dense,128,768,3072,12,linear,gelu,1,";
        if (i > 0) text += "encoder.layer." + std::to_string(i - 1) + ".dense";
        text += '\n';
    }
    const auto start = std::chrono::steady_clock::now();
    CHECK(parse_ok(text).layers.size() == 10000);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    INFO(took.count() << " ms");
    CHECK(took.count() < 1000);  // a release build takes about 10: the limit is for emulators and sanitizers
}
