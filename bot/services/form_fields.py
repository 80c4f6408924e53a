"""The fields of a case's forms: what they are, how answers are checked. No database, no page.

Called by `form_definitions` (packaged and tenants' forms) and `forms` (filling in). An answer is a
text; of `choices` the codes with a line break between them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.core.errors import InputInvalid

KINDS = ("text", "long", "choice", "choices", "date", "yes_no_unknown", "number")
MARKS = ("", "facts", "opinion")
YES_NO_UNKNOWN = ("yes", "no", "unknown")
LONGEST = {"text": 200, "long": 8000, "date": 10, "number": 12}
MOST_FIELDS, MOST_OPTIONS = 40, 30
LONGEST_LABEL, LONGEST_HELP = 120, 400
_KEY = re.compile(r"[a-z][a-z0-9_]{0,23}")
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Args:
        key: stays when the label is changed.
        mark: `facts` or `opinion`, which are kept apart; empty where it doesn't matter.
        options: code and word of each choice.
        fixed: rules or prints lean on it, so a tenant may reword it, not drop or loosen it.
        only_if: key and answer of another field; `required` counts only with that answer.
    """

    key: str
    label: str
    kind: str
    required: bool = False
    mark: str = ""
    help: str = ""
    options: tuple[tuple[str, str], ...] = ()
    fixed: bool = False
    only_if: tuple[str, str] = ("", "")

    def row(self) -> dict[str, Any]:
        """Return the field as it is kept beside the answers."""
        return {
            "key": self.key,
            "label": self.label,
            "kind": self.kind,
            "required": self.required,
            "mark": self.mark,
            "help": self.help,
            "options": [list(option) for option in self.options],
            "fixed": self.fixed,
            "only_if": list(self.only_if),
        }


def parse(rows: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Return the fields of a form.

    Raises:
        InputInvalid: what is wrong (a code); `field` is the number of the row, counted from 0.
    """
    if not 1 <= len(rows) <= MOST_FIELDS:
        raise InputInvalid("form_field_count")
    fields: list[Field] = []
    for number, row in enumerate(rows):
        field = _field(row)
        problem = _wrong(field, {one.key for one in fields})
        if problem:
            raise InputInvalid(problem, field=str(number))
        fields.append(field)
    return tuple(fields)


def _field(row: Mapping[str, Any]) -> Field:
    options = tuple((str(code), str(word).strip()) for code, word in row.get("options", ()))
    key, answer = row.get("only_if", ("", ""))
    return Field(
        key=str(row.get("key", "")),
        label=str(row.get("label", "")).strip(),
        kind=str(row.get("kind", "")),
        required=bool(row.get("required", False)),
        mark=str(row.get("mark", "")),
        help=str(row.get("help", "")).strip(),
        options=options,
        fixed=bool(row.get("fixed", False)),
        only_if=(str(key), str(answer)),
    )


def _wrong(field: Field, before: set[str]) -> str:
    """Return the code of what is wrong with a field, empty when nothing is."""
    if not _KEY.fullmatch(field.key) or field.key in before:
        return "form_field_key"
    if field.kind not in KINDS or field.mark not in MARKS:
        return "form_field_kind"
    if not 1 <= len(field.label) <= LONGEST_LABEL:
        return "form_field_label"
    if len(field.help) > LONGEST_HELP:
        return "form_field_help"
    codes = [code for code, _ in field.options]
    wants = field.kind in ("choice", "choices")
    shaped = all(_KEY.fullmatch(code) and word for code, word in field.options)
    enough = 2 <= len(codes) <= MOST_OPTIONS if wants else not codes
    return "" if enough and shaped and len(set(codes)) == len(codes) else "form_field_options"


def chosen(answer: str) -> tuple[str, ...]:
    """Return the codes of an answer to a field of `choices`."""
    return tuple(code for code in answer.split("\n") if code)


def shown(field: Field, answer: str, words: Mapping[str, str]) -> str:
    """Return an answer as a person reads it.

    Args:
        words: of `yes`, `no` and `unknown`.
    """
    if field.kind == "yes_no_unknown":
        return words.get(answer, answer)
    if field.kind in ("choice", "choices"):
        options = dict(field.options)
        return "\n".join(options.get(code, code) for code in chosen(answer))
    return answer


def tidy(fields: Sequence[Field], answers: Mapping[str, str]) -> dict[str, str]:
    """Return the answers to these fields; line ends are made alike, empty ones left out."""
    kept: dict[str, str] = {}
    for field in fields:
        answer = answers.get(field.key, "").replace("\r\n", "\n").replace("\r", "\n").strip()
        if answer:
            kept[field.key] = answer
    return kept


def problems(
    fields: Sequence[Field], answers: Mapping[str, str], *, today: date, signing: bool
) -> dict[str, str]:
    """Return for each wrong answer the code of what is wrong, by the field's key.

    Args:
        today: in the tenant's zone; a date after it is taken too (the next meeting).
        signing: required answers have to be there.
    """
    found: dict[str, str] = {}
    for field in fields:
        answer = answers.get(field.key, "")
        if answer:
            problem = _bad(field, answer, today)
        else:
            problem = "missing" if signing and _wanted(field, answers) else ""
        if problem:
            found[field.key] = problem
    return found


def _wanted(field: Field, answers: Mapping[str, str]) -> bool:
    key, answer = field.only_if
    return field.required and (not key or answer in chosen(answers.get(key, "")))


def _bad(field: Field, answer: str, today: date) -> str:
    if len(answer) > LONGEST.get(field.kind, 1000):
        return "too_long"
    if field.kind == "text" and "\n" in answer:
        return "one_line"
    if field.kind == "number" and not _NUMBER.fullmatch(answer):
        return "not_a_number"
    if field.kind == "date":
        return _bad_date(answer, today)
    codes: tuple[str, ...] = YES_NO_UNKNOWN
    if field.kind in ("choice", "choices"):
        codes = tuple(code for code, _ in field.options)
    if field.kind in ("choice", "choices", "yes_no_unknown"):
        picked = chosen(answer)
        one = field.kind == "choices" or len(picked) == 1
        return "" if one and set(picked) <= set(codes) else "not_a_choice"
    return ""


def _bad_date(answer: str, today: date) -> str:
    try:
        day = date.fromisoformat(answer)
    except ValueError:
        return "not_a_date"
    return "" if abs((day - today).days) <= 366 * 20 else "not_a_date"
