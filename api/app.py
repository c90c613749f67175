"""The FastAPI application, which ``api.program`` serves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache, partial
from importlib.metadata import version

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from api.core.current_values import CommitMarks
from api.core.settings import ApiSettings
from api.middleware.authentication import AuthenticationMiddleware, require_scope
from api.middleware.compression import CompressionMiddleware
from api.middleware.identity import Identity
from api.middleware.request_limits import RequestLimitsMiddleware
from api.middleware.request_metrics import RequestMetricsMiddleware
from api.middleware.tracing import trace_requests
from api.middleware.writers import WRITERS
from api.preflight.hub import Hub
from api.preflight.planner_client import PlannerClient
from api.preflight.preflight import Preflight
from api.preflight.result_folders import ResultFolders
from api.problems import handlers
from api.problems.json_bodies import sent_json
from api.problems.query_parameters import refuse_unknown_parameters
from api.routes.access import audit, caller_secrets, keys
from api.routes.integrations import hooks, triggers, webhooks
from api.routes.jobs import (
    artifacts,
    cancels,
    commands,
    compare,
    datasets,
    estimates,
    events,
    history,
    jobs,
    logs,
    methods,
    models,
    outputs,
    rerun,
    result,
    sweeps,
    trials,
)
from api.routes.jobs.poll_middleware import JobPollMiddleware
from api.routes.service import dashboard, docs, health, metrics, retention, tables, use, workers
from api.routes.service import problems as problem_pages
from api.services.broker import Broker, Queue
from api.services.downloads import Downloads
from api.services.event_broadcast import EventBroadcast
from api.services.file_checks import FileChecks
from api.services.job_cache import JobCache
from api.services.job_pages import JobPages
from api.services.metrics import Metrics
from api.services.readiness import Readiness
from api.services.service import Service
from api.services.shared_metrics import SharedMetrics
from api.services.trial_owners import TrialOwners
from api.web.openapi import RESPONSES, document, operation_id
from db.core import redaction
from db.core.logging_setup import configure
from db.core.session import THREADS, open_sessions
from db.files.stores import SHORT_RETRY_FOR, open_store, open_uploads
from db.startup import checks, tracing
from db.startup.artifact_storage import check_artifacts
from db.startup.encryption_keys import check_encryption, read_cipher
from db.startup.heartbeat_pipe import HeartbeatPipe
from db.startup.private_files import keep_private
from db.startup.read_settings import read_settings

STATEMENT_TIMEOUT = timedelta(seconds=10)
BUSY_TIMEOUT = timedelta(seconds=4)
"""How long a request waits for a locked database before the response is 503. The client may then
try again for as long as it wants."""
SHORT_BUSY_TIMEOUT = timedelta(seconds=0.25)
"""How long a small write during a request that reads waits for a locked database. The write may
fail, because the next request can repeat it."""
READERS = THREADS - WRITERS

ROUTERS = (
    jobs.router,
    cancels.router,
    commands.router,
    rerun.router,
    trials.router,
    history.router,
    logs.router,
    events.router,
    workers.router,
    use.router,
    tables.router,
    retention.router,
    result.router,
    artifacts.router,
    outputs.router,
    compare.router,
    sweeps.router,
    estimates.router,
    methods.router,
    models.router,
    datasets.router,
    keys.router,
    caller_secrets.router,
    audit.router,
    webhooks.router,
    triggers.router,
    hooks.router,
    health.router,
    metrics.router,
    problem_pages.router,
    docs.router,
    dashboard.router,
)


def create_app(settings: ApiSettings | None = None, queue: Queue | None = None) -> FastAPI:
    """Return the application; without ``settings``, read them from the environment."""
    redaction.install()
    if settings is None:
        with checks.exit_on_error("api"):
            settings = read_settings(ApiSettings)
            checks.require([*checks.folders(settings), checks.database(settings.database)])
            checks.require([check_encryption(settings), *check_artifacts(settings)])
            keep_private(settings.data_dir)
        configure(settings.log_format)
        tracing.start(settings, "api")
    app = FastAPI(
        title="Z-Pruner",
        summary="LLM pruning as a job API",
        description="Post a model, a sparsity and a dataset; get a pruned model and its numbers.",
        version=version("zpruner"),
        openapi_url=None,  # api.routes.service.docs has a route that blocks no event loop,
        docs_url=None,  # and a page that needs no CDN
        redoc_url=None,
        redirect_slashes=False,
        routes=_routes(),
        lifespan=_lifespan,
    )
    service = _service(settings, queue or Broker(settings.broker))
    app.state.service, app.state.beat_every_s = service, settings.beat_every_s
    app.add_middleware(JobPollMiddleware, job_cache=service.job_cache, route=_route(jobs.get_job))
    identity = Identity(settings, service.sessions, service.best_effort_sessions, service.marks)
    app.add_middleware(
        AuthenticationMiddleware, settings=settings, sessions=service.sessions, identity=identity
    )
    app.add_middleware(RequestLimitsMiddleware, settings=settings)
    app.add_middleware(CompressionMiddleware)
    # Added last, so it is the outermost.
    app.add_middleware(RequestMetricsMiddleware, metrics=service.metrics.requests)
    handlers.install(app, _documented_routes(), dashboard.missing_page)
    trace_requests(app)
    app.openapi = partial(document, app, settings)  # type: ignore[method-assign] # as FastAPI documents it
    return app


@cache
def _routes() -> list[BaseRoute]:
    """Return the routes of every application in this process: to create them takes 60 ms."""
    routes = APIRouter(
        dependencies=[
            Depends(require_scope),
            Depends(refuse_unknown_parameters),
            Depends(sent_json),
        ],
        responses=RESPONSES,
        generate_unique_id_function=operation_id,
    )
    for router in ROUTERS:
        routes.include_router(router)
    list(iter_route_contexts(routes.routes))  # else the first request would create them
    return routes.routes


def _documented_routes() -> list[APIRoute]:
    routes = (route for router in ROUTERS for route in router.routes)
    return [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]


def _route(endpoint: Callable[..., object]) -> APIRoute:
    return next(route for route in _documented_routes() if route.endpoint is endpoint)


def _service(settings: ApiSettings, queue: Queue) -> Service:
    open_here = partial(open_sessions, settings.database, statement_timeout=STATEMENT_TIMEOUT)
    sessions = open_here(busy_timeout=BUSY_TIMEOUT)
    best_effort = open_here(busy_timeout=SHORT_BUSY_TIMEOUT)
    marks, hub = CommitMarks(sessions), Hub(settings.hf_endpoint, settings.hub_timeout_s)
    broadcast = EventBroadcast(sessions, best_effort, marks)
    store = open_store(settings, SHORT_RETRY_FOR)
    uploads = open_uploads(settings, SHORT_RETRY_FOR)
    return Service(
        sessions=sessions,
        best_effort_sessions=best_effort,
        queue=queue,
        store=store,
        checks=FileChecks(sessions, store),
        downloads=Downloads(sessions, best_effort),
        uploads=uploads,
        model_roots=settings.model_roots,
        max_dataset_bytes=settings.max_dataset_bytes,
        max_trials=settings.max_trials,
        preflight=Preflight(settings, hub, sessions, uploads, ResultFolders(sessions, store)),
        planner=PlannerClient(sessions, settings.check_timeout_s, settings.heartbeat_timeout),
        metrics=Metrics(sessions, store, settings.queues, SharedMetrics.of(settings)),
        known_queues=settings.queues,
        prices=settings.queue_prices,
        broadcast=broadcast,
        marks=marks,
        job_cache=JobCache(sessions, broadcast, marks),
        job_pages=JobPages(sessions, marks),
        trial_owners=TrialOwners(sessions, marks),
        readiness=Readiness(sessions, queue, store, settings.heartbeat_timeout),
        webhook_networks=settings.webhook_networks,
        read_cipher=partial(read_cipher, settings),
        retention=settings.retention,
        instance=settings.instance,
    )


async def _report_alive(heartbeats: HeartbeatPipe, every_s: float) -> None:
    """Send heartbeats from the event loop, so that they stop while the loop is blocked."""
    while True:
        heartbeats.beat()
        await asyncio.sleep(every_s)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = READERS
    beating = asyncio.create_task(
        _report_alive(HeartbeatPipe(), app.state.beat_every_s), name="beats"
    )
    yield
    beating.cancel()
    app.state.service.queue.close()
    app.state.service.checks.close()
    app.state.service.best_effort_sessions.kw["bind"].dispose()
    app.state.service.sessions.kw["bind"].dispose()
