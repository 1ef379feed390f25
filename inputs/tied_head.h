// A head that a checkpoint ties to its table of tokens, and has all the same.
#pragma once

#include <string>

#include "inputs/checkpoint.h"

namespace octile {

// Which of the two counts, as a line; empty where config.json ties nothing, where there is one of them, or where both
// hold the same values. As in transformers 5, which does not tie what differs, the head is the file's.
std::string tied_head_note(const Checkpoint& checkpoint);

}  // namespace octile
