"""The page is reloaded, and the service stops, in the middle: nothing that was done is lost, and the rest goes on."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web_page import Page, as_command_line, noisy

from pellucid import files, images

pytest.importorskip("starlette", reason="the extra web is not installed")

MANY = 200
"""Pictures that are dropped at once."""

TO_THE_END = "PELLUCID_ALL" in os.environ
"""Whether all of them are waited for, which takes a minute (``PELLUCID_ALL``)."""


@pytest.fixture
def served(start_server: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    made = start_server(tmp_path / "served", "--workers", "1", "--timeout", "1200")
    yield made
    made.end()


KEPT = "Number(document.documentElement.dataset.pictures)"
"""How many pictures the browser has kept."""


def reload(page: Page) -> None:
    page.until("document.documentElement.dataset.kept === 'yes'")
    page.browser.refresh()
    page.ready()


def states(page: Page) -> list[str]:
    return list(page.run("return [...document.querySelectorAll('#list li')].map((each) => each.dataset.state)"))


def test_a_reload_keeps_pictures_settings_steps_and_results(page: Page, small_picture: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    second = tmp_path / "second.png"
    files.write(second, images.from_array(noisy()[80:140, :96]))
    page.give("drop", small_picture, second)
    page.restored(2)
    page.shown(1)
    level = page.find("option-sigma-exact")
    level.clear()
    level.send_keys("10", Keys.TAB)
    page.find("restore").click()
    page.until("document.getElementById('noise').textContent.includes('noise level 10.0.')")
    page.run("document.querySelectorAll('.entry')[1].click()")
    page.shown(2)
    Select(page.find("preset")).select_by_visible_text("old-photo")
    page.until("!document.getElementById('stages').hidden")
    page.restored(2)
    page.requests()
    reload(page)
    assert states(page) == ["restored", "restored"]
    # The picture that was chosen, its steps and their stages.
    page.shown(2)
    assert page.find("name").text == "second.png"
    assert page.run("return [...document.getElementById('left').options].map((each) => each.textContent)")[1] == "after denoise"
    # The steps that can be taken back are there, too, and what was taken back can be done again.
    page.find("undo").click()
    page.until("document.getElementById('stages').hidden && document.getElementById('preset').value === ''")
    assert states(page) == ["restored", "restored"]
    reload(page)
    page.find("redo").click()
    page.until("!document.getElementById('stages').hidden")
    assert page.run("return document.getElementById('redo').disabled && !document.getElementById('undo').disabled")
    page.run("document.querySelectorAll('.entry')[0].click()")
    page.shown(1)
    assert page.find("option-sigma-exact").get_attribute("value") == "10"
    assert page.find("list").text.count("settings changed") == 0
    # Nothing was done again.
    assert [each for each in page.requests() if each.startswith("POST")] == []
    page.find("download").click()
    assert page.downloaded("first.clean.png") == as_command_line(small_picture, tmp_path, "--sigma", "10")
    # A removed picture is gone from the browser's storage, too.
    page.find("clear").click()
    reload(page)
    assert page.run("return !document.getElementById('start').hidden")
    kept = page.browser.execute_async_script(
        """
        const opening = indexedDB.open("pellucid");
        opening.onsuccess = () => {
          const counting = opening.result.transaction(["pictures", "blobs"]);
          const counts = ["pictures", "blobs"].map((name) => counting.objectStore(name).count());
          counting.oncomplete = () => { opening.result.close(); arguments[0](counts.map((each) => each.result)); };
        };
        """
    )
    assert kept == [0, 0]
    page.assert_quiet()


def test_two_hundred_pictures_a_reload_and_a_service_that_is_killed(
    page: Page, served: Any, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    levels = noisy()
    for number in range(MANY):
        files.write(tmp_path / f"{number:03}.png", images.from_array(levels[number % 100 : number % 100 + 24, :32]))
    page.give("drop", *(tmp_path / f"{number:03}.png" for number in range(MANY)))
    done = "document.querySelectorAll('li[data-state=restored]').length"
    page.until(f"{done} >= 5")
    assert len(states(page)) == MANY
    # In the middle: all pictures are there, and what was done a moment ago.
    early = page.run(f"return {done}")
    # A quick machine does all of them while the browser writes them down.
    served.process.send_signal(signal.SIGSTOP)
    page.until(f"{KEPT} === {MANY}")
    page.until("document.documentElement.dataset.kept === 'yes'")
    served.process.send_signal(signal.SIGCONT)
    page.browser.refresh()
    page.ready()
    assert len(states(page)) == MANY
    assert page.run(f"return {done}") >= early
    page.until(f"{done} >= {early + 5}")
    # Killed in the middle.
    served.process.kill()
    served.process.wait()
    page.until("!document.getElementById('away').hidden")
    assert "Nothing that was done is lost" in page.find("away").text
    count = page.run(f"return {done}")
    assert early + 5 <= count < MANY
    assert "failed" not in states(page)
    # The user can look at finished pictures and download them, also after a reload without a service.
    reload(page)
    page.until("!document.getElementById('away').hidden")
    assert page.run(f"return {done}") == count
    page.run("document.querySelectorAll('.entry')[0].click()")
    page.shown(1)
    page.find("download").click()
    assert page.downloaded("000.clean.png") == as_command_line(tmp_path / "000.png", tmp_path)
    # It is back under the same address.
    again = start_server(tmp_path / "again", "--workers", "1", "--timeout", "1200", "--port", str(served.port))
    try:
        page.until("document.getElementById('away').hidden")
        page.until(f"{done} >= {MANY if TO_THE_END else count + 3}", 600)
        assert set(states(page)) <= ({"restored"} if TO_THE_END else {"restored", "busy"})
    finally:
        again.end()


def test_a_second_tab_says_that_it_is_not_remembered(page: Page, small_picture: Path) -> None:
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    try:
        page.browser.get(f"http://127.0.0.1:{page.served.port}/")
        page.ready()
        assert "open in another tab" in page.find("memory").text
        page.give("drop", small_picture)
        page.restored(1)
    finally:
        page.browser.close()
        page.browser.switch_to.window(first)
    page.browser.refresh()
    page.ready()
    assert states(page) == []
    assert "remembers the pictures" in page.find("memory").text


def test_a_file_that_is_gone_is_no_service_that_is_away(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    files.write(path, images.from_array(np.zeros((40, 40), np.uint8)))
    page.run("document.querySelector('#tasks input').click()")
    page.run("window.fetched = fetch; document.getElementById('files').addEventListener('change', () => {})")
    page.find("files").send_keys(str(path))
    page.restored(1)
    path.unlink()
    page.find("restore").click()
    page.until("!document.getElementById('restore').disabled")
    # The service is there: the page uses what the browser has kept, or says what is wrong.
    assert page.run("return document.getElementById('away').hidden")
    assert states(page)[0] == "restored" or "add it again" in page.find("alert-words").text


def test_the_service_worker_knows_the_files_of_the_page(served: Any) -> None:
    folder = resources.files("pellucid.web") / "page"
    text = (folder / "offline.js").read_text()
    known = set(re.findall(r'"(/[^"]*)"', text.partition("const NAME")[0]))
    there = {"/" if entry.name == "index.html" else f"/page/{entry.name}" for entry in folder.iterdir()}
    assert known == there - {"/page/offline.js"}
    for path in [*known, "/offline.js"]:
        answer = served.ask("GET", path)
        assert answer.status == 200
        assert "x-pellucid" in {name.lower() for name in answer.headers}


def test_it_can_be_installed(page: Page) -> None:
    page.browser.execute_cdp_cmd("Page.enable", {})
    found = page.browser.execute_cdp_cmd("Page.getAppManifest", {})
    assert found["errors"] == []
    page.until("navigator.serviceWorker.controller !== null")
    errors = page.browser.execute_cdp_cmd("Page.getInstallabilityErrors", {})["installabilityErrors"]
    # Where nobody can be asked, as in a window without a profile, it says so.
    assert [each for each in errors if each["errorId"] != "in-incognito"] == []
