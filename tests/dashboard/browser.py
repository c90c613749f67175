"""A browser that notes everything that went wrong on its pages."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    sync_playwright,
)

from tests.suite.starts import StartError
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
AXE = ROOT / "api" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / "build" / "screenshots"
PROGRAMS = ("chromium-headless-shell", "chromium")
"""The first one that is installed; the shell draws no windows and takes half the CPU time."""
# Without these, Chromium resolves its maker's hosts at every start.
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
RETRIED = "the server responded with a status of 412"
"""The job has changed since the page read it: the page reads it again and repeats its request."""
START_WITHIN_MS = 120_000
WITHIN_MS = 120_000
"""How long what a test waits for may take, on a machine that does other things as well."""
LONG = 512
"""The windows of a job that is cancelled: more than it can prune before."""
ALL_DRAWN = "[...document.querySelectorAll('.chart')].every((one) => one.querySelector('canvas'))"
WIDE, NARROW = (1280, 900), (380, 800)
AT_200_PERCENT = (640, 450)
"""What a window of 1280 by 900 shows at twice the size."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, or skip the test and say why."""
    path = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path, args=QUIET, timeout=START_WITHIN_MS
            )
        except Error as error:
            raise StartError(f"{path} did not start: {error}") from error
        yield browser
        browser.close()


class Session:
    """One browser profile on one service, and what its pages complained about.

    Its user wants no motion: a pulsing dot alone takes a fifteenth of a processor.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        width, height = options.pop("size", WIDE)
        options = {"reduced_motion": "reduce"} | options
        self.context: BrowserContext = browser.new_context(
            base_url=url, viewport={"width": width, "height": height}, **options
        )
        self.context.set_default_timeout(WITHIN_MS)
        self.requests: list[str] = []
        self.ended: list[str] = []
        self.complaints: list[str] = []
        self._url = url
        self.context.on("request", self._note)
        self.context.on("requestfinished", self._note_end)
        self.context.on("requestfailed", self._note_end)
        self.context.on("page", self._listen)

    def open(self, path: str = "/") -> Page:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.goto(path)
        return page

    def count(self, path: str) -> int:
        """Return how many requests there were to a path."""
        return sum(urlsplit(url).path == path for url in self.requests)

    def open_count(self, path: str) -> int:
        """Return how many requests to a path have not ended."""
        return self.count(path) - sum(urlsplit(url).path == path for url in self.ended)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.complaints.append(f"asked another host: {request.url}")

    def _note_end(self, request: Request) -> None:
        self.ended.append(request.url)

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self._complain(page, str(error)))
        page.on("console", lambda said: self._hear(page, said))

    def _hear(self, page: Page, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning") and RETRIED not in said.text:
            self._complain(page, f"{said.type}: {said.text}")

    def _complain(self, page: Page, text: str) -> None:
        self.complaints.append(f"{page.url}: {text}")


@contextmanager
def session(browser: Browser, url: str, **options: Any) -> Iterator[Session]:
    """Hold that nothing went wrong on any page of the session."""
    one = Session(browser, url, **options)
    yield one
    one.context.close()
    assert not one.complaints, "\n".join(one.complaints)


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe finds on the page as it is, by these rules or by all."""
    if not page.evaluate("'axe' in window"):
        # The page's own policy forbids a script element; this is the debugger's way in.
        page.evaluate(AXE.read_text())
    options: dict[str, Any] = {"resultTypes": ["violations"], "selectors": False}
    if rules:
        options["runOnly"] = list(rules)
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{page.url}: {one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def violations_in_both_themes(page: Page) -> list[str]:
    """Return what axe finds on the page in each theme; between themes, only colours differ."""
    page.emulate_media(color_scheme="light")
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    return found + violations(page, "color-contrast")


def resize(page: Page, size: tuple[int, int]) -> None:
    width, height = size
    page.set_viewport_size({"width": width, "height": height})


def watch(element: Locator) -> None:
    """Record every text that an element of a page shows from now on; see `wait_until_shown`."""
    element.evaluate(
        """(one) => {
            window.seen = [one.textContent];
            const note = () => window.seen.push(one.textContent);
            const all = { childList: true, characterData: true, subtree: true };
            new MutationObserver(note).observe(one, all);
        }"""
    )


def wait_until_shown(page: Page, is_it: Callable[[str], bool]) -> None:
    """Wait until a watched element has shown such a text, be it for a moment."""
    eventually(lambda: any(map(is_it, page.evaluate("window.seen"))))


def wait_until(page: Page, true: str, within_s: float = WITHIN_MS / 1000) -> None:
    """Wait, frame by frame, for an expression; the page's policy forbids the usual way."""
    deadline = time.monotonic() + within_s
    while not page.evaluate(true):
        assert time.monotonic() < deadline, f"not within {within_s} s: {true}"
        page.evaluate("new Promise(requestAnimationFrame)")


def wait_until_it_only_listens(tabs: Session, page: Page) -> None:
    """Wait until all requests have ended but the stream of events, which never does."""

    def is_open(url: str) -> bool:
        path = urlsplit(url).path
        return path != "/v1/events" and tabs.open_count(path) > 0

    def has_ended() -> bool:
        page.title()  # a call in which the browser's events are handled
        return not any(map(is_open, tabs.requests))

    eventually(has_ended)


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    pixels: int = page.evaluate(wide)
    return pixels


def photograph(page: Page, name: str) -> None:
    """Keep a picture of the whole page, if pictures are wanted."""
    if "ZPRUNER_PICTURES" not in os.environ:
        return
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.mouse.move(1, 1)  # charts below the window are drawn once the page is used
    wait_until(page, ALL_DRAWN)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
