"""Handlers, one file per kind of message; the first that returns an outcome has answered.

The order is the rule: danger comes before everything else; what was written in a group goes no
further than `groups`; "stop", "delete" and "talk to a person" always work; then a conversation that
a person holds is left to that person; and what is no wording of the parent's own (a pin, a link) is
no question.
"""

from types import ModuleType

from handlers import (
    attention,
    binding,
    choices,
    confirm,
    consents,
    courses,
    emergency,
    erasure,
    fallback,
    feedback,
    follow,
    groups,
    handoff,
    held,
    media,
    my_data,
    not_open,
    notice_reply,
    notices,
    questions,
    reassurance,
    risk,
    smalltalk,
    stop,
    unvouched,
    worries,
)

HANDLERS: tuple[ModuleType, ...] = (
    risk,
    groups,
    handoff,
    unvouched,
    stop,
    erasure,
    consents,
    worries,
    notices,
    notice_reply,
    emergency,
    my_data,
    held,
    media,
    follow,
    reassurance,
    attention,
    confirm,
    not_open,
    courses,
    binding,
    feedback,
    choices,
    smalltalk,
    questions,
    fallback,
)

FALLBACK = fallback

__all__ = ["FALLBACK", "HANDLERS"]
