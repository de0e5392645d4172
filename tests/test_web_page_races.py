"""The page when hands are quicker than it is, and when a file is to be read otherwise; nobody is left without a focus."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

from web_page import Page, noisy

from pellucid import files, images


def test_a_control_that_goes_away_hands_its_focus_on(page: Page, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        files.write(path, images.from_array(noisy()[:24, :32]))
    page.give("drop", *paths)
    page.restored(3)
    crosses = page.browser.find_elements("css selector", "#list button.away")
    crosses[1].send_keys(Keys.ENTER)
    assert page.run("return document.activeElement.getAttribute('aria-label')") == "Remove c.png"
    page.hold()
    page.find("restore").send_keys(Keys.ENTER)
    page.stopped(1)
    page.until("document.activeElement.id === 'picture'", 10)
    page.find("cancel").send_keys(Keys.ENTER)
    page.until("document.activeElement.id === 'picture'", 10)
    page.find("clear").send_keys(Keys.ENTER)
    page.until("document.activeElement.id === 'files'", 10)
    page.assert_quiet()


def test_steps_offer_no_settings_that_have_no_effect(page: Page, small_picture: Path) -> None:
    page.give("drop", small_picture)
    page.restored(1)
    shown = (
        "return Object.fromEntries(['keep_grain', 'format', 'range'].map((name) =>"
        " [name, !document.getElementById(`option-${name}`).closest('.row').hidden]))"
    )
    assert page.run(shown) == {"keep_grain": True, "format": True, "range": True}
    page.hold()
    choose = "const list = document.getElementById('preset'); list.value = arguments[0]; list.dispatchEvent(new Event('change'))"
    page.run(choose, page.run("return document.getElementById('preset').options[1].value"))
    page.stopped(1)
    assert page.run(shown) == {"keep_grain": False, "format": True, "range": True}
    page.run(choose, "")
    page.stopped(2)
    assert page.run(shown) == {"keep_grain": True, "format": True, "range": True}


def test_a_file_that_is_read_otherwise_is_measured_anew(page: Page, tmp_path: Path) -> None:
    source = tmp_path / "counts.tif"
    files.write(source, images.from_array(noisy("uint16", sigma=12)[:40, :48] // 16, (0, 65535)))
    page.give("drop", source)
    page.restored(1)
    found = page.served.ask("POST", "/v1/inspect", source.read_bytes()).json
    assert "4095" in found["remarks"][0]
    assert f"Noise in this picture: {found['diagnosis']['summary']}." in page.find("noise").text
    page.run(
        "const field = document.getElementById('option-range'); field.value = '0:65535'; field.dispatchEvent(new Event('change'));"
        "document.getElementById('restore').click()"
    )
    found = page.served.ask("POST", "/v1/inspect?range=0:65535", source.read_bytes()).json
    page.until("document.getElementById('busy').hidden && !document.getElementById('list').textContent.includes('changed')")
    assert page.find("noise").text.startswith(f"Noise in this picture: {found['diagnosis']['summary']}. Denoised by")
    assert "4095" not in page.find("noise").text
    page.assert_quiet()


def test_a_stroke_is_kept_where_another_picture_is_chosen_at_once(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for path in paths:
        files.write(path, images.from_array(noisy(times=(4, 4))))
    page.give("drop", *paths)
    page.restored(2)
    page.find("brush").click()
    page.hold()
    page.run(
        """
        const canvas = document.getElementById("picture");
        const box = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {};
        for (const [kind, share] of [["down", 0.3], ["move", 0.5], ["up", 0.5]]) {
          const [clientX, clientY] = [box.left + box.width * share, box.top + box.height * share];
          const about = { pointerId: 1, button: 0, bubbles: true, clientX, clientY };
          canvas.dispatchEvent(new PointerEvent(`pointer${kind}`, about));
        }
        document.querySelectorAll("#list button.entry")[1].click();
        """
    )
    assert page.stopped(1) == [False]
    items = page.run("return [...document.querySelectorAll('#list li')].map((each) => each.dataset.state)")
    assert items == ["busy", "restored"]


def test_names_that_differ_in_capitals_alone_are_two_in_a_zip(page: Page) -> None:
    made = page.browser.execute_async_script(
        """
        const [end] = arguments;
        import("/page/zip.js").then(async ({ zip }) => {
          const whole = await zip(["a.png", "A.png", "a.PNG"].map((name, place) => ({ name, blob: new Blob([String(place)]) })));
          end(btoa(String.fromCharCode(...new Uint8Array(await whole.arrayBuffer()))));
        });
        """
    )
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(made))) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == [b"0", b"1", b"2"]
        names = {name.lower() for name in archive.namelist()}
    assert len(names) == 3
