// benchdnn's problems and ONEDNN_VERBOSE's logs.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "inputs/benchdnn_layers.h"
#include "inputs/onednn_problem.h"
#include "inputs/post_ops.h"
#include "inputs/read_model.h"
#include "inputs/verbose_layers.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::require_error;
using octile::test::TempFolder;

namespace {

Layer linear(const std::string& name, std::int64_t m, std::int64_t k, std::int64_t n, std::int64_t count = 1,
             bool bias = false, Activation activation = Activation::kNone) {
    return {.name = name, .m = m, .k = k, .n = n, .count = count, .activation = activation, .bias = bias};
}

std::vector<Layer> layers_of(const Result<Model>& model) {
    INFO(model.status().message());
    REQUIRE(model.ok());
    return model.value().layers;
}

struct Bad {
    std::string text;
    std::vector<std::string> words;
};

}  // namespace

TEST_CASE("benchdnn: problems of both drivers") {
    struct Case {
        std::string problem;
        std::int64_t m, k, n, count;
        std::string name;
    };
    for (const Case& good :
         std::vector<Case>{{"mb112ic2048oc1000n\"resnet:ip1\"", 112, 2048, 1000, 1, "resnet:ip1"},
                           {"mb112_ic2048_ih1iw1_oc1000_n\"resnet:ip1\"", 112, 2048, 1000, 1, "resnet:ip1"},
                           {"mb64ic256ih6oc4096nalexnet", 64, 256 * 36, 4096, 1, "alexnet"},
                           {"ic3id2iw5oc7", 2, 3 * 2 * 2 * 5, 7, 1, "ic3id2iw5oc7"},
                           {"ic845oc1024n\"WnD:0\"", 2, 845, 1024, 1, "WnD:0"},
                           {"mb1712ic4096oc4096_n\"gptj:gemm6*3472\"", 1712, 4096, 4096, 3472, "gptj:gemm6"},
                           {"mb1ic2oc3n\"a*b\"", 1, 2, 3, 1, "a*b"},
                           {"mb1ic2oc3n\"\"", 1, 2, 3, 1, "mb1ic2oc3"},
                           {"10x30:30x20", 10, 30, 20, 1, "10x30:30x20"},
                           {"10x30:30x20:10x20_n\"fc*4\"", 10, 30, 20, 4, "fc"},
                           {"2x10x30:1x30x20", 20, 30, 20, 1, "2x10x30:1x30x20"},
                           {"12x128x64:12x64x128_n\"QK:12\"", 128, 64, 128, 12, "QK:12"},
                           {"4x12x128x64:1x12x64x128", 512, 64, 128, 12, "4x12x128x64:1x12x64x128"}}) {
        INFO(good.problem);
        REQUIRE(looks_like_problem(good.problem));
        const Result<OnednnProblem> problem = parse_problem(good.problem, kind_of_problem(good.problem));
        INFO(problem.status().message());
        REQUIRE(problem.ok());
        CHECK(problem->m == good.m);
        CHECK(problem->k == good.k);
        CHECK(problem->n == good.n);
        CHECK(problem->count == good.count);
        CHECK(problem->name == good.name);
    }
    for (const std::string text : {"", "x", "1x:", "name,m,k,n", "fc,1,2,3", "icecream", "--mb=1", "mb", "12", "1x2"}) {
        INFO(text);
        CHECK_FALSE(looks_like_problem(text));
    }
}

