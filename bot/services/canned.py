"""Ready words with the numbers that are open now, for the box in which a counselor writes.

Called by the case's page. A counselor chooses, changes and sends; no handler and no job reads this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.core.canned import load_canned
from bot.core.hotlines import HotlineBook
from bot.core.phrases import PhraseBook
from bot.services import wording


@dataclass(frozen=True, slots=True)
class Words:
    """One text that may be put into the box.

    Args:
        key: `situation.name`.
        reviewed: whether somebody has signed this version.
    """

    key: str
    text: str
    reviewed: bool


def by_situation(
    phrases: PhraseBook, book: HotlineBook, *, moment: datetime, region: str = ""
) -> Mapping[str, tuple[Words, ...]]:
    """Return all ready words by situation, in their order, numbers filled in."""
    lines = wording.numbers(phrases, book, moment, region)
    found: dict[str, list[Words]] = {}
    for phrase in load_canned():
        fields = {"numbers": lines} if "numbers" in phrase.fields else {}
        situation = phrase.key.split(".")[0]
        words = Words(phrase.key, phrase.format(**fields), bool(phrase.reviewers))
        found.setdefault(situation, []).append(words)
    return {situation: tuple(words) for situation, words in found.items()}
