"""What the tests of the whole repository look at: its root, its sources, its documents."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "handlers", "knowledge")
CODE = (*PACKAGES, "scripts", "tests")


def sources(*folders: str) -> list[Path]:
    """Return the Python files of the folders; migrations are generated and left out."""
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "versions" not in path.parts and "__pycache__" not in path.parts
    ]


def documents() -> list[Path]:
    """Return the pages people read, the handbook's entries left out."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name(path: Path) -> str:
    """Return a path as a test's id shows it."""
    return str(path.relative_to(ROOT))
