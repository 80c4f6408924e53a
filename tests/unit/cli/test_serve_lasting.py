"""What a service makes at its start is looked through for garbage neither then nor later."""

import gc

import pytest

from bot.cli.serving import _lasting


def test_what_is_made_meanwhile_is_set_apart_and_the_collector_works_on() -> None:
    before = gc.get_freeze_count()
    try:
        with _lasting():
            assert not gc.isenabled()
            made = [[number] for number in range(1_000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(made)
        with pytest.raises(ValueError, match="broken"), _lasting():
            raise ValueError("broken")
        assert gc.isenabled()
    finally:
        gc.unfreeze()
