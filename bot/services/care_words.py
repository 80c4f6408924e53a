"""The words of care tasks: suggestions, and what no class teacher is told. Called by care tasks.

Source: DESIGN §4 (a care task without text), DOMAIN §2.7 (no disorder named as fact).
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from bot.core.privacy import clean

_BETWEEN = re.compile(r"[\s\W_]+")


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(files("bot.services").joinpath("care_words.toml").read_text("utf-8"))


def suggestions() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what may be asked for, and what to leave alone."""
    return tuple(_data()["do"]), tuple(_data()["dont"])


def forbidden_in(text: str) -> str:
    """Return the first word that may not stand in a care task; empty when there is none."""
    words = clean(text)
    if found := re.search(_data()["pattern"], words):
        return found.group()
    bare = _BETWEEN.sub("", words)
    return next((word for word in _data()["forbidden"] if word in bare), "")