TEST_CASE("benchdnn: a batch file with comments, options and other files") {
    const TempFolder folder;
    std::filesystem::create_directory(folder.path() / "shapes");
    folder.write("shapes/inner", "mb8ic64oc128n\"a\"  # an inner product\nmb8ic128oc64n\"b*3\"\r\n");
    folder.write("shapes/outer", "--batch=inner\n");
    const auto path = folder.write("list",
                                   "# a comment\n\n"
                                   "--reset --dt=f32,bf16 --stag=any,axb\n"
                                   "--ip --dir=FWD_D --attr-post-ops=, \\\n        sum:0.5, \\\n  relu\n"
                                   "--batch=shapes/outer\n"
                                   "--reset\n--attr-post-ops='gelu_erf+sum:0.5' mb4ic64oc64n\"c\"\n"
                                   "--batch=shapes/inner --mb=7 mb8ic64oc128n\"a\"\n"
                                   "--reset --matmul --bia_dt=f32 --attr-post-ops=swish:1 5x6:6x7\n");
    CHECK(layers_of(read_model(path, {})) ==
          std::vector<Layer>{linear("a", 8, 64, 128), linear("b", 8, 128, 64, 3),
                             linear("c", 4, 64, 64, 1, true, Activation::kGelu),
                             linear("a#2", 8, 64, 128, 1, true, Activation::kGelu),
                             linear("b#2", 8, 128, 64, 3, true, Activation::kGelu),
                             linear("a#3", 7, 64, 128, 1, true, Activation::kGelu),
                             linear("5x6:6x7", 5, 6, 7, 1, true, Activation::kSilu)});
    CHECK(layers_of(read_model(path, {.tokens = 9, .skip = {}}))[0].m == 9);
    // A layer that recurs under options that do not change it is one layer.
    CHECK(layers_of(parse_benchdnn_layers("--dt=f32 1x2:2x3\n--dt=s8 1x2:2x3", "x")).size() == 1);
    CHECK(layers_of(parse_benchdnn_layers("./benchdnn --matmul --mode=P -v5 1x2:2x3", "x")).size() == 1);
}

TEST_CASE("benchdnn: what is wrong is named by file and line") {
    const std::string huge = "99999999999999999999";
    for (const Bad& bad : std::vector<Bad>{
             {"--ip\n", {":1: ", "at least one problem"}},
             {"\n1x2:3x4", {":2: ", "weights: expected K = 2", "found 3"}},
             {"1x2:2x3:4x5", {":1: ", "destination: ", "1x3", "found \"4x5\""}},
             {"1x2:2x3:1x3:1", {"MxK:KxN"}},
             {"1x2:2", {"weights: expected 2 to 12 extents", "\"2\""}},
             {"1x2:1x2x3", {"weights: expected as many extents as the source has (2)"}},
             {"2x1x2:3x2x3", {"batch extent 2 or 1", "found 3"}},
             {"1x2x:2x3", {"source: ", "found \"\""}},
             {"0x2:2x3", {"source: ", "from 1 to 2147483647", "\"0\""}},
             {huge + "x2:2x3", {"source: ", huge}},
             {"1x131073:131073x3", {"k: expected an integer from 1 to 131072", "131073"}},
             {"2000000000x3x2:1x2x3", {"a batch of at most"}},
             {"mb1ic2", {"oc: expected a value"}},
             {"mb1oc2", {"ic: expected a value"}},
             {"mb1ic2oc3oh4", {"expected mb, ic, id, ih, iw or oc", "\"oh4\""}},
             {"mb1ic2ic3oc3", {"ic: expected it once"}},
             {"mb1ic0oc3", {"ic: ", "\"0oc3\""}},
             {"mb1ic" + huge + "oc3", {"ic: ", "found \"" + huge}},
             {"mb1ic2000id2000oc3", {"ic: expected K", "131072"}},
             {"mb1ic2oc3n\"a", {"name: expected a closing quote"}},
             {"mb1ic2oc3n\"a*" + huge + "\"", {"name: count: ", huge}},
             {"mb1ic2oc3n\"a*0\"", {"name: count: ", "\"0\""}},
             {"mb1ic2oc3n\"\x1b\"", {"name: expected UTF-8 without control characters"}},
             {"mb1ic2oc3n\"" + std::string(1025, 'x') + "\"", {"name: expected a name of at most 1024 bytes"}},
             {"--btach=x", {":1: ", "option of benchdnn", "\"--btach=x\""}},
             {"--mb=many mb1ic2oc3", {"--mb: ", "\"many\""}},
             {"--mb=-1", {"--mb: ", "\"-1\""}},
             {"--matmul mb1ic2oc3", {"problem of the matmul driver"}},
             {"--ip 1x2:2x3", {"problem of the ip driver"}},
             {"mb1ic2oc3\nnonsense", {":2: ", "expected a problem such as", "\"nonsense\""}},
             {"--batch=", {":1: --batch: ", "\"\""}},
             {"# x\n--batch=none", {":2: --batch: ", "none", "No such file"}},
             {"--batch=/dev/null/x", {":1: --batch: "}},
         }) {
        INFO(bad.text.substr(0, 200));
        const Status status = parse_benchdnn_layers(bad.text, "lists/net").status();
        const bool io = status.message().find("--batch: ") != std::string::npos && bad.words.size() != 2;
        require_error(status, io || bad.text.starts_with("--batch=/") ? StatusCode::kIoError : StatusCode::kParseError,
                      bad.words);
        CHECK(status.message().rfind("lists/net:", 0) == 0);
    }
    // Files that read each other.
    const TempFolder folder;
    folder.write("a", "--batch=b");
    folder.write("b", "\n--batch=a");
    require_error(read_model(folder.path() / "a", {}).status(), StatusCode::kParseError,
                  {"/b:2: --batch: ", "not being read already", "\"a\""});
    require_error(read_model(folder.write("self", "--batch=./self"), {}).status(), StatusCode::kParseError,
                  {"/self:1: --batch: "});
    for (int i = 0; i < 20; ++i)
        folder.write("deep" + std::to_string(i), "--batch=deep" + std::to_string(i + 1));
    require_error(read_model(folder.path() / "deep0", {}).status(), StatusCode::kParseError, {"/deep15:1: --batch: "});
}

