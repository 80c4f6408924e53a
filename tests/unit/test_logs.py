"""Logs: one JSON line an event, codes and ids only, whatever somebody passes to them."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot import logs

SECRET = "孩子刚才说他不想活了"


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    """Configure logging as a process does, and put everything back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.NOISY}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was written to standard error; standard output stays free for results."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_an_event_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    structlog.get_logger("test").info("accepted", message=7, assessed="3!", case=None)
    (line,) = lines(capsys)
    assert (line["event"], line["message"], line["assessed"]) == ("accepted", 7, "3!")
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("field", sorted(logs.REFUSED))
def test_a_field_that_could_hold_words_is_refused(
    capsys: pytest.CaptureFixture[str], field: str
) -> None:
    logs.configure("INFO")
    structlog.get_logger("test").warning("odd", **{field: SECRET})
    (line,) = lines(capsys)
    assert line[field] == "[refused]"
    assert SECRET not in json.dumps(line, ensure_ascii=False)


def fail() -> None:
    raise ValueError(f"can't read {SECRET}")


def test_of_an_exception_only_its_type_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        fail()
    except ValueError:
        structlog.get_logger("test").exception("failed", message=7)
        logging.getLogger("some.library").exception("failed too")
    first, second = lines(capsys)
    assert (first["error"], second["error"]) == ("ValueError", "ValueError")
    assert SECRET not in json.dumps([first, second], ensure_ascii=False)


async def test_an_exception_that_nobody_caught_is_not_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """asyncio puts the exception itself into the message of its log line."""
    logs.configure("INFO")

    async def work() -> None:
        fail()

    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work())
    await asyncio.wait({task})
    loop.call_exception_handler(
        {
            "message": "Task exception was never retrieved",
            "exception": task.exception(),
            "task": task,
        }
    )
    written = capsys.readouterr().err
    assert "never retrieved" in written
    assert "ValueError" in written
    assert SECRET not in written


@pytest.mark.parametrize("name", logs.NOISY)
def test_libraries_that_print_addresses_and_statements_are_quiet(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    logs.configure("DEBUG")
    logging.getLogger(name).info("GET /callbacks?openid=%s", SECRET)
    logging.getLogger(name).debug("INSERT %s", SECRET)
    assert lines(capsys) == []


def test_the_least_severity_holds(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("WARNING")
    structlog.get_logger("test").info("quiet")
    logging.getLogger("other").info("quiet")
    structlog.get_logger("test").warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]
