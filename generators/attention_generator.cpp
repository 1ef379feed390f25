// Softmax attention of a few rows of queries over one head's keys and values:
//
//   scores[j, m]  = (sum over d of q[d, m] * keys[j, d]) * scale                           d from the first to the last
//   weights[j, m] = j < seen[m] ? exp(-min(peak[m] - scores[j, m], 87)) : 0                peak: the largest score seen
//   y[d, m]       = (sum over j of weights[j, m] * values[d, j]) * (1 / total[m])          j from the first to the last
//
// each step of the sums over d and over j one fused multiply-add (finish_ir.py makes them so), with seen[m] = visible +
// step * m, and total[m] the sum of weights[j, m] over j in sixteen lanes, as norms have it (docs/quantization.md).
// biased=true: bias[j, m] is added to scores[j, m], and a key whose score is -infinity has weight 0.
//
// q [D, M]                 f32; M is tile_m, D a multiple of 16
// keys [32, D, J / 32]     f32, blocks of 32 keys; those from `count` on are numbers that nothing depends on
// values [D, count]        f32; count is at most J, and at least every seen[m]
// bias [32, J / 32, M]     f32, biased; of any strides but the first: rows may overlap
// scores, weights [32, J / 32, M]   f32: memory that the caller lends
// y [D, M]                 f32
#include "Halide.h"
#include "activation.h"
#include "lane_sum.h"

