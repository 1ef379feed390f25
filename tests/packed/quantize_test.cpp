// From a checkpoint to a packed file: the linears of the file against those packed in memory, and bytes that do not
// depend on the machine.
#include "quantize/quantize.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "inputs/checkpoint_network.h"
#include "inputs/tensor_values.h"
#include "octile/packed_model.h"
#include "octile/planner.h"
#include "packed/checksum.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"
#include "tests/kernels/run_layer.h"
#include "tests/packed/checkpoint_builder.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

// A llama-like block, of every type, whose header leaves tensors at odd addresses.
CheckpointBuilder small_network() {
    CheckpointBuilder builder;
    const std::string block = "model.layers.0.";
    builder.add("model.embed_tokens.weight", DataType::kBF16, {5, 40}, std::vector<float>(200, 0.5f));
    builder.add(block + "input_layernorm.weight", DataType::kF32, {40}, std::vector<float>(40, 1.5f));
    builder.linear(block + "self_attn.q_proj", DataType::kF32, 40, 40, true);
    builder.linear(block + "self_attn.k_proj", DataType::kF16, 20, 40, true);
    builder.linear(block + "self_attn.v_proj", DataType::kBF16, 20, 40);
    builder.linear(block + "self_attn.o_proj", DataType::kBF16, 40, 40);
    builder.add(block + "post_attention_layernorm.weight", DataType::kF32, {40}, std::vector<float>(40, 1.5f));
    builder.linear(block + "mlp.gate_proj", DataType::kBF16, 131, 40);
    builder.linear(block + "mlp.up_proj", DataType::kF16, 131, 40);
    builder.linear(block + "mlp.down_proj", DataType::kF32, 40, 131);
    return builder;
}

struct Network {
    Checkpoint checkpoint;
    LinearTensors tensors;
    Plan plan;
};

Network load(const std::filesystem::path& path, const PlanOptions& options) {
    Result<Checkpoint> checkpoint = Checkpoint::open(path, InputFormat::kSafetensors);
    INFO(checkpoint.status().message());
    REQUIRE(checkpoint.ok());
    Network network{std::move(checkpoint).value(), {}, {}};
    Result<CheckpointNetwork> read = read_network(network.checkpoint, {.tokens = 8, .skip = {}});
    REQUIRE(read.ok());
    network.tensors = std::move(read->tensors);
    Result<Plan> plan = make_plan(read->model, options);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    network.plan = std::move(plan).value();
    return network;
}

IsaSet all_levels() {
    IsaSet levels;
    for (int i = 0; i < kIsaCount; i++)
        levels.add(static_cast<Isa>(i));
    return levels;
}

