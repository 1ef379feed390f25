// Asks the test before the program takes memory from the heap: by operator new, or by the C functions as far as the
// code of this executable and of the archives linked into it call them. The executable is linked with --wrap for these
// (CMakeLists.txt), and says what is granted.
#pragma once

#include <cstddef>

namespace octile::test {

enum class Taker { kC, kNew };  // the C functions, operator new

// For the executable to define. On all threads; takes no memory itself. Where it says no, errno is ENOMEM.
bool grants_memory(std::size_t bytes, Taker taker);

}  // namespace octile::test
