"""Five tasks of a new user, by the hand of Selenium: from the drop to the saved file, with clicks and seconds counted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from web_page import Hand, Page, as_command_line, faults, noisy, pixels, settled

import pellucid
from pellucid import files, images, samples

pytest.importorskip("starlette", reason="the extra web is not installed")


def test_one_noisy_photograph(page: Page, small_picture: Path, tmp_path: Path) -> None:
    hand = Hand(page)
    page.give("drop", small_picture)
    page.restored(1)
    hand.press("download")
    assert page.downloaded("first.clean.png") == as_command_line(small_picture, tmp_path)
    hand.done("one noisy photograph")
    page.assert_quiet()


def test_ten_photographs_with_one_look(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        files.write(path, images.from_array(noisy()[number : number + 24, :32]))
    hand = Hand(page)
    page.give("drop", *paths)
    page.restored(10)
    hand.type("option-sigma-exact", "12")
    hand.press("apply-all")
    page.until("[...document.querySelectorAll('#list li')].slice(1).every((e) => e.textContent.includes('level 12.0'))")
    hand.press("download-all")
    with zipfile.ZipFile(io.BytesIO(page.downloaded("pellucid.zip"))) as archive:
        assert len(archive.namelist()) == 10
        for path in (paths[0], paths[9]):
            assert archive.read(f"{path.stem}.clean.png") == as_command_line(path, tmp_path, "--sigma", "12")
    hand.done("ten photographs with one look")
    # The look of the nine is one step, with their results.
    page.find("undo").click()
    page.find("undo").click()
    words = page.run("return [...document.querySelectorAll('#list li')].map((e) => e.textContent)")
    assert not any("level 12.0" in each for each in words[1:])
    page.assert_quiet()


def test_an_old_photograph_denoised_enlarged_and_coloured(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "old.png"
    PillowImage.fromarray(noisy()[:60, :80]).convert("L").save(path)
    steps = "denoise+colorize+upscale:scale=2"
    hand = Hand(page)
    page.give("drop", path)
    page.restored(1)
    hand.choose("preset", "other steps…")
    hand.type("steps", steps)
    page.until("document.getElementById('facts').textContent.includes('160 × 120')")
    settled(page)
    hand.press("download")
    np.testing.assert_array_equal(pixels(page.downloaded("old.steps.png")), pellucid.run(path, steps))
    hand.done("an old photograph denoised, coloured and enlarged")
    page.assert_quiet()


def test_steps_and_a_look_for_all_that_are_chosen_while_pictures_are_at_work(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        files.write(path, images.from_array(noisy()[number : number + 24, :32]))
    hand = Hand(page)
    page.give("drop", *paths)
    hand.choose("preset", "old-photo")
    hand.press("apply-all")
    page.until("[...document.querySelectorAll('#list li')].filter((e) => e.textContent.includes('denoise, upscale')).length === 4")
    page.assert_quiet()


def test_a_face_is_spared(page: Page, small_picture: Path) -> None:
    hand = Hand(page)
    page.give("drop", small_picture)
    page.restored(1)
    page.shown(1)
    scale = page.scale_of(96, 80)
    hand.press("brush")
    hand.choose("brush-what", "What to spare (mask)")
    hand.stroke((20 * scale, -20 * scale), (30 * scale, -10 * scale), (30 * scale, 10 * scale))
    page.until("document.getElementById('option-protect').closest('.row').textContent.includes('.png')")
    settled(page)
    page.shot("spared")
    hand.press("download")
    output = pixels(page.downloaded("first.clean.png")).astype(int)
    before = pixels(small_picture.read_bytes()).astype(int)
    hand.done("a face is spared")
    spared = np.abs(output - before).max(axis=2) == 0
    # The middle of the stroke is as it was, to the bit; far from it the noise is gone.
    assert spared[40, 78]
    assert spared[25:32, 68:76].any()
    assert spared[:, :40].mean() < 0.05
    # A stroke is one step.
    page.find("undo").click()
    assert "none" in page.run("return document.getElementById('option-protect').closest('.row').textContent")
    settled(page)
    page.assert_quiet()


def test_how_far_off_it_may_be(page: Page, small_picture: Path) -> None:
    hand = Hand(page)
    page.give("drop", small_picture)
    page.restored(1)
    hand.press("trust")
    page.until("document.getElementById('right').value === 'confidence'")
    page.restored(1)
    page.shown(1)
    hand.press("download")
    page.downloaded("first.clean.png")
    hand.done("how far off a picture may be")
    page.assert_quiet()


# -- the brush --------------------------------------------------------------------------------------------------------


def test_strokes_are_soft_erased_turned_round_and_come_back_from_a_file(page: Page) -> None:
    found = page.browser.execute_async_script(
        """
        const done = arguments[0];
        import("/page/brush.js").then(async ({ Brush }) => {
          const brush = new Brush(100, 80, [255, 0, 0]);
          const level = (x, y) => brush.pen.getImageData(x, y, 1, 1).data[0];
          const how = { radius: 20, soft: 0.5, erasing: false };
          const at = { x: 50, y: 40 };
          const found = { empty: brush.empty };
          brush.stroke(at, at, how);
          found.soft = [50, 58, 65, 71].map((x) => level(x, 40));
          // Over it again: the edge gets no harder.
          for (let time = 0; time < 9; time++) brush.stroke(at, at, how);
          found.again = [50, 58, 65, 71].map((x) => level(x, 40));
          brush.stroke(at, at, { radius: 5, soft: 0, erasing: true });
          found.erased = [level(50, 40), level(58, 40)];
          const file = await brush.file("mask.png");
          const other = new Brush(50, 40, [255, 0, 0]);
          other.take(await createImageBitmap(file));
          found.taken = [25, 29].map((x) => other.pen.getImageData(x, 20, 1, 1).data[0]);
          brush.invert();
          found.turned = [level(50, 40), level(58, 40), level(5, 5)];
          brush.clear();
          found.cleared = brush.empty;
          const large = new Brush(8000, 6000, [0, 0, 0]);
          found.large = large.width * large.height <= 4.1e6;
          // Alpha is the mask of a picture that has it.
          const ink = new OffscreenCanvas(100, 80);
          ink.getContext("2d").fillRect(0, 0, 50, 80);
          brush.take(await createImageBitmap(ink));
          found.alpha = [level(10, 10), level(90, 10)];
          done(found);
        }).catch((error) => done(String(error)));
        """
    )
    assert found["empty"]
    assert found["soft"][:2] == [255, 255]
    assert 100 < found["soft"][2] < 150
    assert found["soft"][3] == 0
    assert found["again"] == found["soft"]
    assert found["erased"] == [0, 255]
    assert found["taken"][0] < 60
    assert found["taken"][1] > 200
    assert found["turned"] == [255, 0, 255]
    assert found["cleared"]
    assert found["large"]
    assert found["alpha"] == [255, 0]


def test_what_stands_out_becomes_a_mask_and_a_cut_out_is_painted(page: Page, tmp_path: Path) -> None:
    height, width = 120, 160
    rows, columns = np.mgrid[:height, :width]
    values = np.full((height, width, 3), (30, 120, 60), np.uint8)
    values[(rows - 60) ** 2 + (columns - 80) ** 2 < 30**2] = (200, 40, 30)
    path = tmp_path / "thing.png"
    files.write(path, images.from_array(values))
    page.give("drop", path)
    page.restored(1)
    page.shown(1)
    page.find("brush").click()
    page.find("brush-find").click()
    page.until("document.getElementById('option-mask').closest('.row').textContent.includes('.png')")
    settled(page)
    mask = page.browser.execute_async_script(
        """
        const opening = indexedDB.open("pellucid");
        opening.onsuccess = () => {
          const looking = setInterval(() => {
            const asking = opening.result.transaction("blobs").objectStore("blobs").getAll();
            asking.onsuccess = async () => {
              const file = asking.result.find((each) => each.name && each.name.startsWith("mask-"));
              if (!file) return;
              clearInterval(looking);
              opening.result.close();
              const image = await createImageBitmap(file);
              const pen = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
              pen.drawImage(image, 0, 0);
              arguments[0]([[80, 60], [5, 5]].map(([x, y]) => pen.getImageData(x, y, 1, 1).data[0]));
            };
          }, 200);
        };
        """
    )
    assert mask[0] > 200
    assert mask[1] < 50
    # The cut-out: painted places, and what is taken away by hand.
    page.run("document.querySelector('#tasks input[value=cutout]').click()")
    settled(page)
    page.until("document.documentElement.dataset.shown === '1-after'")
    hand, scale = Hand(page), page.scale_of(width, height)
    from selenium.webdriver.support.ui import Select

    Select(page.find("brush-what")).select_by_visible_text("Belongs to it")
    hand.stroke((-15 * scale, 0), (15 * scale, 0))
    page.until("document.getElementById('option-point').value !== ''")
    points = [tuple(map(int, line.split(","))) for line in page.find("option-point").get_attribute("value").split()]
    assert len(points) >= 2
    assert all(60 <= x <= 100 and 55 <= y <= 65 for x, y in points)
    settled(page)
    Select(page.find("brush-what")).select_by_visible_text("Take away (painted)")
    hand.stroke((0, -20 * scale), (0, -20 * scale + 2))
    page.until("document.getElementById('option-remove').closest('.row').textContent.includes('.png')")
    settled(page)
    page.shot("cut-out-painted")
    page.find("download").click()
    output = pixels(page.downloaded("thing.cutout.png"))
    assert output[40, 80, 3] == 0
    assert output[70, 80, 3] > 200
    page.assert_quiet()


def test_a_finger_paints_and_two_zoom(page: Page, small_picture: Path) -> None:
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.give("drop", small_picture)
    page.restored(1)
    page.shown(1)
    page.find("brush").click()
    page.run("scrollTo(0, 0)")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    page.shot("phone-brush")
    box = page.run("const b = document.getElementById('picture').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]")
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2

    zoom = page.find("zoom").text
    page.touch("touchStart", (x - 30, y))
    page.touch("touchStart", (x - 30, y), (x + 50, y))
    page.touch("touchMove", (x - 60, y), (x + 90, y))
    page.touch("touchEnd")
    page.frame()
    assert page.find("zoom").text != zoom
    # Two fingers have painted nothing.
    named = "document.getElementById('option-mask').closest('.row').textContent.includes('.png')"
    assert not page.run(f"return {named}")
    page.touch("touchStart", (x, y))
    page.touch("touchMove", (x + 20, y + 20))
    page.touch("touchEnd")
    page.until(named)
    settled(page)
    page.assert_quiet()


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_all_are_saved_into_a_folder_and_nothing_is_overwritten(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for place, path in enumerate(paths):
        files.write(path, images.from_array(noisy()[place : place + 24, :32]))
    # The browser's own dialog cannot be driven: its private folder stands for the one that would be chosen.
    page.run("window.showDirectoryPicker = () => navigator.storage.getDirectory()")
    page.give("drop", *paths)
    page.restored(2)
    for count in (2, 4):
        page.find("save-all").click()
        page.until("document.getElementById('status').textContent.includes('saved into the folder')")
        names = page.browser.execute_async_script(
            """
            navigator.storage.getDirectory().then(async (folder) => {
              const found = [];
              for await (const [name, handle] of folder.entries()) found.push([name, (await handle.getFile()).size]);
              arguments[0](found.sort());
            });
            """
        )
        assert len(names) == count
        page.run("document.getElementById('status').textContent = ''")
    expected = as_command_line(paths[0], tmp_path)
    assert [each for each in names if each[0].startswith("one")] == [
        ["one.clean (2).png", len(expected)],
        ["one.clean.png", len(expected)],
    ]
    page.assert_quiet()


def test_proposals_side_by_side(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "gray.png"
    PillowImage.fromarray(samples.photograph()[60:160, 150:300]).convert("L").save(path)
    page.run("document.querySelector('#tasks input[value=colorize]').click()")
    page.give("drop", path)
    page.restored(1)
    page.shown(1)
    page.run("[...document.querySelectorAll('#settings button')].find((e) => e.textContent === 'Several side by side').click()")
    page.until("document.getElementById('proposals').open")
    page.until("document.querySelectorAll('.proposal[data-done]').length === 4")
    page.shot("proposals")
    pictures = page.run("return [...document.querySelectorAll('.proposal canvas')].map((each) => each.toDataURL())")
    assert len(set(pictures)) == 4
    page.run("document.querySelectorAll('.proposal')[2].click()")
    page.until("!document.getElementById('proposals').open")
    settled(page)
    assert page.find("option-draw-exact").get_attribute("value") == "2"
    page.find("download").click()
    assert page.downloaded("gray.colour.png") == as_command_line(path, tmp_path, "--draw", "2", task="colorize")
    page.find("undo").click()
    assert page.find("option-draw-exact").get_attribute("value") == "0"
    page.assert_quiet()


def test_a_folder_that_is_removed_comes_back_whole(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for place, path in enumerate(paths):
        files.write(path, images.from_array(noisy()[place : place + 24, :32]))
    page.give("drop", *paths)
    page.restored(3)
    page.find("clear").click()
    assert page.run("return document.querySelectorAll('.entry').length") == 0
    page.find("undo").click()
    names = page.run("return [...document.querySelectorAll('.entry-name')].map((each) => each.textContent)")
    assert names == ["a.png", "b.png", "c.png"]
    page.restored(3)


def test_the_keys_are_listed_and_do_what_they_say(page: Page, small_picture: Path) -> None:
    page.give("drop", small_picture)
    page.restored(1)
    page.shown(1)
    page.run("document.getElementById('picture').focus()")
    keys = page.find("picture")
    keys.send_keys("?")
    assert page.run("return document.getElementById('keymap').open")
    page.shot("keys")
    page.find("keymap-close").click()
    keys.send_keys("p")
    assert page.run("return !document.getElementById('brushes').hidden")
    page.run("document.getElementById('picture').focus()")
    keys.send_keys("e.")
    assert page.find("brush-erase").get_attribute("aria-pressed") == "true"
    assert page.find("brush-size").get_attribute("value") == "75"
    from selenium.webdriver.common.keys import Keys

    keys.send_keys(Keys.ESCAPE)
    assert page.run("return document.getElementById('brushes').hidden")
    listed = page.run("return [...document.querySelectorAll('#keymap kbd')].map((each) => each.textContent)")
    assert {"M", "B", "P", "E", "?", "Z"} <= set(listed)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, small_picture: Path, theme: str) -> None:
    page.run("document.documentElement.dataset.theme = arguments[0]", theme)
    assert faults(page) == []
    page.give("drop", small_picture)
    page.restored(1)
    page.shown(1)
    page.run("for (const each of document.querySelectorAll('details')) each.open = true")
    page.run("for (const each of document.querySelectorAll('.about')) each.click()")
    page.find("brush").click()
    page.run("document.getElementById('trust').click()")
    page.until("!document.getElementById('stages').hidden")
    page.restored(1)
    assert faults(page) == []
    for task in page.run("return [...document.querySelectorAll('#tasks input')].map((each) => each.value)")[1:]:
        page.run("document.querySelector('#tasks input[value=' + arguments[0] + ']').click()", task)
        assert faults(page) == [], task
    # A phone and a tablet; the default is a small window of a computer.
    for width, height in ((390, 844), (820, 1180)):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        page.until("document.documentElement.scrollWidth <= innerWidth")
        page.shot(f"{theme}-{width}")
        assert faults(page) == [], width
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.shot(f"{theme}-1280")
    page.find("help").click()
    assert faults(page) == []
    page.find("keymap-close").click()
    page.run("document.getElementById('away').hidden = false; document.getElementById('alert').hidden = false")
    page.run("document.getElementById('alert-words').textContent = 'a warning'")
    assert faults(page) == []