TEST_CASE("verbose: lines of both forms, counted") {
    const std::string log =
        "loading the model...\n"
        "onednn_verbose,info,oneDNN v2.6.3 (commit N/A)\n"
        "onednn_verbose,info,prim_template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,"
        "attributes,auxiliary,problem_desc,exec_time\n"
        "onednn_verbose,create,cpu,inner_product,gemm:jit,forward_inference,src_f32::blocked:ab:f0 "
        "wei_f32::blocked:ab:f0 bia_f32::blocked:a:f0 dst_f32::blocked:ab:f0,,,mb8ic64oc128,0.1\n"
        "dnnl_verbose,exec,cpu,inner_product,gemm:jit,forward_inference,src_f32::blocked:ab:f0 wei_f32::blocked:ab:f0 "
        "bia_f32::blocked:a:f0 dst_f32::blocked:ab:f0,,,mb8ic64oc128,0.12\n"
        "step 2: onednn_verbose,1693.25,exec,cpu,inner_product,gemm:jit,forward_inference,src_f32::blocked:ab:f0 "
        "wei_f32::blocked:ab:f0 bia_f32::blocked:a:f0 dst_f32::blocked:ab:f0,,,mb8ic64oc128,0.12\r\n"
        "onednn_verbose,exec,cpu,inner_product,gemm:jit,forward_inference,src_f32::blocked:ab:f0 "
        "wei_f32::blocked:ab:f0 "
        "bia_undef::undef::f0 dst_f32::blocked:ab:f0,post_ops:'eltwise_gelu_erf:0:1;';,,mb8ic64oc128,0.12\n"
        "onednn_verbose,exec,cpu,reorder,jit:uni,undef,src_f32 dst_f32,,,1x256x6x6,0.03\n"
        "onednn_verbose,exec,cpu,inner_product,gemm:jit,backward_data,src_f32 wei_f32 dst_f32,,,mb8ic64oc128,0.03\n"
        "onednn_verbose,primitive,exec,cpu,matmul,brg:avx512_core,undef,src_f32::blocked:ab::f0 "
        "wei_f32::blocked:ab::f0 dst_f32::blocked:ab::f0,,,8x64:64x128:8x128,0.03\n"
        "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx10_1_512_amx,undef,src:bf16::blocked:ab::f0 "
        "wei:bf16:ap:blocked:ab::f0 bia:f32:a:blocked:ab::f0_mask2 dst:bf16::blocked:ab::f0,attr-scratchpad:user "
        "attr-post-ops:eltwise_relu+sum:0.5 ,,8x64:64x128,1.18\n"
        "onednn_verbose,v1,primitive,exec,cpu,matmul,x,undef,src:f32::blocked:abc::f0 wei:f32::blocked:abc::f0 "
        "dst:f32::blocked:abc::f0,,,12x8x64:12x64x8,0.5\n"
        "onednn_verbose,v1,primitive,exec,cpu,matmul,x,undef,src:f32::blocked:abc::f0 wei:f32::blocked:abc::f0 "
        "dst:f32::blocked:abc::f0,,,12x8x64:12x64x8,0.5\n";
    const std::vector<Layer> expected = {
        linear("inner_product:mb8ic64oc128", 8, 64, 128, 2, true),
        linear("inner_product:mb8ic64oc128#2", 8, 64, 128, 1, false, Activation::kGelu),
        linear("matmul:8x64:64x128:8x128", 8, 64, 128),
        linear("matmul:8x64:64x128", 8, 64, 128, 1, true, Activation::kRelu),
        linear("matmul:12x8x64:12x64x8", 8, 64, 8, 24)};
    CHECK(layers_of(parse_verbose_layers(log, "run.log")) == expected);
    const TempFolder folder;
    for (const std::string name : {"run", "run.log", "run.txt"}) {
        const Result<Model> model = read_model(folder.write(name, log), {});
        CHECK(layers_of(model) == expected);
        CHECK(model.value().name == "run");
    }
}

