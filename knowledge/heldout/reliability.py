"""Compare scores with how often they were right: bins, expected error, and a drawing as SVG.

Called by `xinqing eval handbook --plot`. A score of 0.7 is good when seven of ten are right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

BINS = 10
SIZE, LEFT, TOP, SIDE = 620, 70, 60, 460
COLOURS = ("#0b62c4", "#b1002c", "#4a7a1e")
_WORDS = Path(__file__).with_name("plot.toml")


@dataclass(frozen=True)
class Scored:
    """A score from 0 to 1, and whether what had it was right."""

    score: float
    right: bool


@dataclass(frozen=True)
class Bin:
    """
    The scores of one stretch.

    Args:
        low, high: Where it begins and ends.
        score: The mean score in it.
        right: The share that was right.
    """

    low: float
    high: float
    n: int
    score: float
    right: float


def bins_of(scored: Sequence[Scored], count: int = BINS) -> list[Bin]:
    """Sort scores into stretches of equal width; a score of 1 is in the last. Empty ones too."""
    stretches: list[list[Scored]] = [[] for _ in range(count)]
    for one in scored:
        stretches[min(int(max(one.score, 0.0) * count), count - 1)].append(one)
    return [
        Bin(
            i / count,
            (i + 1) / count,
            len(held),
            sum(one.score for one in held) / max(len(held), 1),
            sum(one.right for one in held) / max(len(held), 1),
        )
        for i, held in enumerate(stretches)
    ]


def expected_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean gap of score and share, by size of bin."""
    total = max(sum(b.n for b in bins), 1)
    return sum(b.n * abs(b.score - b.right) for b in bins) / total


def draw(curves: Sequence[tuple[str, Sequence[Bin]]]) -> str:
    """
    Draw up to three named curves of bins as one SVG; a bigger point stands for more texts.

    Args:
        curves: The name is a key of plot.toml, or is shown as it stands.
    """
    words = tomllib.loads(_WORDS.read_text(encoding="utf-8"))
    parts = [_frame(words)]
    for place, (name, bins) in enumerate(curves):
        colour = COLOURS[place % len(COLOURS)]
        full = [b for b in bins if b.n]
        line = " ".join(f"{_x(b.score):.1f},{_y(b.right):.1f}" for b in full)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_point(b, colour, str(words["of"])) for b in full]
        label = str(words["curves"].get(name, name))
        told = str(words["legend"]).format(
            name=label, n=sum(b.n for b in bins), error=expected_error(bins)
        )
        # At the lower right: a score that is too low, the usual fault, is drawn at the upper left.
        below = 16 + 20 * (len(curves) - 1 - place)
        parts.append(_text(LEFT + SIDE - 14, TOP + SIDE - below, told, "end", colour))
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(str(words["title"]))}</title>'
        f'<rect width="{SIZE}" height="{SIZE}" fill="#fff"/>{body}</svg>\n'
    )


def _x(score: float) -> float:
    return LEFT + SIDE * score


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


def _frame(words: dict[str, object]) -> str:
    middle = LEFT + SIDE / 2
    parts = [
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>',
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#999" '
        'stroke-dasharray="5 5"/>',
        _text(middle, 34, str(words["title"])),
        _text(middle, TOP + SIDE + 46, str(words["score"])),
        f'<text x="22" y="{TOP + SIDE / 2}" text-anchor="middle" '
        f'transform="rotate(-90 22 {TOP + SIDE / 2})">{escape(str(words["right"]))}</text>',
    ]
    for step in range(0, 11, 2):
        parts.append(_text(_x(step / 10), TOP + SIDE + 20, f"{step / 10:.1f}"))
        parts.append(_text(LEFT - 10, _y(step / 10) + 4, f"{step / 10:.0%}", "end"))
    return "".join(parts)


def _point(one: Bin, colour: str, words: str) -> str:
    told = escape(words.format(low=one.low, high=one.high, n=one.n, right=one.right))
    return (
        f'<circle cx="{_x(one.score):.1f}" cy="{_y(one.right):.1f}" r="{3 + one.n**0.5 / 2:.1f}" '
        f'fill="{colour}" fill-opacity=".65"><title>{told}</title></circle>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
