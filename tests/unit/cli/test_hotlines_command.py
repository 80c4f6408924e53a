"""`xinqing hotlines`: what it prints, refuses and leaves alone."""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from house import KEYS
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.cli.hotlines import _texts
from bot.core import hotlines

PACKAGED = files("bot.core").joinpath("hotlines.toml").read_text(encoding="utf-8")
CHANGED = PACKAGED.replace("火警与消防救援", "火警").replace('region = "4420"', 'region = "4419"')
Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command on the test's database; a text becomes the file."""
    monkeypatch.setenv("XINQING_DATABASE_URL", database_url)
    monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XINQING_SECRET_KEYS", KEYS)
    monkeypatch.setenv("COLUMNS", "160")

    def command(name: str, text: str = "", *options: str) -> Result:
        file = tmp_path / "register.toml"
        file.write_text(text, encoding="utf-8")
        arguments = [str(file)] if text else []
        return CliRunner().invoke(app, ["hotlines", name, *arguments, *options])

    return command


def test_a_register_is_loaded_once_and_listed(run: Run) -> None:
    assert "用的是随软件带的这一份（共 17 条）" in run("list").stdout
    first = run("load", PACKAGED)
    assert first.exit_code == 0
    assert "新增 17，改动 0，去掉 0" in first.stdout
    assert "没有不同" in run("load", PACKAGED).stdout
    listed = run("list")
    assert listed.exit_code == 0
    assert "热线名单（共 17 条）" in listed.stdout
    assert "08:00–24:00" in listed.stdout


def test_a_dry_run_shows_the_same_table_and_changes_nothing(run: Run) -> None:
    run("load", PACKAGED)
    rehearsed = run("load", CHANGED, "--dry-run")
    assert "什么也没改" in rehearsed.stdout
    assert "4420" in run("list").stdout
    loaded = run("load", CHANGED)
    assert "新增 1，改动 1，去掉 1" in loaded.stdout
    assert loaded.stdout.splitlines()[:-1] == rehearsed.stdout.splitlines()[:-1]
    listed = run("list").stdout
    assert "4419" in listed
    assert "4420" not in listed


def test_a_bad_file_is_refused_with_its_entry_and_nothing_changes(run: Run) -> None:
    run("load", PACKAGED)
    bad = run("load", CHANGED.replace('number = "110"', 'number = "报警"'))
    assert bad.exit_code == 2
    assert "第 2 条（报警，第 18 行起）：number 只能是数字" in bad.stderr
    assert "没有改动" in bad.stderr
    assert "4420" in run("list").stdout


def test_a_number_that_the_handbook_prints_may_not_go(run: Run) -> None:
    text = PACKAGED.replace('number = "12377"', 'number = "12378"')
    refused = run("load", text)
    assert refused.exit_code == 2
    assert "缺 12377" in refused.stderr


def test_a_file_that_cannot_be_read_is_named(run: Run, tmp_path: Path) -> None:
    run("load", PACKAGED)
    for text in ("[[line]", "x = 1"):
        refused = run("load", text)
        assert refused.exit_code == 2
        assert "register.toml" in refused.stderr
    missing = CliRunner().invoke(app, ["hotlines", "load", str(tmp_path / "none.toml")])
    assert (missing.exit_code, "FileNotFoundError" in missing.stderr) == (2, True)


def test_a_database_without_tables_is_one_sentence(
    run: Run, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINQING_DATABASE_URL", empty_url)
    refused = run("list")
    assert refused.exit_code == 2
    assert "xinqing doctor" in refused.stderr


def test_every_rule_of_a_line_has_a_chinese_sentence() -> None:
    source = Path(hotlines.__file__).read_text(encoding="utf-8")
    raised = re.findall(r"""HotlineError\(\s*f?(?:"([^"]*)"|'([^']*)')""", source)
    reasons = {re.sub(r"^hotline \{[^}]*\}: ", "", one or other) for one, other in raised}
    # The register's own check says these of a field that is not there or not known, and of 110.
    elsewhere = {reason for reason in reasons if "field" in reason or "must be listed" in reason}
    assert reasons - elsewhere == set(_texts()["rules"])
