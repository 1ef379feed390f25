#include "calibration/accuracy.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "calibration/smooth_quant.h"
#include "calibration/synthetic.h"
#include "inputs/checkpoint_network.h"
#include "tests/calibration/array_builder.h"
#include "tests/inputs/safetensors_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::require_error;
using octile::test::TempFolder;

namespace {

constexpr std::int64_t kHidden = 64;

std::string floats(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// A safetensors file of F32 tensors with these values.
class Weights {
  public:
    void add(const std::string& name, const std::vector<std::int64_t>& shape, const std::vector<float>& values) {
        header_ +=
            fmt::format(R"({}"{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})", header_.empty() ? "" : ",",
                        name, fmt::join(shape, ","), data_.size(), data_.size() + values.size() * sizeof(float));
        data_ += floats(values);
    }
    void linear(const std::string& name, std::int64_t n, std::int64_t k) {
        add(name + ".weight", {n, k}, normal_values(static_cast<std::size_t>(n * k), seed_of(name), 0.1f));
    }
    void norm(const std::string& name, const std::vector<float>& gamma) {
        add(name + ".weight", {static_cast<std::int64_t>(gamma.size())}, gamma);
    }
    std::string bytes() const { return test::safetensors_bytes("{" + header_ + "}", data_); }

  private:
    std::string header_, data_;
};

// A llama-like block whose first norm has an outlier channel.
Weights llama() {
    Weights weights;
    std::vector<float> gamma(kHidden, 1);
    weights.norm("model.layers.0.post_attention_layernorm", gamma);
    gamma[7] = 300;
    weights.norm("model.layers.0.input_layernorm", gamma);
    for (const char* const name : {"q_proj", "k_proj", "v_proj", "o_proj"})
        weights.linear(fmt::format("model.layers.0.self_attn.{}", name), kHidden, kHidden);
    weights.linear("model.layers.0.mlp.gate_proj", 2 * kHidden, kHidden);
    weights.linear("model.layers.0.mlp.up_proj", 2 * kHidden, kHidden);
    weights.linear("model.layers.0.mlp.down_proj", kHidden, 2 * kHidden);
    return weights;
}

std::map<std::string, LayerAccuracy> measure(const Weights& weights, const Activations& activations = {},
                                             const AccuracyOptions& options = {}) {
    const TempFolder folder;
    const Result<Checkpoint> checkpoint =
        Checkpoint::open(folder.write("net.safetensors", weights.bytes()), InputFormat::kSafetensors);
    INFO(checkpoint.status().message());
    REQUIRE(checkpoint.ok());
    const Result<CheckpointNetwork> network = read_network(checkpoint.value(), {.tokens = 8, .skip = {}});
    REQUIRE(network.ok());
    const LinearTensors* tensors = &network->tensors;
    const Result<std::vector<LayerAccuracy>> found =
        measure_accuracy(*tensors, activations, options, usable_isas().value());
    INFO(found.status().message());
    REQUIRE(found.ok());
    std::map<std::string, LayerAccuracy> layers;
    for (const LayerAccuracy& layer : found.value())
        layers[tensors->layers[layer.row].layer.name] = layer;
    return layers;
}

}  // namespace

TEST_CASE("accuracy: linears behind a norm of their own are smoothed, the outlier is named") {
    const auto layers = measure(llama());
    REQUIRE(layers.size() == 7);
    for (const char* const name : {"q_proj", "k_proj", "v_proj"}) {
        const LayerAccuracy& layer = layers.at(fmt::format("model.layers.0.self_attn.{}", name));
        INFO(name << ": " << layer.plain.sqnr_db() << " dB");
        REQUIRE(layer.smoothed);
        CHECK(layer.smooth);
        CHECK(layer.smoothed->sqnr_db() > layer.plain.sqnr_db() + 3);
        CHECK(layer.alpha == layers.at("model.layers.0.self_attn.q_proj").alpha);  // one norm, one alpha
        REQUIRE(layer.outliers.size() == 1);
        CHECK(layer.outliers[0].channel == 7);
        CHECK_FALSE(layer.calibrated);
    }
    CHECK(layers.at("model.layers.0.mlp.gate_proj").smoothed);
    CHECK(layers.at("model.layers.0.mlp.gate_proj").outliers.empty());
    for (const char* const name : {"self_attn.o_proj", "mlp.down_proj"}) {
        CHECK_FALSE(layers.at(fmt::format("model.layers.0.{}", name)).smoothed);
        CHECK(layers.at(fmt::format("model.layers.0.{}", name)).plain.sqnr_db() > 30);
    }
    // The same again gives the same.
    CHECK(measure(llama()).at("model.layers.0.self_attn.q_proj").plain.energy ==
          layers.at("model.layers.0.self_attn.q_proj").plain.energy);
}

