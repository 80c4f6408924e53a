"""What one row of an import is, as it was read and as it was understood.

Made by `reading` (Excel) and `directory` (DingTalk), understood by `parse`, which says for each row
what is wrong with it on its own; `duplicates` compares rows with one another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.services.importing.words import pattern, relation
from bot.services.people import (
    NAME_LENGTH,
    NUMBER_LENGTH,
    normalise_name,
    normalise_number,
    normalise_phone,
)

MOST_GUARDIANS = 3
MOST_ROWS = 50_000
# States of a row, in the order in which they come about.
RAW, READY, WARN, ASK, SAME, WRONG, DONE, UNDONE, KEPT = (
    "raw",
    "ready",
    "warn",
    "ask",
    "same",
    "wrong",
    "done",
    "undone",
    "kept",
)
# What keeps a row out; every other code is only said.
WRONG_CODES = frozenset(
    {
        "no_name",
        "name_long",
        "no_class",
        "class_unknown",
        "class_twice",
        "class_closed",
        "number_long",
        "bad_phone",
        "formula",
        "merged",
        "duplicate",
        "number_spelling",
        "number_spelling_stored",
        "same_name",
        "same_name_stored",
        "number_twice",
        "number_other",
        "teacher_unknown",
        "teacher_two",
        "teacher_taken",
        "teacher_above",
    }
)
# What a person has to say before the row is taken; `CHOSEN` beside it: they did.
ASK_CODES = frozenset({"two_spellings", "two_spellings_stored", "teacher_match"})
CHOSEN = "chosen"
WARN_CODES = frozenset(
    {
        "shared_phone",
        "more_guardians",
        "no_guardian",
        "no_guardian_name",
        "no_phone",
        "relation_unknown",
        "born_unknown",
        "again",
        "moves",
        "comes_back",
        "phone_changed",
        "phone_kept",
        "relation_changed",
        "blocked",
    }
)


@dataclass(frozen=True, slots=True)
class Raw:
    """One row as it was read.

    Args:
        number: the one that the file's reader sees.
        data: text by field; guardians' are `g1_name`, `g1_relation`, `g1_phone` … `g3_phone`. A
            teacher of a directory has `teacher`, `external` and `class` only.
        codes: what the reader itself found (a formula, a merged cell).
    """

    number: int
    data: Mapping[str, str]
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read; `problem` is a code when it was not."""

    rows: tuple[Raw, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Carer:
    """A guardian as a row names them; `phone` is 11 digits or empty."""

    name: str
    relation: str
    phone: str
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One row as it was understood; `teacher`: it is of a class's teacher, not of a child."""

    number: int
    name: str
    student_no: str
    class_text: str
    born: str = ""
    external_id: str = ""
    carers: tuple[Carer, ...] = ()
    codes: tuple[str, ...] = field(default=())
    teacher: bool = False

    @property
    def wrong(self) -> bool:
        """Say whether anything keeps the row out."""
        return any(code.partition(":")[0] in WRONG_CODES for code in self.codes)

    @property
    def plain_name(self) -> str:
        """Return the name as it is compared."""
        return normalise_name(self.name)

    @property
    def phones(self) -> frozenset[str]:
        """Return the guardians' phones."""
        return frozenset(carer.phone for carer in self.carers if carer.phone)

    def told(self, *codes: str) -> "Parsed":
        """Return the same row with further codes."""
        return replace(self, codes=(*self.codes, *codes))


def parse(raw: Raw, *, class_known: bool = False) -> Parsed:
    """Return what a row says, and what is wrong with it on its own.

    Args:
        class_known: the import is for one class, which rows need not name.
    """
    data, codes = raw.data, list(raw.codes)
    if "teacher" in data:
        external_id, classes = data.get("external", ""), data.get("class", "")
        return Parsed(
            raw.number, data["teacher"], "", classes, "", external_id, (), raw.codes, teacher=True
        )
    name, number = data.get("child", "").strip(), normalise_number(data.get("student_no", ""))
    codes += _first(name, "no_name", "name_long", NAME_LENGTH)
    if len(number) > NUMBER_LENGTH:
        codes.append("number_long")
    class_text = (data.get("grade", "") + data.get("class", "")).strip()
    if not class_text and not class_known:
        codes.append("no_class")
    carers = _carers(data, codes)
    if not carers:
        codes.append("no_guardian")
    phones = [carer.phone for carer in carers if carer.phone]
    if len(set(phones)) < len(phones):
        codes.append("shared_phone")
    born = _born(data.get("born", ""))
    if born is None:
        codes.append("born_unknown")
    return Parsed(
        raw.number,
        name,
        number,
        class_text,
        born or "",
        data.get("external", ""),
        tuple(carers),
        tuple(dict.fromkeys(codes)),
    )


def state_of(codes: tuple[str, ...]) -> str:
    """Return the state of a checked row: wrong, asked about, to be looked at, or ready."""
    words = {code.partition(":")[0] for code in codes}
    if words & WRONG_CODES:
        return WRONG
    if words & ASK_CODES and CHOSEN not in words:
        return ASK
    return WARN if words & WARN_CODES else READY


def _carers(data: Mapping[str, str], codes: list[str]) -> list[Carer]:
    found: list[Carer] = []
    for index in range(1, MOST_GUARDIANS + 1):
        name, phone, said = (
            data.get(f"g{index}_{part}", "").strip() for part in ("name", "phone", "relation")
        )
        digits = normalise_phone(phone) if phone else ""
        if digits is None:
            codes.append("bad_phone")
            continue
        if not name:
            codes += ["no_guardian_name"] if digits else []
            continue
        if len(name) > NAME_LENGTH:
            codes.append("name_long")
            continue
        code = relation(said)
        if code is None:
            codes += ["relation_unknown"] if said else []
        if not digits:
            codes.append("no_phone")
        carer = Carer(name, code or "O", digits, data.get(f"g{index}_external", ""))
        if (normalise_name(name), digits) not in [(normalise_name(c.name), c.phone) for c in found]:
            found.append(carer)
    return found


def _first(text: str, missing: str, long: str, most: int) -> list[str]:
    if not text:
        return [missing]
    return [long] if len(text) > most else []


def _born(text: str) -> str | None:
    """Return year and month, empty when nothing is said, None when it can't be read."""
    if not text.strip():
        return ""
    found = pattern("born").search(text.strip())
    return f"{found.group(1)}-{int(found.group(2)):02}" if found else None
