"""Passwords: argon2 in at most two threads (140 ms and 64 MB each).

Called by `bot.services.staff`.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from bot.core.errors import InputInvalid

MIN_LENGTH, MAX_LENGTH = 10, 128
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_argon2 = PasswordHash((Argon2Hasher(),))


@cache
def _nobody() -> str:
    """Return a hash to check against when the login is unknown, so that both take the same time."""
    return _argon2.hash(secrets.token_urlsafe(24))


def _verify(password: str, stored: str | None) -> bool:
    stand_in = _nobody()
    return _argon2.verify(password, stored or stand_in) and stored is not None


async def hash_password(password: str) -> str:
    """Return the argon2 hash of a password."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _argon2.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Check a password; an unknown login (None) takes as long as a known one."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _verify, password[: 4 * MAX_LENGTH], stored)


def one_time_password() -> str:
    """Return a password to be told to a person once: 16 letters that can't be mixed up."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def check_new(password: str, *, login: str, old: str) -> None:
    """Refuse a new password that is too short, too long, the login or the old one.

    Raises:
        InputInvalid: the message is the code of what is wrong.
    """
    if len(password) < MIN_LENGTH:
        raise InputInvalid("password.short", field="new")
    if len(password) > MAX_LENGTH:
        raise InputInvalid("password.long", field="new")
    if password == old:
        raise InputInvalid("password.same", field="new")
    if login.lower() in password.lower() or len(set(password)) < 4:
        raise InputInvalid("password.weak", field="new")
