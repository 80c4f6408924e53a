"""One worker process of `xinqing bench jobs`: `python -m bot.bench.job_worker`.

Its settings come in the environment, because an address may hold a password. Every send is one line
in a file opened with O_APPEND, which outlives a `kill -9`: the job's key and the time.
"""

import asyncio
import os
import time

from bot import logs
from bot.core.clock import SystemClock
from bot.db.engine import Database, make_engine
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.worker import Worker

KIND = "send"
UP = "up"


async def work() -> None:
    """Work until the process is ended."""
    setting = {name: os.environ[f"BENCH_{name}"] for name in ("DATABASE", "SINK", "SLOTS")}
    cost, lease = (float(os.environ[f"BENCH_{name}"]) for name in ("COST", "LEASE"))
    sink = os.open(setting["SINK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def send(run: JobRun) -> None:
        if cost:
            await asyncio.sleep(cost)
        os.write(sink, f"{run.key} {time.time_ns()}\n".encode())

    registry = JobRegistry()
    registry.send(KIND, send)
    worker = Worker(
        Database(make_engine(setting["DATABASE"])),
        registry,
        slots=int(setting["SLOTS"]),
        lease_seconds=lease,
        clock=SystemClock(),
    )
    spent = int(time.process_time() * 1000)
    os.write(sink, f"{UP}:{os.getpid()}:{spent} {time.time_ns()}\n".encode())
    await worker.run()


if __name__ == "__main__":
    logs.configure("WARNING")
    asyncio.run(work())
