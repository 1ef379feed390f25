// Builds nlohmann's document of its parser's events, and takes one apart. Its own does both with memory that, where
// there is none, ends the process: what is parsed in part is destroyed, and its destructors allocate.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace octile::internal {

// Leaves an empty array or object, or a value that is neither, without taking memory. As deep as the document.
void take_apart(nlohmann::json& document) noexcept;

// Takes `document` apart at the end of the scope: before its own destructor does, with memory.
class TakenApart {
  public:
    explicit TakenApart(nlohmann::json& document) : document_(document) {}
    TakenApart(const TakenApart&) = delete;
    TakenApart& operator=(const TakenApart&) = delete;
    ~TakenApart() { take_apart(document_); }

  private:
    nlohmann::json& document_;
};

// For nlohmann::json::sax_parse(). Of a key given twice the last counts. Throws what the parser has to say.
class JsonBuilder {
  public:
    using json = nlohmann::json;

    explicit JsonBuilder(json& document) : document_(document) {}

    bool null() { return put(nullptr); }
    bool boolean(bool value) { return put(value); }
    bool number_integer(std::int64_t value) { return put(value); }
    bool number_unsigned(std::uint64_t value) { return put(value); }
    bool number_float(double value, const std::string&) { return put(value); }
    bool string(std::string& value) { return put(std::move(value)); }
    bool binary(json::binary_t& value) { return put(std::move(value)); }
    bool start_object(std::size_t) { return open(json::value_t::object); }
    bool start_array(std::size_t) { return open(json::value_t::array); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }
    bool key(std::string& name);

    template <typename Error>
    bool parse_error(std::size_t, const std::string&, const Error& error) {
        throw error;
    }

  private:
    json& place();

    template <typename Value>
    bool put(Value&& value) {
        place() = std::forward<Value>(value);
        return true;
    }
    bool open(json::value_t type);
    bool close();

    json& document_;
    std::vector<json*> open_;  // the containers that the next event is in, outermost first
    json* member_ = nullptr;   // of the innermost, an object
};

}  // namespace octile::internal
