// The floating-point environment of a thread while it computes for us.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace octile {

// Round to nearest, subnormals kept, no traps, whatever the thread had set; that is there again at the end of the
// scope, and no flag is raised. A few cycles where nothing has to be changed.
class DefaultFloats {
  public:
    DefaultFloats() {
        if (differs(before_)) set(kDefault);
    }
    DefaultFloats(const DefaultFloats&) = delete;
    DefaultFloats& operator=(const DefaultFloats&) = delete;
    ~DefaultFloats() {
        if (differs(before_)) set(before_);
    }

  private:
#if defined(__x86_64__)
    static constexpr std::uint32_t kDefault = 0x1f80, kFlags = 0x3f;  // MXCSR: traps masked; what has happened so far
    static std::uint32_t get() {
        return _mm_getcsr();
    }
    static void set(std::uint32_t control) {
        _mm_setcsr(control);
    }
    static bool differs(std::uint32_t control) {
        return (control & ~kFlags) != kDefault;
    }
    std::uint32_t before_ = get();
#elif defined(__aarch64__)
    static constexpr std::uint64_t kDefault = 0;  // FPCR
    static std::uint64_t get() {
        std::uint64_t control;
        __asm__ volatile("mrs %0, fpcr" : "=r"(control));
        return control;
    }
    static void set(std::uint64_t control) {
        __asm__ volatile("msr fpcr, %0" : : "r"(control) : "memory");
    }
    static bool differs(std::uint64_t control) {
        return control != kDefault;
    }
    std::uint64_t before_ = get();
#endif
};

}  // namespace octile
