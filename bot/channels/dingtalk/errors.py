"""DingTalk's error codes, sorted into: again later, again at a time, never; token refused.

The two generations of the API speak differently: `api.dingtalk.com/v1.0` with an HTTP status and a
word, `oapi.dingtalk.com` with status 200 and a number, where 88 wraps the real number. The
platform's own message is left out everywhere: it may quote what was sent. Used by the client and
by the custom robot's webhook (`bot.channels.alerts`).

Source: open.dingtalk.com, `server-api-error-codes-1`, `how-to-process-api-throttling`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.core.clock import Clock
from bot.core.errors import (
    UNKNOWN,
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
)
from bot.services.quota import USED_UP
from bot.services.quota import next_month as next_month

BUSY = -1
MONTH_LIMIT = 90020
TOKEN_CODES = frozenset({40001, 40014, 42001, 33001})
# What the platform calls a token it does not take (any case).
TOKEN_WORDS = frozenset({"invalidauthentication", "invalidaccesstoken"})
SECOND_LIMITS = frozenset({90018, 90002})
WAITS = {
    # The custom robot, over 20 messages a minute: closed for ten.
    130101: timedelta(minutes=10),
    302033: timedelta(minutes=10),
    410100: timedelta(minutes=10),
    143103: timedelta(minutes=1),
    143104: timedelta(minutes=1),
}
# Wrong here, not at the platform: right again once somebody mends the settings, so try later.
SETTING_CODES = frozenset({40089, 50002, 50004, 60011, 60020, 40013, 40125})
SETTING_WORDS = ("invalidclientidorsecret", "forbidden.accessdenied.accesstoken", "missingauth")
# A page with status 200 instead of an answer: this machine's address is shut out for five minutes.
PUNISHED = 1111
PUNISHED_WAIT = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
QUOTA = USED_UP


def is_token_word(answer: Mapping[str, Any]) -> bool:
    """Say whether a v1.0 answer refuses the token."""
    return str(answer.get("code", "")).lower() in TOKEN_WORDS


def sort_word(status: int, answer: Mapping[str, Any], what: str, clock: Clock) -> ChannelError:
    """Return the error behind a v1.0 answer that is not a success."""
    word = _plain(answer.get("code"))
    text = f"{what}: http{status} {word}".rstrip()
    lowered = word.lower()
    if "apicountlimitfororg" in lowered:
        return _month_limit(text, clock)
    if "qpslimit" in lowered or "throttling" in lowered:
        return ChannelRateLimited(text, retry_at=clock.now() + SECOND, code=word)
    if status == 429:
        return ChannelRateLimited(text, retry_at=clock.now() + timedelta(minutes=1), code="http429")
    if lowered in TOKEN_WORDS or lowered.startswith(SETTING_WORDS):
        return ChannelUnavailable(text, code=word)
    if status >= 500 or not word:
        return ChannelUnavailable(text, code=word or f"http{status}")
    return ChannelRefused(text, code=word)


def sort_number(code: int, what: str, clock: Clock) -> ChannelError:
    """Return the error behind an `errcode` that is not 0."""
    text = f"{what}: errcode {code}"
    if code == MONTH_LIMIT:
        return _month_limit(text, clock)
    if code in SECOND_LIMITS:
        return ChannelRateLimited(text, retry_at=clock.now() + SECOND, code=str(code))
    if code in WAITS:
        return ChannelRateLimited(text, retry_at=clock.now() + WAITS[code], code=str(code))
    if code == BUSY or code in TOKEN_CODES or code in SETTING_CODES:
        return ChannelUnavailable(text, code=str(code))
    return ChannelRefused(text, code=str(code))


def shut_out(what: str, clock: Clock) -> ChannelRateLimited:
    """Return the error for the page that answers an address which called too often."""
    retry_at = clock.now() + PUNISHED_WAIT
    return ChannelRateLimited(f"{what}: shut out", retry_at=retry_at, code=str(PUNISHED))


def unreadable(what: str) -> ChannelUnavailable:
    """Return the error for an answer that is no JSON object: nobody knows whether it was sent."""
    return ChannelUnavailable(f"{what}: the answer is not a JSON object", code=UNKNOWN)


def _month_limit(text: str, clock: Clock) -> ChannelRateLimited:
    return ChannelRateLimited(text, retry_at=next_month(clock.now()), code=QUOTA)


def _plain(code: object) -> str:
    """Keep a code's letters, digits and dots: what else stands there is not a code."""
    text = str(code)[:80] if isinstance(code, str | int) else ""
    return (
        text
        if all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in text)
        else ""
    )
