"""A page in headless Chromium: what it asks of the network, what it complains about, who cannot use it.

Everything that talks to the browser runs in one thread of its own: Playwright keeps an event loop running between two
calls, and a test that starts a kernel in the same process could not start its own.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "BLUPBAYES_CHROMIUM"
LOCAL = ("file:", "data:", "blob:", "about:")
SERIOUS = ("serious", "critical")
ARGUMENTS = [
    "--no-sandbox",  # tests may run as root
    "--disable-dev-shm-usage",  # small in containers
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


def find_chromium() -> str | None:
    """The program, or None."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or os.environ.get(VARIABLE) or None


@dataclass
class Visit:
    """What happened while a page was open."""

    requests: list[str] = field(default_factory=list)  # that would have left the machine; all were blocked
    errors: list[str] = field(default_factory=list)  # console errors and uncaught exceptions
    violations: list[str] = field(default_factory=list)  # serious and critical ones of axe-core, if asked
    result: Any = None  # of the steps
    overflow: int = 0  # pixels by which the page is wider than the window, at the end

    @property
    def faults(self) -> list[str]:
        """Everything a page must not have."""
        wide = [f"{self.overflow} px wider than the window"] if self.overflow > 0 else []
        return [*(f"request: {url}" for url in self.requests), *self.errors, *self.violations, *wide]


class Browser:
    """Headless Chromium in a thread of its own."""

    def __init__(self, program: str) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.thread.submit(self._start, program).result()

    def _start(self, program: str) -> None:
        from playwright.sync_api import sync_playwright

        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(executable_path=program, args=ARGUMENTS)

    def _stop(self) -> None:
        self.chromium.close()
        self.playwright.stop()

    def close(self) -> None:
        """End the program and its thread."""
        self.thread.submit(self._stop).result()
        self.thread.shutdown()

    def visit(
        self,
        path: str | Path,
        steps: Callable[[Any], Any] | None = None,
        *,
        width: int = 1280,
        height: int = 900,
        axe: bool = False,
        **context: Any,
    ) -> Visit:
        """Open a local HTML file, take the steps, and tell what happened.

        ``steps`` is called with Playwright's page (sync API), in the browser's thread; what it returns is
        ``Visit.result``, what it raises is raised here. ``context`` goes to ``new_context``:
        ``color_scheme="dark"``, ``reduced_motion="reduce"``, ``has_touch=True``.
        """
        options = {"viewport": {"width": width, "height": height}, "service_workers": "block", **context}
        return self.thread.submit(self._visit, Path(path), steps, axe, options).result()

    def _visit(self, path: Path, steps: Callable[[Any], Any] | None, axe: bool, options: Any) -> Visit:
        visit = Visit()
        with self.chromium.new_context(**options) as context:
            page = listened(context, visit)
            page.goto(path.resolve().as_uri(), wait_until="load")
            visit.result = None if steps is None else steps(page)
            visit.violations = violations(page) if axe else []
            visit.overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return visit

    def screenshots(self, path: str | Path, folder: str | Path, **options: Any) -> list[Path]:
        """Pictures of the whole page at desktop and phone width, in folder; ``widths`` and what visit takes."""
        widths, stem = options.pop("widths", (1280, 390)), Path(path).stem
        files = [Path(folder) / f"{stem}-{width}.png" for width in widths]
        for width, file in zip(widths, files, strict=True):
            self.visit(
                path, lambda page, to=file: page.screenshot(path=to, full_page=True), width=width, **options
            )
        return files


def listened(context: Any, visit: Visit) -> Any:
    """A new page whose requests and complaints are written down."""

    def route(route: Any) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            visit.requests.append(route.request.url)
            route.abort()

    def console(message: Any) -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    context.route("**/*", route)
    page = context.new_page()
    page.on("console", console)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("websocket", lambda socket: visit.requests.append(socket.url))
    return page


def violations(page: Any) -> list[str]:
    """Serious and critical faults that axe-core finds, a line for each element."""
    from axe_playwright_python.sync_playwright import Axe

    # preload: axe would ask for style sheets again, which file: pages may not
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one for all tests; they are skipped where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} on the PATH, and {VARIABLE} is not set")
    started = Browser(program)
    yield started
    started.close()
