"""Several steps on the page: presets, stages side by side, wrong steps."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from web_page import MOST, Hand, Page

import pellucid

pytest.importorskip("starlette", reason="the extra web is not installed")


def test_an_old_photograph_by_a_preset_its_stages_and_how_far_off_it_may_be(page: Page, small_picture: Path) -> None:
    hand = Hand(page)
    page.give("drop", small_picture)
    page.restored(1)
    page.shown(1)
    hand.choose("preset", "old-photo")
    page.until("!document.getElementById('stages').hidden")
    page.restored(1)
    words = page.run("return [...document.getElementById('left').options].map((each) => each.textContent)")
    assert words == ["before", "after denoise", "after"]
    assert "denoise, upscale" in page.find("noise").text
    hand.press("download")
    taken = np.asarray(PillowImage.open(io.BytesIO(page.downloaded("first.old-photo.png"))))
    np.testing.assert_array_equal(taken, pellucid.run(small_picture, preset="old-photo"))
    assert hand.clicks <= MOST
    # Any two stages beside each other.
    before = page.drawn()
    hand.choose("left", "after denoise")
    page.until("document.documentElement.dataset.shown === '1-after'")
    page.frame()
    page.until("true")
    assert before.shape == page.drawn().shape
    # The user goes back to one task.
    hand.choose("preset", "one task, as set above")
    page.until("document.getElementById('stages').hidden")
    page.restored(1)
    page.assert_quiet()


def test_other_steps_by_hand_and_a_wrong_one(page: Page, small_picture: Path) -> None:
    page.give("drop", small_picture)
    page.restored(1)
    page.shown(1)
    Hand(page).choose("preset", "other steps…")
    page.find("steps").send_keys("upscale+denoise\t")
    page.until("!document.getElementById('alert').hidden")
    assert "denoise comes after upscale" in page.find("alert-words").text
    # The download is named after what made it, and not after the steps that are set now.
    Hand(page).press("download")
    page.downloaded("first.clean.png")
    page.run("document.getElementById('steps').value = ''")
    page.find("steps").send_keys("denoise:sigma=20+upscale:scale=1.5\t")
    page.until("document.getElementById('facts').textContent.includes('144 × 120')")
    Hand(page).press("undo")


def test_every_field_has_a_name(page: Page, small_picture: Path) -> None:
    page.give("drop", small_picture)
    page.restored(1)
    unnamed = page.run(
        "return [...document.querySelectorAll('#settings select, #settings input, #stages select')]"
        ".filter((each) => each.type !== 'hidden' && !each.labels.length && !each.ariaLabel).map((each) => each.outerHTML)"
    )
    assert unnamed == []
    # The help of each setting is read with its field, and a button that is reached by keys opens it.
    helps = page.run(
        "return [...document.querySelectorAll('#settings .about')]"
        ".map((button) => button.closest('.row').querySelector('[aria-describedby]'))"
        ".map((field) => [field.id, document.getElementById(field.getAttribute('aria-describedby').split(' ')[0]).textContent])"
    )
    options = page.served.ask("GET", "/v1/models").json["tasks"][0]["options"]
    assert sorted(helps) == sorted([f"option-{option['name']}", option["help"]] for option in options)
    from selenium.webdriver.common.keys import Keys

    help_button = page.browser.find_element("css selector", "#main-settings .about")
    note = page.find(help_button.get_attribute("aria-controls"))
    assert not note.is_displayed()
    for expanded in ("true", "false"):
        help_button.send_keys(Keys.ENTER)
        assert help_button.get_attribute("aria-expanded") == expanded
        assert note.is_displayed() == (expanded == "true")