QuantizeReport quantize(const Network& network, QuantizeOptions options, const std::filesystem::path& path) {
    options.isas = supported_isas();
    options.producer = "test";
    if (options.levels.empty()) options.levels = all_levels();
    const Result<QuantizeReport> report =
        quantize_checkpoint(network.checkpoint, network.tensors, network.plan, options, path);
    INFO(report.status().message());
    REQUIRE(report.ok());
    return report.value();
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// What lies between header and directory.
std::string sections_of(const std::filesystem::path& path) {
    const std::string bytes = read_file(path);
    std::uint64_t directory = 0;
    std::memcpy(&directory, bytes.data() + 24, sizeof(directory));
    return bytes.substr(64, directory - 64);
}

// INT8 but for o and v.
PlanOptions mixed() {
    return {.forces = {{".", Precision::kInt8}, {"[ov]_proj", Precision::kFp16}}};
}

// Every linear of the file, on every level, against one of the checkpoint's weights.
void check_linears(const Network& network, const std::filesystem::path& path) {
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        std::vector<std::string> notes;
        const Result<PackedModel> model = PackedModel::open(path, level.isas, &notes);
        INFO(model.status().message());
        REQUIRE(model.ok());
        CHECK(notes.empty());  // all levels are there
        CHECK(model->plan() == network.plan);
        CHECK(model->parameters()->linears().size() == 6);
        CHECK(model->parameters()->linear("model.layers.0.mlp.gate_proj") == nullptr);
        const auto tensor_of = [&](const std::string& name) -> const LinearTensor& {
            for (const LinearTensor& tensor : network.tensors.layers)
                if (tensor.layer.name == name) return tensor;
            FAIL(name);
            return network.tensors.layers.front();
        };
        for (const PlannedLayer& planned : network.plan.layers) {
            const Linear* found = model->parameters()->linear(planned.layer.name);
            if (!found) continue;
            const auto matrix = [&](const std::string& name) {
                const LinearTensor& tensor = tensor_of(name);
                return std::pair(values_of(tensor.weight),
                                 tensor.bias ? values_of(*tensor.bias) : std::vector<float>());
            };
            const auto [weights, bias] = matrix(planned.layer.name);
            const auto [n, k] = std::pair(planned.layer.n, planned.layer.k);
            const LinearOptions options{.precision = planned.precision, .activation = planned.layer.activation};
            const MatrixView w{weights.data(), DataType::kF32, n, k, k};
            Random random("x");
            const std::vector<float> x = make_values(random, 9, k, Fill::kNormal);
            INFO(planned.layer.name << ", " << found->kernel_name(9));
            if (planned.gate.empty()) {
                const Linear expected = must(Linear::pack(w, bias, options, level.isas));
                CHECK(first_difference(run_layer(*found, DataType::kF32, x, 9, DataType::kF32),
                                       run_layer(expected, DataType::kF32, x, 9, DataType::kF32).values()) == "");
                continue;
            }
            const auto [gate, gate_bias] = matrix(planned.gate);
            CHECK(found->gated());
            CHECK(found->activation() == Activation::kSilu);
            const Linear expected =
                must(Linear::pack_gated({gate.data(), DataType::kF32, n, k, k}, gate_bias, w, bias,
                                        {.precision = planned.precision, .activation = Activation::kSilu}, level.isas));
            CHECK(first_difference(run_layer(*found, DataType::kF32, x, 9, DataType::kF32),
                                   run_layer(expected, DataType::kF32, x, 9, DataType::kF32).values()) == "");
        }
    }
}

TEST_CASE("quantize: every linear of the file has the bits of one packed in memory") {
    const TempFolder folder;
    const Network network = load(folder.write("net.safetensors", small_network().bytes()), mixed());
    const QuantizeReport report = quantize(network, {}, folder.path() / "net.octile");
    CHECK(report.gated_pairs == 1);
    CHECK(report.int8_linears == 5);
    CHECK(report.fp16_linears == 2);
    CHECK(report.tensors == 3);
    CHECK(report.file_bytes == std::filesystem::file_size(folder.path() / "net.octile"));
    check_linears(network, folder.path() / "net.octile");
}

TEST_CASE("quantize: INT4 too, whatever the levels and threads of the machine that writes it") {
    const TempFolder folder;
    const PlanOptions options{
        .forces = {{".", Precision::kInt4}, {"[ov]_proj", Precision::kFp16}, {"down_proj", Precision::kInt8}}};
    const Network network = load(folder.write("net.safetensors", small_network().bytes()), options);
    const QuantizeReport report = quantize(network, {}, folder.path() / "net.octile");
    CHECK(report.gated_pairs == 1);
    CHECK(report.int4_linears == 4);
    CHECK(report.int8_linears == 1);
    CHECK(report.fp16_linears == 2);
    check_linears(network, folder.path() / "net.octile");
    const std::string bytes = read_file(folder.path() / "net.octile");
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const ThreadCount threads(level.isa == levels_with(KernelFamily::kGemmS8).front().isa ? 4 : 1);
        QuantizeOptions other;
        other.isas = level.isas;
        other.levels = all_levels();
        other.producer = "test";
        REQUIRE(
            quantize_checkpoint(network.checkpoint, network.tensors, network.plan, other, folder.path() / "b.octile")
                .ok());
        CHECK(read_file(folder.path() / "b.octile") == bytes);
    }
}

