// Reads JSON strictly, with errors that name the field: what plans and core descriptions are read with.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "octile/status.h"

namespace octile::internal {

// Reads one JSON object strictly. The first error is kept in `status`, shared by all readers of a document; after it
// every value is a default one, so that callers check once, at the end.
class ObjectReader {
  public:
    // `path` is the object's own place, empty for the document; `what` then names it in a message.
    ObjectReader(const nlohmann::json& object, std::string path, Status& status, std::string_view what);

    // Whether the field is there; what follows may then read it.
    bool has(const char* key) const { return peek(key) != nullptr; }

    // Printable (base/printable.h), as are names and labels of every kind.
    std::string string(const char* key);
    // The same, of at most so many bytes.
    std::string line(const char* key, std::size_t most);
    // Any UTF-8: words of others, or a document inside of this one. Whoever prints it quotes it.
    std::string text(const char* key);
    std::optional<std::string> string_or_null(const char* key);
    bool boolean(const char* key);
    std::int64_t integer(const char* key, std::int64_t least, std::int64_t most);
    std::optional<double> number_or_null(const char* key);
    // A finite number, above `least` or, with `inclusive`, equal to it, and up to `most`.
    double number(const char* key, double least, bool inclusive = false,
                  double most = std::numeric_limits<double>::infinity());
    std::vector<std::string> strings(const char* key);

    template <typename Enum>
    Enum name(const char* key, std::optional<Enum> (*parse)(std::string_view), std::string_view expected) {
        const nlohmann::json* value = member(key);
        if (value == nullptr) return Enum{};
        if (value->is_string()) {
            if (const auto parsed = parse(value->get_ref<const std::string&>())) return *parsed;
        }
        fail(key, expected, found(*value));
        return Enum{};
    }

    // The field, whatever it holds; null, with the error kept, if it is missing.
    const nlohmann::json* member(const char* key);

    // To be called after the last field: whatever has not been read by then does not belong here.
    void finish();

    void fail(const std::string& key, std::string_view expected, std::string_view actual);
    std::string path_to(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  private:
    const nlohmann::json* peek(const char* key) const;
    std::string_view place() const { return path_.empty() ? what_ : std::string_view(path_); }

    const nlohmann::json& object_;
    std::string path_;
    Status& status_;
    std::string_view what_;
    std::set<const nlohmann::json*> read_;  // the fields
};

}  // namespace octile::internal
