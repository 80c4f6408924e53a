"""Each channel's folder is whole, and its checklist names tests that exist and all that it runs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import test_channels
import test_channels_at_home
from channel_cases import FOLDER, ways

ROOT = Path(__file__).parents[2]
CHANNELS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name[0] != "_")
SUITE = (test_channels, test_channels_at_home)


def checklist(channel: str) -> str:
    return (FOLDER / channel / "CHECKLIST.md").read_text(encoding="utf-8")


def named(channel: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", checklist(channel)))


def existing() -> Iterator[str]:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name


def run_by(channel: str, module: ModuleType) -> set[str]:
    """Return the tests of a module of the suite that run for one of the channel's ways."""
    mine = {way for way in ways() if way.__module__ == f"channels.{channel}.cases"}
    return {
        name
        for name, test in vars(module).items()
        if name.startswith("test_")
        for mark in test.pytestmark
        if mark.name == "parametrize" and mark.args[0] in ("way", "stay") and mine & {*mark.args[1]}
    }


def test_every_channel_of_the_service_is_in_the_suite() -> None:
    folders = {path.parent.name for path in (ROOT / "bot" / "channels").glob("*/channel.py")}
    assert folders == set(CHANNELS)


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_folder_is_whole(channel: str) -> None:
    folder: Path = FOLDER / channel
    assert list((folder / "payloads").iterdir())
    assert [way for way in ways() if way.__module__ == f"channels.{channel}.cases"]
    assert (ROOT / "docs" / f"{channel}.md").is_file()
    assert "## What only a pilot can show" in checklist(channel)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_promise_names_a_test_that_exists(channel: str) -> None:
    rows = re.findall(r"^\| (?!promise|---)(.+) \| (.+) \|$", checklist(channel), re.M)
    assert len(rows) > 10
    assert [promise for promise, tests in rows if "`test_" not in tests] == []
    assert named(channel) - set(existing()) == set()


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_test_that_it_runs_is_named(channel: str) -> None:
    run = set().union(*(run_by(channel, module) for module in SUITE))
    assert len(run) > 20
    assert run - named(channel) == set()
