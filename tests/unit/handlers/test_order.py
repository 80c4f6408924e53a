"""The order of the handlers is a rule of its own."""

import inspect

import handlers

ORDER = [handler.__name__.removeprefix("handlers.") for handler in handlers.HANDLERS]


def test_each_handler_stands_once_and_handles() -> None:
    assert len(ORDER) == len(set(ORDER))
    for handler in handlers.HANDLERS:
        assert inspect.iscoroutinefunction(handler.handle)
        assert list(inspect.signature(handler.handle).parameters) == ["context", "message"]


def test_danger_comes_first_and_the_commands_before_a_held_conversation() -> None:
    assert ORDER[0] == "risk"
    for command in ("handoff", "stop", "erasure", "consents", "emergency"):
        assert ORDER.index(command) < ORDER.index("held")


def test_the_commands_come_before_every_search_and_before_attention() -> None:
    for command in ("handoff", "stop", "erasure", "consents"):
        assert ORDER.index(command) < ORDER.index("attention")
        assert ORDER.index(command) < ORDER.index("questions")


def test_a_pin_is_no_question_and_a_picture_breaks_no_silence() -> None:
    assert ORDER.index("held") < ORDER.index("media")
    for search in ("attention", "feedback", "choices", "smalltalk", "questions"):
        assert ORDER.index("media") < ORDER.index(search)


def test_the_fallback_is_the_last_one() -> None:
    assert ORDER[-1] == "fallback"
    assert handlers.FALLBACK is handlers.HANDLERS[-1]
