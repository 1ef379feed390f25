// A network quantized and packed once, `octile quantize`'s file: mapped, not read. Nothing of it is copied; its weights
// are used where they lie. docs/packed_file.md describes the file.
//
//   const Result<PackedModel> model = PackedModel::open("model.octile", isas);
//   const Linear* linear = model->parameters()->linear("encoder.layer.0.intermediate.dense");
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octile/cpu.h"
#include "octile/export.h"
#include "octile/parameters.h"
#include "octile/plan.h"
#include "octile/status.h"

namespace OCTILE_API octile {

// A tensor of the checkpoint that is no linear's.
struct PackedTensor {
    std::string name;
    std::string dtype;  // as safetensors spells it: "F32", "BF16", "I64"
    std::vector<std::int64_t> shape;
    std::span<const std::byte> data;  // row-major, little-endian, aligned to 64 bytes
};

// What opening a file took.
struct PackedFigures {
    std::size_t file_bytes = 0;      // of which all are mapped
    std::size_t used_bytes = 0;      // of header, directory and the sections that this CPU uses: read, and checked
    std::size_t repacked_bytes = 0;  // memory of its own, of linears whose panels the file lacks for this CPU
};

class PackedModel {
  public:
    // Maps the file and verifies the checksum of everything that will be used. `isas`: the levels that linears may use,
    // usable_isas() as a rule. Panels that the file lacks for them are packed from those of another level, with the
    // same results; `notes`, if given, receives a line that says so.
    //
    // Messages are one line that begins with the file.
    // - kIoError: no regular file that can be read
    // - kParseError: another file, a newer version's, one cut short or changed, or with numbers that cannot be
    // - kUnsupported: no kernel for these levels
    // - kOutOfMemory
    //
    // A file that is shortened while it is open ends the process (SIGBUS) when what is lost is used: replace files by
    // rename, as `octile quantize` does.
    static Result<PackedModel> open(const std::filesystem::path& path, IsaSet isas,
                                    std::vector<std::string>* notes = nullptr);

    const Plan& plan() const { return plan_; }
    // The network's graph as JSON text; empty where the checkpoint's configuration was not known.
    const std::string& graph() const { return graph_; }
    // Linears under the names of the plan's layers: a gated pair under the name of its up projection, and none under
    // its gate's. Tensors of f32, f16, bf16 and i8 under their names in the checkpoint; one of shape [K] is a matrix
    // [1, K], of more than two dimensions one whose rows are along the last. It keeps the file mapped for as long as it
    // lives.
    std::shared_ptr<const Parameters> parameters() const { return parameters_; }
    // All tensors, of any type. Valid as long as the parameters.
    const std::vector<PackedTensor>& tensors() const { return tensors_; }
    const PackedFigures& figures() const { return figures_; }

  private:
    PackedModel() = default;

    Plan plan_;
    std::string graph_;
    std::shared_ptr<const Parameters> parameters_;
    std::vector<PackedTensor> tensors_;
    PackedFigures figures_;
};

}  // namespace octile
