"""Load the service, and Flower, with many pollers and streams: `python -m benchmarks.polling`.

Pollers request a job every two seconds with its last ETag; streams read a job's events. A job is
renamed every half second, so that there are changes. Flower has no streams, and its finished task
does not change. All callers start within two seconds, without an ETag.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path

import httpx

from benchmarks.machine import machine
from benchmarks.services import flower, serving
from zpruner import Client

RESULTS = Path(__file__).parent / "results"
CALLERS_PER_CLIENT = 10
"""How many callers share an HTTP client."""
JOBS, POLL_EVERY_S, RENAME_EVERY_S = 20, 2.0, 0.5
SETTLED_AFTER_S = 3 * POLL_EVERY_S


@dataclass
class Load:
    """The responses to all callers.

    Attributes:
        seconds: the time of each response.
        later: the same, of requests sent after all callers had started.
        statuses: the number of responses by status.
        errors: the number of other errors by type.
        events: the number of events received on streams.
    """

    seconds: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    events: int = 0


@dataclass(frozen=True)
class Figures:
    """Summary of a load."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    p99_later_ms: float
    share_of_304: float
    errors: int
    events: int

    @classmethod
    def of(cls, load: Load, lasted_s: float) -> "Figures":
        cuts = statistics.quantiles(load.seconds, n=100)
        refused = sum(n for status, n in load.statuses.items() if status >= 400)
        return cls(
            requests_per_second=load.statuses.total() / lasted_s,
            p50_ms=cuts[49] * 1000,
            p99_ms=cuts[98] * 1000,
            p99_later_ms=statistics.quantiles(load.later, n=100)[98] * 1000,
            share_of_304=load.statuses[304] / load.statuses.total(),
            errors=refused + load.errors.total(),
            events=load.events,
        )


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pollers", type=int, default=500)
    parser.add_argument("--streams", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zp") as name, serving(Path(name)) as url:
        jobs = _submit_paused_jobs(url)
        with flower(Path(name)) as flower_url:
            task = _finished_task(url, flower_url)
            figures = {
                "Z-Pruner": _measured(url, jobs, given.pollers, given.streams, given.seconds),
                "Flower": _measured(flower_url, [task], given.pollers, 0, given.seconds),
            }
    _write(given, figures)


def _measured(url: str, paths: list[str], pollers: int, streams: int, lasts_s: float) -> Figures:
    print(f"{pollers} pollers, {streams} streams on {url}", file=sys.stderr, flush=True)
    load = asyncio.run(_load(url, paths, pollers, streams, lasts_s))
    for error, count in load.errors.items():
        print(f"{count} x {error}", file=sys.stderr)
    return Figures.of(load, lasts_s)


async def _load(url: str, paths: list[str], pollers: int, streams: int, lasts_s: float) -> Load:
    """Run pollers and streams against a service for ``lasts_s`` seconds."""
    load, begun = Load(), time.monotonic()
    settled, until = begun + SETTLED_AFTER_S, begun + lasts_s
    async with _clients(url, (pollers + streams) // CALLERS_PER_CLIENT + 1) as clients:
        some = cycle(clients)
        callers = [
            _poll(next(some), paths[n % len(paths)], load, settled, until) for n in range(pollers)
        ]
        callers += [
            _read_events(next(some), paths[n % len(paths)], load, until) for n in range(streams)
        ]
        if streams:
            callers.append(_rename(next(some), paths, until))
        await asyncio.gather(*callers)
    return load


@asynccontextmanager
async def _clients(url: str, number: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Open several clients, because a client searches all its connections for each request."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    clients = [
        httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False, verify=False)
        for _ in range(number)
    ]
    yield clients
    for client in clients:
        await client.aclose()


async def _poll(
    client: httpx.AsyncClient, path: str, load: Load, settled: float, until: float
) -> None:
    etag = ""
    await asyncio.sleep(random.uniform(0, POLL_EVERY_S))
    while time.monotonic() < until:
        started = time.monotonic()
        try:
            response = await client.get(path, headers={"if-none-match": etag} if etag else {})
        except httpx.HTTPError as error:
            load.errors[type(error).__name__] += 1
        else:
            load.seconds.append(time.monotonic() - started)
            if started > settled:
                load.later.append(load.seconds[-1])
            load.statuses[response.status_code] += 1
            etag = response.headers.get("etag", "")
        await asyncio.sleep(max(0.0, started + POLL_EVERY_S - time.monotonic()))


async def _read_events(client: httpx.AsyncClient, path: str, load: Load, until: float) -> None:
    headers = {"accept": "text/event-stream"}
    await asyncio.sleep(random.uniform(0, POLL_EVERY_S))
    try:
        async with asyncio.timeout(until - time.monotonic()):
            async with client.stream("GET", f"{path}/events", headers=headers) as response:
                load.statuses.update([response.status_code] if response.is_error else [])
                async for line in response.aiter_lines():
                    load.events += line.startswith("id:")
                load.errors["stream that ended"] += 1
    except TimeoutError:
        pass
    except httpx.HTTPError as error:
        load.errors[type(error).__name__] += 1


async def _rename(client: httpx.AsyncClient, paths: list[str], until: float) -> None:
    number = 0
    while time.monotonic() < until:
        number += 1
        renamed = {"name": f"name {number}"}
        (await client.patch(paths[number % len(paths)], json=renamed)).raise_for_status()
        await asyncio.sleep(RENAME_EVERY_S)


def _submit_paused_jobs(url: str) -> list[str]:
    """Submit jobs, pause them, and return their paths."""
    with Client(url) as client:
        ids = [_submit(client) for _ in range(JOBS)]
        for job_id in ids:
            client.jobs.pause(job_id)
    return [f"/v1/jobs/{job_id}" for job_id in ids]


def _submit(client: Client) -> str:
    return client.jobs.create(
        "local:tiny", 0.5, "local:text.txt", samples=2, seq_len=64, eval_samples=2
    ).id


def _finished_task(url: str, flower_url: str) -> str:
    """Run jobs until Flower has recorded one; return the path of its task."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with Client(url) as client:
            client.jobs.wait(_submit(client), timeout_s=60)
        tasks = httpx.get(f"{flower_url}/api/tasks", trust_env=False).json()
        finished = [uuid for uuid, task in tasks.items() if task["state"] == "SUCCESS"]
        if finished:
            return f"/api/task/info/{finished[0]}"
    raise SystemExit("Flower has recorded no task")


def _write(given: argparse.Namespace, figures: dict[str, Figures]) -> None:
    protocol = vars(given) | {"poll_every_s": POLL_EVERY_S, "rename_every_s": RENAME_EVERY_S}
    report = {
        "machine": machine(),
        "protocol": protocol,
        "figures": {name: asdict(one) for name, one in figures.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "polling.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "polling.md").write_text(_markdown(protocol, figures))
    print((RESULTS / "polling.md").read_text(), file=sys.stderr)
    print(json.dumps(report))


def _markdown(protocol: dict[str, object], figures: dict[str, Figures]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    how = ", ".join(f"{name} {value}" for name, value in protocol.items())
    rows = (
        f"| {name} | {it.requests_per_second:.0f} | {it.p50_ms:.1f} | {it.p99_ms:.1f} "
        f"| {it.p99_later_ms:.1f} | {it.share_of_304:.1%} | {it.errors} | {it.events} |"
        for name, it in figures.items()
    )
    head = "| | requests/s | p50, ms | p99, ms | p99 after 6 s, ms | 304 | errors | events |"
    return "\n".join(
        [head, "|---|---:|---:|---:|---:|---:|---:|---:|", *rows, "", _note(where, how)]
    )


def _note(where: str, how: str) -> str:
    return f"The service and the callers share the same cores: {where}. {how}.\n"


if __name__ == "__main__":
    main()
