"""The page in Firefox: drop, restore, paint, axe, reload, a service that stops; the rest is tried in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from firefox import Firefox, program
from web_page import Page, as_command_line, faults, noisy, pixels, settled

from pellucid import files, images

pytest.importorskip("starlette", reason="the extra web is not installed")
if program() is None:
    pytest.skip("no Firefox on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    try:
        opened = Firefox(tmp_path_factory.mktemp("firefox"))
    except OSError as error:
        pytest.skip(f"Firefox does not start here: {error}")
    yield opened
    opened.quit()


@pytest.fixture
def served(start_server: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    made = start_server(tmp_path / "served", "--workers", "1", "--timeout", "1200")
    yield made
    made.end()


@pytest.fixture
def page(firefox: Firefox, served: Any) -> Page:
    opened = Page(firefox, served, firefox.downloads)
    opened.ready()
    return opened


def test_from_drop_to_download_and_after_a_reload(
    page: Page, firefox: Firefox, served: Any, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "first.png"
    files.write(path, images.from_array(noisy()[:80, :96]))
    page.give("drop", path)
    page.restored(1)
    page.shown(1)
    page.find("download").click()
    assert page.downloaded("first.clean.png") == as_command_line(path, tmp_path)
    (firefox.downloads / "first.clean.png").unlink()

    # The brush spares what it paints.
    page.find("brush").click()
    page.run("const e = document.getElementById('brush-what'); e.value = 'protect'; e.dispatchEvent(new Event('change'))")
    left, top, wide, high = page.run(
        "const e = document.getElementById('picture'); e.scrollIntoView({ block: 'center' });"
        "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]"
    )
    scale, (x, y) = int(min(wide / 96, high / 80)), (left + wide / 2, top + high / 2)
    firefox.drag((x + 20 * scale, y - 20 * scale), (x + 30 * scale, y - 10 * scale), (x + 30 * scale, y + 10 * scale))
    page.until("document.getElementById('option-protect').closest('.row').textContent.includes('.png')")
    settled(page)
    page.shot("firefox")
    assert faults(page) == []

    # A reload, and one while the service is away.
    page.until("document.documentElement.dataset.kept === 'yes'")
    page.until("navigator.serviceWorker.controller !== null || !navigator.serviceWorker")
    firefox.refresh()
    page.ready()
    page.shown(1)
    served.process.kill()
    served.process.wait()
    firefox.refresh()
    page.ready()
    page.until("!document.getElementById('away').hidden")
    page.shown(1)
    page.find("download").click()
    output = pixels(page.downloaded("first.clean.png")).astype(int)
    spared = np.abs(output - pixels(path.read_bytes()).astype(int)).max(axis=2) == 0
    assert spared[40, 78]
    assert spared[:, :40].mean() < 0.05

    # The service restores the pictures dropped meanwhile once it is back.
    second = tmp_path / "second.png"
    files.write(second, images.from_array(noisy()[90:130, :64]))
    page.give("drop", second)
    page.until("document.querySelectorAll('#list li').length === 2")
    again = start_server(tmp_path / "again", "--workers", "1", "--timeout", "1200", "--port", str(served.port))
    try:
        page.until("document.getElementById('away').hidden")
        page.restored(2)
    finally:
        again.end()
