#include "inputs/benchdnn_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/onednn_problem.h"
#include "inputs/post_ops.h"
#include "inputs/text_file.h"
#include "inputs/unique_layers.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

// Options that change no shape: those of the two drivers and the common ones. A trailing '-' or '_' ends a family.
constexpr std::array kPassedOver = {
    "dt",         "cfg",      "tag",        "stag",      "wtag",         "dtag",     "strides", "bia_mask",
    "bia-mask",   "match",    "skip-impl",  "impl",      "encoding",     "inplace",  "repro",   "runtime_dims_masks",
    "attr-",      "ctx-init", "ctx-exe",    "mode",      "mode-",        "perf-",    "engine",  "fix-times-per-prb",
    "max-ms-",    "repeats-", "cold-cache", "canonical", "mem-check",    "fast-ref", "alg",     "allow-enum-tags-only",
    "test-",      "verbose",  "summary",    "stream-",   "num-streams",  "cpu-isa-", "start",   "skip-",
    "execution-", "global-",  "memory-",    "check-",    "fast-ref-gpu", "hints",    "op-",     "sdt",
    "wdt",        "ddt",      "gpu-",       "api",       "buffer-prefix"};

bool is_passed_over(std::string_view option) {
    return std::any_of(kPassedOver.begin(), kPassedOver.end(), [&](std::string_view known) {
        return known.ends_with('-') ? option.starts_with(known) : option == known;
    });
}

struct Options {
    std::optional<ProblemKind> driver;
    std::int64_t mb = 0;
    bool inner_product_bias = true;  // --dir=FWD_B
    bool matmul_bias = false;        // --bia_dt=undef
    Activation activation = Activation::kNone;
};

class BenchdnnReader {
  public:
    explicit BenchdnnReader(const fs::path& path) { layers_.model().name = display(path.stem()); }

    Result<Model> run(std::string_view text, const fs::path& path) {
        if (Status status = read(text, path); !status.ok()) return status;
        if (layers_.model().layers.empty()) {
            return parse_error(
                fmt::format("{}:1: expected at least one problem such as mb8ic64oc128 or 8x64:64x128, "
                            "found none",
                            display(path)));
        }
        return layers_.take();
    }

