// One job on this machine.
#pragma once

#include "octile/status.h"
#include "tuner/protocol.h"

namespace octile::measure {

// Verifies every candidate of a job on its layer, and times those that are right in turns: an untimed call, then a
// sample of as many calls as take sample_ms, each candidate once a round. INT8 has to be bit by bit what the reference
// computes in some rows, and what the default computes in all of them; FP16 within its bound. Under an emulator nothing
// is timed.
//
// A candidate's own failure is in its answer. kInvalidArgument for a job that this program cannot do, kUnsupported
// where the CPU lacks the level.
Result<tuner::Answer> run_job(const tuner::JobText& job, const std::string& emulated);

}  // namespace octile::measure