TEST_CASE("verbose: what is wrong is named by line") {
    const std::string head = "x\nonednn_verbose,v1,primitive,exec,cpu,matmul,brg,undef,src:f32 wei:f32,,,";
    for (const Bad& bad : std::vector<Bad>{
             {"", {":1: ", "found none among 0 lines"}},
             {"hello\nworld\n", {":2: ", "found none among 0 lines"}},
             {"onednn_verbose,info,oneDNN v3\nonednn_verbose,exec,cpu,reorder,a,b,c,,,1x2,0.1",
              {":2: ", "among 2 lines"}},
             {"onednn_verbose,create,cpu,matmul,a,undef,c,,,1x2:2x3,0.1", {":1: ", "that execute"}},
             {"x\nonednn_verbose,exec,cpu,matmul", {":2: ", "cut short"}},
             {head + "1x2:2x3", {":2: ", "found 8 of them", "cut short"}},
             {head + "1x2:3x3,0.1", {":2: problem: weights: expected K = 2"}},
             {head + ",0.1", {":2: problem: "}},
             {head + "mb1ic2oc3,0.1", {":2: problem: "}},
             {head + "*x2:2x3,0.1", {":2: problem: source: ", "\"*\""}},
             {head + "99999999999999999999x2:2x3,0.1", {":2: problem: source: "}},
         }) {
        INFO(bad.text);
        const Status status = parse_verbose_layers(bad.text, "run.log").status();
        require_error(status, StatusCode::kParseError, bad.words);
        CHECK(status.message().rfind("run.log:", 0) == 0);
    }
}

TEST_CASE("post-ops: the activation they begin with") {
    for (const auto& [text, activation] :
         std::vector<std::pair<std::string, Activation>>{{"", Activation::kNone},
                                                         {"relu", Activation::kRelu},
                                                         {"relu:0+sum:1", Activation::kRelu},
                                                         {"relu:0.1", Activation::kNone},
                                                         {"eltwise_gelu_erf:0:1+sum:0.5", Activation::kGelu},
                                                         {"gelu_tanh", Activation::kGeluTanh},
                                                         {"'eltwise_swish:1;'", Activation::kSilu},
                                                         {"swish:1.702", Activation::kNone},
                                                         {"sum:0.5+relu", Activation::kNone},
                                                         {"tanh", Activation::kNone}}) {
        INFO(text);
        CHECK(first_activation(text) == activation);
    }
}
