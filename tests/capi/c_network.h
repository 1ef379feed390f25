// A packed network for tests of the C API.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/capi/c_handles.h"
#include "tests/inputs/temp_folder.h"
#include "tests/packed/packed_network.h"

namespace octile::test {

// A small decoder, some of its linears INT8.
class Network {
  public:
    Network() {
        const Graph graph = decoder_graph({});
        const Status status = write_packed(graph, plan_of(graph, 25), file());
        INFO(status.message());
        REQUIRE(status.ok());
        output_ = graph.outputs.front();
    }

    std::filesystem::path file() const { return folder_.path() / "net.octile"; }
    const std::string& output() const { return output_; }
    std::int64_t features() const { return DecoderSizes{}.vocabulary; }

    CModel open(octile_isa_set isas = 0) const {
        octile_model* model = nullptr;
        octile_error error;
        require_ok(octile_model_open(file().c_str(), isas, &model, &error), error);
        return CModel(model);
    }
    CSession session(const octile_model* model, const octile_session_options* options = nullptr) const {
        octile_session* session = nullptr;
        octile_error error;
        require_ok(octile_session_create(model, options, &session, &error), error);
        return CSession(session);
    }

  private:
    TempFolder folder_;
    std::string output_;
};

}  // namespace octile::test