TEST_CASE("accuracy: a layer that f16 does not hold, or holds badly, needs INT8") {
    Weights weights;
    weights.linear("fine", kHidden, kHidden);
    std::vector<float> beyond = normal_values(kHidden * kHidden, 3, 0.1f), vanishing = beyond;
    beyond[5] = 70000;
    weights.add("beyond.weight", {kHidden, kHidden}, beyond);
    // A quarter of the channels lies below half of f16's smallest number.
    std::fill_n(vanishing.begin(), kHidden * kHidden / 4, 1e-8f);
    weights.add("vanishing.weight", {kHidden, kHidden}, vanishing);
    const auto layers = measure(weights);
    REQUIRE(layers.at("fine").fp16);
    // Rounding to f16 is off by 2^-11 / sqrt(3) at most (root mean square): x, w, and, where f16 is what adds, each of
    // K partial sums, whose energies grow to the sum's.
    CHECK(layers.at("fine").fp16->sqnr_db() > -10 * std::log10(std::exp2(-22) / 3 * (2 + (kHidden + 1) / 2.0)));
    CHECK_FALSE(layers.at("fine").needs_int8());
    CHECK_FALSE(layers.at("beyond").fp16);
    CHECK(layers.at("beyond").needs_int8());
    REQUIRE(layers.at("vanishing").fp16);
    CHECK(layers.at("vanishing").fp16->sqnr_db() == Approx(10 * std::log10(4.0)).margin(0.1));
    CHECK(layers.at("vanishing").needs_int8());

    // And of rows that it does not hold.
    const TempFolder folder;
    std::vector<float> rows = normal_values(8 * kHidden, 4, 1);
    rows[3 * kHidden] = 80000;
    folder.write("fine.npy", test::npy_bytes("<f4", "(8, 64)", floats(rows)));
    Result<Activations> activations = Activations::open(folder.path());
    REQUIRE(activations.ok());
    CHECK_FALSE(measure(weights, activations.value()).at("fine").fp16);
}

TEST_CASE("accuracy: alpha given, or none") {
    AccuracyOptions options{.smoothing = Smoothing::kOff};
    for (const auto& [name, layer] : measure(llama(), {}, options))
        CHECK_FALSE((layer.smoothed || layer.smooth));
    options = {.smoothing = Smoothing::kAlpha, .alpha = 0.25};
    const auto layers = measure(llama(), {}, options);
    CHECK(layers.at("model.layers.0.self_attn.v_proj").alpha == 0.25);
    CHECK(layers.at("model.layers.0.mlp.up_proj").smooth);
    CHECK_FALSE(layers.at("model.layers.0.self_attn.o_proj").smooth);
    // What was searched is no worse than any alpha of the grid.
    const auto total = [](const std::map<std::string, LayerAccuracy>& found) {
        double energy = 0;
        for (const auto& [name, layer] : found)
            energy += layer.error().energy;
        return energy;
    };
    const double searched = total(measure(llama()));
    for (const double alpha : kAlphaGrid) {
        options.alpha = alpha;
        // One that gains less than a tenth is not taken.
        CHECK(0.9 * searched <= total(measure(llama(), {}, options)) * (1 + 1e-12));
    }
}

