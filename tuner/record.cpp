#include "tuner/record.h"

#include <fmt/format.h>

#include <cmath>

#include "base/limits.h"
#include "base/names.h"
#include "base/statistics.h"
#include "planner/json_reader.h"
#include "tuner/protocol.h"
#include "tuner/schedule_format.h"
#include "tuner/space.h"

namespace octile::tuner {
namespace {

using internal::ObjectReader;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 2> kSources = {"measured", "model"};

std::optional<Source> parse_source(std::string_view name) {
    return internal::enum_from_name<Source>(kSources, name);
}

// Tenths of a nanosecond: far below what a clock tells, and lines stay short.
double rounded(double ns) {
    return std::round(ns * 10) / 10;
}

double median_of(const std::vector<double>& ns) {
    return ns.empty() ? 0 : rounded(median(ns));
}

double mad_of(const std::vector<double>& ns) {
    return ns.empty() ? 0 : rounded(deviation(ns));
}

std::optional<std::string> parse_kernel(std::string_view name) {
    return kind_of_kernel(name) ? std::optional<std::string>(name) : std::nullopt;
}

std::optional<std::string> parse_class(std::string_view name) {
    return parse_shape_class(name) ? std::optional<std::string>(name) : std::nullopt;
}

std::string word(ObjectReader& reader, const char* key) {
    return reader.line(key, limits::kTuningWordBytes);
}

RecordKey read_key(const json& object, Status& status) {
    ObjectReader reader(object, "key", status, "record");
    RecordKey key;
    key.kernel = reader.name("kernel", parse_kernel, "gemm_s8 or gemm_f16");
    key.isa = reader.name("isa", parse_isa, "the name of an ISA level");
    key.shape_class = reader.name("class", parse_class, "row, row-large, many or large");
    key.m = reader.integer("m", 1, kMostExtent);
    key.k = reader.integer("k", 1, kMostExtent);
    key.n = reader.integer("n", 1, kMostExtent);
    key.epilogue = reader.name("epilogue", parse_activation, "an activation");
    key.threads = static_cast<int>(reader.integer("threads", 1, 1 << 16));
    key.core = word(reader, "core");
    key.vector_bits = static_cast<int>(reader.integer("vector_bits", 0, 1 << 16));
    reader.finish();
    return key;
}

std::vector<double> read_samples(const json* values, ObjectReader& reader) {
    if (values == nullptr) return {};
    std::vector<double> samples;
    if (!values->is_array()) {
        reader.fail("ns", "an array", internal::found(*values));
        return {};
    }
    if (values->size() > static_cast<std::size_t>(limits::kTuningRounds)) {
        reader.fail("ns", fmt::format("at most {} samples", limits::kTuningRounds), fmt::format("{}", values->size()));
        return {};
    }
    for (std::size_t i = 0; i < values->size(); ++i) {
        const json& value = (*values)[i];
        const double ns = value.is_number() ? value.get<double>() : 0;
        if (!is_sample(ns)) {
            reader.fail(fmt::format("ns[{}]", i), ns > 0 ? kSampleForm : "a number > 0", internal::found(value));
            return {};
        }
        samples.push_back(ns);
    }
    return samples;
}

void check_reason(ObjectReader& reader, std::string_view error) {
    if (error.size() > limits::kTuningReasonBytes)
        reader.fail("error", fmt::format("at most {} bytes", limits::kTuningReasonBytes),
                    fmt::format("{}", error.size()));
}

void check_figure(ObjectReader& reader, const char* key, double expected) {
    const double value = reader.number(key, 0, true);
    if (std::abs(value - expected) > 0.051)
        reader.fail(key, fmt::format("{}, which its samples have", expected), fmt::format("{}", value));
}

}  // namespace

std::string_view name_of(Source source) {
    return internal::enum_name(kSources, source);
}

double Record::median_ns() const {
    return median_of(ns);
}

double Record::mad_ns() const {
    return mad_of(ns);
}

std::string digest(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3u;
    }
    return fmt::format("{:016x}", hash);
}

std::string to_json(const Record& record) {
    const RecordKey& key = record.key;
    std::vector<double> samples;
    for (const double ns : record.ns)
        samples.push_back(rounded(ns));
    ordered_json line = {
        {"key",
         {{"kernel", key.kernel},
          {"isa", octile::name_of(key.isa)},
          {"class", key.shape_class},
          {"m", key.m},
          {"k", key.k},
          {"n", key.n},
          {"epilogue", octile::name_of(key.epilogue)},
          {"threads", key.threads},
          {"core", key.core},
          {"vector_bits", key.vector_bits}}},
        {"label", record.label},
        {"default", record.is_default},
        {"source", name_of(record.source)},
        {"median_ns", median_of(samples)},
        {"mad_ns", mad_of(samples)},
        {"verified", record.verified},
        {"error", record.error},
        {"ns", samples},
        {"params", ordered_json::parse(record.params.dump())},
        {"session", record.session},
        {"job", record.job},
        {"job_seconds", std::round(record.job_seconds * 1e3) / 1e3},
        {"kernels", record.kernels},
        {"octile", record.octile},
        {"halide", record.halide},
        {"clang", record.clang},
        {"time", record.time},
    };
    return line.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

Result<Record> record_from_json(std::string_view line) {
    const Result<json> document = internal::parse_json(line);
    if (!document.ok()) return document.status();
    Status status;
    ObjectReader reader(document.value(), "", status, "record");
    if (!status.ok()) return status;
    Record record;
    if (const json* key = reader.member("key")) record.key = read_key(*key, status);
    record.label = word(reader, "label");
    record.is_default = reader.boolean("default");
    record.source = reader.name("source", parse_source, "measured or model");
    record.verified = reader.boolean("verified");
    record.error = reader.text("error");
    check_reason(reader, record.error);
    record.ns = read_samples(reader.member("ns"), reader);
    check_figure(reader, "median_ns", median_of(record.ns));
    check_figure(reader, "mad_ns", mad_of(record.ns));
    if (const json* params = reader.member("params")) {
        if (status.ok())
            status = check_schedule_entry(*params, *kind_of_kernel(record.key.kernel), record.key.isa, "params");
        record.params = *params;
    }
    record.session = word(reader, "session");
    record.job = word(reader, "job");
    record.job_seconds = reader.number("job_seconds", 0, true, kMostJobSeconds);
    record.kernels = word(reader, "kernels");
    record.octile = word(reader, "octile");
    record.halide = word(reader, "halide");
    record.clang = word(reader, "clang");
    record.time = word(reader, "time");
    reader.finish();
    if (status.ok() && record.ns.empty() == record.error.empty())
        reader.fail("error", "samples or an error, one of the two", record.ns.empty() ? "neither" : "both");
    if (status.ok() && !record.ns.empty() && record.source == Source::kMeasured && !record.verified)
        reader.fail("verified", "true, where there are samples", "false");
    if (!status.ok()) return status;
    return record;
}

}  // namespace octile::tuner
