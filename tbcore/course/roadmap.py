"""The course as a row of boxes: one figure per notebook, its own box filled, in notebooks/figures."""

from __future__ import annotations

from pathlib import Path

from tbcore.course.places import course
from tbcore.store import write_text

__all__ = ["APPENDICES", "STEPS", "alt_text", "draw", "main"]

STEPS = (
    ("01", "topics", "cluster pictures"),
    ("02", "prompt", "captions to text"),
    ("03", "dialogues", "a teacher writes"),
    ("04", "filter", "eight rules"),
    ("05", "model", "assemble MIM"),
    ("06", "training", "two stages"),
    ("07", "chat", "look and draw"),
    ("08", "evaluation", "whose fault?"),
)

APPENDICES = (("A1", "pre-training"), ("A2", "attacks"), ("A3", "scaling out"))
"""Appendices have no box of their own: their roadmap is the course with none of its steps lit."""

_BOX, _GAP, _HEIGHT, _EDGE = 118, 18, 64, 6


def alt_text(number: str) -> str:
    """Alt text of a roadmap: every step, and which one this is."""
    names = [f"{one} {name}" for one, name, _ in STEPS]
    here = next((f"step {one} {name}" for one, name, _ in STEPS if one == number), None)
    beside = next((f"appendix {one} {name}" for one, name in APPENDICES if one == number), f"step {number}")
    return f"Roadmap: {', '.join(names)}. This is {here or beside}."


def draw(number: str) -> str:
    """The figure as SVG text; the step of that number is filled and underlined, so colour is not alone."""
    width = 2 * _EDGE + len(STEPS) * _BOX + (len(STEPS) - 1) * _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT + 2 * _EDGE}" role="img" '
        f'font-family="sans-serif" text-anchor="middle">',
        f"<title>{alt_text(number)}</title>",
        f'<rect width="{width}" height="{_HEIGHT + 2 * _EDGE}" fill="#ffffff"/>',
    ]
    for n, (one, name, what) in enumerate(STEPS):
        left = _EDGE + n * (_BOX + _GAP)
        here = one == number
        fill, ink, line = ("#0072B2", "#ffffff", 4) if here else ("#f2f4f6", "#1a1a1a", 1)
        middle = left + _BOX / 2
        decoration = ' text-decoration="underline"' if here else ""
        parts += [
            f'<rect x="{left}" y="{_EDGE}" width="{_BOX}" height="{_HEIGHT}" rx="8" fill="{fill}" '
            f'stroke="#1a1a1a" stroke-width="{line}"/>',
            f'<text x="{middle:g}" y="{_EDGE + 28}" font-size="17" font-weight="bold" fill="{ink}"'
            f"{decoration}>{one} {name}</text>",
            f'<text x="{middle:g}" y="{_EDGE + 49}" font-size="13" fill="{ink}">{what}</text>',
        ]
        if n + 1 < len(STEPS):
            start, y = left + _BOX + 2, _EDGE + _HEIGHT / 2
            parts.append(
                f'<path d="M{start} {y:g} h10 m-5 -5 l6 5 l-6 5" fill="none" stroke="#1a1a1a" stroke-width="2"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def main(folder: Path | None = None) -> None:
    """Write every roadmap."""
    place = folder or course().notebooks / "figures"
    for number in [step[0] for step in STEPS] + [one for one, _ in APPENDICES]:
        write_text(place / f"roadmap_{number}.svg", draw(number))


if __name__ == "__main__":
    main()
