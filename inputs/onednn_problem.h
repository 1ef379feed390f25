// One problem as oneDNN spells it, in benchdnn's batch files and in ONEDNN_VERBOSE's lines alike.
//
//   mb128ic768oc3072n"bert:ffn*12"     inner product: [mb, ic*id*ih*iw] times [oc, ...]; mb is 2 unless given; of the
//                                      spatial extents a missing ih is id and a missing iw is ih; '_' is ignored
//   128x768:768x3072[:128x3072]n"ffn"  matmul: source, weights and, if given, destination
//   12x128x64:12x64x128                the same in a batch
//
// A name that ends in *12 says that the network holds the layer 12 times. Facts: tests/benchdnn/doc/driver_ip.md and
// driver_matmul.md of oneDNN.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "octile/status.h"

namespace octile {

enum class ProblemKind { kInnerProduct, kMatmul };

struct OnednnProblem {
    std::int64_t m = 0;
    std::int64_t k = 0;
    std::int64_t n = 0;
    std::int64_t count = 1;  // of the name; times the batch where each of the batch has weights of its own
    std::string name;        // without count; the problem itself where it has no name
};

// Whether text begins like a problem of either kind.
bool looks_like_problem(std::string_view text);

// Precondition: looks_like_problem().
ProblemKind kind_of_problem(std::string_view text);

// kParseError with "field: expected ..., found ...", to go behind the place. A matmul's batch is part of M where the
// weights are the same for all of it. `mb` above 0 replaces an inner product's.
Result<OnednnProblem> parse_problem(std::string_view text, ProblemKind kind, std::int64_t mb = 0);

}  // namespace octile
