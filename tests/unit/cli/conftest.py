"""A command sets up logging for its process; here that is the process of all other tests, too."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_ends_with_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep no logger that writes to the streams of a test that is over."""
    configure, before = structlog.configure, structlog.get_config()

    def uncached(**kinds: Any) -> None:
        configure(**{**kinds, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", uncached)
    yield
    configure(**before)
