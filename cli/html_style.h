// The style of the HTML report: light and dark, print, no font or picture from elsewhere.
#pragma once

#include <string_view>

namespace octile::cli {

inline constexpr std::string_view kHtmlStyle = R"css(
:root { color-scheme: light dark;
  --page: #f7f8fa; --card: #ffffff; --text: #1c2330; --muted: #5d6778; --line: #dfe3ea;
  --int8: #0f7b5f; --fp16: #9a5b00; --input: #e0962e; --gemm: #3574d4; --epilogue: #8b62cf; --conversion: #cf4a56;
  --int8-soft: #dff3ec; --fp16-soft: #fbeed8; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12151b; --card: #1b2028; --text: #e6e9ef; --muted: #9aa5b6; --line: #303845;
  --int8: #4cc9a0; --fp16: #e6ab55; --input: #e6a548; --gemm: #5b96ee; --epilogue: #ab87ea; --conversion: #ea6f79;
  --int8-soft: #16382e; --fp16-soft: #3d2e14; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1320px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 4px; }
p { margin: 4px 0 12px; color: var(--muted); max-width: 78ch; }
article + article { margin-top: 48px; border-top: 2px solid var(--line); padding-top: 32px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin-top: 18px; }
.tiles .card { margin: 0; padding: 14px 18px; }
.tiles b { display: block; font-size: 24px; font-weight: 650; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--muted); font-size: 13px; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; } svg.scatter, svg.frontier { max-width: 880px; }
svg text { fill: var(--text); font: 12px system-ui, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
svg .muted { fill: var(--muted); } svg .small { font-size: 10.5px; } svg .strong { font-weight: 650; }
svg .axis { stroke: var(--line); stroke-width: 1; } svg .rule { stroke: var(--muted); stroke-width: 1.2; stroke-dasharray: 5 4; }
svg .one { stroke: var(--muted); stroke-width: 1.2; } svg .path { fill: none; stroke: var(--gemm); stroke-width: 2; }
svg .input { fill: var(--input); } svg .gemm { fill: var(--gemm); } svg .epilogue { fill: var(--epilogue); }
svg .conversion { fill: var(--conversion); } svg .left { opacity: .38; } svg .share { fill: var(--muted); opacity: .55; }
svg .int8 { fill: var(--int8); } svg .fp16 { fill: var(--fp16); } svg circle { fill-opacity: .62; stroke: var(--card); }
svg circle:hover { fill-opacity: 1; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--muted); font-size: 13px; margin: 2px 0 10px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 8px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; position: sticky; top: 0; background: var(--card); }
td.right, th.right { text-align: right; }
td.wrap { white-space: normal; min-width: 20ch; color: var(--muted); }
tbody tr:hover { background: color-mix(in srgb, var(--gemm) 8%, transparent); }
.pill { display: inline-block; border-radius: 20px; padding: 0 9px; font-size: 12.5px; font-weight: 600; }
.pill.int8 { color: var(--int8); background: var(--int8-soft); } .pill.fp16 { color: var(--fp16); background: var(--fp16-soft); }
@media print { body { background: none; } .card { break-inside: avoid; } }
)css";

}  // namespace octile::cli
