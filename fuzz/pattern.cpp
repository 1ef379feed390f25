#include "base/pattern.h"

#include "fuzz/require.h"

namespace octile::fuzz {

// A pattern for names of layers, and behind a byte 1 the name that it is looked for in.
void read_pattern(std::string_view input) {
    const std::size_t cut = input.find('\x01');
    const Result<internal::Pattern> pattern = internal::Pattern::compile(input.substr(0, cut));
    if (!went_well(pattern)) return;
    const std::string_view name =
        cut == std::string_view::npos ? "model.layers.0.self_attn.q_proj" : input.substr(cut + 1);
    (void)pattern->found_in(name);
    (void)pattern->begins(name);
}

}  // namespace octile::fuzz
