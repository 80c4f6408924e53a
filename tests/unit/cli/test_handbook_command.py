"""`xinqing handbook`: what it checks, writes, reads back and counts."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.wiring import HANDBOOK

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The handbook, to be changed."""
    return copytree(HANDBOOK, tmp_path / "handbook")


@pytest.fixture
def run(folder: Path) -> Run:
    """Run a command on that handbook."""

    def command(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, ["handbook", *words, "--folder", str(folder)])

    return command


def refusal(result: Result) -> str:
    return str(result.exception)


def test_the_shipped_handbook_has_no_fault() -> None:
    result = CliRunner().invoke(app, ["handbook", "check"])
    assert result.exit_code == 0, result.stdout
    assert "0 个错误，0 个提醒" in result.stdout


def test_a_fault_is_named_and_ends_the_check_with_status_1(run: Run, folder: Path) -> None:
    path = folder / "T06" / "T06-01.md"
    path.write_text(path.read_text("utf-8").replace("## 祖辈版", "## 老人版"), "utf-8")
    result = run("check")
    assert result.exit_code == 1
    assert "T06-01.md" in result.stdout
    assert "缺少“祖辈版”这一节" in result.stdout


def test_a_sheet_goes_out_and_a_change_comes_back(run: Run, folder: Path, tmp_path: Path) -> None:
    sheet, text = tmp_path / "book.xlsx", tmp_path / "book.md"
    result = run("export", "--xlsx", sheet, "--markdown", text, "--topic", "T06")
    assert result.exit_code == 0
    count = len(list((folder / "T06").glob("*.md")))
    assert f"（{count} 条" in result.stdout
    book = load_workbook(sheet)
    page = book.worksheets[0]
    answer = [cell.value for cell in page[1]].index("一句话回答") + 1
    page.cell(2, answer).value = "先停下催促，把作业分成小段来写。"
    book.save(sheet)

    tried = run("import", sheet)
    assert tried.exit_code == 0
    assert f"共 {count} 行：修改 1，没有变化 {count - 1}。" in tried.stdout
    assert "什么都没有写" in tried.stdout
    assert "把作业分成小段来写" not in (folder / "T06" / "T06-01.md").read_text("utf-8")

    report = tmp_path / "report.xlsx"
    done = run("import", sheet, "--write", "--report", report)
    assert "已写入 1 个条目" in done.stdout
    written = (folder / "T06" / "T06-01.md").read_text("utf-8")
    assert "把作业分成小段来写" in written
    assert "version: 2" in written
    assert f"其余 {count - 1} 条没有变化。" in done.stdout
    # The header, the row that changed, and one sentence about the others.
    assert load_workbook(report).worksheets[0].max_row == 3
    assert run("import", text).stdout.count("修改") == 2  # its row and the sum


def test_a_refused_row_ends_with_status_1_and_an_unreadable_file_says_why(
    run: Run, tmp_path: Path
) -> None:
    text = tmp_path / "book.md"
    run("export", "--markdown", text, "--topic", "T06")
    text.write_text(text.read_text("utf-8").replace("{12356}", "{95999}"), "utf-8")
    result = run("import", text)
    assert result.exit_code == 1
    assert "占位符“95999”不在热线登记表里" in result.stdout
    text.write_bytes("题目".encode("gbk"))
    assert "UTF-8" in refusal(run("import", text))
    assert run("import", tmp_path / "nowhere.md").exit_code == 2


def test_nothing_is_exported_without_a_target_or_a_topic_that_exists(
    run: Run, tmp_path: Path
) -> None:
    assert "--pdf 文件名" in refusal(run("export"))
    assert "写不出" in refusal(run("export", "--markdown", tmp_path / "nowhere" / "x.md"))
    assert "没有可导出" in refusal(run("export", "--markdown", tmp_path / "x.md", "--topic", "T77"))


def test_a_new_entry_gets_the_next_number(run: Run, folder: Path) -> None:
    count = len(list((folder / "T23").glob("*.md")))
    result = run("new", "T23", "周末能不能睡懒觉?")
    assert result.exit_code == 0
    assert (folder / "T23" / f"T23-{count + 1:02d}.md").exists()
    assert run("check").exit_code == 1
    assert "没有主题" in refusal(run("new", "T99", "甲"))
    # The first one can't be read before somebody writes it; its number is taken all the same.
    assert run("new", "T23", "午睡要不要管?").exit_code == 0
    assert (folder / "T23" / f"T23-{count + 2:02d}.md").exists()


def test_the_report_counts_and_names_what_is_alike(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "handbook.md"
    assert run("report", "--into", page).exit_code == 0
    told = page.read_text("utf-8")
    assert "| T06 作业与学习习惯 |" in told
    assert "0 signed by a reviewer" in told


def test_without_a_folder_it_is_the_schools_own_and_running_services_follow(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINQING_HANDBOOK", str(folder))
    monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path / "data"))
    runner, book = CliRunner(), tmp_path / "book.md"
    assert runner.invoke(app, ["handbook", "export", "--markdown", str(book)]).exit_code == 0
    text = book.read_text("utf-8")
    book.write_text(text.replace("先定上床的点，", "先把上床的点定下来，", 1), "utf-8")
    result = runner.invoke(app, ["handbook", "import", str(book), "--write"])
    assert "已写入 1 个条目" in result.stdout
    assert "5秒内换上" in result.stdout
    assert "先把上床的点定下来" in (folder / "T06" / "T06-01.md").read_text("utf-8")
    other = tmp_path / "other"
    copytree(folder, other)
    result = runner.invoke(
        app, ["handbook", "import", str(book), "--write", "--folder", str(other)]
    )
    assert "5秒内换上" not in result.stdout
