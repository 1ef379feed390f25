// Which names a shared library of Octile exports: those of its public headers. Linked as an archive, Octile exports
// none, and neither does what it is linked into.
#pragma once

#if defined(OCTILE_SHARED)  // set by the build, for the library and whoever links it
#define OCTILE_API [[gnu::visibility("default")]]
#define OCTILE_C_API __attribute__((visibility("default")))
#else
#define OCTILE_API
#define OCTILE_C_API
#endif
