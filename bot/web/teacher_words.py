"""The Chinese words of the teacher's pages (`teacher.toml`). Called by `bot.web.teacher`,
`bot.web.notices` and their templates.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `teacher.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("teacher.toml").read_text("utf-8"))


def word(group: str, code: str, **fields: object) -> str:
    """Return the Chinese words for a code; an unknown code is shown as it is."""
    found = words()[group].get(code, code)
    return found.format(**fields) if fields else found


def reason(code: str) -> str:
    """Return why somebody was not reached; a platform's own code is named as such."""
    known = words()["reason"]
    return known[code] if code in known else known["other"].format(code=code)
