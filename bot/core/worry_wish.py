"""Read a teacher's worry out of what they write to the robot: `上报 三年级2班 张小明`.

Called by `handlers.worries`.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core import class_names
from bot.core.class_names import Named

_COMMAND = re.compile(
    r"\s*(?:我?要)?上报(?:一个|一下)?(?:担心|学生|孩子)?[\s,，:：、]+(?P<rest>\S.*)", re.DOTALL
)
_BETWEEN = re.compile(r"[\s,，:：、;；。]+")


def rest(text: str) -> str | None:
    """Return what stands behind the command; None when a message is none."""
    match = _COMMAND.fullmatch(text)
    return match["rest"] if match else None


def find(
    text: str, classes: Sequence[Named], children: Mapping[int, tuple[int, str]]
) -> tuple[list[int], str]:
    """Return the children that a text begins with the name of, and the words behind it.

    The longest name counts; a class before the name leaves only its children. Nothing is guessed.

    Args:
        children: by id, each with its class and name.
    """
    named, behind = class_names.find(text, classes)
    inside = {place.id for place in named or classes}
    fitting = {
        child_id: name
        for child_id, (place_id, name) in children.items()
        if place_id in inside and name and behind.startswith(name)
    }
    longest = max((len(name) for name in fitting.values()), default=0)
    found = [child_id for child_id, name in fitting.items() if len(name) == longest]
    return found, _BETWEEN.sub("", behind[longest:], count=1).strip() if found else ""