namespace {

using namespace Halide;
using namespace octile::generators;

class Attention : public Generator<Attention> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};
    GeneratorParam<int> tile_m{"tile_m", 1};
    GeneratorParam<int> key_vectors{"key_vectors", 2};
    GeneratorParam<int> head_vectors{"head_vectors", 1};  // of a head's features whose sums are computed at once
    GeneratorParam<bool> biased{"biased", false};

    Input<Buffer<float, 2>> q_{"q"};
    Input<Buffer<float, 3>> keys_{"keys"};
    Input<Buffer<float, 2>> values_{"values"};
    Input<int32_t> visible_{"visible"};
    Input<int32_t> step_{"step"};
    Input<int32_t> count_{"count"};
    Input<float> scale_{"scale"};
    Output<Buffer<float, 3>> scores_{"scores"};
    Output<Buffer<float, 3>> weights_{"weights"};
    Output<Buffer<float, 2>> y_{"y"};
    GeneratorInput<Buffer<float, 3>>* bias_ = nullptr;

    void configure() {
        if (biased) bias_ = add_input<Buffer<float, 3>>("bias");
    }

    void generate() {
        const Expr blocks = keys_.dim(2).extent();
        features = RDom(0, keys_.dim(1).extent());
        product(j, b, m) = 0.0f;
        product(j, b, m) = strict_float(product(j, b, m) + q_(features, m) * keys_(j, features, b));
        const Expr scaled = strict_float(product(j, b, m) * scale_);
        scores_(j, b, m) = bias_ ? strict_float(scaled + (*bias_)(j, b, m)) : scaled;

        const auto seen = [&](const Expr& key, const Expr& block, const Var& row) {
            return kKeyBlock * block + key < visible_ + step_ * row;
        };
        // Half a block at a time: a step of all lanes.
        halves = RDom(0, kKeyBlock / kSumLanes, 0, blocks);
        const Expr at = lane + kSumLanes * halves.x;
        const float lowest = -std::numeric_limits<float>::infinity();
        const Expr score = select(seen(at, halves.y, m), scores_(at, halves.y, m), lowest);
        largest(lane, m) = lowest;
        largest(lane, m) = select(score > largest(lane, m), score, largest(lane, m));
        peak(m) = in_halves(largest, m, [](const Expr& a, const Expr& b) { return select(b > a, b, a); });

        // A NaN stays one, whatever its bits.
        const Expr distance = strict_float(peak(m) - scores_(j, b, m));
        const Expr bounded = select(distance > 87.0f, 87.0f, distance);
        const Expr weight = select(is_nan(distance), distance, strict_float(exp_minus(bounded)));
        const Expr weighed = bias_ ? seen(j, b, m) && scores_(j, b, m) != lowest : seen(j, b, m);
        weights_(j, b, m) = select(weighed, weight, 0.0f);

        sum(lane, m) = 0.0f;
        sum(lane, m) = strict_float(sum(lane, m) + weights_(at, halves.y, m));
        inverse(m) = strict_float(1.0f / in_halves(sum, m, [](const Expr& a, const Expr& b) { return a + b; }));

        present = RDom(0, kKeyBlock, 0, blocks);
        present.where(kKeyBlock * present.y + present.x < count_);
        mixed(d, m) = 0.0f;
        mixed(d, m) = strict_float(mixed(d, m) +
                                   weights_(present.x, present.y, m) * values_(d, kKeyBlock * present.y + present.x));
        y_(d, m) = strict_float(mixed(d, m) * inverse(m));
    }

    void schedule() {
        Func scores = scores_, weights = weights_, y = y_;
        const int vector = lanes, keys_at_once = vector * key_vectors, rows = tile_m;
        Var jo, ji, dout, din;
        scores_.dim(0).set_bounds(0, kKeyBlock);
        scores.bound(j, 0, kKeyBlock)
            .split(j, jo, ji, keys_at_once, TailStrategy::RoundUp)
            .reorder(ji, m, jo, b)
            .vectorize(ji, vector)
            .unroll(ji)
            .bound(m, 0, rows)
            .unroll(m);
        product.compute_at(scores, jo).vectorize(j, vector).unroll(j).unroll(m);
        product.update().reorder(j, m, features).vectorize(j, vector).unroll(j).unroll(m);

        weights.bound(j, 0, kKeyBlock).reorder(j, b, m).vectorize(j, kSumLanes);
        peak.compute_at(weights, m).store_in(MemoryType::Stack);
        largest.compute_at(weights, m).bound_extent(lane, kSumLanes).vectorize(lane);
        largest.update().reorder(lane, halves.x, halves.y).vectorize(lane).unroll(halves.x);

        inverse.compute_root().bound_extent(m, rows).store_in(MemoryType::Stack);
        sum.compute_at(inverse, m).bound_extent(lane, kSumLanes).vectorize(lane);
        sum.update().reorder(lane, halves.x, halves.y).vectorize(lane).unroll(halves.x);

        y.bound(m, 0, rows);
        const int wide = vector * head_vectors;
        const auto split_heads = [&](Stage stage, int features) {
            stage.split(d, dout, din, features, TailStrategy::RoundUp)
                .reorder(din, m, dout)
                .vectorize(din, vector)
                .unroll(din)
                .unroll(m);
        };
        if (wide > kHeadUnit) split_heads(y.specialize(q_.dim(0).extent() % wide == 0), wide);
        split_heads(y, std::max(vector, kHeadUnit));
        mixed.compute_at(y, dout).vectorize(d, vector).unroll(d).unroll(m);
        mixed.update().reorder(d, m, present.x, present.y).vectorize(d, vector).unroll(d).unroll(m);

        keys_.dim(0).set_bounds(0, kKeyBlock);
        keys_.dim(1).set_min(0).set_stride(kKeyBlock);
        keys_.dim(2).set_min(0);
        for (auto* buffer : {&scores_, &weights_}) {
            buffer->dim(0).set_bounds(0, kKeyBlock);
            buffer->dim(1).set_min(0).set_stride(kKeyBlock);
            buffer->dim(2).set_min(0);
        }
        if (bias_) {
            bias_->dim(0).set_bounds(0, kKeyBlock);
            bias_->dim(1).set_min(0);
            bias_->dim(2).set_min(0);
        }
        q_.dim(0).set_min(0);
        q_.dim(1).set_min(0);
        values_.dim(0).set_min(0);
        values_.dim(1).set_min(0);
        y_.dim(0).set_min(0);
        y_.dim(1).set_bounds(0, rows);
    }

  private:
    static constexpr int kKeyBlock = 32, kHeadUnit = 16;  // of runtime/attention.h

    Var j{"j"}, b{"b"}, m{"m"}, d{"d"}, lane{"lane"};
    RDom features, halves, present;
    Func product{"product"}, largest{"largest"}, peak{"peak"}, sum{"sum"}, inverse{"inverse"}, mixed{"mixed"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Attention, attention)
