#include "capi/boundary.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <new>

#include "base/printable.h"
#include "capi/enums.h"

namespace octile::capi {
namespace {

bool continues(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// The whole of `text`, or its beginning and its end, which say where and what; characters of UTF-8 stay whole.
void write_message(std::string_view text, char (&message)[OCTILE_ERROR_BYTES]) {
    constexpr std::string_view kCut = "...";
    constexpr std::size_t kMost = OCTILE_ERROR_BYTES - 1, kHalf = (kMost - kCut.size()) / 2;
    std::string_view begin = text, cut, end;
    if (text.size() > kMost) {
        std::size_t head = kHalf, tail = text.size() - kHalf;
        while (head > 0 && continues(text[head]))
            head--;
        while (tail < text.size() && continues(text[tail]))
            tail++;
        begin = text.substr(0, head);
        cut = kCut;
        end = text.substr(tail);
    }
    char* at = message;
    for (const std::string_view part : {begin, cut, end})
        at = std::copy(part.begin(), part.end(), at);
    *at = '\0';
}

}  // namespace

void refuse(std::string message) {
    throw Refusal{Status(StatusCode::kInvalidArgument, std::move(message))};
}

void refuse_name(std::string_view what, std::string_view name) {
    refuse("there is no " + std::string(what) + " " + internal::quote(name));
}

octile_status succeed(octile_error* error) noexcept {
    if (error) {
        error->code = OCTILE_OK;
        error->message[0] = '\0';
    }
    return OCTILE_OK;
}

octile_status fail(octile_error* error, StatusCode code, std::string_view message) noexcept {
    if (error) {
        error->code = to_c(code);
        write_message(message, error->message);
    }
    return to_c(code);
}

octile_status fail_by_exception(octile_error* error) noexcept {
    try {
        throw;
    } catch (const Refusal& refusal) {
        return fail(error, refusal.status.code(), refusal.status.message());
    } catch (const std::bad_alloc&) {
        return fail(error, StatusCode::kOutOfMemory, "not enough memory");
    } catch (const std::exception& exception) {
        return fail(error, StatusCode::kInternal, exception.what());
    } catch (...) {  // of a callback of the program's
        return fail(error, StatusCode::kInternal, "an exception of an unknown type");
    }
}

char* copy_of(std::string_view text) {
    auto* const copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (!copy) throw std::bad_alloc();
    *std::copy(text.begin(), text.end(), copy) = '\0';
    return copy;
}

}  // namespace octile::capi

void octile_string_free(char* text) {
    std::free(text);
}
