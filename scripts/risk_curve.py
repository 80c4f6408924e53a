"""Draw recall against precision of the screen on the held-out examples: docs/images/risk-curve.svg.

    python scripts/risk_curve.py

A point of the curve: whoever the rules escalate, and whoever the classifier gives at least so much.
The dots are the rules alone and the thresholds in force.
"""

from pathlib import Path

from knowledge.risk import RuleSet, load_rules
from knowledge.risk.evaluate import assess_row
from knowledge.risk.model.examples import FOLDER, Example, read_folder
from knowledge.risk.model.run import OnnxClassifier

OUT = Path(__file__).parents[1] / "docs" / "images" / "risk-curve.svg"
SIZE, EDGE = 420, 50
STEPS = [step / 50 for step in range(50)] + [0.985, 0.99, 0.995, 0.999]
Point = tuple[float, float]


def escalated(rows: list[Example], rules: RuleSet) -> list[bool]:
    """Return whether each row is escalated by a rule set."""
    return [assess_row({"turns": list(row.turns)}, rules).level.escalated for row in rows]


def point(rows: list[Example], found: list[bool]) -> Point:
    """Return recall and precision."""
    right = sum(hit for row, hit in zip(rows, found, strict=True) if row.escalated)
    return right / sum(row.escalated for row in rows), right / max(sum(found), 1)


def scores(rows: list[Example], classifier: OnnxClassifier) -> list[float]:
    """Return the highest score that any message of a row gets, alone or with those before it."""
    return [
        max(
            max(classifier.propose([turn]).score, classifier.propose(row.turns[: at + 1]).score)
            for at, turn in enumerate(row.turns)
        )
        for row in rows
    ]


def place(at: Point) -> str:
    """Return where a point stands in the picture."""
    recall, precision = at
    return f"{EDGE + recall * SIZE:.1f},{EDGE + (1 - precision) * SIZE:.1f}"


def dot(at: Point, name: str) -> str:
    """Return a marked point with its name."""
    x, y = place(at).split(",")
    return (
        f'<circle cx="{x}" cy="{y}" r="5" fill="#b1002c"/>'
        f'<text x="{float(x) - 8}" y="{float(y) + 20}" text-anchor="end">{name}</text>'
    )


def picture(curve: list[Point], dots: dict[str, Point]) -> str:
    """Return the SVG."""
    ticks = "".join(
        f'<text x="{EDGE + SIZE * t / 10}" y="{EDGE + SIZE + 18}" text-anchor="middle">.{t}</text>'
        f'<text x="{EDGE - 8}" y="{EDGE + SIZE * (1 - t / 10) + 4}" text-anchor="end">.{t}</text>'
        for t in range(2, 10, 2)
    )
    line = " ".join(place(at) for at in curve)
    marks = "".join(dot(at, name) for name, at in dots.items())
    whole = SIZE + 2 * EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" '
        f'font-family="sans-serif" font-size="12"><rect width="{whole}" height="{whole}" '
        f'fill="#fff"/><rect x="{EDGE}" y="{EDGE}" width="{SIZE}" height="{SIZE}" fill="none" '
        f'stroke="#888"/>{ticks}<text x="{whole / 2}" y="{whole - 10}" text-anchor="middle">'
        f'recall</text><text x="14" y="{whole / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {whole / 2})">precision</text>'
        f'<polyline points="{line}" fill="none" stroke="#0b62c4" stroke-width="2"/>{marks}</svg>\n'
    )


def main() -> None:
    """Measure and write the picture."""
    rows = read_folder(FOLDER / "heldout")
    rules, live = load_rules(), load_rules()
    live.classifier = classifier = OnnxClassifier()
    by_rules, given = escalated(rows, rules), scores(rows, classifier)
    curve = [
        point(rows, [rule or score >= t for rule, score in zip(by_rules, given, strict=True)])
        for t in STEPS
    ]
    dots = {"rules alone": point(rows, by_rules), "in force": point(rows, escalated(rows, live))}
    OUT.write_text(picture(curve, dots), encoding="utf-8")


if __name__ == "__main__":
    main()
