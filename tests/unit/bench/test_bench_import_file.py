"""The import benchmark's file: what the importer says of it is what it was made to say."""

from collections import Counter

import pytest

from bot.bench.import_file import make_file
from bot.bench.imports import Step
from bot.services.importing.duplicates import compare
from bot.services.importing.reading import read_excel
from bot.services.importing.rows import parse
from bot.services.importing.words import class_key

ROWS = 300


def test_three_rows_of_a_hundred_are_wrong_each_in_its_way() -> None:
    file = make_file(ROWS, seed=1)
    read = read_excel(file.content)
    assert read.problem == ""
    rows = compare(parse(raw) for raw in read.rows)
    assert len(rows) == file.rows == ROWS
    assert sum(not row.wrong for row in rows) == file.good
    codes = Counter(code.partition(":")[0] for row in rows if row.wrong for code in row.codes)
    assert codes == {"number_spelling": 3, "bad_phone": 3, "duplicate": 3}


def test_every_class_of_the_file_is_known_and_different() -> None:
    file = make_file(ROWS, seed=1)
    named = {class_key(row.data["class"]) for row in read_excel(file.content).rows}
    assert named == {class_key(name) for name in file.classes}
    assert len(named) == len(file.classes) == 7


def test_the_same_seed_is_the_same_school() -> None:
    one, two, other = (
        [row.data for row in read_excel(make_file(120, seed).content).rows] for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other


@pytest.mark.parametrize(
    ("looks", "values", "back"),
    [([0, 0, 250, 500], 3, 0), ([0, 250, 0, 250], 2, 1), ([], 0, 0)],
)
def test_progress_that_goes_back_shows(looks: list[int], values: int, back: int) -> None:
    step = Step(seconds=2.0)
    for done in looks:
        step.look(done)
    figures = step.figures(500)
    assert (figures["progress_values"], figures["progress_went_back"]) == (values, back)
    assert figures["rows_per_second"] == 250.0
