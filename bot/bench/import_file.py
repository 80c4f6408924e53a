"""An Excel file of invented children for `xinqing bench imports`, with some rows wrong on purpose.

Names are put together from signs by a seeded number. Every tenth child has a brother or sister in
the file. Of a hundred rows three can't be put in: a child a second time under another spelling, a
phone that is none, and the same row twice.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from openpyxl import Workbook

CLASS_SIZE = 45
# With the signs below 6,480 names: of 20,000 children about three have each, as in a large city.
FAMILY = "晴云石河山林风雪雨星江海田叶花木竹松梅兰荷泉溪湖月光春夏秋冬东南西北霜露"
FIRST = "安平和文清佳子大明思若晨嘉怡梓浩宇欣可一俊诗语涵睿泽轩妍雅静"
# The sign, and how the same name is written in the old way.
SECOND = (("远", "遠"), ("宁", "寧"), ("乐", "樂"), ("书", "書"), ("阳", "陽"), ("岭", "嶺"))
GRADES = "一二三四五六"
HEADER = (
    *("学号", "姓名", "班级", "家长1姓名", "家长1关系", "家长1电话"),
    *("家长2姓名", "家长2关系", "家长2电话"),
)
EVERY = 100
SPELLING, NO_PHONE, TWICE = 25, 50, 75
WRONG = (SPELLING, NO_PHONE, TWICE)

Line = list[str]


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file, and what should become of it.

    Args:
        classes: names of the classes that it speaks of.
        good: rows that can be put in, each of them a child.
    """

    content: bytes
    classes: tuple[str, ...]
    rows: int
    good: int


def make_file(rows: int, seed: int) -> ImportFile:
    """Write a file of so many rows."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADER)
    for line in _lines(rows, random.Random(seed)):
        sheet.append(line)
    out = BytesIO()
    book.save(out)
    good = sum(number % EVERY not in WRONG for number in range(rows))
    classes = tuple(_class(number) for number in range((rows - 1) // CLASS_SIZE + 1))
    return ImportFile(out.getvalue(), classes, rows, good)


def _lines(rows: int, rng: random.Random) -> Iterator[Line]:
    line: Line = []
    for number in range(rows):
        fault = number % EVERY
        if fault == SPELLING:
            line = [line[0], _other_spelling(line[1]), *line[2:]]
        elif fault != TWICE:
            sibling = line if number % 10 == 9 else None
            line = _child(number, rng, sibling)
            if fault == NO_PHONE:
                line[5] = "12345"
        yield line


def _child(number: int, rng: random.Random, sibling: Line | None) -> Line:
    """Return a child with both parents; a sibling's parents where there is one."""
    name = rng.choice(FAMILY) + rng.choice(FIRST) + rng.choice(SECOND)[0]
    mother, father = f"{name}妈妈", f"{name}爸爸"
    parents = [mother, "妈妈", f"188{number:08}", father, "爸爸", f"199{number:08}"]
    if sibling is not None:
        name, parents = sibling[1][0] + name[1:], sibling[3:]
    return [f"B{number:06}", name, _class(number // CLASS_SIZE), *parents]


def _class(number: int) -> str:
    return f"{GRADES[number % len(GRADES)]}年级{number // len(GRADES) + 1}班"


def _other_spelling(name: str) -> str:
    return name[:-1] + dict(SECOND)[name[-1]]
