#include "runtime/int4_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <span>

#include "runtime/matrix.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

// Everything is counted in sixteenths of a level, in integers: sums are exact then, whatever their order.
constexpr int kStep = 16;
constexpr int kLargestLevel = 127, kLargestQ4 = 15, kLargestS4 = 15;

// What S is tried as, in units of absmax / 127. Above 1: a group that spans -absmax to absmax needs more than 15 * 15
// levels otherwise. Below: the outliers of a channel are clipped for the sake of its other groups.
constexpr float kScales[] = {1.12f, 1.06f, 1.0f, 0.95f};

struct Fit {
    std::int32_t error;  // sum of squares, in sixteenths of a level
    int s4, c8;

    bool operator<(const Fit& other) const {
        if (error != other.error) return error < other.error;
        return s4 != other.s4 ? s4 < other.s4 : c8 < other.c8;
    }
};

// The largest q4 whose level is none above 127.
int largest_q4(int s4, int c8) {
    return std::min(kLargestQ4, (kLargestLevel - c8) / s4);
}

// floor(value / (16 * s4)) for values from 0 to 2^13 by a high half of a product, which vectorizes: the factor is too
// large by less than 1, which makes the quotient too large by less than 2^13 / 16 / 2^13, a sixteenth.
class Divider {
  public:
    explicit Divider(int s4) : factor_(static_cast<std::int16_t>((0x2000 + s4 - 1) / s4)) {}

    std::int16_t operator()(std::int16_t value) const {
        const auto eights = static_cast<std::int16_t>((value >> 1) & ~7);
        return static_cast<std::int16_t>((std::int32_t{eights} * std::int32_t{factor_}) >> 16);
    }

  private:
    std::int16_t factor_;
};

// The elements of a group, and for one s4 what is left of them modulo its step. Loops are over all of kCount, so that
// the compiler vectorizes them; 0: a shorter group.
template <int kCount>
class Group {
  public:
    explicit Group(std::span<const std::int16_t> values)
        : values_(values.data()), size_(static_cast<int>(values.size())) {
        lowest_ = *std::min_element(values.begin(), values.end());
        highest_ = *std::max_element(values.begin(), values.end());
    }

    Fit best() {
        // From the first step with which q4 can reach everything: the best is near.
        const int covering =
            std::clamp((highest_ - lowest_ + kLargestQ4 * kStep - 1) / (kLargestQ4 * kStep), 1, kLargestS4);
        for (int s4 = covering; s4 <= kLargestS4; s4++)
            try_step(s4);
        for (int s4 = covering - 1; s4 >= 1; s4--)
            try_step(s4);
        return best_;
    }

  private:
    int count() const { return kCount > 0 ? kCount : size_; }

    // Every c8 with this s4 that may be better than the best so far.
    void try_step(int s4) {
        const auto step = static_cast<std::int16_t>(kStep * s4);
        const Divider divide(s4);
        for (int i = 0; i < count(); i++) {
            const auto above = static_cast<std::int16_t>(values_[i] - lowest_);
            rest_[i] = static_cast<std::int16_t>(above - divide(above) * step);
        }
        if (least_error(step) > best_.error) return;
        std::array<std::int32_t, kLargestS4> circular;  // by c8 modulo s4, from `first` on
        circular.fill(-1);
        // An end that is further off than this is worse by itself.
        const auto reach = static_cast<int>(std::min(std::sqrt(static_cast<double>(best_.error)), 0x1p14)) + 1;
        const int first = std::max(-kLargestLevel, (highest_ - reach) / kStep - 1 - kLargestQ4 * s4);
        const int last = std::min(kLargestLevel, (lowest_ + reach) / kStep + 1);
        const int span = (highest_ - lowest_) % step;
        int start = modulo(kStep * first - lowest_, step), largest = kLargestQ4, phase = 0;
        for (int c8 = first; c8 <= last; c8++) {
            while (c8 + s4 * largest > kLargestLevel)
                largest--;
            const int below = std::max(0, kStep * c8 - lowest_);
            const int above = std::max(0, highest_ - kStep * (c8 + s4 * largest));
            const std::int32_t ends = below * below + above * above;
            if (ends <= best_.error) {
                std::int32_t& endless = circular[static_cast<std::size_t>(phase)];
                if (endless < 0) endless = circular_error(static_cast<std::int16_t>(start), step);
                if (ends == 0) {
                    best_ = std::min(best_, {endless, s4, c8});
                } else {
                    // Beyond the ends of q4 errors are larger than if it had none; how much larger, of two elements.
                    const int low = circular_distance<int>(0, start, step);
                    const int high = circular_distance<int>(span, start, step);
                    const std::int32_t own = (below > 0 ? low * low : 0) + (above > 0 ? high * high : 0);
                    if (endless - own + ends <= best_.error)
                        best_ = std::min(best_, {clipped_error(s4, c8, largest), s4, c8});
                }
            }
            start += kStep;
            if (start >= step) start -= step;
            if (++phase == s4) phase = 0;
        }
    }

