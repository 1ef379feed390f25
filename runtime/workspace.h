#pragma once

#include "octile/linear.h"
#include "runtime/aligned_buffer.h"

namespace octile {

struct [[gnu::visibility("hidden")]] Workspace::State {
    PackedRows rows;
    AlignedBuffer scratch;
};

}  // namespace octile