TEST_CASE("quantize: bytes and INT8 results are the same on every machine") {
    const TempFolder folder;
    const Network network = load(folder.write("net.safetensors", small_network().bytes()), mixed());
    (void)quantize(network, {}, folder.path() / "net.octile");
    // What x86 writes aarch64 reads, and the other way round: this test runs on both. A change that moves a byte of a
    // section needs another version of the format; a level that reads other panels does not, as each section says its
    // layout.
    const std::string sections = sections_of(folder.path() / "net.octile");
    CHECK(xxh3(std::as_bytes(std::span(sections))) == 0xfde16732de22d67bu);
    const Result<PackedModel> model = PackedModel::open(folder.path() / "net.octile", supported_isas());
    REQUIRE(model.ok());
    std::string results;
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj", "mlp.down_proj"}) {
        const Linear* linear = model->parameters()->linear(std::string("model.layers.0.") + name);
        REQUIRE(linear != nullptr);
        Random random(name);
        const std::vector<float> x = make_values(random, 9, linear->k(), Fill::kNormal);
        const std::vector<float> y = run_layer(*linear, DataType::kF32, x, 9, DataType::kF32).values();
        results.append(reinterpret_cast<const char*>(y.data()), y.size() * sizeof(float));
    }
    CHECK(xxh3(std::as_bytes(std::span(results))) == 0xc1a3defe671d8d79u);
}

TEST_CASE("quantize: neither levels nor threads of the machine change a byte") {
    const TempFolder folder;
    const Network network = load(folder.write("net.safetensors", small_network().bytes()), mixed());
    (void)quantize(network, {}, folder.path() / "a.octile");
    const std::string bytes = read_file(folder.path() / "a.octile");
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        for (const int thread_count : {1, 4}) {
            const ThreadCount threads(thread_count);
            QuantizeOptions options;
            options.isas = level.isas;
            options.producer = "test";
            options.levels = all_levels();
            REQUIRE(quantize_checkpoint(network.checkpoint, network.tensors, network.plan, options,
                                        folder.path() / "b.octile")
                        .ok());
            CHECK(read_file(folder.path() / "b.octile") == bytes);
        }
    }
}

TEST_CASE("quantize: int8 weights with their scales are what quantizing the same weights gives") {
    const TempFolder folder;
    const std::int64_t n = 70, k = 50;
    Random random("prequantized");
    const std::vector<float> weights = make_values(random, n, k, Fill::kNormal);
    CheckpointBuilder floats, levels;
    floats.add("fc.weight", DataType::kF32, {n, k}, weights);
    floats.add("fc.bias", DataType::kF32, {n}, std::vector<float>(70, 0.5f));
    std::vector<float> quantized, scales;
    for (std::int64_t row = 0; row < n; row++) {
        float absmax = 1e-8f;
        for (std::int64_t i = 0; i < k; i++)
            absmax = std::max(absmax, std::fabs(weights[static_cast<std::size_t>(row * k + i)]));
        scales.push_back(absmax / 127);
        for (std::int64_t i = 0; i < k; i++)
            quantized.push_back(std::nearbyint(weights[static_cast<std::size_t>(row * k + i)] / scales.back()));
    }
    levels.add("fc.weight", DataType::kI8, {n, k}, quantized);
    levels.add("fc.bias", DataType::kF32, {n}, std::vector<float>(70, 0.5f));
    levels.add("fc.weight_scale", DataType::kF32, {n, 1}, scales);
    const PlanOptions int8{.forces = {{".", Precision::kInt8}}};
    const Network a = load(folder.write("a.safetensors", floats.bytes()), int8),
                  b = load(folder.write("b.safetensors", levels.bytes()), int8);
    (void)quantize(a, {}, folder.path() / "a.octile");
    CHECK(quantize(b, {}, folder.path() / "b.octile").prequantized == 1);
    const Result<PackedModel> one = PackedModel::open(folder.path() / "a.octile", supported_isas()),
                              two = PackedModel::open(folder.path() / "b.octile", supported_isas());
    REQUIRE((one.ok() && two.ok()));
    CHECK(two->tensors().empty());
    CHECK(one->figures().used_bytes - two->figures().used_bytes < 200);  // but for the plans' text
    CHECK(sections_of(folder.path() / "a.octile") == sections_of(folder.path() / "b.octile"));

    // As FP16 they are the floats that they stand for.
    const Network fp16 = load(folder.path() / "b.safetensors", {.forces = {{".", Precision::kFp16}}});
    (void)quantize(fp16, {}, folder.path() / "c.octile");
    const Result<PackedModel> three = PackedModel::open(folder.path() / "c.octile", supported_isas());
    REQUIRE(three.ok());
    std::vector<float> dequantized = quantized;
    for (std::size_t i = 0; i < dequantized.size(); i++)
        dequantized[i] *= scales[i / static_cast<std::size_t>(k)];
    const Linear expected =
        must(Linear::pack({dequantized.data(), DataType::kF32, n, k, k}, std::vector<float>(70, 0.5f),
                          {.precision = Precision::kFp16}, supported_isas()));
    const std::vector<float> x = make_values(random, 4, k, Fill::kNormal);
    CHECK(first_difference(run_layer(*three->parameters()->linear("fc"), DataType::kF32, x, 4, DataType::kF32),
                           run_layer(expected, DataType::kF32, x, 4, DataType::kF32).values()) == "");
}

