"""Check the handbook before anyone may read it.

Called by `xinqing handbook check` and by the editor before publishing. The rules and the wording
of the messages are in `format.toml`; this module only applies them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process

from knowledge.agreement import check_agreement, uncovered
from knowledge.entry import Entry, heading, list_items, loose_line, parse_red_flag
from knowledge.loader import Handbook
from knowledge.outline import questions, topics
from knowledge.problems import Problem, Severity, entry_format, problem
from knowledge.text import fold

NEAR_ALIAS = 90
BLOCK = 1_000
SOON = timedelta(days=30)
_PLACEHOLDER = re.compile(r"\{([^{}\n]*)\}")
_MARKUP = re.compile(
    r"<[a-zA-Z/!][^>\n]{0,40}>?|!\[[^\]\n]*\]|\]\([^)\n]*\)|https?://\S{0,40}|javascript:", re.I
)
# Emergency numbers as words of their own (not “120 分钟”), mobile and land lines, service lines.
_BARE_NUMBER = re.compile(
    r"(?<![\d{.])(?:11[09]|12[02](?!\s*[分秒厘毫米元天个次斤度岁页%％cmk])|1[3-9]\d{9}"
    r"|0\d{2,3}-?\d{7,8}|[489]00-?\d{3}-?\d{4}|1\d{4}|9\d{4})(?![\d}])"
)
_Owners = dict[str, list[tuple[Entry, str]]]
_MARKS = re.compile(r"^[^\S\n]*(?:[-*•]|\d+[.、．)）])\s*", re.M)


def check_handbook(
    handbook: Handbook,
    known_numbers: Collection[str],
    today: date,
    *,
    whole: bool = False,
    signed: Callable[[Entry], bool] = lambda entry: False,
) -> list[Problem]:
    """
    Return everything that is wrong with the handbook, files that could not be read first.

    Args:
        known_numbers: Numbers of the hotline register, as they stand in placeholders.
        whole: This is the whole handbook, which answers every question of the list.
        signed: Tells whether there is a signature record for the reviewers an entry names.
    """
    problems = list(handbook.problems)
    for entry in handbook.entries.values():
        problems += check_entry(entry, known_numbers, today)
        problems += _check_links(entry, handbook)
        if entry.reviewers and not signed(entry):
            problems.append(_at(entry, "reviewers", "unsigned_reviewer"))
    problems += _repeated_aliases(handbook)
    if whole:
        problems += _open_questions(handbook)
    return problems


def check_change(
    handbook: Handbook,
    before: Handbook,
    known_numbers: Collection[str],
    today: date,
    *,
    whole: bool = False,
) -> list[Problem]:
    """
    Return what would keep a changed handbook from being published: errors, no warnings.

    An entry that stands as it did is not looked at again: one that is due for review must not keep
    the others from being put right.

    Args:
        before: The handbook in force.
    """
    problems = list(handbook.problems)
    for entry in handbook.entries.values():
        if before.entries.get(entry.id) != entry:
            problems += check_entry(entry, known_numbers, today)
        problems += _check_links(entry, handbook)
    problems += _same_aliases(_alias_owners(handbook))
    if whole:
        problems += _open_questions(handbook)
    return [found for found in problems if found.severity == "error"]


def check_entry(entry: Entry, known_numbers: Collection[str], today: date) -> list[Problem]:
    """Return what is wrong with one entry taken by itself."""
    return [
        *_check_sections(entry),
        *_check_lists(entry),
        *_check_wording(entry, known_numbers),
        *_check_dates(entry, today),
        *_check_aliases(entry),
        *check_agreement(entry),
    ]


def visible_length(text: str) -> int:
    """Count the characters a reader sees, without list marks and blanks."""
    return len(re.sub(r"\s", "", _MARKS.sub("", text)))


def _at(
    entry: Entry, field: str, name: str, *, severity: Severity = "error", **values: object
) -> Problem:
    line = entry.lines.get(field, 1)
    return problem(name, entry.path, line, field, severity=severity, **values)


def _check_sections(entry: Entry) -> Iterator[Problem]:
    wanted: list[dict[str, Any]] = entry_format()["sections"]
    order = [section["heading"] for section in wanted]
    for section in wanted:
        name = section["heading"]
        if name not in entry.sections:
            yield _at(entry, name, "missing_section", heading=name)
            continue
        length = visible_length(entry.sections[name])
        longest = section.get("longest")
        if not length:
            yield _at(entry, name, "empty_section", heading=name)
        elif longest and length > longest:
            yield _at(entry, name, "section_too_long", heading=name, length=length, longest=longest)
    yield from _check_order(entry, order)
    rules = entry_format()["body"]
    length = sum(
        visible_length(text) for name, text in entry.sections.items() if name != heading("sources")
    )
    if not rules["shortest"] <= length <= rules["longest"]:
        limits = {key: rules[key] for key in ("shortest", "longest")}
        yield _at(entry, order[0], "body_length", length=length, **limits)


def _check_order(entry: Entry, order: list[str]) -> Iterator[Problem]:
    before = ""
    for name in entry.sections:
        if name not in order:
            yield _at(entry, name, "unknown_section", heading=name)
            continue
        if before and order.index(name) < order.index(before):
            yield _at(entry, before, "section_order", heading=before, after=name)
        before = name


def _check_lists(entry: Entry) -> Iterator[Problem]:
    rules = entry_format()["body"]
    if len(entry.steps) != rules["steps"]:
        yield _at(
            entry, heading("steps"), "step_count", wanted=rules["steps"], found=len(entry.steps)
        )
    if not entry.scripts:
        yield _at(entry, heading("scripts"), "no_scripts")
    if not entry.sources:
        yield _at(entry, heading("sources"), "no_source")
    for key in ("scripts", "avoid", "red_flags", "sources"):
        if line := loose_line(entry.section(key)):
            yield _at(entry, heading(key), "loose_line", heading=heading(key), start=line[:10])
    items = list_items(entry.section("red_flags"))
    if not items:
        yield _at(entry, heading("red_flags"), "no_red_flag")
    if len(items) > rules["most_red_flags"]:
        most = rules["most_red_flags"]
        yield _at(entry, heading("red_flags"), "many_red_flags", found=len(items), most=most)
    for item in items:
        flag = parse_red_flag(item)
        if flag is None or "〔" in flag.sign + flag.action:
            yield _at(entry, heading("red_flags"), "bad_red_flag")
        elif flag.level not in rules["levels"]:
            choices = " ".join(rules["levels"])
            yield _at(entry, heading("red_flags"), "bad_level", level=flag.level, choices=choices)


def _check_wording(entry: Entry, known_numbers: Collection[str]) -> Iterator[Problem]:
    rules = entry_format()["wording"]
    for name, text in {**entry.sections, "title": entry.title}.items():
        is_source = name == heading("sources")
        harmless = text
        for phrase in rules["allowed"]:
            harmless = harmless.replace(phrase, "")
        if name != "title":
            for word in rules["forbidden"]:
                if word in harmless:
                    yield _at(entry, name, "forbidden_wording", word=word)
        for number in _PLACEHOLDER.findall(text):
            if number not in known_numbers:
                yield _at(entry, name, "unknown_number", number=number)
        if not is_source:
            for found in _BARE_NUMBER.findall(text):
                yield _at(entry, name, "bare_number", number=found)
        for markup in _MARKUP.findall(text):
            yield _at(entry, name, "markup", found=markup)
    for alias in entry.aliases:
        for markup in _MARKUP.findall(alias):
            yield _at(entry, "aliases", "markup", found=markup)


def _check_dates(entry: Entry, today: date) -> Iterator[Problem]:
    if entry.next_review < entry.written:
        yield _at(entry, "next_review", "review_before_written")
    elif entry.next_review <= today:
        yield _at(entry, "next_review", "due", date=entry.next_review)
    elif entry.next_review - today <= SOON:
        days = (entry.next_review - today).days
        yield _at(entry, "next_review", "due_soon", severity="warning", days=days)
    if entry.written > today:
        yield _at(entry, "written", "written_in_future", severity="warning")


def _check_aliases(entry: Entry) -> Iterator[Problem]:
    rules = entry_format()["fields"]
    if len(entry.aliases) < rules["fewest_aliases"]:
        wanted = rules["fewest_aliases"]
        yield _at(entry, "aliases", "few_aliases", found=len(entry.aliases), wanted=wanted)
    if len(entry.aliases) > rules["most_aliases"]:
        wanted = rules["most_aliases"]
        yield _at(entry, "aliases", "many_aliases", found=len(entry.aliases), wanted=wanted)
    longest = rules["alias_longest"]
    for alias in entry.aliases:
        if len(alias) > longest:
            yield _at(entry, "aliases", "alias_too_long", length=len(alias), longest=longest)


def _check_links(entry: Entry, handbook: Handbook) -> Iterator[Problem]:
    if entry.topic not in topics():
        yield _at(entry, "topic", "topic_missing", topic=entry.topic)
    for related in entry.related:
        if related == entry.id:
            yield _at(entry, "related", "related_self")
        elif related not in handbook.entries:
            yield _at(entry, "related", "related_missing", id=related)
    for question in entry.covers:
        if question not in questions():
            yield _at(entry, "covers", "question_missing", id=question)


def _open_questions(handbook: Handbook) -> Iterator[Problem]:
    for question in uncovered(handbook.entries):
        text = questions()[question].text
        yield problem(
            "question_open", Path("questions.tsv"), field="covers", id=question, text=text
        )


def _repeated_aliases(handbook: Handbook) -> Iterator[Problem]:
    """Report aliases that two entries share, word for word or nearly: neither could win."""
    owners = _alias_owners(handbook)
    yield from _same_aliases(owners)
    folded = list(owners)
    for row, column in _near_pairs(folded):
        (entry, alias), (other, near) = owners[folded[column]][0], owners[folded[row]][0]
        if entry.id != other.id:
            yield _at(
                entry, "aliases", "alias_near", severity="warning", alias=alias, other=other.id,
                near=near,
            )  # fmt: skip


def _alias_owners(handbook: Handbook) -> _Owners:
    owners: _Owners = defaultdict(list)
    for entry in handbook.entries.values():
        for alias in dict.fromkeys((entry.title, *entry.aliases)):
            owners[fold(alias)].append((entry, alias))
    return owners


def _same_aliases(owners: _Owners) -> Iterator[Problem]:
    for same in owners.values():
        first = same[0][0]
        for entry, alias in same[1:]:
            name = "alias_is_title" if same[0][1] == first.title else "alias_repeated"
            yield _at(entry, "aliases", name, alias=alias, other=first.id)


def _near_pairs(texts: list[str]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(texts), BLOCK):  # all at once would take gigabytes
        scores = process.cdist(
            texts[start : start + BLOCK], texts[start:],
            scorer=fuzz.ratio, score_cutoff=NEAR_ALIAS, dtype=np.uint8, workers=1,
        )  # fmt: skip
        for row, column in zip(*np.nonzero(np.triu(scores, k=1)), strict=True):
            yield start + int(row), start + int(column)
