// The log of a program that ran with ONEDNN_VERBOSE=1 (DNNL_VERBOSE in older versions), as a layer list.
//
//   onednn_verbose,exec,cpu,inner_product,brgemm:avx2,forward_inference,src_f32... wei_f32...
//   bia_f32...,,,mb8ic64oc128,0.1 onednn_verbose,v1,primitive,exec,cpu,matmul,brg:avx512_core,undef,src:f32...
//   wei:f32...,attr-post-ops:relu,,8x64:64x128,0.1
//
// Both forms, with timestamps or without, and with anything else of the program between them. Executions of
// inner_product (forward) and matmul are layers; each shape is listed once and counted, in order of first appearance.
#pragma once

#include <filesystem>
#include <string_view>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

bool is_verbose_line(std::string_view line);

// Errors are kParseError with path:line: a line of one of the two primitives that is cut short or has another problem
// than oneDNN writes, and a log without any.
Result<Model> parse_verbose_layers(std::string_view text, const std::filesystem::path& path);

}  // namespace octile
