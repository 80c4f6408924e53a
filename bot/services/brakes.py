"""The brake on guessing: passwords by login and address, codes by account.

Called by `bot.services.staff` and `bot.services.second_factor`. Each try is counted as a failure
first and taken back when it succeeds, so that many tries at once can't slip past.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import XinqingError
from bot.db.crypto import KeyRing
from bot.db.locks import Turn, take_turn
from bot.db.models import LoginFailure

FAILURE_WINDOW = timedelta(minutes=15)
CODE_WINDOW = timedelta(hours=24)


class SignInRefused(XinqingError):
    """The login, the password or the code is wrong; which one is never said."""

    status = 401
    phrase_key = "error.sign_in"


class SignInSlowed(SignInRefused):
    """Too many failures; the next try has to wait.

    Args:
        seconds: how long, from now.
    """

    status = 429
    phrase_key = "error.sign_in_slowed"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Brake:
    """After `free` failures each further one doubles the wait, up to `longest` seconds."""

    free: int
    longest: int
    window: timedelta = FAILURE_WINDOW

    def wait(self, failures: int) -> timedelta:
        """Return how long after the last failure the next try is refused."""
        over = failures - self.free
        return timedelta(seconds=min(2 ** min(over, 20), self.longest) if over >= 0 else 0)


# A stranger who guesses at one login from afar can't lock the counselor out: the long wait is per
# login and address together; a login alone is only slowed by seconds. Whoever guesses at codes
# knows the password already: within a day about 300 tries at a million codes, three of them right.
BRAKES: Mapping[str, Brake] = {
    "pair": Brake(free=5, longest=300),
    "address": Brake(free=20, longest=300),
    "login": Brake(free=30, longest=5),
    "code": Brake(free=5, longest=300, window=CODE_WINDOW),
}


def subjects(ring: KeyRing, **texts: str) -> dict[str, str]:
    """Return under which keyed hash each kind of brake counts."""
    return {
        kind: ring.fingerprint(text, purpose=f"login-failure.{kind}")
        for kind, text in texts.items()
    }


async def press(session: AsyncSession, counted: Mapping[str, str], now: datetime) -> None:
    """Count a try as a failure, in a transaction of its own.

    Raises:
        SignInSlowed: there have been too many.
    """
    # Tries of one moment must not all count the failures before any of them has added its own.
    await take_turn(session, Turn.SIGN_IN)
    await session.execute(delete(LoginFailure).where(LoginFailure.at <= now - CODE_WINDOW))
    for kind, subject in counted.items():
        query = select(LoginFailure.at).where(
            LoginFailure.subject == subject, LoginFailure.at > now - BRAKES[kind].window
        )
        moments = (await session.scalars(query)).all()
        until = max(moments, default=now) + BRAKES[kind].wait(len(moments))
        if until > now:
            raise SignInSlowed(int((until - now).total_seconds()) + 1)
    session.add_all(LoginFailure(subject=subject, at=now) for subject in counted.values())


async def release(session: AsyncSession, counted: Iterable[str]) -> None:
    """Take the counted failures of these subjects back."""
    await session.execute(delete(LoginFailure).where(LoginFailure.subject.in_(list(counted))))
