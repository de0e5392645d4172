"""Work on a picture that is stopped, or that other work takes the place of: it ends, and what comes after it counts."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from web_page import Page, noisy

from pellucid import files, images

pytest.importorskip("starlette", reason="the extra web is not installed")


def enter(page: Page, name: str, value: str) -> None:
    script = "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change'))"
    page.run(script, name, value)


def test_another_task_while_a_download_is_computed(page: Page, small_picture: Path) -> None:
    page.give("drop", small_picture)
    page.restored(1)
    enter(page, "option-strength-exact", "40")
    page.hold()
    page.find("download").click()
    assert page.stopped(1) == [False]
    page.run("document.querySelector('#tasks input[value=upscale]').click()")
    assert page.stopped(2) == [True, False]
    assert page.find("busy").is_displayed()
    assert not page.find("restore").is_enabled()
    page.find("cancel").click()
    assert page.stopped(2) == [True, True]
    assert not page.find("busy").is_displayed()
    assert page.run("return document.querySelector('li[data-state]').dataset.state") == "measured"
    page.assert_quiet()


def test_escape_in_a_field_leaves_the_field_and_the_work(page: Page, small_picture: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.give("drop", small_picture)
    page.restored(1)
    page.hold()
    field = page.find("option-sigma-exact")
    field.send_keys("10")
    page.find("restore").click()
    assert page.stopped(1) == [False]
    field.send_keys(Keys.ESCAPE)
    assert page.run("return document.activeElement.id") != "option-sigma-exact"
    assert page.stopped(1) == [False]
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.stopped(1) == [True]


def test_what_stands_out_takes_the_place_of_a_restoration(page: Page, small_picture: Path) -> None:
    page.give("drop", small_picture)
    page.restored(1)
    page.find("brush").click()
    page.hold()
    enter(page, "option-sigma-exact", "10")
    page.find("restore").click()
    assert page.stopped(1) == [False]
    page.find("brush-find").click()
    page.find("brush-find").click()
    assert page.stopped(3) == [True, True, False]
    # It fails: the restoration is asked for again.
    page.run("held[2].onerror()")
    assert page.stopped(4) == [True, True, False, False]
    assert "sigma=10" in page.run("return held[3].path")
    page.find("brush-find").click()
    assert page.stopped(5) == [True, True, False, True, False]
    page.find("cancel").click()
    assert page.stopped(5) == [True, True, False, True, True]
    # Nothing of it comes back after the next result.
    page.run("sendAgain()")
    enter(page, "option-sigma-exact", "12")
    page.find("restore").click()
    page.until("document.getElementById('noise').textContent.includes('noise level 12.0')")
    assert page.stopped(5) == [True, True, False, True, True]


def test_all_are_cancelled_while_they_are_downloaded(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    for place, path in enumerate(paths):
        files.write(path, images.from_array(noisy()[place : place + 24, :32]))
    page.give("drop", *paths)
    page.restored(4)
    page.hold()
    # The last one has to be restored for its download, and waits behind two others.
    for place in (1, 2):
        page.run("document.querySelectorAll('.entry')[arguments[0]].click()", place)
        page.find("restore").click()
    page.run("document.querySelectorAll('.entry')[3].click()")
    enter(page, "option-sigma-exact", "10")
    page.find("download-all").click()
    page.until("document.querySelectorAll('li[data-state=busy]').length === 3")
    assert page.stopped(2) == [False, False]
    assert not page.find("download-all").is_enabled()
    page.find("cancel-all").click()
    assert page.stopped(2) == [True, True]
    page.until("!document.getElementById('download-all').disabled")
    # The outputs that were done by then are handed over.
    assert page.find("alert-words").text == "cancelled; 1 of 2 pictures downloaded"
    with zipfile.ZipFile(io.BytesIO(page.downloaded("pellucid.zip"))) as archive:
        assert archive.namelist() == ["a.clean.png"]
    page.assert_quiet()
