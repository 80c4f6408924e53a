"""What the answers to the six screening questions advise; a screen, no diagnosis.

Called by the page and the print of the form `cssrs`. It changes no level: a person judges.
Source: DOMAIN §2.2 (low: 1 or 2; moderate: 3, or 6 longer than three months ago; high: 4, 5, or 6
within three months), with one level of caution added for minors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NONE, LOW, MODERATE, HIGH = "none", "low", "moderate", "high"
QUESTIONS = ("q1", "q2", "q3", "q4", "q5", "q6")
WITHIN, EARLIER, WHEN_UNKNOWN, NO = "within", "earlier", "yes_when_unknown", "no"
_LEVEL = {NONE: "1", LOW: "2", MODERATE: "2", HIGH: "3"}


@dataclass(frozen=True, slots=True)
class Screening:
    """What a screening advises.

    Args:
        band: `none`, `low`, `moderate` or `high`.
        level: the level that answers to it; advice only.
        by: the questions that decided it.
        open: questions without a clear answer: the danger may be greater than the band says.
        minor_plain: a minor said plainly to want to die, which counts as level 3.
    """

    band: str
    level: str
    by: tuple[str, ...]
    open: tuple[str, ...]
    minor_plain: bool


def screen(answers: Mapping[str, str], *, minor: bool) -> Screening:
    """Return what the answers advise.

    Args:
        answers: `yes`, `no`, `unknown` to `q1` … `q5`; to `q6` `no`, `within` (three months),
            `earlier`, `yes_when_unknown`, `unknown`.
        minor: the answers are those of somebody under 18, or that is not known.
    """
    yes = {name for name in QUESTIONS[:5] if answers.get(name) == "yes"}
    attempt = answers.get("q6", "")
    reasons = {
        HIGH: [*sorted(yes & {"q4", "q5"}), *(["q6"] if attempt in (WITHIN, WHEN_UNKNOWN) else [])],
        MODERATE: [*sorted(yes & {"q3"}), *(["q6"] if attempt == EARLIER else [])],
        LOW: sorted(yes & {"q1", "q2"}),
    }
    band = next((name for name, by in reasons.items() if by), NONE)
    plain = minor and "q2" in yes
    return Screening(
        band=band,
        level="3" if plain else _LEVEL[band],
        by=tuple(reasons.get(band, ())),
        open=_open(answers),
        minor_plain=plain,
    )


def _open(answers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the questions that are still to be asked; 3 to 5 are asked after a yes to 2."""
    asked = QUESTIONS if answers.get("q2") != "no" else ("q1", "q2", "q6")
    return tuple(name for name in asked if answers.get(name, "unknown") == "unknown")
