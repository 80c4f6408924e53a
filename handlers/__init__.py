"""Handlers, one file per kind of message; the first that returns an outcome has answered.

The order is the rule: danger comes before everything else; what is no wording of the parent's own
(a pin, a link) is no command; "stop", "delete" and "talk to a person" always work; and then a
conversation that a person holds is left to that person.
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
    risk,
    handoff,
    stop,
    erasure,
    consents,
    emergency,
    held,
    media,
    follow,
    attention,
    feedback,
    choices,
    smalltalk,
    questions,
    fallback,
)

FALLBACK = fallback

__all__ = ["FALLBACK", "HANDLERS"]
