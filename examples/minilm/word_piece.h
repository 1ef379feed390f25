// BERT's tokenizer, uncased: words and punctuation, cut into the longest pieces that the vocabulary has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minilm {

class WordPiece {
  public:
    // vocab.txt: one piece per line, continuations of a word with "##" in front; an id is a line's number from 0.
    // Nothing where it cannot be read, is no text of at most 2^20 short lines, or lacks [CLS], [SEP] or [UNK].
    static std::optional<WordPiece> load(const std::string& path);

    // Ids of `text`, UTF-8 (what is not becomes a space), from [CLS] to [SEP], at most `most` of them, which is 2 or
    // more.
    std::vector<std::int32_t> encode(std::string_view text, std::size_t most) const;

  private:
    void append_pieces(std::u32string_view word, std::vector<std::int32_t>& ids) const;

    std::unordered_map<std::string, std::int32_t> ids_;
    std::int32_t first_ = 0, last_ = 0, unknown_ = 0;  // [CLS], [SEP], [UNK]
};

}  // namespace minilm
