"""Firefox without a driver: it speaks Marionette by itself, WebDriver's commands as lines of JSON over a socket.

Firefox's own remote protocol, https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html; geckodriver, which Debian
lacks, translates WebDriver into it. This has what the tests of the page use, by the names that Selenium has for it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Firefox", "program"]

START = 120.0
"""Seconds in which Firefox must have opened its socket."""

PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "dom.disable_beforeunload": True,
    "browser.download.folderList": 2,
    "browser.download.useDownloadDir": True,
    "browser.download.always_ask_before_handling_new_types": False,
}


def program() -> str | None:
    """The path of Firefox; None where there is none."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Element:
    """An element of the page by its id."""

    def __init__(self, browser: Firefox, name: str) -> None:
        self._browser, self._name = browser, name

    def _run(self, script: str, *arguments: Any) -> Any:
        return self._browser.execute_script(f"const e = document.getElementById(arguments[0]); {script}", self._name, *arguments)

    @property
    def text(self) -> str:
        """The text that can be seen."""
        return str(self._run("return e.innerText"))

    def click(self) -> None:
        """A click of the hand on its middle."""
        x, y = self._run(
            "e.scrollIntoView({ block: 'center' });"
            "const b = e.getBoundingClientRect(); return [Math.round(b.x + b.width / 2), Math.round(b.y + b.height / 2)]"
        )
        self._browser.drag((x, y))

    def get_attribute(self, name: str) -> Any:
        """A property, or an attribute."""
        return self._run("return e[arguments[1]] ?? e.getAttribute(arguments[1])", name)


class Firefox:
    """Firefox without a window; ``folder`` gets its profile and downloads."""

    def __init__(self, folder: Path) -> None:
        found = program()
        assert found is not None
        self.downloads = folder / "downloads"
        profile = folder / "profile"
        for each in (self.downloads, profile):
            each.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        wanted = PREFERENCES | {"marionette.port": port, "browser.download.dir": str(self.downloads)}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self._process = subprocess.Popen(
            [found, "--headless", "--marionette", "--no-remote", "--profile", str(profile), "about:blank"],
            env={**os.environ, "HOME": str(folder), "MOZ_HEADLESS_WIDTH": "1280", "MOZ_HEADLESS_HEIGHT": "900"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        until = time.monotonic() + START
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=300)
                break
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    self._process.kill()
                    raise
                time.sleep(0.2)
        self._rest = b""
        self._message()
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": {"script": 300_000}}}})

    def _message(self) -> Any:
        while b":" not in self._rest:
            self._rest += self._received()
        size, _, self._rest = self._rest.partition(b":")
        while len(self._rest) < int(size):
            self._rest += self._received()
        text, self._rest = self._rest[: int(size)], self._rest[int(size) :]
        return json.loads(text)

    def _received(self) -> bytes:
        some = self._socket.recv(1 << 20)
        if not some:
            raise ConnectionError("Firefox has gone")
        return some

    def ask(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        """The result of a command; `RuntimeError` with Firefox's words where it failed."""
        self._number += 1
        content = json.dumps([0, self._number, command, parameters or {}]).encode()
        self._socket.sendall(b"%d:%s" % (len(content), content))
        _, _, error, result = self._message()
        if error is not None:
            raise RuntimeError(f"{error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    def get(self, address: str) -> None:
        """Opens an address."""
        self.ask("WebDriver:Navigate", {"url": address})

    def refresh(self) -> None:
        """Loads the page again, as F5 does: Marionette's own command goes past the service worker, as Shift+F5 does."""
        self.execute_script("document.documentElement.dataset.left = 'yes'; location.reload()")
        until = time.monotonic() + START
        while time.monotonic() < until:
            # While one page goes and the next one comes, no script runs.
            with suppress(RuntimeError):
                if self.execute_script("return !document.documentElement.dataset.left && document.readyState === 'complete'"):
                    return
            time.sleep(0.05)
        raise RuntimeError("the page did not load again")

    def execute_script(self, script: str, *arguments: Any) -> Any:
        """The value that a script returns."""
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": list(arguments), "sandbox": None})

    def execute_async_script(self, script: str, *arguments: Any) -> Any:
        """The value that a script gives to the function that is its last argument."""
        return self.ask("WebDriver:ExecuteAsyncScript", {"script": script, "args": list(arguments), "sandbox": None})

    def execute_cdp_cmd(self, command: str, parameters: dict[str, Any]) -> None:
        """Chromium's commands mean nothing here: a profile is new, and downloads go to their folder."""

    def get_log(self, name: str) -> list[Any]:
        """No log is kept."""
        return []

    def find_element(self, by: str, name: str) -> Element:
        """The element of that id."""
        assert by == "id"
        return Element(self, name)

    def drag(self, *points: tuple[float, float], kind: str = "mouse") -> None:
        """A press of the hand at the first point of the window, moved along the others; a click where there is but one."""
        moves = [{"type": "pointerMove", "duration": 20, "x": round(x), "y": round(y)} for x, y in points]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        hand = {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions}
        self.ask("WebDriver:PerformActions", {"actions": [hand]})

    def press(self, keys: Sequence[str]) -> None:
        """Keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def save_screenshot(self, path: str) -> None:
        """The window as a PNG."""
        Path(path).write_bytes(base64.b64decode(self.ask("WebDriver:TakeScreenshot", {"full": False})))

    def quit(self) -> None:
        """Ends it."""
        with suppress(OSError, RuntimeError, ConnectionError, ValueError):
            self.ask("Marionette:Quit", {"flags": ["eForceQuit"]})
        self._socket.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
