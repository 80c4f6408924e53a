"""`xinqing serve` and `xinqing work`: the web process and the worker process."""

import asyncio
import gc
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, cast

import typer
import uvicorn
from fastapi import FastAPI

from bot import logs
from bot.app import DRAIN_SECONDS, create_app
from bot.cli.platform_there import without_platform
from bot.config import Mode, Settings, load_settings
from bot.core.errors import ConfigInvalid, XinqingError
from bot.db.opening import open_database
from bot.upkeep import follow_published, prepare
from bot.wiring import House, build

GRACE_SECONDS = 5
# Connections that wait while the service loads: half a minute of a busy school.
QUEUE = 2048
FIRST_START = "正在准备手册检索：运行过 xinqing setup 的几秒就好，没有的要一两分钟，只有这一次。"
# The exit status of a process that said in one line why it does not start (`bot.cli.guarded`).
REFUSED = 2


def add(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(serve)
    app.command()(work)


def serve(
    once_ready: Annotated[
        str, typer.Option(help="run this shell command when ready, then stop with its exit status")
    ] = "",
    workers: Annotated[int, typer.Option(min=1, max=16, help="processes on this host")] = 1,
) -> None:
    """Run the web process (and, by default, the job worker inside it)."""
    settings = _settings()
    logs.configure(settings.log_level)
    with _listening(settings) as listening:
        if workers > 1:
            _serve_many(listening, workers)
        else:
            _serve_one(settings, listening, once_ready)


def _serve_one(settings: Settings, listening: socket.socket, once_ready: str) -> None:
    if not (settings.data_dir / "index").exists():
        print(FIRST_START, file=sys.stderr, flush=True)
    config = _uvicorn(settings)
    status: list[int] = []
    server = _Once(config, once_ready, status.append) if once_ready else uvicorn.Server(config)
    if settings.mode is Mode.DEMO and not once_ready:
        _print_pages(settings)
    _run(server, [listening])
    if status and status[0]:
        raise typer.Exit(status[0])


def _settings() -> Settings:
    """Return the settings; in demo mode parents' links lead to the service's own address."""
    settings = load_settings()
    if settings.mode is Mode.DEMO and not settings.public_url:
        return settings.model_copy(update={"public_url": _own_address(settings)})
    return settings


def _own_address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.port}"


def _run(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
    """Serve until told to stop.

    Raises:
        XinqingError: what kept the service from starting.
    """
    state = cast(FastAPI, server.config.app).state
    try:
        server.run(sockets=sockets)
    except SystemExit:
        # The server's own way out of a failed start.
        if state.failure is None:
            raise
    failure: Exception | None = state.failure
    if isinstance(failure, XinqingError):
        raise failure from None
    if failure is not None:
        raise ConfigInvalid(
            f"the service could not start ({type(failure).__name__}); `xinqing doctor` may say why"
        )


def _uvicorn(settings: Settings) -> uvicorn.Config:
    with _lasting():
        app = create_app(build(settings))
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        proxy_headers=False,
        # The fake DingTalk speaks Stream; `websockets` itself is there anyway, for the client.
        ws="websockets-sansio",
    )


@contextmanager
def _lasting() -> Iterator[None]:
    """Make what lasts as long as the process, and look for no garbage in it, now or ever.

    Looking costs a sixth of the start, and later a pause each time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Once(uvicorn.Server):
    """A server that runs a command when it is ready and then stops."""

    def __init__(self, config: uvicorn.Config, command: str, done: Callable[[int], object]) -> None:
        super().__init__(config)
        self._command = command
        self._done = done
        self._task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then run the command beside serving."""
        await super().startup(sockets)
        if not self.started:
            return
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        process = await asyncio.create_subprocess_shell(self._command)
        self._done(await process.wait())
        self.should_exit = True


def _listening(settings: Settings) -> socket.socket:
    """Return a socket that takes connections from now on, before anything is loaded.

    A platform gives a message up after a few tries of some seconds each. What it sends while the
    service is still loading waits in the socket's queue and is read afterwards, also where the
    platform has hung up by then: the message is stored, and the next try is known as a double.

    Raises:
        ConfigInvalid: the port can't be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=QUEUE)
    except OSError as error:
        raise ConfigInvalid(
            f"XINQING_PORT: {settings.host}:{settings.port} can't be used ({error.strerror}); "
            "choose another, for example XINQING_PORT=8601"
        ) from None


def _serve_many(listening: socket.socket, workers: int) -> None:
    """Run several processes on one port; a process that ends ends them all."""
    listening.set_inheritable(True)
    command = [sys.executable, "-m", "bot.cli.child", str(listening.fileno())]
    children = [
        subprocess.Popen(command, pass_fds=[listening.fileno()])  # own module
        for _ in range(workers)
    ]

    def stop(_signal: int, _frame: object) -> None:
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for child in children:
        with suppress(KeyboardInterrupt):
            child.wait()
    if any(child.returncode == REFUSED for child in children):
        raise typer.Exit(REFUSED)


def serve_socket(number: int) -> None:
    """Serve on an inherited socket; the child of `serve --workers`."""
    settings = _settings()
    logs.configure(settings.log_level)
    shared = socket.socket(fileno=number)
    _run(uvicorn.Server(_uvicorn(settings)), [shared])


def work() -> None:
    """Run a job worker alone, beside `serve` with XINQING_WORKER_INSIDE=false."""
    settings = _settings()
    logs.configure(settings.log_level)
    if (warning := without_platform(settings)) is not None:
        print(warning, file=sys.stderr, flush=True)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    house = build(settings)
    try:
        await open_database(house.services.database)
        await prepare(house)
        await _work_until_stopped(house)
    finally:
        await house.close()


async def _work_until_stopped(house: House) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    following = asyncio.create_task(follow_published(house))
    running = asyncio.create_task(house.worker.run())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    await house.worker.stop(DRAIN_SECONDS)
    await running
    waiting.cancel()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


def _print_pages(settings: Settings) -> None:
    base = _own_address(settings)
    print(
        f"\n心晴（演示环境）\n"
        f"  家长模拟器   {base}/simulator\n"
        f"  心理老师值班台 {base}/desk\n"
        f"  停止：Ctrl+C\n",
        flush=True,
    )
