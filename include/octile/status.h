// How Octile reports errors: a Status or a Result<T>, both of which the compiler insists on being looked at.
//
// Anything that depends on input (a file, a shape, a value, the CPU) comes back as a Status. A caller's own mistake
// that no input can cause (a null view, a plan of another model) aborts and prints both values. Nothing here throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "octile/export.h"

namespace OCTILE_API octile {

enum class StatusCode {
    kOk,
    kInvalidArgument,  // a shape, option or field that can never be right
    kParseError,       // a file that is not what its format says; the message names file, line or field
    kIoError,          // the operating system refused: missing file, no permission, full disk
    kNonFinite,        // NaN or infinity where a number is needed; the message names the row
    kUnsupported,      // this CPU or this build has no kernel for the request
    kOutOfMemory,
    kInternal,  // a kernel failed: a defect of Octile
};

// Stable lower-case name of a code, e.g. "invalid argument".
std::string_view name_of(StatusCode code);

class [[nodiscard]] Status {
  public:
    Status() = default;
    Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

    bool ok() const { return code_ == StatusCode::kOk; }
    StatusCode code() const { return code_; }
    // One line, without a trailing newline; empty when ok.
    const std::string& message() const { return message_; }

  private:
    StatusCode code_ = StatusCode::kOk;
    std::string message_;
};

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}
    Result(Status status) : status_(std::move(status)) {}

    bool ok() const { return value_.has_value(); }
    const Status& status() const { return status_; }
    // Precondition: ok().
    T& value() & { return *value_; }
    const T& value() const& { return *value_; }
    T&& value() && { return *std::move(value_); }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }

  private:
    std::optional<T> value_;
    Status status_;
};

}  // namespace octile