TEST_CASE("accuracy: what reads the norm beside its linears does not matter: nothing is folded into it") {
    // BERT's norm is read by the residual too, and stands behind it.
    Weights weights;
    std::vector<float> gamma(kHidden, 1);
    gamma[5] = 40;
    weights.norm("encoder.layer.0.attention.output.LayerNorm", gamma);
    weights.linear("encoder.layer.0.intermediate.dense", kHidden, kHidden);
    weights.linear("encoder.layer.0.attention.output.dense", kHidden, kHidden);
    weights.linear("encoder.layer.0.output.dense", kHidden, kHidden);
    for (const char* const name : {"query", "key", "value"})
        weights.linear(fmt::format("encoder.layer.0.attention.self.{}", name), kHidden, kHidden);
    const auto layers = measure(weights);
    const LayerAccuracy& behind = layers.at("encoder.layer.0.intermediate.dense");
    REQUIRE(behind.smoothed);
    CHECK(behind.smooth);
    REQUIRE(behind.scales.size() == kHidden);
    for (const float s : behind.scales)
        CHECK(std::exp2(std::nearbyint(std::log2(s))) == s);
    CHECK(behind.scales[5] > behind.scales[6]);
    CHECK_FALSE(layers.at("encoder.layer.0.attention.output.dense").smoothed);
}

TEST_CASE("accuracy: linears that read the same are smoothed alike") {
    const auto layers = measure(llama());
    const LayerAccuracy& q = layers.at("model.layers.0.self_attn.q_proj");
    REQUIRE_FALSE(q.scales.empty());
    CHECK(layers.at("model.layers.0.self_attn.k_proj").scales == q.scales);
    CHECK(layers.at("model.layers.0.self_attn.v_proj").scales == q.scales);
    CHECK(layers.at("model.layers.0.self_attn.o_proj").scales.empty());
}

TEST_CASE("accuracy: cross-attention takes keys and values from the encoder, of which nothing is known") {
    Weights whisper;
    const std::string block = "model.decoder.layers.0.";
    for (const char* const name : {"self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"})
        whisper.norm(block + name, std::vector<float>(kHidden, 1));
    for (const char* const name : {"self_attn.q_proj", "self_attn.out_proj", "encoder_attn.q_proj",
                                   "encoder_attn.k_proj", "encoder_attn.v_proj", "fc1"})
        whisper.linear(block + name, kHidden, kHidden);
    whisper.norm("model.decoder.layer_norm", std::vector<float>(kHidden, 1));
    const auto layers = measure(whisper);
    for (const char* const name : {"self_attn.q_proj", "encoder_attn.q_proj", "fc1"})
        CHECK(layers.at(block + name).smoothed);
    for (const char* const name : {"encoder_attn.k_proj", "encoder_attn.v_proj"})
        CHECK_FALSE(layers.at(block + name).smoothed);
}

TEST_CASE("accuracy: calibration data of one linear is that of all that read the same") {
    std::vector<float> x = normal_values(10 * kHidden, 9, 1);
    for (std::size_t row = 0; row < 10; ++row)
        x[row * kHidden + 20] = 500;
    const TempFolder folder;
    folder.write("model.layers.0.self_attn.k_proj.npy",
                 test::npy_bytes("<f4", fmt::format("(2, 5, {})", kHidden), floats(x)));
    const Result<Activations> activations = Activations::open(folder.path());
    REQUIRE(activations.ok());
    const auto layers = measure(llama(), activations.value());
    for (const char* const name : {"q_proj", "k_proj", "v_proj"}) {
        const LayerAccuracy& layer = layers.at(fmt::format("model.layers.0.self_attn.{}", name));
        CHECK(layer.calibrated);
        REQUIRE(layer.outliers.size() == 1);
        CHECK(layer.outliers[0].channel == 20);
    }
    CHECK_FALSE(layers.at("model.layers.0.self_attn.o_proj").calibrated);
}

TEST_CASE("accuracy: weights that are no numbers are named by layer") {
    Weights weights;
    weights.add("fc.weight", {1, 2}, {1, NAN});
    const TempFolder folder;
    const Result<Checkpoint> checkpoint =
        Checkpoint::open(folder.write("net.safetensors", weights.bytes()), InputFormat::kSafetensors);
    const Result<LinearTensors> tensors = find_linear_tensors(checkpoint.value(), 8, "");
    require_error(measure_accuracy(tensors.value(), {}, {}, usable_isas().value()).status(), StatusCode::kNonFinite,
                  {"fc: "});
}
