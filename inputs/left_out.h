// Tensors of a file that no layer takes, each with the reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace octile {

// The names are stable: scripts and stored plans rely on them.
enum class LeftOutReason {
    kUser,     // user     the caller said so
    kTable,    // table    rows of it are looked up and nothing is multiplied: where it belongs
    kFourBit,  // 4-bit    a packed form of few bits that is not read
    kExperts,  // experts  matrices of a mixture of experts in one tensor
    kFloat8,   // float8   a form of eight-bit floats that is not read
    kDtype,    // dtype    an element type, or a form of quantization, that is not read
    kShape,    // shape    no matrix
    kName,     // name     its name says nothing of a linear
    kAdapter,  // adapter  changes another tensor
    kOther,    // other    what the text says
};

std::string_view name_of(LeftOutReason reason);
std::optional<LeftOutReason> parse_left_out_reason(std::string_view name);

struct LeftOut {
    std::string tensor;
    LeftOutReason reason = LeftOutReason::kOther;
    std::string text;             // in words
    std::int64_t parameters = 0;  // how many values it stands for; 0 for what goes with others: scales, indices
    std::int64_t bytes = 0;

    bool operator==(const LeftOut&) const = default;
};

}  // namespace octile
