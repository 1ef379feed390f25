// octile.Session.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "octile/packed_model.h"
#include "octile/session.h"
#include "session/graph_shapes.h"

namespace octile::python {

// A session, which is one thread's at a time: calls of several wait for each other.
class PythonSession {
  public:
    // ArgumentError where the file holds layers and no network.
    PythonSession(const PackedModel& model, const SessionOptions& options);

    nanobind::dict run(nanobind::handle inputs, const std::optional<std::vector<std::int32_t>>& lengths);
    void reset(std::optional<std::int64_t> sequence);
    std::int64_t context(std::int64_t sequence);

    const Session& session() const { return session_; }
    const GraphValue& value(const std::string& name) const { return values_.find(name)->second; }

  private:
    void check_sequence(std::int64_t sequence) const;

    Session session_;
    GraphValues values_;
    std::mutex mutex_;
};

// What a network yields.
struct OutputInfo {
    std::string name;
    std::int64_t features = 0;
    bool per_sequence = false;
};
std::vector<OutputInfo> outputs_of(const PythonSession& session);

void add_session(nanobind::module_& module);

}  // namespace octile::python
