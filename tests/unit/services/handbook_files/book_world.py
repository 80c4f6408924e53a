"""A small handbook and files to read, for the tests beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from bot.services.handbook_files import excel
from knowledge.entry import Entry
from knowledge.loader import Handbook, load_handbook

TODAY = date(2026, 11, 24)
FOLDER = Path(__file__).parents[4] / "knowledge" / "handbook"


def book() -> Handbook:
    """Return the shipped handbook."""
    return load_handbook(FOLDER)


def entry(id: str, **changes: Any) -> Entry:
    """Return a good entry, changed; its ways of asking are its own."""
    model = book().entries["T06-01"]
    number = id.replace("-", "")
    usual = {
        "id": id,
        "title": f"{number}题目",
        "covers": (),
        "related": (),
        "aliases": tuple(f"{number}问法{sign * 4}" for sign in "甲乙丙丁戊己庚辛"),
        "sections": {
            **model.sections,
            "学校能做什么": "可以请老师看看作业量，先减一点，过两个星期再慢慢加回来。",
            "依据": "- 《中华人民共和国家庭教育促进法》(2021年)第十七条",
        },
    }
    return replace(model, **{**usual, **changes})


def handbook(*entries: Entry) -> Handbook:
    """Return a handbook of these entries."""
    return Handbook({one.id: one for one in entries})


def sheet(rows: list[Mapping[str, object]], header: list[str] | None = None) -> Workbook:
    """Return a workbook with a row for each mapping of column names to values."""
    made = Workbook()
    page = made.active
    assert page is not None
    names = header if header is not None else list(excel.columns().values())
    page.append(names)
    for row in rows:
        page.append([row.get(name) for name in names])
    return made


def cells(one: Entry, **changes: object) -> dict[str, object]:
    """Return an entry as the cells of a row, by the columns' names."""
    values = {name: excel.value(one, key) for key, name in excel.columns().items()}
    return {**values, **changes}


def packed(made: Workbook) -> bytes:
    """Return a workbook as a file."""
    out = BytesIO()
    made.save(out)
    return out.getvalue()
