"""Every source file says what it is for, is short enough to read, and names no machine."""

import ast
import re
from pathlib import Path

import pytest
from repository import CODE, PACKAGES, ROOT, documents, name, sources

LONGEST = 420
# Paths and addresses of somebody's machine; the dot keeps this line from finding itself.
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w|/tmp/\w+/|/mnt/|[.]library/")
SHIPPED = (".toml", ".html", ".md", ".yaml", ".yml", ".css", ".svg")


@pytest.mark.parametrize("path", sources(*CODE), ids=name)
def test_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__init__.py" and not tree.body:
        return
    assert (ast.get_docstring(tree) or "").strip(), "no docstring at its head"


def test_public_names_have_a_docstring() -> None:
    missing = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in sources(*PACKAGES)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert missing == []


@pytest.mark.parametrize("path", sources(*CODE), ids=name)
def test_module_is_short_enough_to_read(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines; split it"


def _texts() -> list[Path]:
    shipped = [
        path
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SHIPPED and "vendor" not in path.parts
    ]
    top = [ROOT / "Makefile", ROOT / "Dockerfile", ROOT / "compose.yaml", ROOT / "pyproject.toml"]
    return [*sources(*CODE), *documents(), *shipped, *top]


def test_no_file_names_a_path_of_a_machine() -> None:
    found = [
        f"{name(path)}: {match.group()}"
        for path in _texts()
        if path != Path(__file__)
        for match in MACHINE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_people_read_chinese_from_files_and_not_from_handlers() -> None:
    """A sentence in a handler would reach a parent without anyone having reviewed it."""
    han = re.compile(r"[\u4e00-\u9fff]")
    found = [
        f"{name(path)}:{node.lineno} {node.value[:20]}"
        for path in sources("handlers", "bot/services", "bot/pipeline", "bot/channels")
        for node in _strings(path)
        if isinstance(node.value, str) and han.search(node.value)
    ]
    assert found == []


def _strings(path: Path) -> list[ast.Constant]:
    """Return the string constants of a file without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    with_docs = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, with_docs) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
