"""The Chinese words of the rules' pages (`rules.toml`). Called by `bot.web.rules` and templates."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `rules.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("rules.toml").read_text("utf-8"))


def word(group: str, code: str, **fields: str) -> str:
    """Return the Chinese words for a code; an unknown code is shown as it is."""
    return (
        words()[group].get(code, code).format(**fields)
        if fields
        else words()[group].get(code, code)
    )


def problem(what: str) -> str:
    """Return what is wrong with a rule file, from the loader's own words."""
    known = [start for start in words()["problem"] if what.startswith(start)]
    return words()["problem"][max(known, key=len)] if known else what
