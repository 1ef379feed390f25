// From a runner's answer to records: what may enter the database, and what may not.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "octile/core.h"
#include "tuner/protocol.h"
#include "tuner/record.h"
#include "tuner/space.h"

namespace octile::tuner {

std::string utc_time();  // 2026-11-22T07:30:00Z

// A name that no other session has, not even one of the same kind begun in the same second: "<kind>.<time>.<random>".
// What boards keep and databases hold is told apart by it.
std::string new_session(std::string_view kind);

struct NamedEntry {
    std::string label;
    nlohmann::json entry;
};

// What answers of one search have in common.
struct RecordContext {
    std::string session;  // the front of every job's name, before a slash
    std::string kernel;
    Isa isa = Isa::kNeon;
    Core core;  // whose caches say what large weights are
    std::string default_name;
    std::map<std::string, NamedEntry> entries;  // by candidate
    Source source = Source::kMeasured;
};

// Whether the answer is about these kernels on this level; kParseError if not.
Status check_level(const Answer& answer, std::string_view kernel, Isa isa);

// One record per candidate. kInvalidArgument for an answer of other kernels than this build's; kUnsupported for an
// emulator's, which says how many candidates it verified.
Result<std::vector<Record>> records_of(const Answer& answer, const JobText& job, const RecordContext& context);

}  // namespace octile::tuner
