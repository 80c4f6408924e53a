"""A short `xinqing bench imports`: a school goes in and comes out again, seen from outside."""

from typing import Any

import pytest

from bot.bench.imports import bench_imports

ROWS = 300


@pytest.mark.slow
async def test_a_school_goes_in_and_comes_out_again() -> None:
    found: dict[str, Any] = await bench_imports(rows=ROWS)
    assert found["rows_that_can_be_put_in"] == ROWS - 9
    assert found["dry_run_changed_nothing"]
    assert found["children_put_in"] == ROWS - 9
    assert found["guardians_put_in"] > ROWS
    assert found["report"]["rows"] == ROWS
    assert found["left_after_undo"] == 0
    for step in ("dry_run", "apply", "undo"):
        assert found[step]["progress_went_back"] == 0
        assert found[step]["seconds"] > 0
