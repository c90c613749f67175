"""The application: ``uvicorn --factory api.app:create_app``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from api import problems
from api.broker import Broker, Queue
from api.deps import Service
from api.edge import Edge
from api.feed import Feed
from api.hub import Hub
from api.openapi import RESPONSES, document, operation_id
from api.preflight import Preflight
from api.routes import artifacts, dashboard, docs, health, history, jobs, methods, repeats, result
from api.routes import problems as problem_pages
from api.settings import ApiSettings
from db.session import open_sessions
from db.store import ArtifactStore

STATEMENT_TIMEOUT = timedelta(seconds=10)

ROUTERS = (
    jobs.router,
    repeats.router,
    history.router,
    result.router,
    artifacts.router,
    methods.router,
    health.router,
    problem_pages.router,
    docs.router,
    dashboard.router,
)


def create_app(settings: ApiSettings | None = None, queue: Queue | None = None) -> FastAPI:
    """Return the application; without arguments, as the environment describes it."""
    settings = settings or ApiSettings()
    app = FastAPI(
        title="Z-Pruner",
        summary="LLM pruning as a job API",
        description="Post a model, a sparsity and a dataset; get a pruned model and its numbers.",
        version=version("zpruner"),
        docs_url=None,  # ours needs no CDN
        redoc_url=None,
        redirect_slashes=False,
        responses=RESPONSES,
        generate_unique_id_function=operation_id,
        lifespan=_lifespan,
    )
    app.state.service = _service(settings, queue or Broker(settings.broker))
    app.add_middleware(Edge, settings=settings)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = partial(document, app)  # type: ignore[method-assign] # FastAPI's own way
    return app


def _service(settings: ApiSettings, queue: Queue) -> Service:
    sessions = open_sessions(settings.database, statement_timeout=STATEMENT_TIMEOUT)
    return Service(
        sessions=sessions,
        queue=queue,
        store=ArtifactStore(settings.artifact_dir),
        preflight=Preflight(settings, Hub(settings.hf_endpoint, settings.hub_timeout_s)),
        feed=Feed(sessions),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.service.queue.close()
    app.state.service.sessions.kw["bind"].dispose()
