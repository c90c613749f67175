"""Take the README's screenshots of the dashboard: the job list, a running job, a comparison."""

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize, sync_playwright

from demo.model import fetch_model
from demo.service import running_service
from zpruner import Client

FOLDER = Path(__file__).parents[1] / "docs" / "images"
DEMO = Path(".demo").absolute()
SIZE: ViewportSize = {"width": 1280, "height": 800}
TEXT: dict[str, Any] = {"dataset": "stdlib-docs", "samples": 8, "seq_len": 256, "eval_samples": 8}
JOBS: list[dict[str, Any]] = [
    {"sparsity": 0.4, "method": "wanda"},
    {"sparsity": 0.5, "method": "zpruner"},
    {"sparsity": 0.5, "method": "wanda"},
    {"sparsity": 0.5, "method": "admm"},
]


def main() -> None:
    """Run a few real jobs in a new service, and save the screenshots."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Install chromium first: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    model = f"local:{fetch_model(DEMO / 'models').name}"
    shutil.rmtree(DEMO / "pictures", ignore_errors=True)
    with running_service(DEMO / "pictures", DEMO / "models") as url, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(base_url=url, viewport=SIZE, color_scheme="light")
        with Client(url) as client:
            _photograph(client, page, model)
        browser.close()


def _photograph(client: Client, page: Page, model: str) -> None:
    done = [client.jobs.create(model, **one, **TEXT, name=_name(one)) for one in JOBS]
    for job in done:
        client.jobs.wait(job.id)
    running = client.jobs.create(
        model, 0.5, **TEXT | {"samples": 64}, method="alps", name="alps, 50 %"
    )
    client.jobs.create(model, 0.6, **TEXT, name="zpruner, 60 %")
    page.goto(f"/jobs/{running.id}")
    while (block := client.jobs.get(running.id).progress.block) is None or block.index < 10:
        page.wait_for_timeout(500)
    _save(page, "job")
    page.goto("/")
    _save(page, "jobs")
    page.goto("/compare?ids=" + ",".join(job.id for job in done))
    _save(page, "compare")


def _name(spec: dict[str, Any]) -> str:
    return f"{spec['method']}, {spec['sparsity']:.0%}".replace("%", " %")


def _save(page: Page, name: str) -> None:
    page.wait_for_timeout(2_000)  # charts and live rows settle
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
