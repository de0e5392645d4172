from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import files, images, samples
from pellucid.cards import Card


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled graphs and data sets of the tests stay out of the user's cache. All processes of a run share one cache."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PELLUCID_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def photograph() -> NDArray[np.float64]:
    """The package's photograph, (400, 608, 3) in [0, 1]."""
    return samples.photograph() / np.float64(255)


@pytest.fixture(scope="session")
def digits() -> NDArray[np.float64]:
    """The package's digits, (2000, 28, 28) in [0, 1]."""
    return samples.digits()[0] / np.float64(255)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A model file with random weights: make_model(channels=1, maps=("sigma",), network="unet")."""
    import torch

    from pellucid.training import export, recipes

    def make(*, channels: int = 1, maps: tuple[str, ...] = (), network: str = "unet", name: str = "tiny") -> Path:
        table = {"name": network} if network == "autoencoder" else {"name": network, "widths": [8, 16], "blocks": [1, 1]}
        recipe = recipes.Recipe.from_dict(
            {
                "name": name,
                "summary": "a test's",
                "licence": "CC0",
                "task": {"name": "denoise", "maps": list(maps), "noise": [{"kind": "gaussian", "low": 0, "high": 50}]},
                "network": table,
                "data": {"kind": "images", "channels": channels, "patch": 32},
                "training": {"steps": 1},
            }
        )
        torch.manual_seed(1)
        module = recipe.network.build().eval()
        card = Card(
            name=name,
            task="denoise",
            summary="a test's",
            channels=channels,
            maps=maps,
            answer=module.answer,
            multiple_of=module.multiple_of,
            halo=module.halo,
            recipe=recipe.to_dict(),
        )
        path = tmp_path_factory.mktemp("model") / f"{name}.onnx"
        export.write_model(path, card, module)
        return path

    return make


@pytest.fixture(scope="session")
def gray_model(make_model: Callable[..., Path]) -> Path:
    return make_model(channels=1, maps=("sigma",), name="gray")


@pytest.fixture(scope="session")
def blind_model(make_model: Callable[..., Path]) -> Path:
    return make_model(channels=1, name="blind")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium by Selenium, with its console and its requests recorded."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    driver = shutil.which("chromedriver")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if driver is None or chromium is None:
        pytest.skip("no chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    folder = tmp_path_factory.mktemp("chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1280,900",
        f"--user-data-dir={folder}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture
def page(browser: Any, served: Any, tmp_path: Path) -> Any:
    """The page of the module's server, ``served``, opened in the browser: `web_page.Page`."""
    from web_page import Page

    opened = Page(browser, served, tmp_path)
    opened.ready()
    return opened


@pytest.fixture(scope="module")
def small_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small noisy photograph to drop on the page: first.png, 80 rows and 96 columns."""
    from web_page import noisy

    path = tmp_path_factory.mktemp("pictures") / "first.png"
    files.write(path, images.from_array(noisy()[:80, :96]))
    return path


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`pellucid serve` as a process of its own, its uploads in a folder that tests can look into."""

    def __init__(self, folder: Path, *arguments: str, before: Sequence[str] = ()) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        command = [*before, sys.executable, "-m", "pellucid", "serve", "--port", "0", "--no-browser", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)}
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"at http://127\.0\.0\.1:(\d+)/", said)
        assert found is not None, said
        self.port = int(found[1])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        connection.close()
        return answer

    def begin(self, path: str, size: int, part: bytes) -> socket.socket:
        """A request whose body has begun to come, so that it has its place in the queue."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\nContent-Type: image/png\r\n\r\n"
        made.sendall(head.encode() + part)
        return made

    def uploads(self) -> list[str]:
        """The files in the private folder of uploads, and in any other that is still there."""
        return [path.name for root in self.folder.glob("pellucid-web-*") for path in root.iterdir()]

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(120)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status


@pytest.fixture(scope="session")
def start_server() -> Callable[..., Server]:
    """start_server(FOLDER, "--workers", "1"): the service, its uploads in that folder; ``before`` is a command that starts it."""
    return Server


@pytest.fixture(scope="module")
def served(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of one worker for all tests of a module, with time for slow machines; it leaves nothing in its folder."""
    for extra in ("starlette", "uvicorn", "python_multipart"):
        pytest.importorskip(extra, reason="the extra web is not installed")
    made = start_server(tmp_path_factory.mktemp("served"), "--workers", "1", "--timeout", "1200")
    yield made
    assert made.end() == 0
    assert list(made.folder.iterdir()) == []
