"""What a contact's next message may refer to: the last answer, or the choices offered."""

from collections.abc import Sequence
from datetime import timedelta

CHOICES_VALID = timedelta(minutes=10)
ANSWER_VALID = timedelta(hours=24)
# The key under which a conversation of several steps is kept, with an end of its own.
BESIDE = "beside"
# The notice that was confirmed a moment ago.
CONFIRMED = "confirmed"
EMERGENCY_ASKED = {"kind": "emergency"}
EMERGENCY_VALID = timedelta(minutes=30)


def answer_given(entry_id: str, question_id: int, part: int = 0) -> dict[str, object]:
    """Return what 更多, 有用 and 没用 refer to."""
    return {"kind": "answer", "entry": entry_id, "question": question_id, "part": part}


def choices_given(entry_ids: Sequence[str], question_id: int) -> dict[str, object]:
    """Return what a bare number refers to."""
    return {"kind": "choices", "entries": list(entry_ids), "question": question_id}
