"""Floods fold into groups that lose nobody; the page keeps its limit and counts what it leaves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.services.board import GROUP_FROM, GROUP_WITHIN, Group, Lane, Window, fold, lay_out
from bot.services.case_rights import SUMMARY, TEXT
from bot.services.desk import QueueRow, urgency
from bot.services.offers import Running

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
ROW = QueueRow(
    case_id=1,
    scope=TEXT,
    level="3",
    family="self_harm",
    speaker="unknown",
    subject="child",
    origin="screen",
    state="open",
    place="晴川一小",
    words=("跳楼",),
    excerpt="",
    since=NOW,
    overdue=False,
    phone_now=False,
    uncovered=False,
    drill=False,
    step=0,
    accepted_by="",
    mine=False,
    closed_at=None,
    close_reason="",
    place_id=2,
    level_text="高危(第二高)",
)


def _flood(count: int, **values: object) -> list[QueueRow]:
    return [
        replace(ROW, case_id=number, since=NOW + timedelta(milliseconds=number), **values)  # type: ignore[arg-type]
        for number in range(1, count + 1)
    ]


def _cases(lane: Lane) -> list[int]:
    ids: list[int] = []
    for entry in lane.entries:
        ids.extend(entry.case_ids if isinstance(entry, Group) else [entry.case_id])
    return ids


def test_a_prank_is_one_group_and_opens_to_all() -> None:
    rows = _flood(500)
    lane = lay_out(rows, Window())
    (group,) = lane.entries
    assert isinstance(group, Group)
    assert (len(group.rows), lane.total, lane.rest) == (500, 500, {})
    assert [row.case_id for row in lane.rows] == [1]
    assert len(group.keys) == 5
    opened = lay_out(rows, Window(opened=frozenset(group.keys[2:3])))
    assert len(opened.rows) == 500
    # The group stays open when some of it have been accepted meanwhile.
    left = [row for row in rows if row.case_id != group.keys[0]]
    assert len(lay_out(left, Window(opened=frozenset(group.keys))).rows) == 499


def test_what_differs_is_never_folded_in() -> None:
    alone = [
        replace(ROW, case_id=101, words=("跳楼", "遗书")),
        replace(ROW, case_id=102, level="3!"),
        replace(ROW, case_id=103, place_id=3),
        replace(ROW, case_id=104, phone_now=True),
        replace(ROW, case_id=105, drill=True),
        replace(ROW, case_id=106, offer=Running(1, 106, 9, "林静", NOW)),
        replace(ROW, case_id=107, since=NOW + GROUP_WITHIN + timedelta(seconds=1)),
        replace(ROW, case_id=108, reasons=("silence",)),
        replace(ROW, case_id=109, words=()),
        replace(ROW, case_id=110, scope=SUMMARY, words=()),
    ]
    entries = fold([*_flood(6), *alone], frozenset())
    groups = [entry for entry in entries if isinstance(entry, Group)]
    assert [group.case_ids for group in groups] == [(1, 2, 3, 4, 5, 6)]
    singles = {entry.case_id for entry in entries if isinstance(entry, QueueRow)}
    assert singles == set(range(101, 111))


def test_a_few_alike_stay_apart() -> None:
    assert len(fold(_flood(GROUP_FROM - 1), frozenset())) == GROUP_FROM - 1
    assert len(fold(_flood(GROUP_FROM), frozenset())) == 1


ROWS = st.lists(
    st.builds(
        lambda level, words, place, seconds, priority: replace(
            ROW,
            level=level,
            level_text=level,
            words=words,
            place_id=place,
            since=NOW + timedelta(seconds=seconds),
            priority=priority,
        ),
        st.sampled_from(("1", "2", "3", "3!")),
        st.sampled_from(((), ("跳楼",), ("割",))),
        st.sampled_from((None, 2, 3)),
        st.integers(-900, 900),
        st.integers(0, 2),
    ),
    max_size=40,
).map(lambda rows: [replace(row, case_id=number) for number, row in enumerate(rows, 1)])


@given(ROWS, st.integers(-3, 50), st.frozensets(st.integers(1, 45), max_size=5))
def test_every_case_is_shown_or_counted_and_the_most_urgent_first(
    rows: list[QueueRow], shown: int, opened: frozenset[int]
) -> None:
    lane = lay_out(rows, Window(shown, opened))
    ids = _cases(lane)
    assert len(ids) == len(set(ids))
    assert len(ids) + sum(lane.rest.values()) == lane.total == len(rows)
    heads = [entry.first if isinstance(entry, Group) else entry for entry in lane.entries]
    assert heads == sorted(heads, key=urgency)
    left = [row for row in rows if row.case_id not in ids]
    assert all(urgency(heads[-1]) <= urgency(row) for row in left)
    for entry in lane.entries:
        if isinstance(entry, Group):
            assert len(entry.rows) >= GROUP_FROM
            assert len({(row.words, row.place_id, row.level) for row in entry.rows}) == 1
            moments = [row.since for row in entry.rows]
            assert max(moments) - min(moments) <= GROUP_WITHIN
