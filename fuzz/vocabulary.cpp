#include "examples/minilm/word_piece.h"
#include "fuzz/memory_file.h"
#include "fuzz/require.h"

namespace octile::fuzz {

// A vocabulary, and behind a byte 1 the text to cut up.
void read_vocabulary(std::string_view input) {
    const std::size_t cut = input.find('\x01');
    const auto pieces = minilm::WordPiece::load(memory_file(input.substr(0, cut)).native());
    if (!pieces) return;
    const std::string_view text = cut == std::string_view::npos ? "Hello w\xc3\xb6rld!" : input.substr(cut + 1);
    for (const std::size_t most : {2u, 3u, 16u, 128u}) {
        const std::size_t count = pieces->encode(text, most).size();
        require(count >= 2 && count <= most, "more pieces than allowed");
    }
}

}  // namespace octile::fuzz
