#include "inputs/layer_lists/csv_layers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/path_text.h"
#include "inputs/layer_lists/layer_rules.h"

namespace octile {
namespace {

constexpr std::string_view kColumns[] = {"name", "m",    "k",      "n",   "count",       "op",
                                         "act",  "bias", "inputs", "eps", "output_scale"};
constexpr std::size_t kRequired = 4;  // the first of them
constexpr std::string_view kColumnList = "name,m,k,n[,count,op,act,bias,inputs,eps,output_scale]";

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// One record into fields; the returned text says what is wrong, empty when nothing is. Blanks around fields go, blanks
// inside quotes stay.
std::string split_record(std::string_view line, std::vector<std::string>& fields) {
    fields.clear();
    for (;;) {
        const std::size_t start = line.find_first_not_of(" \t");
        std::string field;
        if (start == std::string_view::npos || line[start] != '"') {
            const std::size_t comma = line.find(',');
            const std::string_view raw = trim(line.substr(0, comma));
            if (raw.find('"') != std::string_view::npos) {
                return "expected quotes around a whole field, found " + internal::quote(raw);
            }
            field = raw;
            line.remove_prefix(comma == std::string_view::npos ? line.size() : comma);
        } else {
            std::size_t at = start + 1;
            for (;; at += 2) {  // past the two quotes that stand for one
                const std::size_t quote = line.find('"', at);
                if (quote == std::string_view::npos) {
                    return "expected a closing quote on the same line, found " + internal::quote(line.substr(start));
                }
                field += line.substr(at, quote - at);
                at = quote;
                if (line.substr(at + 1, 1) != "\"") break;
                field += '"';
            }
            line.remove_prefix(std::min(line.find_first_not_of(" \t", at + 1), line.size()));
            if (!line.empty() && line[0] != ',') {
                return "expected a comma after a quoted field, found " + internal::quote(line);
            }
        }
        fields.push_back(std::move(field));
        if (line.empty()) return {};
        line.remove_prefix(1);
    }
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

class CsvReader {
  public:
    explicit CsvReader(const std::filesystem::path& path) : path_(display(path)) { model_.name = display(path.stem()); }

    Result<Model> read(std::string_view text) {
        std::vector<std::string> fields;
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            std::string_view line = text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            ++line_;
            if (line.ends_with('\r')) line.remove_suffix(1);
            if (const std::string_view content = trim(line); content.empty() || content[0] == '#') continue;

            if (const std::string problem = split_record(line, fields); !problem.empty()) {
                return fail(column_at_.empty() ? std::string("header: ").append(problem) : problem);
            }
            const Status status = column_at_.empty() ? read_header(fields) : read_layer(fields);
            if (!status.ok()) return status;
        }
        line_ = std::max<std::size_t>(line_, 1);
        if (column_at_.empty()) return fail("expected the header " + std::string(kColumnList) + ", found nothing");
        if (model_.layers.empty()) return fail("expected at least one layer after the header, found none");
        return std::move(model_);
    }

  private:
    Status fail(const std::string& text) const {
        return Status(StatusCode::kParseError, path_ + ":" + std::to_string(line_) + ": " + text);
    }

    Status read_header(const std::vector<std::string>& fields) {
        std::vector<std::optional<std::size_t>> places(std::size(kColumns));
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const auto* const column = std::find(std::begin(kColumns), std::end(kColumns), fields[i]);
            if (column == std::end(kColumns)) {
                return fail("header: expected the columns " + std::string(kColumnList) + ", found " +
                            internal::quote(fields[i]));
            }
            auto& place = places[static_cast<std::size_t>(column - std::begin(kColumns))];
            if (place)
                return fail("header: expected every column once, found " + internal::quote(fields[i]) + " again");
            place = i;
        }
        for (std::size_t c = 0; c < kRequired; ++c) {
            if (!places[c]) {
                return fail("header: expected the columns " + std::string(kColumnList) + ", found no " +
                            internal::quote(kColumns[c]));
            }
        }
        column_at_ = std::move(places);
        columns_ = fields.size();
        return {};
    }

    Status read_layer(std::vector<std::string>& fields) {
        if (fields.size() != columns_) {
            return fail("expected " + std::to_string(columns_) + " fields as in the header, found " +
                        std::to_string(fields.size()));
        }
        Layer layer;
        for (std::size_t c = 0; c < std::size(kColumns); ++c) {
            if (!column_at_[c]) continue;
            std::string& field = fields[*column_at_[c]];
            if (field.empty() && c >= kRequired) continue;
            if (const std::string problem = set_field(layer, kColumns[c], field); !problem.empty()) {
                return fail(std::string(kColumns[c]) + ": " + problem);
            }
        }
        std::optional<FieldError> error = check_layer(layer);
        if (!error) error = names_.add(layer);
        if (error) return fail(error->field + ": " + error->text);
        model_.layers.push_back(std::move(layer));
        return {};
    }

    // What is wrong with the field, empty when nothing is. Ranges are check_layer's.
    static std::string set_field(Layer& layer, std::string_view column, std::string& field) {
        const std::array<std::pair<std::string_view, std::int64_t*>, 4> extents = {
            {{"m", &layer.m}, {"k", &layer.k}, {"n", &layer.n}, {"count", &layer.count}}};
        for (const auto& [name, target] : extents) {
            if (column != name) continue;
            const std::optional<std::int64_t> value = parse_integer(field);
            if (!value || *value < 1 || *value > max_of(name)) return wrong_extent(name, internal::quote(field));
            *target = *value;
            return {};
        }
        const std::array<std::pair<std::string_view, std::optional<double>*>, 2> numbers = {
            {{"eps", &layer.epsilon}, {"output_scale", &layer.output_scale}}};
        for (const auto& [name, target] : numbers) {
            if (column != name) continue;
            double value = 0;
            const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
            if (error != std::errc() || end != field.data() + field.size() || !is_positive(value))
                return wrong_number(internal::quote(field));
            *target = value;
            return {};
        }
        if (column == "name") {
            layer.name = std::move(field);
        } else if (column == "op") {
            const std::optional<Op> op = parse_op(field);
            if (!op) return wrong_op(internal::quote(field));
            layer.op = *op;
        } else if (column == "act") {
            const std::optional<Activation> activation = parse_activation(field);
            if (!activation) return wrong_activation(internal::quote(field));
            layer.activation = *activation;
        } else if (column == "bias") {
            layer.bias = field == "1" || field == "true";
            if (!layer.bias && field != "0" && field != "false") {
                return "expected 0, 1, true or false, found " + internal::quote(field);
            }
        } else {
            return split_inputs(field, layer.inputs);
        }
        return {};
    }

    static std::string split_inputs(std::string_view field, std::vector<std::string>& inputs) {
        for (;;) {
            const std::size_t end = field.find(';');
            const std::string_view input = trim(field.substr(0, end));
            if (input.empty()) return "expected layer names separated by ';', found an empty one";
            inputs.emplace_back(input);
            if (end == std::string_view::npos) return {};
            field.remove_prefix(end + 1);
        }
    }

    std::string path_;
    std::size_t line_ = 0;
    std::vector<std::optional<std::size_t>> column_at_;  // per kColumns entry; empty until the header is read
    std::size_t columns_ = 0;
    LayerNames names_;
    Model model_;
};

}  // namespace

Result<Model> parse_csv_layers(std::string_view text, const std::filesystem::path& path) {
    return CsvReader(path).read(text);
}

}  // namespace octile
