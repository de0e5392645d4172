"""The page and clips: from a drop to a player of before and after, in step, and the download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clips_made import make
from web_page import Page, faults

from pellucid import cli


def test_a_clip_is_restored_and_played(browser: Any, served: Any, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import Select

    page = Page(browser, served, tmp_path)
    page.ready()
    clip = make(tmp_path / "a.webm", "libvpx-vp9", size=(128, 96), count=6)
    page.give("drop", clip)
    page.until("document.querySelector('#clip-list a.button')")
    assert page.run("return document.querySelectorAll('#clip-list video').length") == 2
    # Both play what they hold, and go to the same place together.
    page.until("[...document.querySelectorAll('#clip-list video')].every((video) => video.readyState >= 2)")
    sizes = page.run(
        "return [...document.querySelectorAll('#clip-list video')].map((video) => [video.videoWidth, video.videoHeight])"
    )
    assert sizes == [[128, 96], [128, 96]]
    page.run(
        """
        const time = document.querySelector('#clip-list input[aria-label="Time"]');
        time.value = 0.5;
        time.dispatchEvent(new Event("input"));
        const line = document.querySelector('#clip-list input[aria-label^="Divider"]');
        line.value = 25;
        line.dispatchEvent(new Event("input"));
        """
    )
    places = page.run("return [...document.querySelectorAll('#clip-list video')].map((video) => video.currentTime)")
    assert places[0] == places[1] > 0
    assert page.run("return document.querySelectorAll('#clip-list video')[1].style.clipPath").endswith("25%)")
    page.shot("clip")
    assert faults(page) == []
    page.run("document.querySelector('#clip-list a.button').click()")
    out = tmp_path / "b.webm"
    assert cli.main(["denoise", str(clip), "-o", str(out), "--model", "photo"]) == 0
    assert page.downloaded("a.clean.webm") == out.read_bytes()
    # After a reload it is there, as it was; nothing is done again.
    page.until("document.documentElement.dataset.kept === 'yes'")
    page.requests()
    page.browser.refresh()
    page.ready()
    page.until("document.querySelector('#clip-list a.button')")
    assert [each for each in page.requests() if each.startswith("POST")] == []
    # The user chooses a preset.
    Select(page.browser.find_element("css selector", "#clip-list select")).select_by_visible_text("scan")
    page.until("document.querySelector('#clip-list a.button')?.download === 'a.scan.webm'")
    assert [each.partition("steps=")[2].partition("&")[0] for each in page.requests() if each.startswith("POST")] == [
        "denoise%3Adescreen%3Dtrue"
    ]
    page.run("[...document.querySelectorAll('#clip-list button')].find((button) => button.textContent === 'Remove').click()")
    assert page.run("return document.getElementById('clips').hidden")
    page.assert_quiet()


def test_a_clip_that_is_none_is_one_line(browser: Any, served: Any, tmp_path: Path) -> None:
    page = Page(browser, served, tmp_path)
    page.ready()
    broken = tmp_path / "c.mp4"
    broken.write_bytes(make(tmp_path / "d.mp4", count=3).read_bytes()[:900])
    page.give("drop", broken)
    page.until("[...document.querySelectorAll('#clip-list p')].some((part) => part.textContent.includes('damaged'))")
    assert not page.run("return document.querySelector('#clip-list video')")
