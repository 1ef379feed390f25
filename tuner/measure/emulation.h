// Whether this process runs under an emulator, whose time says nothing about a core.
#pragma once

#include <string>

namespace octile::measure {

// How it shows, in a few words; empty: not emulated, as far as can be told. Three signs that do not depend on each
// other:
//
// - the program that the kernel runs, /proc/self/exe by a spelling that user-mode emulators do not catch, is one of
//   another architecture, or not this one
// - /proc/cpuinfo, or the kernel's architecture, is another one's
// - a multiplication of vectors takes more than kMostLatency times an addition of integers: 3 to 8 times on every core
//   that Octile runs on, some hundred where floating point is done in software, whatever the emulator hides
std::string find_emulator();

inline constexpr double kMostLatency = 30;

}  // namespace octile::measure
