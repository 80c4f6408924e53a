"""Names, phones and numbers as they are compared and found; children and guardians not yet stored.

Called through `bot.services.people`.
"""

import re
import unicodedata
from datetime import datetime

from bot.core.errors import InputInvalid
from bot.db.crypto import KeyRing
from bot.db.models import Child, Guardian
from bot.db.models.person import ACTIVE

NAME_LENGTH, NUMBER_LENGTH = 60, 40
HAND = "hand"
_DOTS = re.compile("[•・‧∙･．.]")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_PHONE_NOISE = re.compile(r"[\s()\-–—.+]")


def normalise_name(text: str) -> str:
    """Return a name as it is compared: NFKC, no spaces, one kind of middle dot, no capitals."""
    # Unicode's own order of steps; with fewer of them a second time would change some names again.
    # Spaces go first: what stood on both sides of one may grow together.
    whole = _DOTS.sub("·", "".join(unicodedata.normalize("NFKC", text).split()))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", whole).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def normalise_phone(text: str) -> str | None:
    """Return the 11 digits of a mobile number of the mainland; None for anything else."""
    digits = _PHONE_NOISE.sub("", unicodedata.normalize("NFKC", text))
    for prefix in ("0086", "86"):
        if len(digits) == len(prefix) + 11:
            digits = digits.removeprefix(prefix)
    return digits if digits.isascii() and _MOBILE.fullmatch(digits) else None


def normalise_number(text: str) -> str:
    """Return a student number as it is compared: NFKC, no spaces, capitals."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def name_key(ring: KeyRing, name: str) -> str:
    """Return the keyed hash that a child's name is found by."""
    return ring.fingerprint(normalise_name(name), purpose="child.name")


def student_key(ring: KeyRing, number: str) -> str:
    """Return the keyed hash that a student number is found by."""
    return ring.fingerprint(normalise_number(number), purpose="child.student_no")


def phone_key(ring: KeyRing, phone: str) -> str | None:
    """Return the keyed hash that a phone is found by; None for what is no mobile number."""
    digits = normalise_phone(phone)
    return ring.fingerprint(digits, purpose="guardian.phone") if digits else None


def seen_key(ring: KeyRing, *values: str | None) -> str:
    """Return what a page showed, as a keyed hash that is sent back with a change of it."""
    return ring.fingerprint("\n".join(value or "" for value in values), purpose="people.seen")


def new_child(
    *,
    place_id: int,
    name: str,
    now: datetime,
    ring: KeyRing,
    student_no: str = "",
    born: str | None = None,
    external_id: str | None = None,
    source: str = HAND,
) -> Child:
    """Return a child that is not yet stored; `add_child` says what the arguments mean.

    Raises:
        InputInvalid: no name, or one that is too long.
    """
    shown, number = _name(name, "name"), normalise_number(student_no)
    if len(number) > NUMBER_LENGTH:
        raise InputInvalid("student_no", field="student_no")
    return Child(
        place_id=place_id,
        name=shown,
        name_key=name_key(ring, shown),
        born=born or None,
        student_no=number or None,
        student_key=student_key(ring, number) if number else None,
        external_id=external_id or None,
        source=source,
        state=ACTIVE,
        created_at=now,
    )


def new_guardian(
    *,
    name: str,
    now: datetime,
    ring: KeyRing,
    phone: str = "",
    external_id: str | None = None,
    large_type: bool = False,
    source: str = HAND,
) -> Guardian:
    """Return a guardian who is not yet stored.

    Raises:
        InputInvalid: no name, or a phone that is none.
    """
    digits = normalise_phone(phone) if phone.strip() else None
    if phone.strip() and digits is None:
        raise InputInvalid("phone", field="phone")
    return Guardian(
        name=_name(name, "guardian_name"),
        phone=digits,
        phone_key=phone_key(ring, digits) if digits else None,
        external_id=external_id or None,
        large_type=large_type,
        source=source,
        created_at=now,
    )


def _name(text: str, field: str) -> str:
    shown = " ".join(unicodedata.normalize("NFKC", text).split())
    if not shown or len(shown) > NAME_LENGTH:
        raise InputInvalid(field, field=field)
    return shown
