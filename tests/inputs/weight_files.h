// Files of weights that a test makes, and what is found in them.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "inputs/linear_tensors.h"
#include "inputs/read_model.h"
#include "tests/inputs/temp_folder.h"

namespace octile::test {

// A safetensors file of tensors with elements.
class WeightFile {
  public:
    template <typename Element>
    WeightFile& add(const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape,
                    const std::vector<Element>& elements) {
        std::string extents;
        for (const std::int64_t extent : shape)
            extents += (extents.empty() ? "" : ",") + std::to_string(extent);
        header_ += (header_.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + extents +
                   R"(],"data_offsets":[)" + std::to_string(data_.size()) + ",";
        data_.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(Element));
        header_ += std::to_string(data_.size()) + "]}";
        return *this;
    }
    WeightFile& bytes(const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape,
                      std::size_t count, std::uint8_t value = 0x38) {
        return add(name, dtype, shape, std::vector<std::uint8_t>(count, value));
    }
    WeightFile& floats(const std::string& name, const std::vector<std::int64_t>& shape) {
        std::size_t count = 1;
        for (const std::int64_t extent : shape)
            count *= static_cast<std::size_t>(extent);
        return add(name, "F32", shape, std::vector<float>(count, 0.5f));
    }

    std::string file() const {
        const std::string header = header_ + "}";
        const std::uint64_t length = header.size();
        std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
        return bytes + header + data_;
    }

  private:
    std::string header_, data_;
};

struct Found {
    Checkpoint checkpoint;
    LinearTensors tensors;

    const LinearTensor& linear(const std::string& name) const {
        for (const LinearTensor& tensor : tensors.layers)
            if (tensor.layer.name == name) return tensor;
        FAIL("no layer " << name);
        return tensors.layers.front();
    }
    const LeftOut& left(const std::string& name) const {
        for (const LeftOut& one : tensors.left_out)
            if (one.tensor == name) return one;
        FAIL(name << " is not left out");
        return tensors.left_out.front();
    }
};

inline Result<Found> try_find(const WeightFile& builder, const ReadOptions& options = {.tokens = 4, .skip = {}},
                              const std::string& config = "") {
    const TempFolder folder;  // the mapping outlives the name
    if (!config.empty()) folder.write("config.json", config);
    Result<Checkpoint> file =
        Checkpoint::open(folder.write("net.safetensors", builder.file()), InputFormat::kSafetensors);
    if (!file.ok()) return file.status();
    Result<LinearTensors> found = find_linear_tensors(file.value(), options);
    if (!found.ok()) return found.status();
    return Found{std::move(file).value(), std::move(found).value()};
}

inline Found find(const WeightFile& builder, const ReadOptions& options = {.tokens = 4, .skip = {}},
                  const std::string& config = "") {
    Result<Found> found = try_find(builder, options, config);
    INFO(found.status().message());
    REQUIRE(found.ok());
    return std::move(found).value();
}

}  // namespace octile::test