TEST_CASE("quantize: an int8 layer's input is quantized as its checkpoint has it") {
    const TempFolder folder;
    const std::int64_t n = 33, k = 48;
    Random random("static");
    std::vector<float> levels(static_cast<std::size_t>(n * k));
    for (float& level : levels)
        level = static_cast<float>(static_cast<int>(random.below(255)) - 127);
    const std::vector<float> scales(static_cast<std::size_t>(n), 0.01f);
    const float input_scale = 0.02f;
    for (const bool zero_point : {false, true}) {
        CheckpointBuilder builder;
        builder.add("fc.weight", DataType::kI8, {n, k}, levels);
        builder.add("fc.weight_scale", DataType::kF32, {n}, scales);
        builder.add("fc.input_scale", DataType::kF32, {1}, std::vector<float>{input_scale});
        if (zero_point) builder.add("fc.input_zero_point", DataType::kI8, {1}, std::vector<float>{5});
        const Network network = load(folder.write("net.safetensors", builder.bytes()), {});
        (void)quantize(network, {}, folder.path() / "net.octile");
        const Result<PackedModel> model = PackedModel::open(folder.path() / "net.octile", supported_isas());
        REQUIRE(model.ok());
        CHECK(model->tensors().empty());
        std::vector<std::int8_t> bytes(levels.begin(), levels.end());
        const Linear expected = must(
            Linear::pack_quantized({bytes.data(), DataType::kI8, n, k, k}, scales, {},
                                   {.input_scaling = zero_point ? InputScaling::kAsymmetric : InputScaling::kStatic,
                                    .input_scale = zero_point ? 0 : input_scale},
                                   supported_isas()));
        const std::vector<float> x = make_values(random, 5, k, Fill::kNormal);
        CHECK(first_difference(run_layer(*model->parameters()->linear("fc"), DataType::kF32, x, 5, DataType::kF32),
                               run_layer(expected, DataType::kF32, x, 5, DataType::kF32).values()) == "");
    }
}

