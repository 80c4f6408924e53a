"""Every kind of job and every handler says in whose name it acts; nothing is left out."""

from pathlib import Path

import pytest

from bot import wiring
from bot.config import load_settings
from bot.core.acting import SORTS, acting
from bot.core.rights import table
from bot.db.crypto import new_key
from bot.jobs.registry import JobRegistry
from handlers import HANDLERS


def _kinds(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    made: list[JobRegistry] = []

    class Recorded(JobRegistry):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(wiring, "JobRegistry", Recorded)
    wiring.build(load_settings(data_dir=folder, secret_keys=new_key("k1"), encoder="none"))
    return list(made[0])


def test_every_kind_of_job_says_in_whose_name_it_acts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert sorted(_kinds(monkeypatch, tmp_path)) == sorted(acting("jobs")), (
        "a kind of job needs a line in bot/core/acting.toml: the right of the person in whose name "
        "it is done, or why it needs none"
    )


def test_every_handler_says_for_whom_it_is() -> None:
    names = [module.__name__.rpartition(".")[2] for module in HANDLERS]
    assert sorted(names) == sorted(acting("handlers"))


def test_what_acts_for_a_person_names_a_right_and_when_it_is_asked() -> None:
    lines = [line for sort in SORTS for line in acting(sort).values()]
    named = [line for line in lines if line.action]
    assert named
    for line in named:
        assert line.action in table()
        assert line.asked


def test_a_handler_for_parents_has_no_staff_in_reach() -> None:
    """It imports nothing that knows who of the staff wrote, or what they may."""
    for module in HANDLERS:
        name = module.__name__.rpartition(".")[2]
        if not acting("handlers")[name].action:
            source = Path(str(module.__file__)).read_text(encoding="utf-8")
            assert "StaffView" not in source, name
            assert "notice_chat" not in source, name
