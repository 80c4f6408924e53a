"""`serve` twice and `work` twice on one database, and one worker is killed in the middle."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import count as numbers
from pathlib import Path
from typing import Any

import pytest
from two_of_each import BURST, PER_SECOND, SLOTS, Crew, open_crew, seed

from bot.bench.questions import questions
from bot.bench.stage import Calm
from bot.bench.tally import Planned, Seen, count
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.notices import LISTENER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgresql(reason="several hosts need a server"),
]

PARENTS, QUESTIONS_EACH, WORRIED, COPIES = 8, 5, 12, 3
OPEN = (
    "SELECT (SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending'))"
    " + (SELECT count(*) FROM message WHERE state = 'stored' AND answerable)"
)
LISTENING = (
    "SELECT count(*) FROM pg_stat_activity"
    f" WHERE datname = current_database() AND application_name = '{LISTENER}' AND query <> ''"
)
CASES = (
    "SELECT c.external_id, count(DISTINCT k.id), count(d.id) FROM contact c"
    " JOIN risk_case k ON k.contact_id = c.id"
    " LEFT JOIN delivery d ON d.case_id = k.id AND d.route = 'alert'"
    " AND d.state = 'accepted' AND d.receipt <> ''"
    " WHERE c.external_id LIKE 'oCries%' GROUP BY c.external_id ORDER BY c.external_id"
)
NIGHTLY = "SELECT state, attempts FROM job WHERE key LIKE 'cron:nightly:%'"


@pytest.fixture
async def crew(
    tmp_path: Path, database: Database, database_url: str, ring: KeyRing
) -> AsyncIterator[Crew]:
    """The four processes, all of them listening."""
    await seed(database, ring)
    async with open_crew(tmp_path, database_url) as made:
        await made.until(LISTENING, 4, seconds=120)
        made.change(
            "UPDATE lane SET per_second = :rate, burst = :burst WHERE name = 'alert:duty'",
            rate=PER_SECOND,
            burst=BURST,
        )
        yield made


def plan() -> list[Planned]:
    """Say who writes what: everybody asks, others cry for help; every third comes three times."""
    number, words, calm = numbers(10**15), questions().stream(7), Calm()
    asked = [
        (f"oAsks{parent:02}", calm.next(str(parent), words), False)
        for _ in range(QUESTIONS_EACH)
        for parent in range(PARENTS)
    ]
    cries = [(f"oCries{n:02}", questions().risks[n % 5], True) for n in range(WORRIED)]
    mixed = [*asked, *cries]
    return [
        Planned(str(next(number)), openid, words, 0.0, risk, copies=COPIES if n % 3 == 0 else 1)
        for n, (openid, words, risk) in enumerate(mixed)
    ]


async def write(crew: Crew, plans: Sequence[Planned]) -> list[Seen]:
    """Let everybody write at the same time, each one message after the other."""
    seen = [Seen(planned) for planned in plans]

    async def one(openid: str) -> None:
        for each in seen:
            if each.planned.openid == openid:
                await crew.tell(each.planned, each)

    await asyncio.gather(*(one(openid) for openid in {planned.openid for planned in plans}))
    return seen


def most_ahead(moments: Sequence[datetime]) -> float:
    """Return by how many posts the lane was ever ahead of `burst + rate x t`."""
    ahead: list[float] = [
        (j - i + 1) - (BURST + PER_SECOND * (moments[j] - moments[i]).total_seconds())
        for i in range(len(moments))
        for j in range(i, len(moments))
    ]
    return max(ahead)


async def test_each_thing_happens_once(crew: Crew) -> None:
    plans = plan()
    crew.change("UPDATE schedule SET next_at = :past WHERE name = 'nightly'", past=1)
    writing = asyncio.create_task(write(crew, plans))
    victim = await crew.worker_in_flight()
    await asyncio.to_thread(victim.kill)
    seen = await writing
    await crew.until(OPEN, 0)
    found: dict[str, Any] = count(seen, crew.ledger(), list(crew.platform.sent))
    assert found["given_up_by_platform"] == 0
    assert found["taken_but_not_stored"] == 0
    assert found["handled"] == {"0": 0, "1": len(plans), "more": 0}
    alerts = found["alerts"]
    doubled = found["visible_answers"]["more"] + alerts["posted"] - alerts["stored"]
    assert found["visible_answers"]["0"] == 0
    assert 0 <= doubled <= SLOTS, "only what the killed one was sending"
    assert found["risk"] == {"messages": WORRIED, "without_case": 0}
    assert alerts["without_receipt"] == 0
    assert crew.ask(CASES) == [(f"oCries{n:02}", 1, 1) for n in range(WORRIED)]
    assert most_ahead(crew.platform.posts) < 1, "one lane for both, give or take the network"
    assert crew.ask(NIGHTLY) == [("done", 1)]
    await _a_case_of_one_server_shows_at_the_other(crew)


async def _a_case_of_one_server_shows_at_the_other(crew: Crew) -> None:
    for here, there in ((0, 1), (1, 0)):
        async with crew.desk(here) as heard:
            driver = crew.drivers[there]
            assert await driver.say(f"oDesk{here}", questions().risks[0])
            async with asyncio.timeout(5):
                while await heard.get() != "case":
                    pass
