#include "inputs/safetensors_header.h"

#include <new>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using nlohmann::json;

constexpr std::string_view kTensorKeys = "dtype, shape and data_offsets";

// Follows the header's fixed structure event by event; every event that it has no place for ends the parse with an
// error.
class HeaderReader final : public json::json_sax_t {
  public:
    SafetensorsHeader header;
    std::string error;  // empty: none

    bool start_object(std::size_t) override {
        if (state_ == State::kStart) return enter(State::kTop);
        if (state_ == State::kTop) {
            if (key_ == "__metadata__") return enter(State::kMetadata);
            tensor_ = HeaderTensor{.name = key_, .dtype = {}, .shape = {}};
            keys_.clear();
            return enter(State::kTensor);
        }
        return unexpected("an object");
    }

    bool end_object() override {
        if (state_ == State::kTop) return enter(State::kEnd);
        if (state_ == State::kTensor) {
            if (keys_.size() != 3)
                return fail(here() + ": expected " + std::string(kTensorKeys) + ", found fewer keys");
            header.tensors.push_back(std::move(tensor_));
        }
        return enter(State::kTop);
    }

    bool key(std::string& key) override {
        key_ = key;
        if (state_ == State::kMetadata) return true;
        if (state_ == State::kTop) {
            if (std::string problem = check_name(key); !problem.empty()) return fail("header: " + problem);
            return names_.insert(key).second ||
                   fail("header: expected every name once, found " + internal::quote(key) + " again");
        }
        if (key != "dtype" && key != "shape" && key != "data_offsets") {
            return fail(here() + ": expected " + std::string(kTensorKeys) + ", found the key " + internal::quote(key));
        }
        return keys_.insert(key).second ||
               fail(here() + ": expected every key once, found " + internal::quote(key) + " again");
    }

    bool start_array(std::size_t) override {
        if (state_ == State::kTensor && key_ == "shape") return enter(State::kShape);
        if (state_ == State::kTensor && key_ == "data_offsets") {
            offsets_seen_ = 0;
            return enter(State::kOffsets);
        }
        return unexpected("an array");
    }

    bool end_array() override {
        if (state_ == State::kOffsets && offsets_seen_ != 2) {
            return fail(here() + ": data_offsets: expected two numbers, found " + std::to_string(offsets_seen_));
        }
        return enter(State::kTensor);
    }

    bool number_unsigned(std::uint64_t value) override {
        if (state_ == State::kShape) {
            if (tensor_.shape.size() == limits::kRank) {
                return fail(here() + ": shape: expected at most " + std::to_string(limits::kRank) +
                            " dimensions, found more");
            }
            tensor_.shape.push_back(value);
            return true;
        }
        if (state_ == State::kOffsets) {
            if (offsets_seen_ == 2) return fail(here() + ": data_offsets: expected two numbers, found more");
            tensor_.offsets[offsets_seen_++] = value;
            return true;
        }
        return unexpected(std::to_string(value));
    }

    bool string(std::string& value) override {
        if (state_ == State::kMetadata) {
            header.metadata[key_] = value;
            return true;
        }
        if (state_ == State::kTensor && key_ == "dtype") {
            tensor_.dtype = value;
            return true;
        }
        return unexpected(internal::quote(value));
    }

    bool number_integer(std::int64_t value) override { return unexpected(std::to_string(value)); }
    bool number_float(double, const std::string& text) override { return unexpected(text.substr(0, 40)); }
    bool null() override { return unexpected("null"); }
    bool boolean(bool value) override { return unexpected(value ? "true" : "false"); }
    bool binary(json::binary_t&) override { return unexpected("binary data"); }

    bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
        return fail("header: expected JSON, found something else at byte " + std::to_string(position) +
                    " of the header");
    }

  private:
    enum class State { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

    bool enter(State state) {
        state_ = state;
        return true;
    }

    bool fail(std::string text) {
        error = std::move(text);
        return false;
    }

    std::string here() const { return "tensor " + internal::quote(tensor_.name); }

    bool unexpected(const std::string& what) {
        switch (state_) {
            case State::kStart:
            case State::kEnd:
                return fail("header: expected a JSON object, found " + what);
            case State::kTop:
                return fail("tensor " + internal::quote(key_) + ": expected an object, found " + what);
            case State::kMetadata:
                return fail("__metadata__: expected a string at " + internal::quote(key_) + ", found " + what);
            case State::kTensor:
                return fail(here() + ": " + key_ + ": expected " +
                            (key_ == "dtype" ? "a string" : "an array of non-negative integers") + ", found " + what);
            case State::kShape:
            case State::kOffsets:
                return fail(here() + ": " + key_ + ": expected a non-negative integer, found " + what);
        }
        return false;
    }

    State state_ = State::kStart;
    std::string key_;
    HeaderTensor tensor_;
    std::unordered_set<std::string> names_;
    std::unordered_set<std::string> keys_;  // of tensor_
    std::size_t offsets_seen_ = 0;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view text, const std::string& file) {
    try {
        HeaderReader reader;
        if (!json::sax_parse(text, &reader)) return parse_error(file + ": " + reader.error);
        return std::move(reader.header);
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, file + ": not enough memory for its header");
    } catch (const json::exception&) {
        return parse_error(file + ": header: expected JSON, found something else");
    }
}

}  // namespace octile
