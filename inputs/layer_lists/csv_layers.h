// Layer lists as CSV.
//
//   # comment
//   name,m,k,n,count,op,act,bias,inputs
//   norm,128,768,768,12,layernorm,none,1,
//   q,128,768,768,12,linear,none,1,
//   k,128,768,768,12,linear,none,1,norm
//   o,128,768,768,12,linear,none,1,q;k
//
// The first line that is neither blank nor a comment is the header: name, m, k and n must be there, the rest may, in
// any order. An empty field is the default (count 1, op linear, act none, bias 0, no inputs). bias is 0, 1, true or
// false. eps is a layernorm's, output_scale the scale of a linear's INT8 output where a calibration has fixed it.
// Fields may be quoted as in RFC 4180, but a quoted field ends on its line: no field has a use for a line break. LF and
// CRLF both end a line.
#pragma once

#include <filesystem>
#include <string_view>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// `text` is the whole file without byte order mark; `path` names it in messages and its stem names the model. Every
// error is kParseError and reads "path:line: column: expected ..., found ...".
Result<Model> parse_csv_layers(std::string_view text, const std::filesystem::path& path);

}  // namespace octile
