"""Whether two names are two spellings of one: by sound, traditional signs and small slips.

Asked only about children who share a guardian's phone; brothers and sisters do too, so a likeness
alone decides nothing: two student numbers make two children.
"""

from functools import lru_cache

from rapidfuzz import fuzz

from knowledge.text import simplify

NEAR = 92.0


def near(first: str, second: str) -> bool:
    """Say whether two different names sound or look like one name written twice."""
    one, two = _plain(first), _plain(second)
    return one[0] == two[0] or fuzz.ratio(one[1], two[1]) >= NEAR


@lru_cache(maxsize=50_000)
def _plain(name: str) -> tuple[str, str]:
    """Return a name in simplified signs without dots, and how it sounds without tones."""
    # Only imports of people need its table of phrases: half a second of every start.
    from pypinyin import lazy_pinyin

    signs = simplify(name).replace("·", "")
    return signs, "".join(lazy_pinyin(signs))
