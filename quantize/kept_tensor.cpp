#include "quantize/kept_tensor.h"

#include <fmt/format.h>
#include <fp16.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/mapped_file.h"
#include "inputs/gguf/types.h"
#include "inputs/messages.h"
#include "inputs/tensor_values.h"
#include "packed/packed_format.h"

namespace octile {
namespace {

constexpr std::int64_t kBlockValues = std::int64_t{1} << 20;  // at a time
constexpr std::size_t kBlockBytes = std::size_t{4} << 20;

// Of rows with such a largest magnitude, every value is as near in f16 as kept_tensor.h says: above, f16 has none;
// below, its steps are no smaller.
constexpr float kLeast = 0x1p-14f, kMost = 65504;

bool is_as_it_came(const TensorInfo& tensor) {
    return !block_type(tensor.dtype) && tensor.paired_rows == 0 && tensor.shift == 0;
}

std::int64_t row_of(const TensorInfo& tensor) {
    return tensor.shape.empty() ? 1 : std::max<std::int64_t>(tensor.shape.back(), 1);
}

// Calls `use` with the values of some rows after another, until it says no.
template <typename Use>
void each_rows(const TensorInfo& tensor, Use use) {
    const std::int64_t row = row_of(tensor), rows = elements_of(tensor) / row;
    const std::int64_t most = std::max<std::int64_t>(kBlockValues / row, 1);
    std::vector<float> values;
    for (std::int64_t first = 0; first < rows; first += most) {
        const std::int64_t count = std::min(most, rows - first);
        values.resize(static_cast<std::size_t>(count * row));
        read_values(tensor, first * row, 1, values);
        const std::span<const std::byte> read = bytes_of(tensor, first * row, count * row);
        const bool go_on = use(std::span<const float>(values), read.size());
        release_pages(read);
        if (!go_on) return;
    }
}

bool fits_f16(const TensorInfo& tensor) {
    const auto row = static_cast<std::size_t>(row_of(tensor));
    bool fits = true;
    each_rows(tensor, [&](std::span<const float> values, std::size_t) {
        for (std::size_t at = 0; fits && at < values.size(); at += row) {
            float largest = 0;
            for (const float value : values.subspan(at, row))
                largest = std::isnan(value) ? kMost * 2 : std::max(largest, std::abs(value));
            fits = largest == 0 || (largest >= kLeast && largest <= kMost);
        }
        return fits;
    });
    return fits;
}

}  // namespace

Result<std::optional<KeptTensor>> kept_tensor(const TensorInfo& tensor) {
    if (is_as_it_came(tensor)) {
        if (!element_bytes_of(tensor.dtype)) {
            return Status(StatusCode::kUnsupported,
                          fmt::format("tensor {}: dtype: expected one of whole bytes to keep, found {}",
                                      internal::quote(tensor.name), tensor.dtype));
        }
        return std::optional(KeptTensor{&tensor, tensor.dtype, tensor.data.size()});
    }
    if (!has_values(tensor)) return std::optional<KeptTensor>();
    const auto elements = static_cast<std::uint64_t>(elements_of(tensor));
    const bool halves = block_type(tensor.dtype) && fits_f16(tensor);
    return std::optional(KeptTensor{&tensor, halves ? "F16" : "F32", elements * (halves ? 2 : sizeof(float))});
}

Status write_kept(const KeptTensor& kept,
                  const std::function<Status(std::span<const std::byte> bytes, std::size_t source_bytes)>& write) {
    const TensorInfo& tensor = *kept.tensor;
    Status status;
    if (is_as_it_came(tensor)) {
        for (std::size_t at = 0; status.ok() && at < tensor.data.size(); at += kBlockBytes) {
            const auto block = tensor.data.subspan(at, std::min(kBlockBytes, tensor.data.size() - at));
            status = write(block, block.size());
            release_pages(block);
        }
        release_pages(tensor.data);
        return status;
    }
    std::vector<std::uint16_t> halves;
    each_rows(tensor, [&](std::span<const float> values, std::size_t read) {
        if (kept.dtype == "F16") {
            halves.resize(values.size());
            std::transform(values.begin(), values.end(), halves.begin(), fp16_ieee_from_fp32_value);
            status = write(std::as_bytes(std::span(halves)), read);
        } else {
            status = write(std::as_bytes(values), read);
        }
        return status.ok();
    });
    release_pages(tensor.data);
    return status;
}

}  // namespace octile
