// Layer lists of a graph's rows (layers_of) with fewer rows.
#pragma once

#include "octile/layer.h"

namespace octile {

// The linears, norms and activations of a list whose rows name what they read. A linear has the activation behind it;
// whoever read a row that is gone reads what that read, if that says as much, and otherwise nobody knows what it reads.
// With `keep_shared`, rows that several linears read stay, whatever they are.
Model linears_and_norms(const Model& model, bool keep_shared);

// The same with the blocks of a network listed once: '*' stands for the numbers in a name, and `count` says how many
// rows are alike. A row reads what the first of them reads.
Model blocks_once(const Model& model);

}  // namespace octile
