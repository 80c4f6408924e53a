"""The web process: callbacks, pages, health, figures; and, by default, the job worker inside it.

`create_app` is called by `bot.cli` (through uvicorn) and by tests.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from fastapi import FastAPI
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from bot import __version__
from bot.db.migrate import current_revision, newest_revision
from bot.db.opening import open_database, unreadable_column
from bot.simulator.dingtalk_server import make_fake_dingtalk
from bot.simulator.wechat_server import make_fake_wechat
from bot.upkeep import follow_published, prepare, sweep_forever, watch_streams
from bot.web import routes as pages
from bot.web.errors import exception_handlers
from bot.wiring import House
from bot.wiring.channels import DINGTALK_PATH, WECHAT_PATH

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 5.0


def create_app(house: House) -> FastAPI:
    """Return the application of one process around a built house."""
    app = FastAPI(
        title="Xinqing",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        exception_handlers=exception_handlers(),
    )
    app.state.house = house
    app.state.services = house.services
    app.state.failure = None
    app.state.figures = CollectorRegistry()
    app.state.figures.register(house.worker.metrics())
    app.router.routes.extend(house.cards.routes())
    app.router.routes.extend(house.callbacks.routes())
    app.router.routes.extend(
        [
            Route("/health", _health, methods=["GET"]),
            Route("/ready", _ready, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
        ]
    )
    if house.platform is not None:
        app.router.routes.append(Mount(WECHAT_PATH, make_fake_wechat(house.platform)))
    if house.dingtalk is not None:
        app.router.routes.append(Mount(DINGTALK_PATH, make_fake_dingtalk(house.dingtalk)))
    app.router.routes.extend(pages.build(house.services))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    house: House = app.state.house
    try:
        await open_database(house.services.database)
        await prepare(house)
    except Exception as error:
        # The server swallows it; `bot.cli.serving` says it in one line.
        app.state.failure = error
        await house.close()
        raise
    tasks = [
        asyncio.create_task(sweep_forever(house), name="sweep"),
        asyncio.create_task(follow_published(house), name="published"),
        asyncio.create_task(watch_streams(house), name="streams"),
        *(
            asyncio.create_task(stream.run(), name=f"stream-{robot}")
            for robot, stream in house.streams.items()
        ),
    ]
    if house.settings.worker_inside:
        tasks.append(asyncio.create_task(house.worker.run(), name="worker"))
    app.state.tasks = tasks
    log.info("ready", version=__version__, mode=house.services.mode)
    try:
        yield
    finally:
        # First what brings new messages in, then what handles them, then what sends.
        await asyncio.gather(*(stream.stop() for stream in house.streams.values()))
        await house.reception.finish(DRAIN_SECONDS)
        await house.worker.stop(DRAIN_SECONDS)
        await house.handover.flush()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await house.close()


async def _health(_request: Request) -> Response:
    """Say that the process answers."""
    return JSONResponse({"status": "ok", "version": __version__})


async def _ready(request: Request) -> Response:
    """Say whether messages can be taken: database, tables, keys, rules, index, worker."""
    house: House = request.app.state.house
    checks: dict[str, str] = {}
    try:
        database = house.services.database
        current = await current_revision(database)
        checks["database"] = "ok" if current == newest_revision() else "old tables"
        if checks["database"] == "ok":
            checks["keys"] = "unreadable" if await unreadable_column(database) else "ok"
    except Exception as error:
        checks["database"] = type(error).__name__
    screen = house.services.screen
    checks["rules"] = "ok" if screen.rules is not None and screen.problem is None else "invalid"
    checks["classifier"] = "ok" if screen.unaided is None else "unusable"
    book = house.services.answers.book
    checks["index"] = book.retriever.degraded or "ok"
    checks["handbook"] = house.handbook_in_force.problem or "ok"
    if house.settings.worker_inside:
        checks["worker"] = "ok" if house.worker.healthy() else "not running"
    for robot, stream in house.streams.items():
        checks[f"stream {robot}"] = "ok" if stream.connected else "not connected"
    # A broken index or rules file degrades the service; it still takes every message.
    vital = ("database", "keys", "worker")
    ready = all(checks.get(name, "ok") == "ok" for name in vital) and screen.rules is not None
    body: dict[str, object] = {"ready": ready, "checks": checks}
    if book.retriever.rebuilt is not None:
        body["notes"] = {"index": f"built again: {book.retriever.rebuilt}"}
    return JSONResponse(body, status_code=200 if ready else 503)


async def _metrics(request: Request) -> Response:
    """Return the figures for Prometheus; counts and times only."""
    own: CollectorRegistry = request.app.state.figures
    body = generate_latest(REGISTRY) + generate_latest(own)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
