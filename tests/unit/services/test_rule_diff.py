"""The difference of rule files: only what differs, marked, with the rule in which it stands."""

from hypothesis import given
from hypothesis import strategies as st

from bot.services.rule_diff import diff

LONG = "一" * 80
OLD = f'[[rule]]\nid = "own.one"\nlevel = "2"\npatterns = "{LONG}跳楼{LONG}"\n\n# end\n'


def test_a_changed_line_shows_the_part_that_differs() -> None:
    (found,) = diff({"own.toml": OLD}, {"own.toml": OLD.replace("跳楼", "跳河")})
    assert found.name == "own.toml"
    gone, new = (line for line in found.lines if line.kind in ("gone", "new"))
    assert (gone.marked, new.marked) == ("楼", "河")
    assert gone.before.endswith("一跳")
    assert gone.before.startswith("…")
    assert new.after.endswith("…")
    assert len(gone.before) + len(gone.after) < 70
    place = found.lines[0]
    assert (place.kind, place.before) == ("place", "own.one")


def test_added_and_removed_lines_are_whole() -> None:
    (found,) = diff({"own.toml": OLD}, {"own.toml": OLD + "neu\n"})
    assert [(line.kind, line.marked) for line in found.lines if line.marked] == [("new", "neu")]
    (found,) = diff({"own.toml": OLD}, {"own.toml": ""})
    assert {line.kind for line in found.lines} == {"place", "gone"}


def test_what_is_the_same_is_not_listed() -> None:
    assert diff({"a.toml": OLD, "b.toml": "x"}, {"a.toml": OLD, "b.toml": "x"}) == []


@given(st.text(alphabet="ab\n", max_size=40), st.text(alphabet="ab\n", max_size=40))
def test_every_difference_of_lines_is_shown(old: str, new: str) -> None:
    found = diff({"f": old}, {"f": new})
    shown = bool(found) and any(line.kind in ("gone", "new") for line in found[0].lines)
    assert shown is (old.splitlines() != new.splitlines())
