"""Handlers, one file per kind of message; the first that returns an outcome has answered.

The order is the rule: what a person holds is silent, danger comes before everything else, and
"stop", "delete" and "talk to a person" work before any search.
"""

from types import ModuleType

from handlers import (
    attention,
    choices,
    consents,
    emergency,
    erasure,
    fallback,
    feedback,
    follow,
    handoff,
    held,
    media,
    questions,
    risk,
    smalltalk,
    stop,
)

HANDLERS: tuple[ModuleType, ...] = (
    held,
    risk,
    handoff,
    stop,
    erasure,
    consents,
    emergency,
    follow,
    media,
    attention,
    feedback,
    choices,
    smalltalk,
    questions,
    fallback,
)

FALLBACK = fallback

__all__ = ["FALLBACK", "HANDLERS"]
