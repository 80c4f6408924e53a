"""What travels between a channel and the pipeline.

A channel turns a platform's callback into an `IncomingMessage`; the pipeline turns an `Outcome`'s
replies into what the channel sends. Both are plain values.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a person sent, as far as handlers care.

    `UNREADABLE`: the platform kept the words back (DingTalk, once the month's quota is used up).
    """

    TEXT = "text"
    VOICE = "voice"
    IMAGE = "image"
    VIDEO = "video"
    FILE = "file"
    LOCATION = "location"
    LINK = "link"
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    SCAN = "scan"
    MENU = "menu"
    RECEIPT = "receipt"
    UNREADABLE = "unreadable"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One thing that a person or the platform sent.

    Args:
        channel: `wechat` or `dingtalk`.
        account: the configured account's name, in lower case.
        platform_id: the platform's own key; unique within (channel, account).
        sender: the platform's id of the person (openid, staff id).
        kind: what was sent.
        text: cleaned words (a voice note's recognised words too); empty where there are none.
        sent_at: the platform's time, aware.
        media_id: the platform's handle for voice, pictures and files.
        scene: the value of the QR code or menu key that led here.
        group: the platform's conversation id when written in a group, else None.
        recipient: our own id on the platform (`gh_…`), needed for a passive reply.
        stale: correctly signed, but older or newer than the freshness window.
        vouched: the signature or the connection covers the words and their author. Where it does
            not, nothing privileged may follow, and no address in it is used for other words.
        outside: not of our organisation, so that only `return_address` leads back to this person.
        return_address: where this very message can be answered until `return_until`; a secret.
        extra: further platform fields that a handler may need; never personal text.
    """

    channel: str
    account: str
    platform_id: str
    sender: str
    kind: Kind
    sent_at: datetime
    text: str = ""
    media_id: str = ""
    scene: str = ""
    group: str | None = None
    recipient: str = ""
    stale: bool = False
    vouched: bool = True
    outside: bool = False
    return_address: str = field(default="", repr=False)
    return_until: datetime | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Words for one person, with where they came from.

    Args:
        text: reviewed words, at most 2,048 UTF-8 bytes.
        kind: `answer`, `choices`, `abstain`, `smalltalk`, `risk`, `notice`, `person`, `service`.
        source: phrase key or entry id, with version (`entry:T06-01@1`, `crisis:self_harm…@1`); of
            two that were put together both, with a plus between.
        private: to the person 1:1, even when the message was written in a group.
    """

    text: str
    kind: str
    source: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where a reply goes.

    Args:
        person: the platform's id of the person.
        group: the platform's conversation id for a reply in a group, else None.
        address: the return address of the message that is answered, empty for none.
        until: when that address ends.
    """

    person: str
    group: str | None = None
    address: str = field(default="", repr=False)
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What handling one message came to.

    Args:
        handler: name of the handler that answered.
        replies: in order; the first may leave as the passive reply.
        effects: what has to be written with the outcome; each is called with the database session
            of the transaction that stores it, so that nothing happens twice and nothing is lost.
        detail: codes, ids and scores that the log and the batch commands print; no words.
    """

    handler: str
    replies: tuple[Reply, ...] = ()
    effects: tuple[Callable[[Any], Awaitable[None]], ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the inbox says after it has stored a message.

    Args:
        message_id: row id of the stored message.
        contact_id: row id of its sender.
        duplicate: the platform id was known already; nothing new was stored.
        level: the assessment's level.
        case_id: the case that was opened or raised, if any.
        answerable: False for a stale or unfollow message, which gets no answer.
    """

    message_id: int
    contact_id: int
    duplicate: bool
    level: str
    case_id: int | None = None
    answerable: bool = True