  private:
    Status read(std::string_view text, const fs::path& path) {
        open_.push_back(path);
        std::size_t line = 0;
        std::string pending;  // of a line that goes on
        while (!text.empty()) {
            std::string_view raw = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(raw.size() + 1, text.size()));
            ++line;
            while (!raw.empty() && (raw.back() == '\r' || raw.back() == ' ' || raw.back() == '\t'))
                raw.remove_suffix(1);
            raw.remove_prefix(std::min(raw.find_first_not_of(" \t"), raw.size()));
            const bool goes_on = raw.ends_with('\\');
            if (goes_on) raw.remove_suffix(1);
            while (goes_on && !raw.empty() && (raw.back() == ' ' || raw.back() == '\t'))
                raw.remove_suffix(1);
            if (!pending.empty() && !pending.ends_with(',')) pending += ' ';
            pending += raw;
            if (goes_on && !text.empty()) continue;
            const std::string place = fmt::format("{}:{}: ", display(path), line);
            if (Status status = read_line(pending, path, place); !status.ok()) return status;
            pending.clear();
        }
        open_.pop_back();
        return {};
    }

    Status read_line(std::string_view line, const fs::path& path, const std::string& place) {
        for (;;) {
            line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
            if (line.empty() || line.front() == '#') return {};
            const std::string_view token = take_token(line);
            if (token == "benchdnn" || token.ends_with("/benchdnn")) continue;
            Status status = token.starts_with('-') ? read_option(token, path, place) : read_problem(token);
            if (!status.ok()) {
                const bool placed = status.message().starts_with(display(path)) || token.starts_with("--batch=");
                return placed ? status : Status(status.code(), place + status.message());
            }
        }
    }

    // Up to the next blank outside quotes.
    static std::string_view take_token(std::string_view& line) {
        bool quoted = false;
        std::size_t end = 0;
        for (; end < line.size() && (quoted || (line[end] != ' ' && line[end] != '\t')); ++end)
            quoted ^= line[end] == '"';
        const std::string_view token = line.substr(0, end);
        line.remove_prefix(end);
        return token;
    }

    Status read_option(std::string_view token, const fs::path& path, const std::string& place) {
        const std::size_t equals = std::min(token.find('='), token.size());
        const std::string_view value = token.substr(std::min(equals + 1, token.size()));
        std::string_view option = token.substr(0, equals);
        option.remove_prefix(std::min(option.find_first_not_of('-'), option.size()));
        const std::string_view first = value.substr(0, value.find(','));
        if (option == "reset") {
            options_ = {.driver = options_.driver};
        } else if (option == "ip" || option == "matmul") {
            options_.driver = option == "ip" ? ProblemKind::kInnerProduct : ProblemKind::kMatmul;
        } else if (option == "batch") {
            return read_batch(value, path, place);
        } else if (option == "mb") {
            const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), options_.mb);
            if (error != std::errc() || end != first.data() + first.size() || options_.mb < 0 ||
                options_.mb > kMaxExtent) {
                return parse_error(fmt::format("--mb: expected an integer from 0 to {}, found {}", kMaxExtent,
                                               internal::quote(first)));
            }
        } else if (option == "dir") {
            options_.inner_product_bias = first.ends_with('B');  // FWD_B, BWD_WB
        } else if (option == "bia_dt" || option == "bia-dt") {
            options_.matmul_bias = !first.empty() && first != "undef";
        } else if (option == "attr-post-ops") {
            options_.activation = first_activation(first);
        } else if (!is_passed_over(option) && !(token.starts_with("-v") && option.size() <= 2)) {
            return parse_error(
                fmt::format("expected an option of benchdnn's ip or matmul driver, found {}", internal::quote(token)));
        }
        return {};
    }

    Status read_batch(std::string_view value, const fs::path& path, const std::string& place) {
        const fs::path batch = path.parent_path() / fs::path(value);
        std::error_code ignored;
        const bool open = std::any_of(open_.begin(), open_.end(), [&](const fs::path& other) {
            return other == batch || fs::equivalent(other, batch, ignored);
        });
        if (value.empty() || open) {
            return parse_error(fmt::format("{}--batch: expected a file that is not being read already, found {}", place,
                                           internal::quote(value)));
        }
        if (open_.size() >= limits::kBatchDepth) {
            return parse_error(fmt::format("{}--batch: expected at most {} files inside each other, found more", place,
                                           limits::kBatchDepth));
        }
        // Files that include the next one twice each would have no end.
        if (++files_ > limits::kBatchFiles) {
            return parse_error(
                fmt::format("{}--batch: expected at most {} files, found more", place, limits::kBatchFiles));
        }
        const Result<std::string> text = read_text_file(batch);
        if (!text.ok()) return {text.status().code(), fmt::format("{}--batch: {}", place, text.status().message())};
        bytes_ += text->size();
        if (bytes_ > limits::kTextBytes) {
            return parse_error(fmt::format("{}--batch: expected files of together at most {} bytes, found more", place,
                                           limits::kTextBytes));
        }
        return read(text.value(), batch);
    }

    Status read_problem(std::string_view token) {
        if (!looks_like_problem(token)) {
            return parse_error(fmt::format("expected a problem such as mb8ic64oc128 or 8x64:64x128, found {}",
                                           internal::quote(token)));
        }
        const ProblemKind kind = kind_of_problem(token);
        if (options_.driver && *options_.driver != kind) {
            return parse_error(fmt::format("expected a problem of the {} driver, found {}",
                                           *options_.driver == ProblemKind::kMatmul ? "matmul" : "ip",
                                           internal::quote(token)));
        }
        const Result<OnednnProblem> problem = parse_problem(token, kind, options_.mb);
        if (!problem.ok()) return problem.status();
        Layer layer{.name = problem->name,
                    .op = Op::kLinear,
                    .m = problem->m,
                    .k = problem->k,
                    .n = problem->n,
                    .count = problem->count,
                    .activation = options_.activation,
                    .bias = kind == ProblemKind::kMatmul ? options_.matmul_bias : options_.inner_product_bias};
        if (const auto error = check_layer(layer)) return parse_error(fmt::format("{}: {}", error->field, error->text));
        if (++problems_ > limits::kBatchProblems)
            return parse_error(fmt::format("expected at most {} problems, found more", limits::kBatchProblems));
        layers_.add(std::move(layer), UniqueLayers::Recurrence::kSameLayer);
        return {};
    }

    Options options_;
    std::vector<fs::path> open_;                        // files that are being read, the outermost first
    std::size_t files_ = 0, bytes_ = 0, problems_ = 0;  // so far, of all --batch
    UniqueLayers layers_;
};

}  // namespace

Result<Model> parse_benchdnn_layers(std::string_view text, const fs::path& path) {
    return BenchdnnReader(path).run(text, path);
}

}  // namespace octile
