"""Codes on the slips of paper by which guardians bind: made, printed, and read as people type them.

Ten signs of Crockford's base 32 are 50 bits; it leaves out I, L, O and U, and reads the first three
as the digits they look like. Source: crockford.com/base32.html. Called by
`bot.services.binding_slips` and by the handlers that are sent a code or its QR scene.
"""

import re
import secrets
import unicodedata

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
HALF = LENGTH // 2
# WeChat takes scenes of 64 signs.
SCENE = "slip-"

_ALIKE = str.maketrans("OIL", "011")
_BETWEEN = re.compile(r"[\s\-‐-―−_.·,，。:：;；!！'\"“”‘’「」『』()()【】\[\]]+")
_WORD = re.compile(r"(?:我?的?绑定码是?)+")
_SIGNS = re.compile(r"[0-9A-Z]*")
_HALVES = re.compile(r"\W*[0-9A-Z]{5}\s*[-‐-―−]\s*[0-9A-Z]{5}\W*")
_LONGEST = 60


def new_code() -> str:
    """Return a fresh code, as it is kept in nobody's table.

    It holds letters and digits, so that it is known for a code without the word in front, too.
    """
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if _is_mixed(code):
            return code


def _is_mixed(signs: str) -> bool:
    return any(sign.isdigit() for sign in signs) and any(sign.isalpha() for sign in signs)


def shown(code: str) -> str:
    """Return a code as it is printed."""
    return f"{code[:HALF]}-{code[HALF:]}"


def scene_of(code: str) -> str:
    """Return the scene of a slip's QR code."""
    return SCENE + code


def code_in_scene(scene: str) -> str | None:
    """Return what stands as code in a scene; None where it is no slip's."""
    return scene.removeprefix(SCENE)[:LENGTH] if scene.startswith(SCENE) else None


def code_in(text: str) -> str | None:
    """Return the code that a whole message is, as people type it.

    Without the word in front, only what can hardly be anything else is taken for a code: letters
    and digits together, or two halves with a dash.

    Returns:
        None: the message is about something else; empty: it has the word, and no code that could
        be one.
    """
    if len(text) > _LONGEST:
        return None
    folded = unicodedata.normalize("NFKC", text).upper()
    bare = _BETWEEN.sub("", folded)
    word = _WORD.match(bare)
    signs = bare[word.end() :] if word else bare
    if not _SIGNS.fullmatch(signs):
        return None
    code = signs.translate(_ALIKE)
    formed = len(code) == LENGTH and set(code) <= set(ALPHABET)
    if word:
        return code if formed else ""
    return code if formed and (_is_mixed(signs) or _HALVES.fullmatch(folded)) else None
