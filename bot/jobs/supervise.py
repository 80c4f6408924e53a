"""Keep a worker's own tasks alive: one that fails is started again, a little later each time.

A task that returns has ended by its own will.

Called by `bot.jobs.worker`. While a task is down the worker is not healthy.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeAlias

import structlog

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
_log = structlog.get_logger(__name__)

Alive: TypeAlias = Callable[[], None]
Work: TypeAlias = Callable[[Alive], Awaitable[None]]


class Supervisor:
    """Runs tasks and starts them again when they fail.

    Args:
        on_failure: called with the task's name, for the counters.
    """

    def __init__(self, random: Random, on_failure: Callable[[str], None]) -> None:
        self._random = random
        self._on_failure = on_failure
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._up: dict[str, bool] = {}

    def start(self, name: str, work: Work) -> None:
        """Start a task; it is handed a function to call whenever it has got something done."""
        self._up[name] = False
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=f"jobs.{name}")

    def healthy(self) -> bool:
        """Tell whether every task has got something done since it was last started."""
        return bool(self._up) and all(self._up.values())

    async def join(self, name: str, seconds: float) -> None:
        """Wait until a task has ended by itself; after so many seconds, end it."""
        if name in self._tasks:
            await asyncio.wait([self._tasks[name]], timeout=seconds)
            await self.stop(name)

    async def stop(self, *names: str) -> None:
        """Stop some tasks, or all, and wait until they have ended."""
        tasks = [self._tasks.pop(name) for name in names or list(self._tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in names or list(self._up):
            self._up.pop(name, None)

    async def _keep(self, name: str, work: Work) -> None:
        failures = 0

        def alive() -> None:
            nonlocal failures
            failures = 0
            self._up[name] = True

        while True:
            try:
                return await work(alive)
            except Exception as error:
                _log.error("job_task_failed", task=name, error=type(error).__name__)
            self._up[name] = False
            self._on_failure(name)
            wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**failures)
            failures = min(failures + 1, 10)
            await asyncio.sleep(wait * self._random.uniform(0.5, 1.0))
