"""The page that slides are shown on: keys turn them, a click enlarges a picture, paper gets one per sheet.

Nothing is fetched.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

__all__ = ["page"]

_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --mark: #0072b2; --paper: #ffffff; --code: #f4f6f8; }
* { box-sizing: border-box; }
html { scroll-snap-type: y mandatory; background: #e9ecef; }
body { margin: 0; color: var(--ink); font: 2.9vmin/1.45 "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
section { min-height: 100vh; padding: 5vmin 8vmin 8vmin; background: var(--paper); scroll-snap-align: start;
  display: flex; flex-direction: column; justify-content: center; position: relative;
  border-bottom: 1px solid var(--line); }
section > * { width: 100%; max-width: 150vmin; margin: 0 auto 1.8vmin; }
h1, h2 { line-height: 1.15; letter-spacing: -0.01em; }
h1 { font-size: 7vmin; border-left: 1.2vmin solid var(--mark); padding-left: 3vmin; }
h2 { font-size: 5vmin; }
.dense { font-size: 2.5vmin; }
.spoken { font-size: 3.9vmin; }
.spoken.dense { font-size: 3.3vmin; }
.spoken h2 { font-size: 6.5vmin; }
.spoken pre { font-size: 2.4vmin; }
p, ul, ol { margin-top: 0; }
li { margin-bottom: 0.6vmin; }
a { color: var(--mark); }
section { --tall: 66vh; }
.worded { --tall: 52vh; }
.worded.dense { --tall: 45vh; }
img { max-width: 100%; display: block; margin: 0 auto; }
.first img { max-height: 30vh; }
figure { margin: 0 auto 2.2vmin; }
figure img, .row { width: min(100%, calc(var(--tall) * var(--ratio, 1.5))); height: auto; cursor: zoom-in; }
.row { display: flex; gap: 2vmin; justify-content: center; --tall: 60vh; margin-bottom: 2vmin; }
.row.cut { --tall: 74vh; }
.row figure { flex: var(--ratio) 1 0; margin: 0; min-width: 0; }
.row img { width: 100%; }
.beside { display: flex; gap: 5vmin; align-items: center; }
.beside > figure { flex: 0 0 auto; width: min(58%, calc(74vh * var(--ratio, 1))); margin: 0; }
.beside > figure img { width: 100%; }
.beside > div { flex: 1 1 0; }
.finding { color: var(--soft); }
.missing { border: 0.4vmin dashed var(--line); border-radius: 1vmin; padding: 12vmin 4vmin; color: var(--soft);
  text-align: center; }
.large { position: fixed; inset: 0; z-index: 2; background: var(--paper); padding: 1vmin; cursor: zoom-out; }
.large img { width: 100%; height: 100%; object-fit: contain; }
figure { text-align: center; }
figcaption { color: var(--soft); font-size: 2.1vmin; margin-top: 1vmin; }
pre { background: var(--code); border-radius: 1vmin; padding: 2vmin; overflow: auto; font-size: 1.9vmin;
  line-height: 1.35; max-height: 62vh; }
code, pre { font-family: "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
table { border-collapse: collapse; font-size: 2.2vmin; width: auto; }
td, th { border-bottom: 1px solid var(--line); padding: 0.6vmin 1.6vmin 0.6vmin 0; text-align: left; }
.place { position: absolute; right: 4vmin; bottom: 3vmin; width: auto; margin: 0; color: var(--soft);
  font-size: 2vmin; }
@media print {
  @page { size: 297mm 167mm; margin: 0; }
  html { background: none; }
  section { min-height: 0; height: 167mm; break-after: page; border: 0; }
}
"""

_SCRIPT = """
const slides = [...document.querySelectorAll("section")];
const at = () => slides.reduce((best, one, n) =>
  Math.abs(one.getBoundingClientRect().top) < Math.abs(slides[best].getBoundingClientRect().top) ? n : best, 0);
const go = n => slides[Math.min(Math.max(n, 0), slides.length - 1)].scrollIntoView();
const large = () => document.querySelector(".large");
document.addEventListener("click", click => {
  if (large()) { large().remove(); return; }
  if (!click.target.matches("figure img")) return;
  const whole = document.createElement("div");
  whole.className = "large";
  whole.append(click.target.cloneNode());
  document.body.append(whole);
});
document.addEventListener("keydown", key => {
  if (large()) { large().remove(); if (key.key === "Escape") return; }
  const step = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }[key.key];
  if (step) { key.preventDefault(); go(at() + step); }
  if (key.key === "Home") { key.preventDefault(); go(0); }
  if (key.key === "End") { key.preventDefault(); go(slides.length - 1); }
});
"""


def page(title: str, bodies: Sequence[tuple[str, str]]) -> str:
    """Slides as one page of HTML.

    Args:
        title: plain text.
        bodies: (class names, inner HTML) of each slide.
    """
    sections = [
        f'<section class="{classes}" aria-label="slide {n} of {len(bodies)}">\n{body}\n'
        f'<p class="place">{html.escape(title)} · {n}/{len(bodies)}</p>\n</section>'
        for n, (classes, body) in enumerate(bodies, start=1)
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            *sections,
            "</main>",
            f"<script>{_SCRIPT}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )
