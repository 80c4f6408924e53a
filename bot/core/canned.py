"""Ready words for counselors: put into the box of a case's page, changed there, sent by a person.

They are held to the same rules as everything else a parent reads: no bare phone number, none of the
forbidden words. Called by `bot.services.canned`; nothing sends one by itself.
"""

from functools import cache
from importlib.resources import files

from bot.core.phrases import PhraseBook, load_phrases, parse_phrases


@cache
def load_canned() -> PhraseBook:
    """Read the words that ship with the project; a key is `situation.name`.

    Raises:
        PhraseError: one is incomplete, names a number, or contains forbidden words.
    """
    text = files("bot.core").joinpath("canned.toml").read_text(encoding="utf-8")
    return parse_phrases(text, load_phrases().forbidden)