TEST_CASE("quantize: gate and up are packed together only where they quantize their input alike") {
    const TempFolder folder;
    const std::int64_t n = 32, k = 48;
    for (const float up_scale : {0.02f, 0.03f}) {
        CheckpointBuilder builder;
        const std::string mlp = "model.layers.0.mlp.";
        for (const std::string name : {"gate_proj", "up_proj"}) {
            builder.add(mlp + name + ".weight", DataType::kI8, {n, k}, std::vector<float>(n * k, 3));
            builder.add(mlp + name + ".weight_scale", DataType::kF32, {1}, std::vector<float>{0.01f});
            builder.add(mlp + name + ".input_scale", DataType::kF32, {1},
                        std::vector<float>{name == "gate_proj" ? 0.02f : up_scale});
        }
        builder.linear(mlp + "down_proj", DataType::kF32, k, n);
        // What tells a LLaMA.
        builder.linear("model.layers.0.self_attn.q_proj", DataType::kF32, k, k);
        builder.linear("model.layers.0.self_attn.o_proj", DataType::kF32, k, k);
        for (const std::string norm : {"input_layernorm", "post_attention_layernorm"})
            builder.add("model.layers.0." + norm + ".weight", DataType::kF32, {k}, std::vector<float>(k, 1));
        const Network network = load(folder.write("net.safetensors", builder.bytes()), {});
        const QuantizeReport report = quantize(network, {}, folder.path() / "net.octile");
        CHECK(report.gated_pairs == (up_scale == 0.02f ? 1 : 0));
        CHECK(PackedModel::open(folder.path() / "net.octile", supported_isas()).ok());
    }
}

TEST_CASE("quantize: floats of eight bits and doubles are packed as the floats that they stand for") {
    const TempFolder folder;
    // More than is read at once, and blocks of scales that begin elsewhere than the blocks that are read.
    const std::int64_t n = 4300, k = 1024, rows = (n + 127) / 128, columns = k / 128;
    Random random("float8");
    std::string bytes(static_cast<std::size_t>(n * k), '\0');
    std::vector<float> floats(bytes.size());
    // 0x30 to 0x3f of E4M3: (8 + mantissa) / 8 * 2^(exponent - 7).
    for (std::size_t i = 0; i < bytes.size(); i++) {
        const auto byte = static_cast<unsigned>(0x30 + random.below(16));
        bytes[i] = static_cast<char>(byte);
        floats[i] = std::ldexp(static_cast<float>(8 + (byte & 7)), static_cast<int>(byte >> 3) - 10);
    }
    const std::vector<float> scales = make_values(random, rows, columns, Fill::kNormal);
    CheckpointBuilder builder, expected;
    builder.add_bytes("fc.weight", "F8_E4M3", {n, k}, bytes);
    builder.add("fc.weight_scale_inv", DataType::kF32, {rows, columns}, scales);
    for (std::int64_t row = 0; row < n; row++) {
        for (std::int64_t column = 0; column < k; column++)
            floats[static_cast<std::size_t>(row * k + column)] *=
                scales[static_cast<std::size_t>(row / 128 * columns + column / 128)];
    }
    expected.add("fc.weight", DataType::kF32, {n, k}, floats);
    const PlanOptions int8{.forces = {{".", Precision::kInt8}}};
    const auto packed = [&](const CheckpointBuilder& from, const std::string& name) {
        (void)quantize(load(folder.write(name + ".safetensors", from.bytes()), int8), {}, folder.path() / name);
        return sections_of(folder.path() / name);
    };
    CHECK(packed(builder, "a") == packed(expected, "b"));

    CheckpointBuilder doubles, singles;
    const std::vector<float> values = make_values(random, 9, 40, Fill::kNormal);
    const std::vector<double> wide(values.begin(), values.end());
    doubles.add_bytes("fc.weight", "F64", {9, 40},
                      {reinterpret_cast<const char*>(wide.data()), wide.size() * sizeof(double)});
    singles.add("fc.weight", DataType::kF32, {9, 40}, values);
    CHECK(packed(doubles, "c") == packed(singles, "d"));
}

