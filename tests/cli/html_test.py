#!/usr/bin/env python3
"""The HTML report, opened in a real browser: headless Chromium, from Debian's package."""

import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from model_files import layer_list
from octile_test import SETTINGS, OctileTest, main

BROWSER = shutil.which("chromium")

# Runs in the page: what is drawn, and what is drawn where nobody sees it. Written into the page for --dump-dom to show.
PROBE = """
<script>
window.addEventListener("load", () => {
  const found = {outside: [], empty: [], colours: new Set()};
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    for (const mark of svg.querySelectorAll("rect, circle, text, path, line")) {
      const box = mark.getBoundingClientRect();
      const label = svg.classList[0] + " " + mark.outerHTML.slice(0, 120);
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        found.outside.push(label);
      if (mark.tagName !== "line" && box.width === 0 && box.height === 0) found.empty.push(label);
      if (mark.tagName === "rect") found.colours.add(getComputedStyle(mark).fill);
    }
  }
  const result = document.createElement("pre");
  result.id = "probe";
  result.textContent = JSON.stringify({
    outside: found.outside, empty: found.empty, colours: [...found.colours],
    background: getComputedStyle(document.body).backgroundColor,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    bars: document.querySelectorAll("svg.bars g.layer").length,
    discs: document.querySelectorAll("svg.scatter circle").length,
    rule: document.querySelectorAll("svg.scatter .min-ratio").length,
    untitled: document.querySelectorAll("svg.bars rect:not(.share):not(:has(title)), svg circle:not(:has(title))").length,
    rows: [...document.querySelectorAll("table")].map(table => table.tBodies[0].rows.length)});
  document.body.append(result);
});
</script>
"""


class Text(html.parser.HTMLParser):
    """The text of the element with id="probe"."""

    def __init__(self):
        super().__init__()
        self.inside, self.text = False, ""

    def handle_starttag(self, tag, attributes):
        self.inside = self.inside or ("id", "probe") in attributes

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "pre"

    def handle_data(self, data):
        self.text += data if self.inside else ""


def open_in_browser(file: pathlib.Path, *options: str) -> tuple:
    """The document after loading, and the lines of the browser's console."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
             "--enable-logging=stderr", "--virtual-time-budget=5000", "--window-size=1300,2000", f"--user-data-dir={profile}", *options,
             "--dump-dom", file.resolve().as_uri()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), console


class HtmlReport(OctileTest):
    def setUp(self):
        super().setUp()
        self.assertIsNotNone(BROWSER, "chromium is not installed: scripts/setup installs it")

    def report(self, *arguments) -> str:
        return self.succeed("plan", *arguments, "--format", "html")

    def probe(self, report: str, *options: str) -> dict:
        file = self.folder / "report.html"
        file.write_text(report.replace("</body>", PROBE + "</body>"))
        document, console = open_in_browser(file, *options)
        self.assertEqual(console, [])
        text = Text()
        text.feed(document)
        return json.loads(text.text)

    def test_the_console_is_looked_at(self):
        file = self.folder / "broken.html"
        file.write_text("<!DOCTYPE html><script>no_such_function()</script>")
        self.assertTrue(any("no_such_function" in line for line in open_in_browser(file)[1]))

    def test_report_needs_nothing_else(self):
        report = self.report(SETTINGS.models / "vit-b16.csv", "--core", "neoverse-n2", "--policy", "cost")
        self.assertNotIn("<script", report)
        self.assertNotRegex(report, r"(?i)\b(src|href|srcset|data)\s*=|url\(|@import|https?://")
        self.assertTrue(report.startswith("<!DOCTYPE html>"))

    def test_everything_is_drawn_and_inside(self):
        for name, arguments, discs in [("vit-b16", ["--core", "neoverse-n2", "--policy", "cost"], 8),
                                       ("whisper-tiny", ["--core", "cortex-a76", "--policy", "all", "--threads", "4"], 17),
                                       ("mobilevit-s", ["--core", "cortex-a53", "--force", "ffn=fp16", "--policy", "cost"], 19)]:
            with self.subTest(name=name):
                file = SETTINGS.models / f"{name}.csv"
                plan = self.json("plan", file, *arguments)
                layers = (plan[-1] if isinstance(plan, list) else plan)["layers"]
                found = self.probe(self.report(file, *arguments))
                linears = sum(layer["op"] == "linear" for layer in layers)
                self.assertEqual(linears, discs)
                self.assertEqual((found["bars"], found["discs"], found["rule"], found["untitled"]), (discs, discs, 1, 0))
                self.assertEqual(found["rows"], [len(layers)] * len(found["rows"]))
                self.assertEqual(len(found["rows"]), 2 if "all" in arguments else 1)
                self.assertEqual((found["outside"], found["empty"], found["overflow"]), ([], [], 0))
                self.assertGreaterEqual(len(found["colours"]), 4)

    def test_dark(self):
        report = self.report(SETTINGS.models / "minilm-l6.csv", "--core", "neoverse-v2", "--policy", "cost")
        light, dark = self.probe(report), self.probe(report, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
        brightness = [sum(map(int, re.findall(r"\d+", page["background"])[:3])) for page in (light, dark)]
        self.assertGreater(brightness[0], 600)
        self.assertLess(brightness[1], 150)

    def test_no_costs(self):
        report = self.report(SETTINGS.models / "minilm-l6.csv")
        found = self.probe(report)
        self.assertEqual((found["bars"], found["discs"], found["rows"]), (0, 0, [10]))
        self.assertIn("--core", report)

    def test_names_are_text(self):
        name = "<script>alert(1)</script>&amp;\"'</title>é"
        file = self.write("net.csv", layer_list(['"' + name.replace('"', '""') + '",64,512,512']))
        report = self.report(file, "--core", "oryon", "--policy", "cost")
        self.assertNotIn("<script", report)
        self.assertEqual(self.probe(report)["bars"], 1)

    def test_several_networks(self):
        files = [SETTINGS.models / "minilm-l6.csv", SETTINGS.models / "vit-b16.csv"]
        found = self.probe(self.report(*files, "--core", "oryon", "--policy", "cost"))
        self.assertEqual((found["bars"], found["rule"], len(found["rows"])), (7 + 8, 2, 2))


if __name__ == "__main__":
    main()
