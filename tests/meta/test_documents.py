"""What can be listed is documented, and the documents say what the code says."""

import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from repository import ROOT, documents, name

import handlers
from bot import wiring
from bot.config import load_settings
from bot.core.crisis import load_crisis
from bot.core.phrases import load_alerts, load_phrases
from bot.db.crypto import new_key
from bot.jobs.registry import JobRegistry
from knowledge.loader import load_handbook
from scripts import rights_page, settings_page

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def test_settings_page_is_current() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page.page(), "run: make docs"


def test_rights_page_is_current() -> None:
    page = (ROOT / "docs" / "rights.md").read_text(encoding="utf-8")
    assert page == rights_page.page(), "run: make docs"


def test_every_setting_is_on_the_page_and_explained() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(XINQING_[^`]+)` \| .+ \| (.*) \|$", page, re.M)
    assert [variable for variable, _ in rows] == list(settings_page.variables())
    assert [variable for variable, text in rows if not text.strip()] == []


def test_every_variable_that_a_document_names_exists() -> None:
    """A page that says XINQING_PROT helps nobody."""
    known = set(settings_page.variables())
    groups = {variable.split("<NAME>")[0] for variable in known if "<NAME>" in variable}
    outside = {"XINQING_TEST_POSTGRESQL_URL", "XINQING_TEST_ENGINE", "XINQING_CI"}
    wrong = [
        f"{name(path)}: {variable}"
        for path in [*documents(), ROOT / "Dockerfile", ROOT / "compose.yaml"]
        for variable in re.findall(r"XINQING_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
        if variable not in known | outside
        and not any(f"{variable}_".startswith(group.rstrip("_") + "_") for group in groups)
    ]
    assert wrong == []


def test_handlers_page_lists_them_in_their_order() -> None:
    page = (ROOT / "docs" / "adding-a-handler.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.M)
    names = [module.__name__.removeprefix("handlers.") for module in handlers.HANDLERS]
    assert [handler for handler, _ in listed] == names
    assert all(len(text) > 10 for _, text in listed)


@pytest.mark.parametrize("module", handlers.HANDLERS, ids=lambda module: str(module.__name__))
def test_handler_says_what_it_takes(module: ModuleType) -> None:
    assert (module.__doc__ or "").strip()
    assert (module.handle.__doc__ or "").strip()


def test_every_job_kind_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[JobRegistry] = []

    class Recorded(JobRegistry):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(wiring, "JobRegistry", Recorded)
    wiring.build(load_settings(data_dir=tmp_path, secret_keys=new_key("k1"), encoder="none"))
    kinds = list(made[0])
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    assert kinds
    assert [kind for kind in kinds if f"`{kind}`" not in page] == []


def test_no_two_sentences_have_one_key() -> None:
    books = {"phrases": load_phrases(), "alerts": load_alerts()}
    seen: dict[str, str] = {}
    twice = []
    for book, phrases in books.items():
        for phrase in phrases:
            if phrase.key in seen:
                twice.append(f"{phrase.key} in {seen[phrase.key]} and {book}")
            seen[phrase.key] = book
    assert twice == []
    assert seen


def test_nobody_is_named_as_reviewer_yet() -> None:
    """Nobody has signed a text. When somebody does, the README's honest state changes with it."""
    phrases = load_phrases()
    assert len(phrases.unsigned()) == len(list(phrases))
    assert load_crisis().unsigned()


@pytest.mark.parametrize("file", ["README.md", "README.zh-CN.md", "CHANGELOG.md"])
def test_readme_counts_the_entries(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    said = re.findall(r"(\d+) (?:entries of the handbook|条全部标着|条问答手册)", text)
    assert said == [str(len(load_handbook(wiring.HANDBOOK).entries))]


@pytest.mark.parametrize("path", documents(), ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for groups in LINK.findall(path.read_text(encoding="utf-8")):
        target = (groups[0] or groups[1]).split("#")[0]
        if target and "://" not in target and not (path.parent / target).exists():
            broken.append(target)
    assert broken == []


def test_map_names_every_document() -> None:
    page = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if f"({path.name})" not in page]
    assert [file for file in missing if file != "README.md"] == []


def test_both_readmes_have_the_same_sections() -> None:
    """Section by section, with the same commands, pictures and links in each."""
    english, chinese = (
        (ROOT / file).read_text(encoding="utf-8") for file in ("README.md", "README.zh-CN.md")
    )
    for pattern in (r"^#+ ", r"^```\w*$", r"^\|", r"^- "):
        found = [len(re.findall(pattern, text, re.M)) for text in (english, chinese)]
        assert found[0] == found[1], pattern
    assert _targets(english) == _targets(chinese)
    assert _commands(english) == _commands(chinese)


def _targets(text: str) -> set[str]:
    found = {first or second for first, second in LINK.findall(text)}
    return found - {"README.md", "README.zh-CN.md"}


def _commands(text: str) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(make|\.venv/|xinqing|docker)", line)]


def test_readme_names_only_commands_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    named = {
        target
        for path in documents()
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text("utf-8"), re.M)
    }
    assert named - targets == set()


def test_version_in_pyproject_is_the_package_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["version"]["path"] == "bot/__init__.py"