TEST_CASE("quantize: SmoothQuant is in weights and multiplier, which layers of one input share") {
    const TempFolder folder;
    const Network network = load(folder.write("net.safetensors", small_network().bytes()), mixed());
    std::vector<float> s;
    Random random("s");
    for (int i = 0; i < 40; i++)
        s.push_back(std::ldexp(1.0f, static_cast<int>(random.below(7)) - 3));
    QuantizeOptions options;
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.up_proj"})
        options.smoothing[std::string("model.layers.0.") + name] = s;
    const QuantizeReport report = quantize(network, options, folder.path() / "net.octile");
    CHECK(report.smoothed == 4);  // q, k, gate and up; v is FP16
    const Result<PackedModel> model = PackedModel::open(folder.path() / "net.octile", supported_isas());
    REQUIRE(model.ok());
    const Linear& q = *model->parameters()->linear("model.layers.0.self_attn.q_proj");
    const Linear& k = *model->parameters()->linear("model.layers.0.self_attn.k_proj");
    const TypedMatrix x(DataType::kF32, 7, 40, make_values(random, 7, 40, Fill::kNormal));
    PackedRows rows;
    REQUIRE(q.pack_rows(x.view(), rows).ok());
    CHECK(k.accepts(rows));
    std::vector<float> smooth_w = values_of(*network.checkpoint.find("model.layers.0.self_attn.q_proj.weight")),
                       smooth_x = x.values();
    for (std::size_t i = 0; i < smooth_w.size(); i++)
        smooth_w[i] *= s[i % 40];
    for (std::size_t i = 0; i < smooth_x.size(); i++)
        smooth_x[i] /= s[i % 40];
    const Linear expected = must(Linear::pack(
        {smooth_w.data(), DataType::kF32, 40, 40, 40},
        values_of(*network.checkpoint.find("model.layers.0.self_attn.q_proj.bias")), {}, supported_isas()));
    CHECK(first_difference(run_layer(q, DataType::kF32, x.values(), 7, DataType::kF32),
                           run_layer(expected, DataType::kF32, smooth_x, 7, DataType::kF32).values()) == "");
}

TEST_CASE("quantize: weights that are no numbers are named by layer and output channel, and the old file stays") {
    const TempFolder folder;
    // Rows beyond the first block, so that the channel is not that of the block.
    const std::int64_t n = 1000, k = 2000;
    std::vector<float> weights(static_cast<std::size_t>(n * k), 0.5f);
    weights[static_cast<std::size_t>(987 * k + 3)] = NAN;
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        CheckpointBuilder builder;
        builder.add("fc.weight", DataType::kF32, {n, k}, weights);
        const Network network = load(folder.write("net.safetensors", builder.bytes()), {.forces = {{".", precision}}});
        const auto path = folder.write("net.octile", "old");
        QuantizeOptions options;
        options.isas = supported_isas();
        options.levels = all_levels();
        require_error(quantize_checkpoint(network.checkpoint, network.tensors, network.plan, options, path).status(),
                      StatusCode::kNonFinite, {"fc: ", "output channel 987 "});
        CHECK(read_file(path) == "old");
        CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
    }
}

TEST_CASE("quantize: a weight beyond f16 names the layer and the way out, where there is one") {
    const TempFolder folder;
    const auto message = [&](std::vector<float> extremes) {
        std::vector<float> weights(40 * 64, 0.5f);
        std::copy(extremes.begin(), extremes.end(), weights.begin() + 7 * 64);
        CheckpointBuilder builder;
        builder.add("fc.weight", DataType::kBF16, {40, 64}, weights);
        const Network network = load(folder.write("net.safetensors", builder.bytes()), {.policy = Policy::kRatio});
        REQUIRE(network.plan.layers[0].precision == Precision::kFp16);
        QuantizeOptions options;
        options.isas = supported_isas();
        options.levels = all_levels();
        const Status status = quantize_checkpoint(network.checkpoint, network.tensors, network.plan, options,
                                                  folder.path() / "net.octile")
                                  .status();
        require_error(status, StatusCode::kNonFinite, {"fc: ", "output channel 7 "});
        return status.message();
    };
    CHECK(message({70000}).find("65504") != std::string::npos);
    CHECK(message({70000}).find("--force fc=int8") != std::string::npos);
    CHECK(message({NAN}).find("--force") == std::string::npos);
    CHECK(message({70000, NAN}).find("--force") == std::string::npos);
}

}  // namespace
}  // namespace octile::test
