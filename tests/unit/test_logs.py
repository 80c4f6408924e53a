"""Logs: one JSON line an event, codes and ids only, whatever somebody passes to them."""

import asyncio
import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot import logs
from bot.core.errors import ConfigInvalid

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
        logging.getLogger("some.package").exception("failed too")
    first, second = lines(capsys)
    assert (first["error"], second["error"]) == ("ValueError", "ValueError")
    assert SECRET not in json.dumps([first, second], ensure_ascii=False)


def test_a_settings_problem_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        raise ConfigInvalid("XINQING_PORT: in use")
    except ConfigInvalid as error:
        structlog.get_logger("test").exception("failed")
        structlog.get_logger("test").error("failed", exc_info=error)
    for line in lines(capsys):
        assert (line["error"], line["reason"]) == ("ConfigInvalid", "XINQING_PORT: in use")


def test_of_a_logged_traceback_the_last_exceptions_type_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """uvicorn logs the traceback of a failed start as the message itself."""
    logs.configure("INFO")
    for raised in (KeyError(SECRET), ValueError(f"{SECRET}\n  {SECRET}\nabc: {SECRET}")):
        try:
            raise raised
        except (KeyError, ValueError):
            logging.getLogger("uvicorn.error").error(traceback.format_exc())
        (line,) = lines(capsys)
        assert line["error"] == type(raised).__name__
        assert SECRET not in json.dumps(line, ensure_ascii=False)
    try:
        try:
            fail()
        except ValueError as error:
            raise ConfigInvalid("XINQING_PORT: in use") from error
    except ConfigInvalid:
        logging.getLogger("uvicorn.error").error(traceback.format_exc())
    (line,) = lines(capsys)
    assert (line["error"], line["reason"]) == ("ConfigInvalid", "XINQING_PORT: in use")
    assert SECRET not in json.dumps(line, ensure_ascii=False)


def test_a_query_string_never_gets_into_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """uvicorn writes down the address of every websocket."""
    logs.configure("INFO")
    line = f'127.0.0.1:1 - "WebSocket /connect?ticket={SECRET}&a=1" [accepted]'
    logging.getLogger("uvicorn.error").info(line)
    (written,) = lines(capsys)
    assert written["event"] == '127.0.0.1:1 - "WebSocket /connect?[cut]" [accepted]'


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
