// Problems of oneDNN's benchdnn as a layer list: what follows `benchdnn --ip` or `benchdnn --matmul` on a command line,
// or stands in a file for its --batch.
//
//   # comment to the end of the line; a backslash at the end joins lines
//   --reset --dt=bf16 --attr-post-ops=gelu_erf
//   mb128ic768oc3072_n"bert:ffn*12"
//   --matmul --bia_dt=f32 128x768:768x768
//   --batch=shapes_2d
//
// Of the options, --mb, --dir, --bia_dt (--bia-dt), --attr-post-ops and --reset change layers, --batch reads another
// file, --ip and --matmul say what comes; the others that benchdnn has are passed over, and unknown ones refused. A
// list of alternatives (--dt=f32,bf16) counts by its first. A layer that recurs under other options is one layer.
#pragma once

#include <filesystem>
#include <string_view>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// Files of --batch are found beside the file that names them. Errors are kParseError or, for a file that cannot be
// read, kIoError, and begin with "path:line: "; files that include each other are refused.
Result<Model> parse_benchdnn_layers(std::string_view text, const std::filesystem::path& path);

}  // namespace octile
