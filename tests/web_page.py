"""The page in a browser, driven by tests: drops, clicks that are counted, downloads, and what axe-core finds."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import cli, samples

SHOTS = Path(os.environ["PELLUCID_SHOTS"]) if "PELLUCID_SHOTS" in os.environ else None
"""A folder for screenshots, to be looked at (``PELLUCID_SHOTS``)."""


def noisy(depth: str = "uint8", *, top: int = 60, sigma: float = 20, times: tuple[int, int] = (1, 1)) -> NDArray[Any]:
    """A noisy part of the package's photograph, (200, 300, 3), repeated ``times`` downwards and to the right."""
    clean = np.tile(samples.photograph()[top : top + 200, 150:450] / np.float64(255), (*times, 1))
    spoiled = np.clip(clean + np.random.default_rng(top).standard_normal(clean.shape) * sigma / 255, 0, 1)
    return np.rint(spoiled * np.iinfo(depth).max).astype(depth)


def as_command_line(source: Path, folder: Path, *arguments: str, task: str = "denoise") -> bytes:
    """The file that the command line writes of ``source``."""
    answer = folder / f"expected{source.suffix}"
    assert cli.main([task, str(source), "-o", str(answer), "--force", *arguments]) == 0
    return answer.read_bytes()


def pixels(content: bytes) -> NDArray[Any]:
    """A picture file's values, (h, w) or (h, w, c)."""
    with PillowImage.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


