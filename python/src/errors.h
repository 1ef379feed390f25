// A Status on its way to Python, where it becomes an exception of octile/_errors.py.
#pragma once

#include <nanobind/nanobind.h>

#include <exception>
#include <string>
#include <utility>

#include "octile/status.h"

namespace octile::python {

class StatusError : public std::exception {
  public:
    explicit StatusError(Status status) : status_(std::move(status)) {}

    const Status& status() const { return status_; }
    const char* what() const noexcept override { return status_.message().c_str(); }

  private:
    Status status_;
};

// octile.ArgumentError, a ValueError.
[[noreturn]] void refuse(std::string message);
// TypeError.
[[noreturn]] void refuse_type(const std::string& message);

void check(Status status);

template <typename T>
T take(Result<T> result) {
    if (!result.ok()) throw StatusError(result.status());
    return std::move(result).value();
}

// Raises what StatusErrors become; once, by the module.
void register_errors();

}  // namespace octile::python