    static int modulo(int value, int of) {
        const int rest = value % of;
        return rest < 0 ? rest + of : rest;
    }

    template <typename T>
    static T circular_distance(T a, T b, T step) {
        const auto difference = static_cast<T>(a - b), opposite = static_cast<T>(-difference);
        const T distance = std::max(difference, opposite), around = static_cast<T>(step - distance);
        return std::min(distance, around);
    }

    // Of no c8 with this step is the error less: two elements can only share what lies between them.
    std::int32_t least_error(std::int16_t step) const {
        std::int32_t sum = 0;
        for (int i = 0; i < count() / 2; i++) {
            const std::int16_t distance = circular_distance<std::int16_t>(rest_[i], rest_[i + count() / 2], step);
            sum += std::int32_t{distance} * distance;
        }
        return sum / 2;
    }

    // If q4 had no ends, and c8 lay at `start` modulo the step.
    std::int32_t circular_error(std::int16_t start, std::int16_t step) const {
        std::int32_t sum = 0;
        for (int i = 0; i < count(); i++) {
            const std::int16_t distance = circular_distance<std::int16_t>(rest_[i], start, step);
            sum += std::int32_t{distance} * distance;
        }
        return sum;
    }

    std::int32_t clipped_error(int s4, int c8, int largest) const {
        const auto step = static_cast<std::int16_t>(kStep * s4), offset = static_cast<std::int16_t>(kStep * c8);
        const auto last = static_cast<std::int16_t>(step * (largest + 1) - 1);
        const Divider divide(s4);
        std::int32_t sum = 0;
        for (int i = 0; i < count(); i++) {
            const auto above = static_cast<std::int16_t>(values_[i] - offset);
            const auto rounded = static_cast<std::int16_t>(above + step / 2);
            const auto inside = std::min(std::max(rounded, std::int16_t{0}), last);
            const auto off = static_cast<std::int16_t>(above - divide(inside) * step);
            sum += std::int32_t{off} * off;
        }
        return sum;
    }

    const std::int16_t* values_;
    const int size_;
    std::int16_t lowest_, highest_;
    std::array<std::int16_t, kInt4Group> rest_;
    Fit best_ = {std::numeric_limits<std::int32_t>::max(), 0, 0};
};

Fit best_fit(std::span<const std::int16_t> values) {
    return values.size() == kInt4Group ? Group<kInt4Group>(values).best() : Group<0>(values).best();
}

// Fits one output channel after the other, with memory that it keeps.
class ChannelFitter {
  public:
    explicit ChannelFitter(std::int64_t k)
        : weights_(static_cast<std::size_t>(k)),
          values_(weights_.size()),
          fits_(static_cast<std::size_t>(int4_groups(k))),
          best_(fits_.size()) {}

    static std::size_t bytes(std::int64_t k) {
        return static_cast<std::size_t>(k) * (sizeof(float) + sizeof(std::int16_t)) +
               static_cast<std::size_t>(int4_groups(k)) * 2 * sizeof(Fit);
    }

    // False if there is NaN or infinity.
    bool fit(const MatrixView& weights, std::int64_t channel, Int4Weights& into) {
        const std::int64_t from = channel * weights.row_stride;
        std::uint32_t magnitude = std::bit_cast<std::uint32_t>(1e-8f);
        for (std::size_t i = 0; i < weights_.size(); i++) {
            weights_[i] = element_at(weights, from + static_cast<std::int64_t>(i));
            magnitude = std::max(magnitude, std::bit_cast<std::uint32_t>(weights_[i]) & 0x7fffffffu);
        }
        const auto absmax = std::bit_cast<float>(magnitude);
        if (!std::isfinite(absmax)) return false;
        float best_scale = 0;
        double least = std::numeric_limits<double>::infinity();
        for (const float candidate : kScales) {
            const float scale = absmax / kLargestLevel * candidate;
            set_values(scale);
            std::int64_t error = 0;
            for (std::size_t group = 0; group < fits_.size(); group++)
                error += (fits_[group] = best_fit(group_values(group))).error;
            const double worth = static_cast<double>(error) * (static_cast<double>(scale) * static_cast<double>(scale));
            if (worth >= least) continue;
            least = worth;
            best_scale = scale;
            best_.swap(fits_);
        }
        set_values(best_scale);
        write(channel, best_scale, into);
        return true;
    }