class Page:
    """The page of a server, opened in the browser."""

    def __init__(self, browser: Any, served: Any, downloads: Path, *, behind: str = "") -> None:
        self.browser, self.served, self.downloads = browser, served, downloads
        browser.get_log("browser")
        browser.get_log("performance")
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        # Two addresses that differ behind the sign alone would be one page.
        browser.get("about:blank")
        # The page must not remember the pictures of an earlier test.
        about = {"origin": f"http://127.0.0.1:{served.port}", "storageTypes": "all"}
        browser.execute_cdp_cmd("Storage.clearDataForOrigin", about)
        browser.get(f"http://127.0.0.1:{served.port}/{behind}")
        self.asked: list[dict[str, Any]] = []

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, script: str, seconds: float = 120) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self.browser, seconds, poll_frequency=0.1)
        waiting.until(lambda driver: driver.execute_script(f"return {script}"), script)

    def ready(self) -> None:
        self.until("document.documentElement.dataset.ready === 'yes'")

    def find(self, name: str) -> Any:
        return self.browser.find_element("id", name)

    def give(self, event: str, *paths: Path) -> None:
        """A drop or a paste of files, as a browser reports it."""
        content = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
        self.run(
            """
            const transfer = new DataTransfer();
            for (const [name, content] of arguments[1]) {
              transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
            }
            const about = { bubbles: true, cancelable: true };
            const target = document.querySelector("main");
            if (arguments[0] === "drop") target.dispatchEvent(new DragEvent("drop", { ...about, dataTransfer: transfer }));
            else target.dispatchEvent(new ClipboardEvent("paste", { ...about, clipboardData: transfer }));
            """,
            event,
            content,
        )

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """An event of fingers at these points, in CSS pixels of the window: ``touchStart``, ``touchMove`` or ``touchEnd``."""
        fingers = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def scale_of(self, width: int, height: int) -> int:
        """CSS pixels for each pixel of a picture of that size: the largest whole number at which all of it is in view."""
        wide, high = self.run("const b = document.getElementById('picture').getBoundingClientRect(); return [b.width, b.height]")
        return int(min(wide / width, high / height))

    def offset(self, column: float, row: float, width: int, height: int) -> tuple[int, int]:
        """The place of that pixel of a picture of that size, in CSS pixels from the middle of the canvas."""
        scale = self.scale_of(width, height)
        return round((column - width / 2) * scale), round((row - height / 2) * scale)

    def at(self, column: float, row: float, width: int, height: int) -> Any:
        """A chain of actions that begins with the pointer over that pixel of a picture of that size."""
        from selenium.webdriver.common.action_chains import ActionChains

        canvas = self.find("picture")
        # Selenium counts offsets from the middle of the visible part.
        self.run("arguments[0].scrollIntoView({ block: 'center' })", canvas)
        return ActionChains(self.browser).move_to_element_with_offset(canvas, *self.offset(column, row, width, height))

    def hold(self) -> None:
        """From now on requests with pictures are not sent but wait in ``held``; each notes whether it was given up."""
        self.run(
            """
            window.held = [];
            const Sent = XMLHttpRequest;
            window.XMLHttpRequest = class extends Sent {
              open(method, path) { this.path = path; super.open(method, path); }
              send() { held.push(this); }
              abort() { this.stopped = true; this.onabort(); }
            };
            window.sendAgain = () => { window.XMLHttpRequest = Sent; };
            """
        )

    def stopped(self, count: int) -> list[bool]:
        """Which of the requests that wait were given up, once there are ``count``."""
        self.until(f"held.length >= {count}", 20)
        return list(self.run("return held.map((each) => Boolean(each.stopped))"))

    def restored(self, count: int) -> None:
        self.until(f"document.querySelectorAll('li[data-state=restored]').length === {count}", 120)

    def shown(self, number: int) -> None:
        self.until(f"document.documentElement.dataset.shown === '{number}-after'")
        self.frame()

    def frame(self) -> None:
        """Waits until the browser has drawn the canvas."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def drawn(self) -> NDArray[np.uint8]:
        """The pixels of the canvas, (h, w, 4)."""
        self.frame()
        address = self.run("return document.getElementById('picture').toDataURL()")
        with PillowImage.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
            return np.asarray(picture.convert("RGBA"))

    def downloaded(self, name: str) -> bytes:
        """A download once it is whole: Firefox holds its place with an empty file, and writes beside it."""
        path, beside = self.downloads / name, self.downloads / f"{name}.part"
        until = time.monotonic() + 60
        while (not path.exists() or not path.stat().st_size or beside.exists()) and time.monotonic() < until:
            time.sleep(0.05)
        assert path.exists(), list(self.downloads.iterdir())
        return path.read_bytes()

    def requests(self) -> list[str]:
        """Methods and addresses that were asked for since this was called last."""
        entries = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        sent = [entry["params"]["request"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
        self.asked += sent
        return [f"{each['method']} {each['url']}" for each in sent]

    def assert_quiet(self) -> None:
        """No word in the console, and no request to anywhere else."""
        # A page that asks before it is left may do so only where somebody has touched it, and the browser says that.
        assert [entry for entry in self.browser.get_log("browser") if "beforeunload" not in entry["message"]] == []
        self.requests()
        own = f"http://127.0.0.1:{self.served.port}/"
        assert self.asked
        assert [
            each["url"] for each in self.asked if not each["url"].startswith((own, "blob:", "data:", "chrome:", "about:"))
        ] == []

    def shot(self, name: str) -> None:
        if SHOTS is not None:
            self.browser.save_screenshot(str(SHOTS / f"{name}.png"))


MOST = 6
"""Clicks that a task may take after the drop."""

TIMES = Path(os.environ["PELLUCID_CLICKS"]) if "PELLUCID_CLICKS" in os.environ else None
"""A file that gets a line for each task: its clicks, and seconds from the drop to the saved file (``PELLUCID_CLICKS``)."""


class Hand:
    """Clicks that are counted: a choice in a list is two, one to open it and one to choose; a stroke of the brush is one."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.begun = page, 0, time.monotonic()

    def press(self, name: str) -> None:
        self.clicks += 1
        self.page.find(name).click()

    def choose(self, name: str, text: str) -> None:
        from selenium.webdriver.support.ui import Select

        self.clicks += 2
        Select(self.page.find(name)).select_by_visible_text(text)

    def type(self, name: str, text: str) -> None:
        from selenium.webdriver.common.keys import Keys

        self.clicks += 1
        field = self.page.find(name)
        field.clear()
        field.send_keys(text, Keys.TAB)

    def stroke(self, *points: tuple[float, float]) -> None:
        """From point to point of the picture's canvas, in CSS pixels from its middle."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.clicks += 1
        canvas = self.page.find("picture")
        self.page.run("arguments[0].scrollIntoView({ block: 'center' })", canvas)
        chain = ActionChains(self.page.browser).move_to_element_with_offset(canvas, *map(round, points[0])).click_and_hold()
        for point in points[1:]:
            chain = chain.move_to_element_with_offset(canvas, *map(round, point))
        chain.release().perform()

    def done(self, name: str) -> None:
        assert self.clicks <= MOST, name
        if TIMES is not None:
            with TIMES.open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"task": name, "clicks": self.clicks, "seconds": round(time.monotonic() - self.begun, 1)}) + "\n"
                )


def settled(page: Page) -> None:
    """Waits until nothing runs and every picture has the settings of the page."""
    page.until("document.getElementById('busy').hidden && !document.getElementById('list').textContent.includes('changed')")


AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
"""axe-core (MPL-2.0): rules of accessibility, for tests alone."""


def faults(page: Page) -> list[str]:
    """The faults that axe-core finds in the page as it is."""
    page.run(AXE)
    found = page.browser.execute_async_script(
        "axe.run(document, { resultTypes: ['violations'] }).then((each) => arguments[0](each.violations))"
    )
    return [f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}" for each in found for node in each["nodes"]]
