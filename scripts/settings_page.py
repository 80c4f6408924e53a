"""Write docs/settings.md from `bot.config.Settings`, or check that it is current.

Run by `make docs` and, with `--check`, by `make check`, pre-commit and the tests.
"""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bot.config import Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

<!-- Written by scripts/settings_page.py from bot/config.py: change it there, then `make docs`. -->

Every setting is an environment variable. The file `.env` in the data folder is read too
(`xinqing setup` makes it); the environment wins over the file. `xinqing doctor` prints what is in
force, with secrets masked. A wrong value stops the start and names the variable, never its value.

Secrets belong in the environment or in `.env` (mode 600), never in the repository, in an issue or
in a log. How to keep and change them: [operations.md](operations.md).
"""


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it; return the exit status."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/settings.md is not current; run: make docs", file=sys.stderr)
    return 1


def page() -> str:
    """Return the page's text as it should be."""
    groups = {
        name: model
        for name, field in Settings.model_fields.items()
        if (model := _model_of(field)) is not None
    }
    own = [name for name in Settings.model_fields if name not in groups]
    parts = [HEAD, _table("XINQING_", Settings, own)]
    for name, model in groups.items():
        doc = (model.__doc__ or "").strip()
        text = str(Settings.model_fields[name].description)
        parts.append(
            f"## {text[0].upper()}{text[1:]}\n\n{doc}\n`<NAME>` is yours to choose; it becomes the "
            "account's name in lower case.\n"
        )
        parts.append(_table(f"XINQING_{name.upper()}__<NAME>__", model, list(model.model_fields)))
    return "\n".join(parts)


def variables() -> Iterator[str]:
    """Yield the name of every variable, accounts with the placeholder `<NAME>`."""
    for name, field in Settings.model_fields.items():
        model = _model_of(field)
        if model is None:
            yield f"XINQING_{name.upper()}"
            continue
        for inner in model.model_fields:
            yield f"XINQING_{name.upper()}__<NAME>__{inner.upper()}"


def _table(prefix: str, model: type[BaseModel], names: list[str]) -> str:
    rows = ["| variable | values | default | what it is |", "|---|---|---|---|"]
    for name in names:
        field = model.model_fields[name]
        cells = (f"`{prefix}{name.upper()}`", _values(field.annotation), _default(field))
        rows.append(f"| {' | '.join(cells)} | {_escape(field.description or '')} |")
    return "\n".join(rows) + "\n"


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a `dict[str, Model]`, which is a group of named accounts."""
    if get_origin(field.annotation) is not dict:
        return None
    model: type[BaseModel] = get_args(field.annotation)[1]
    return model


def _values(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if annotation is SecretStr:
        return "secret"
    names = {bool: "`true`, `false`", int: "whole number", float: "number", Path: "path"}
    return names.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if isinstance(value, SecretStr):
        return "must be given" if _refuses_empty(field) else "empty"
    if isinstance(value, StrEnum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if str(value) else "empty"


def _refuses_empty(field: FieldInfo) -> bool:
    """Tell whether an empty value stops the start (`bot.config.RequiredSecret`)."""
    return bool(field.metadata)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