  private:
    void set_values(float scale) {
        constexpr float kRounds = 0x1.8p+23f;
        const float factor = kStep / scale;
        for (std::size_t i = 0; i < weights_.size(); i++)
            values_[i] = static_cast<std::int16_t>((weights_[i] * factor + kRounds) - kRounds);
    }

    std::span<const std::int16_t> group_values(std::size_t group) const {
        const std::size_t first = group * kInt4Group;
        return std::span(values_).subspan(first, std::min<std::size_t>(kInt4Group, values_.size() - first));
    }

    // The levels of the best fits, and the scale with which they are nearest.
    void write(std::int64_t channel, float scale, Int4Weights& into) const {
        const auto first_group = static_cast<std::size_t>(channel) * best_.size();
        std::uint8_t* q4 = into.q4.data() + channel * into.k;
        double product = 0, square = 0;
        for (std::size_t group = 0; group < best_.size(); group++) {
            const auto [error, s4, c8] = best_[group];
            into.s4[first_group + group] = static_cast<std::uint8_t>(s4);
            into.c8[first_group + group] = static_cast<std::int8_t>(c8);
            const int largest = largest_q4(s4, c8);
            const std::span<const std::int16_t> values = group_values(group);
            for (std::size_t i = 0; i < values.size(); i++) {
                const int rounded = std::max(0, values[i] - kStep * c8 + kStep / 2 * s4);
                const int q = std::min(largest, rounded / (kStep * s4));
                *q4++ = static_cast<std::uint8_t>(q);
                const double level = s4 * q + c8;
                product += static_cast<double>(weights_[group * kInt4Group + i]) * level;
                square += level * level;
            }
        }
        const auto nearest = static_cast<float>(product / square);
        into.scale[static_cast<std::size_t>(channel)] = square > 0 && nearest > 0 ? nearest : scale;
    }

    std::vector<float> weights_;
    std::vector<std::int16_t> values_;
    std::vector<Fit> fits_, best_;
};

// NaN for a channel that cannot be fitted.
Status fit_channels(const MatrixView& weights, Int4Weights& into) {
    FirstError error;
    const auto fit_range = [&](int, std::int64_t begin, std::int64_t end) {
        try {
            ChannelFitter fitter(weights.columns);
            for (std::int64_t channel = begin; channel < end; channel++)
                if (!fitter.fit(weights, channel, into))
                    into.scale[static_cast<std::size_t>(channel)] = std::numeric_limits<float>::quiet_NaN();
        } catch (const std::bad_alloc&) {
            return error.keep(out_of_memory(ChannelFitter::bytes(weights.columns)));
        }
        return 0;
    };
    // Fitting an element costs what some thousand multiply-adds do.
    const double operations = 1000.0 * static_cast<double>(weights.rows) * static_cast<double>(weights.columns);
    return error.take(parallel_pieces(weights.rows, piece_count(weights.rows, operations), fit_range));
}

}  // namespace

Result<Int4Weights> fit_int4(const char* name, const MatrixView& weights, std::int64_t first) {
    Int4Weights result;
    result.n = weights.rows;
    result.k = weights.columns;
    const auto channels = static_cast<std::size_t>(weights.rows),
               levels = channels * static_cast<std::size_t>(weights.columns),
               groups = channels * static_cast<std::size_t>(int4_groups(weights.columns));
    try {
        result.q4.resize(levels);
        result.s4.resize(groups);
        result.c8.resize(groups);
        result.scale.resize(channels);
    } catch (const std::bad_alloc&) {
        return out_of_memory(levels + 2 * groups + channels * sizeof(float));
    }
    if (Status status = fit_channels(weights, result); !status.ok()) return status;
    if (const std::int64_t channel = first_non_finite(result.scale.data(), weights.rows); channel >= 0)
        return Status(StatusCode::kNonFinite,
                      fmt::format("{}: output channel {} holds NaN or infinity", name, first + channel));
    return result;
}

}  // namespace octile
