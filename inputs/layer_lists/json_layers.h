// Layer lists as JSON: {"model": "...", "layers": [{"name", "m", "k", "n", "count", "op", "act", "bias", "inputs":
// []}]}
//
// name, m, k and n must be there; the others default as in CSV, and "model" defaults to the file's stem. A key that is
// not in that list is an error, so that a typo cannot pass for a default. Of a key given twice the last counts, as in
// JSON everywhere.
#pragma once

#include <filesystem>
#include <string_view>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// `text` is the whole file without byte order mark; `path` names it in messages. Every error is kParseError:
// "path:line:column: ..." where the text is not JSON, "path: layers[3].n: expected ..., found ..." where it is not a
// layer list.
Result<Model> parse_json_layers(std::string_view text, const std::filesystem::path& path);

}  // namespace octile
