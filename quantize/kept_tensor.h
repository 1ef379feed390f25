// Tensors that no linear is made of, as a packed file has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "inputs/tensor_info.h"
#include "octile/status.h"

namespace octile {

// What is a type of safetensors' is kept as it came. Of GGUF's blocks, and of what that stores otherwise than its name
// says, the values are kept: in f16 where no value is further off for it than 2^-11 of the largest of its row, which
// are few beside what the blocks' rounding cost; else in f32.
struct KeptTensor {
    const TensorInfo* tensor = nullptr;
    std::string_view dtype;  // as safetensors spells it
    std::uint64_t bytes = 0;
};

// Nothing for blocks that are not read, which cannot be kept. kUnsupported for elements that are no whole bytes. Reads
// blocks' values once.
Result<std::optional<KeptTensor>> kept_tensor(const TensorInfo& tensor);

// Calls `write` with its bytes, some megabytes at a time and with how many of the file's they were made of, until one
// fails.
Status write_kept(const KeptTensor& kept,
                  const std::function<Status(std::span<const std::byte> bytes, std::size_t source_bytes)>& write);

}  // namespace octile
