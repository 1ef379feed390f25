// Runs a network: a Graph, a Plan for its layers, and the Parameters it computes with.
//
// A session belongs to one thread at a time. Any number of sessions may run at once, and share their parameters. All
// memory is taken by create(); run() takes none. Neither depends on the thread's floating-point environment (linear.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "octile/cpu.h"
#include "octile/export.h"
#include "octile/graph.h"
#include "octile/parameters.h"
#include "octile/plan.h"
#include "octile/status.h"

namespace OCTILE_API octile {

// What a node has yielded, f32, for as long as the call lasts. A linear's value is that behind all that was fused into
// it, under the name of the last node of them.
using NodeObserver = std::function<void(const Node& node, const MatrixView& value)>;

struct SessionOptions {
    std::int64_t max_rows = 512;     // tokens of one call, of all sequences together
    std::int64_t max_sequences = 8;  // of one call
    // Causal networks: tokens of a sequence, those of earlier calls included.
    std::int64_t max_context = 512;
    // Levels of the kernels other than the linears', which are those they were packed for; absent: usable_isas().
    std::optional<IsaSet> isas = {};
    // Called behind every node on the thread of run(). With one, values that would never leave the cache are stored
    // too; they are the same numbers.
    NodeObserver observer = {};
};

// One of the graph's inputs: indices, one for each row, or values [rows, features] of f32.
struct SessionInput {
    std::string_view name;
    std::span<const std::int32_t> indices = {};
    MatrixView values = {};
};

// One of the graph's outputs: dense, f32, [rows, features] or, behind a pooling, [sequences, features].
struct SessionOutput {
    std::string_view name;
    std::span<float> values;
};

// Memory of a session in bytes.
struct SessionMemory {
    std::size_t arena = 0;    // values between nodes, which share it
    std::size_t values = 0;   // what those values would take side by side
    std::size_t least = 0;    // the most that are alive at once
    std::size_t panels = 0;   // packed rows
    std::size_t scratch = 0;  // between kernels
    std::size_t cache = 0;    // keys and values of causal attention
    std::size_t tables = 0;   // of rotary embeddings

    std::size_t total() const { return arena + panels + scratch + cache + tables; }
};

class Session {
  public:
    // kInvalidArgument, naming the node and what was expected: a plan that is not this graph's, parameters that are
    // missing or of another shape, options below 1. kUnsupported: no kernels for these levels. kOutOfMemory.
    static Result<Session> create(Graph graph, const Plan& plan, std::shared_ptr<const Parameters> parameters,
                                  const SessionOptions& options = {});
    // One that was moved from can be destroyed or assigned to, and nothing else.
    ~Session();
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;

    // Runs the network on the rows of `lengths.size()` sequences, one behind the other, of lengths[i] >= 1 tokens each.
    // In a causal network they continue what sequence i has said since reset(). All outputs have to be there, and all
    // inputs that are not optional. Memory of inputs and outputs must not overlap.
    //
    // kInvalidArgument: too many rows, an index outside its table (naming input and row), a span of another size ...;
    // kNonFinite: a linear's input holds what its
    // precision cannot (Linear::run); the message names node and row. After an error, outputs
    // hold anything and no sequence has become longer.
    Status run(std::span<const std::int32_t> lengths, std::span<const SessionInput> inputs,
               std::span<const SessionOutput> outputs);

    // Forgets the tokens of all sequences, or of one: 0 to max_sequences - 1.
    void reset();
    void reset(std::int64_t sequence);
    // Tokens that a sequence has said since.
    std::int64_t context(std::int64_t sequence) const;

    const Graph& graph() const;
    const SessionOptions& options() const;
    std::size_t arena_bytes() const { return memory().arena; }
    SessionMemory memory() const;

  private:
    struct State;
    [[gnu::visibility("hidden")]] explicit Session(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// One line, e.g. "arena 1.2 MB for 7.9 MB of values (least 1.2 MB), panels 0.3 MB, ...".
std::string to_text(const SessionMemory& memory);

}  // namespace octile
