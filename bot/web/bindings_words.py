"""Words of the pages that answer parents, from `bindings.toml`.

Called by `bot.web.bindings`, `bot.web.requests` and their templates.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return every word by group and code."""
    return tomllib.loads(files("bot.web").joinpath("bindings.toml").read_text("utf-8"))


def word(group: str, code: str) -> str:
    """Return the word for a code; an unknown code is shown as it is."""
    return words()[group].get(code, code)
