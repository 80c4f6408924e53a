"""A simulated day: what is promised holds while everything breaks, and the count sees when not."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

import handlers
from bot import logs
from bot.channels.alerts import WecomWebhook
from bot.channels.dingtalk.client import DingtalkClient
from bot.cli import app
from bot.cli.simulated.day import SimulatedDay
from bot.core.messages import IncomingMessage, Outcome, Receipt
from bot.core.ports import SendResult
from bot.db import crypto
from bot.pipeline.inbox import Inbox
from bot.services import quota
from bot.services.handling import Context, StoredMessage
from bot.simulator.day.plan import Kind, Plan, make_plan

Play = Callable[[Plan], Awaitable[dict[str, Any]]]
NOTHING_ELSE = {"0": 0, "more": 0}


@pytest.fixture
def play(empty_url: str, tmp_path: Path, ring: crypto.KeyRing) -> Play:
    """Plays a plan on an empty database of the test's own."""

    async def run(plan: Plan) -> dict[str, Any]:
        return await SimulatedDay(plan, folder=tmp_path, database_url=empty_url).run()

    return run


def quiet(messages: int, channel: str, seed: int = 1) -> Plan:
    """Return a day on which nothing breaks but what a test breaks itself."""
    return Plan(seed, make_plan(seed, messages=messages, channel=channel).messages)


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["wechat", "dingtalk"])
async def test_everything_breaks_and_the_promises_hold(play: Play, channel: str) -> None:
    plan = make_plan(11, messages=60, channel=channel)
    counts = await play(plan)
    assert counts["broken"] == {}
    assert counts["stored"] | NOTHING_ELSE == counts["stored"]
    assert counts["stored"]["1"] == 60
    assert counts["given_up_by_platform"] == 0
    assert counts["waiting"] == 0
    for figures in counts["channels"].values():
        assert figures["doubled_unexplained"] == 0
        assert figures["lost_without_a_word"] == 0
        assert figures["visible"]["0"] == figures["given_up_and_known"]
        assert figures["late"]["p50_s"] == 0.0
    assert counts["danger"]["messages"] > 0
    assert counts["alerts"]["stored"] > 0
    assert counts["alerts"]["without_receipt"] == 0
    assert sum(counts["broke"].values()) >= len(plan.troubles)
    assert counts["calls_hit"]
    if channel == "dingtalk":
        assert counts["danger"]["in_group"] > 0
        assert counts["stream"]["connections"] > 3


@pytest.mark.slow
async def test_the_same_seed_has_the_same_result(
    tmp_path: Path, ring: crypto.KeyRing, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so on a slow machine, which the meter's timer meets as one that comes more often."""
    plan = make_plan(5, messages=30, channel="all")
    urls = (empty_url, f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
    results = []
    for number, (url, seconds) in enumerate(zip(urls, (quota.FLUSH_SECONDS, 0.005), strict=True)):
        monkeypatch.setattr(quota, "FLUSH_SECONDS", seconds)
        day = SimulatedDay(plan, folder=tmp_path / str(number), database_url=url)
        results.append(await day.run())
    assert results[0] == results[1]


async def test_an_inbox_that_forgets_is_seen(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = Inbox.accept
    forgotten: list[str] = []

    async def forget(self: Inbox, incoming: IncomingMessage) -> Receipt:
        if incoming.platform_id.endswith(("5", "8")):
            forgotten.append(incoming.platform_id)
            return Receipt(0, 0, False, "0", None, False)
        return await accept(self, incoming)

    monkeypatch.setattr(Inbox, "accept", forget)
    counts = await play(quiet(20, "all"))
    assert len(set(forgotten)) >= 3
    assert counts["broken"]["message_lost"] == len(set(forgotten))
    assert counts["stored"]["0"] == len(set(forgotten))


async def test_a_sender_that_sends_twice_is_seen(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = DingtalkClient.answer_session

    async def twice(self: DingtalkClient, *args: Any, **more: Any) -> SendResult:
        await answer(self, *args, **more)
        return await answer(self, *args, **more)

    monkeypatch.setattr(DingtalkClient, "answer_session", twice)
    (figures, *_) = (await play(quiet(20, "dingtalk")))["channels"].values()
    assert figures["visible"]["more"] > 3
    assert figures["seen_most_often"] == 2
    assert figures["doubled_unexplained"] == figures["visible"]["more"]


async def test_a_sender_that_sends_nothing_is_seen(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swallow(*_args: Any, **_more: Any) -> SendResult:
        return SendResult("a receipt all the same")

    monkeypatch.setattr(DingtalkClient, "answer_session", swallow)
    monkeypatch.setattr(WecomWebhook, "send", swallow)
    plan = quiet(20, "dingtalk", seed=3)
    counts = await play(plan)
    assert any(one.kind is Kind.DANGER for one in plan.messages)
    assert counts["broken"]["answer_lost"] > 3
    assert counts["broken"]["danger_without_alert"] == counts["danger"]["messages"]


async def test_a_crisis_reply_in_a_group_is_seen(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loudly(context: Context, message: StoredMessage) -> Outcome | None:
        if not context.danger.escalated:
            return None
        return Outcome("risk", (handlers.risk._crisis(context),))

    monkeypatch.setattr(handlers.risk, "_in_group", loudly)
    plan = quiet(60, "dingtalk", seed=3)
    cries = sum(bool(one.group) for one in plan.messages if one.kind is Kind.DANGER)
    counts = await play(plan)
    assert cries > 0
    assert counts["broken"]["crisis_in_group"] >= cries


# The command --------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, ring: crypto.KeyRing) -> Callable[..., tuple[int, str]]:
    """Runs `xinqing simulate` on a day of 20 messages."""
    monkeypatch.setattr(logs, "configure", lambda _level: None)

    def invoke(*more: str) -> tuple[int, str]:
        with capture_logs():
            result = CliRunner().invoke(app, ["simulate", "--messages", "20", *more])
        return result.exit_code, result.stdout

    return invoke


@pytest.mark.slow
def test_the_command_prints_what_it_counted(run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("--channel", "wechat")
    assert code == 0
    assert "答复看到一次" in printed
    assert "没有丢消息" in printed
    assert "钉钉" not in printed


@pytest.mark.slow
def test_a_broken_promise_is_its_exit_status(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(self: Inbox, incoming: IncomingMessage) -> Receipt:
        return Receipt(0, 0, False, "0", None, False)

    monkeypatch.setattr(Inbox, "accept", forget)
    code, printed = run("--channel", "wechat", "--json")
    assert code == 1
    counts = json.loads(printed)
    assert counts["broken"] == {"message_lost": 20}
    assert (counts["seed"], counts["messages"]) == (1, 20)
