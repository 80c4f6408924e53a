"""Which key a field is under: its district's own where there is one, else the service's ring.

A district's data key is a row of `tenant_key`, sealed with the ring (`bot.db.tenant_keys` loads and
makes them). Inside `of_place` what is written goes under the key of that place's district; inside
`of_staff`, on the pages, what lies under another district's key can't be read either, so that a
mistake in a query shows nobody another district's words. Jobs and commands read everything.
Called by `bot.db.types`, the inbox, the router, the pages' door and the rotation.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bot.db.crypto import KeyRing, Undecipherable, installed

# What belongs to no district: a person may work in two, and a key can't be sealed with itself.
SHARED = frozenset(
    {
        "staff.name",
        "staff.phone",
        "staff.totp_secret",
        "platform_token.token",
        "tenant_key.sealed",
    }
)


@dataclass(frozen=True, slots=True)
class DistrictKey:
    """One opened data key."""

    district_id: int
    ring: KeyRing


@dataclass(frozen=True, slots=True)
class FieldKeys:
    """All opened data keys of this process.

    Args:
        by_id: every key, also those that only read any more.
        current: by district the id of the key that writes.
        district_of: by place.
    """

    by_id: Mapping[str, DistrictKey] = field(default_factory=dict)
    current: Mapping[int, str] = field(default_factory=dict)
    district_of: Mapping[int, int] = field(default_factory=dict)

    def writing(self, place_id: int | None) -> str | None:
        """Return the id of the key that a place's fields belong under; None: the ring's."""
        return self.current.get(self.district_of.get(place_id or 0, 0))


@dataclass(frozen=True, slots=True)
class _Scope:
    key_id: str | None = None
    districts: frozenset[int] | None = None


_scope: ContextVar[_Scope | None] = ContextVar("field_keys", default=None)
_in_use: list[FieldKeys] = [FieldKeys()]


def use(keys: FieldKeys) -> None:
    """Make these the keys of the process (called by `bot.db.tenant_keys`)."""
    _in_use[:] = [keys]


def in_use() -> FieldKeys:
    """Return the process's keys."""
    return _in_use[0]


@contextmanager
def of_place(place_id: int | None) -> Iterator[None]:
    """Write under the key of a place's district; everything can be read.

    What is written has to be flushed before the end, for it is then that it is encrypted.
    """
    token = _scope.set(_Scope(key_id=in_use().writing(place_id)))
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def of_staff(places: Iterable[int]) -> Iterator[None]:
    """Write and read under the keys of the districts that somebody works in.

    Who works in two writes under the ring's key, until the next rotation.
    """
    keys = in_use()
    districts = frozenset(keys.district_of.get(place, 0) for place in places)
    only = next(iter(districts)) if len(districts) == 1 else 0
    token = _scope.set(_Scope(keys.current.get(only), districts if keys.by_id else None))
    try:
        yield
    finally:
        _scope.reset(token)


def encrypt(text: str, *, purpose: str) -> str:
    """Return the encrypted form of a text for one column."""
    scope = None if purpose in SHARED else _scope.get()
    return encrypt_under(scope.key_id if scope else None, text, purpose=purpose)


def encrypt_under(key_id: str | None, text: str, *, purpose: str) -> str:
    """Return the encrypted form under one data key; None: under the ring's."""
    ring = installed() if key_id is None else in_use().by_id[key_id].ring
    return ring.encrypt(text, purpose=purpose)


def decrypt(stored: str, *, purpose: str) -> str:
    """Return the text behind an encrypted field.

    Raises:
        Undecipherable: unknown key, changed bytes, a value moved between columns, or one of a
            district that the caller does not work in.
    """
    key_id = stored.partition(".")[0]
    key = in_use().by_id.get(key_id) if "-" in key_id else None
    if key is None:
        return installed().decrypt(stored, purpose=purpose)
    scope = _scope.get()
    if scope and scope.districts is not None and key.district_id not in scope.districts:
        raise Undecipherable(f"a field of {purpose} belongs to another district")
    return key.ring.decrypt(stored, purpose=purpose)


def open_key(sealed: str) -> bytes:
    """Return the data key behind a row of `tenant_key`."""
    return base64.b64decode(installed().decrypt(sealed, purpose="tenant_key.sealed"))


def seal_key(key: bytes) -> str:
    """Return a data key as a row of `tenant_key` keeps it."""
    return installed().encrypt(base64.b64encode(key).decode(), purpose="tenant_key.sealed")
