#include "python/src/errors.h"

namespace nb = nanobind;

namespace octile::python {
namespace {

// In octile/_errors.py. Out of memory is the built-in one.
const char* class_of(StatusCode code) {
    switch (code) {
        case StatusCode::kInvalidArgument:
            return "ArgumentError";
        case StatusCode::kParseError:
            return "ParseError";
        case StatusCode::kIoError:
            return "FileError";
        case StatusCode::kNonFinite:
            return "NonFiniteError";
        case StatusCode::kUnsupported:
            return "UnsupportedError";
        case StatusCode::kOutOfMemory:
            return nullptr;
        case StatusCode::kOk:
        case StatusCode::kInternal:
            break;
    }
    return "Error";
}

void raise(const Status& status) {
    if (const char* const name = class_of(status.code())) {
        const nb::object type = nb::module_::import_("octile._errors").attr(name);
        PyErr_SetString(type.ptr(), status.message().c_str());
    } else {
        PyErr_SetString(PyExc_MemoryError, status.message().c_str());
    }
}

}  // namespace

void refuse(std::string message) {
    throw StatusError({StatusCode::kInvalidArgument, std::move(message)});
}

void refuse_type(const std::string& message) {
    throw nb::type_error(message.c_str());
}

void check(Status status) {
    if (!status.ok()) throw StatusError(std::move(status));
}

void register_errors() {
    nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
        try {
            std::rethrow_exception(pointer);
        } catch (const StatusError& error) {
            raise(error.status());
        }
    });
}

}  // namespace octile::python
