// What comes behind readers: planning, planning as text, and running.
#pragma once

#include "inputs/checkpoint.h"
#include "inputs/linear_tensors.h"
#include "octile/graph.h"
#include "octile/layer.h"
#include "octile/plan.h"

namespace octile::fuzz {

// Plans by ratio and by cost; what is planned has to survive its JSON.
void plan(const Model& model);
// Prints, summarizes and compares a plan, and reads its JSON again, which has to be the same.
void use(const Plan& plan);
// Prints a graph's JSON and reads it again; plans its layers.
void use(const Graph& graph);
// Reads all bytes of all tensors, plans the linears, and converts those that are small.
void use(const Checkpoint& checkpoint);
// Reads the weights of all linears, as floats and, where they are that, as int8.
void use(const LinearTensors& tensors);

}  // namespace octile::fuzz
