"""The page in headless Chromium: drop, estimate, restore, compare, blend, take away; what is taken away is the command line's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from web_page import Page, as_command_line, noisy

from pellucid import files, images, samples
from pellucid.tasks import commands

pytest.importorskip("starlette", reason="the extra web is not installed")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    exif = PillowImage.Exif()
    exif[0x010F] = "Maker"
    image = replace(images.from_array(noisy()), exif=exif.tobytes(), resolution=(300.0, 300.0))
    found = {name: folder / name for name in ("first.png", "second.jpg", "third.tif", "large.png")}
    files.write(found["first.png"], image)
    files.write(found["second.jpg"], replace(images.from_array(noisy(top=100)), exif=exif.tobytes()))
    files.write(found["third.tif"], images.from_array(noisy("uint16", sigma=12)))
    files.write(found["large.png"], images.from_array(noisy(times=(14, 10))))
    return found


@pytest.fixture(scope="module")
def served(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = start_server(tmp_path_factory.mktemp("served"), "--workers", "1", "--max-megapixels", "9", "--timeout", "1200")
    yield made
    made.end()


APART = """
const [one, other] = [...arguments].map((id) => document.getElementById(id).getBoundingClientRect());
return one.height > 0 && (one.bottom <= other.top || other.bottom <= one.top || one.right <= other.left || other.right <= one.left);
"""
"""Whether two elements do not lie over each other."""


def levels(content: bytes) -> NDArray[np.uint8]:
    with PillowImage.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_from_drop_to_download(page: Page, pictures: dict[str, Path], tmp_path: Path) -> None:
    source = pictures["first.png"]
    page.shot("start")
    assert page.find("start-title").text == "Drop an image and see it without noise"
    assert page.find("summary").text.startswith("Take the noise out of pictures: the page measures the noise level and shows")
    page.give("drop", source)
    page.restored(1)
    page.shown(1)
    expected = as_command_line(source, tmp_path)
    before, after = levels(source.read_bytes()), levels(expected)
    height, width = before.shape[:2]

    # The estimate, and that it was used.
    noise = page.find("noise").text
    found = page.served.ask("POST", "/v1/inspect", source.read_bytes()).json["diagnosis"]
    assert f"Noise in this picture: {found['summary']}." in noise
    assert f"Denoised by photo-color: noise level {found['sigma']:.1f}, estimated." in noise
    assert page.run("return document.getElementById('option-sigma-automatic').checked")

    # At 100 % pixels are pixels: before on the left of the divider, after on the right.
    page.find("actual").click()
    page.frame()
    assert page.find("zoom").text == "100 %"
    drawn = page.drawn()
    first = int(np.flatnonzero(drawn[drawn.shape[0] // 2, :, 3])[0])
    top = int(np.flatnonzero(drawn[:, first + 2, 3])[0])
    found = drawn[top : top + height, first : first + width, :3]
    line = drawn.shape[1] // 2 - first
    assert np.array_equal(found[: height // 4, : line - 4], before[: height // 4, : line - 4])
    assert np.array_equal(found[: height // 4, line + 4 :], after[: height // 4, line + 4 :])

    # The divider by keys.
    from selenium.webdriver.common.keys import Keys

    page.find("divider").send_keys(Keys.HOME)
    assert np.array_equal(page.drawn()[top : top + height, first + 4 : first + width, :3], after[:, 4:])
    assert page.find("divider").get_attribute("aria-valuetext") == "0 % before, the rest after"

    # Strength is a blend in the browser: nothing is asked of the service.
    page.requests()
    exact = page.find("option-strength-exact")
    exact.clear()
    exact.send_keys("40", Keys.ENTER)
    blend = 0.6 * before + 0.4 * after
    shown = page.drawn()[top : top + height, first + 4 : first + width, :3]
    assert np.abs(shown - blend[:, 4:]).max() <= 1.5
    assert page.requests() == []

    # Undo takes the strength back; then again, for the download.
    page.find("undo").click()
    assert np.array_equal(page.drawn()[top : top + height, first + 4 : first + width, :3], after[:, 4:])
    page.find("download").click()
    assert page.downloaded("first.clean.png") == expected
    (tmp_path / "first.clean.png").unlink()
    exact.clear()
    exact.send_keys("40", Keys.ENTER)
    page.find("download").click()
    assert page.downloaded("first.clean.png") == as_command_line(source, tmp_path, "--strength", "0.4")

    # Another level, which is no longer automatic.
    page.find("undo").click()
    level = page.find("option-sigma-exact")
    level.clear()
    level.send_keys("10", Keys.TAB)
    assert not page.run("return document.getElementById('option-sigma-automatic').checked")
    assert page.find("list").text.endswith("settings changed\n×")
    page.find("restore").click()
    page.until("document.getElementById('noise').textContent.includes('Denoised by photo-color: noise level 10.0.')")
    page.shot("done")
    (tmp_path / "first.clean.png").unlink()
    page.find("download").click()
    assert page.downloaded("first.clean.png") == as_command_line(source, tmp_path, "--sigma", "10")
    assert "downloaded" in page.find("status").get_attribute("textContent")
    page.assert_quiet()


def test_a_preview_while_a_knob_is_moved(page: Page, pictures: dict[str, Path], tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    source = pictures["first.png"]
    page.give("drop", source)
    page.restored(1)
    page.shown(1)
    page.find("actual").click()
    drawn = page.drawn()
    first = int(np.flatnonzero(drawn[drawn.shape[0] // 2, :, 3])[0])
    top = int(np.flatnonzero(drawn[:, first + 2, 3])[0])
    page.find("divider").send_keys(Keys.HOME)
    page.requests()

    # Above 1 the browser cannot blend: a part of what the service would make, in a frame, and the page says so.
    exact = page.find("option-strength-exact")
    for text in ("120", "150"):
        exact.clear()
        exact.send_keys(text, Keys.TAB)
    page.until("(document.documentElement.dataset.part || '').includes('1.5')")
    assert page.find("after-words").get_attribute("textContent") == "preview in the frame"
    assert page.find("list").text.endswith("settings changed\n×")
    sent = [each for each in page.requests() if "part=" in each]
    assert "strength=1.5" in sent[-1]
    drawn = page.drawn()
    left, up, right, down = (int(each) for each in sent[-1].split("part=")[1].split("&")[0].split("%2C"))
    expected = as_command_line(source, tmp_path, "--strength", "1.5")
    inside = levels(expected)[up + 2 : down - 2, left + 4 : right - 2].astype(int)
    shown = drawn[top + up + 2 : top + down - 2, first + left + 4 : first + right - 2, :3]
    assert np.abs(shown - inside).mean() < 0.5
    page.shot("preview")

    # Colours follow the strength until they have a value of their own; then nothing is blended here.
    assert page.run("return document.getElementById('option-colour_noise-automatic').checked")
    page.run("for (const each of document.querySelectorAll('details')) each.open = true")
    colours = page.find("option-colour_noise-exact")
    colours.clear()
    colours.send_keys("30", Keys.TAB)
    page.until("(document.documentElement.dataset.part || '').includes('\"colour_noise\":0.3')")

    # A download is of the settings that are shown; the whole is made first.
    page.find("download").click()
    assert page.downloaded("first.clean.png") == as_command_line(source, tmp_path, "--strength", "1.5", "--colour-noise", "0.3")
    page.until("document.getElementById('after-words').textContent === 'after'")
    page.assert_quiet()


def test_enlarging(page: Page, pictures: dict[str, Path], tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    source = tmp_path / "small.png"
    files.write(source, images.from_array(samples.photograph()[100:180, 150:270]))
    assert page.run("return [...document.querySelectorAll('#tasks input')].map(e => e.value)") == list(commands())
    page.give("drop", source)
    page.restored(1)
    page.shown(1)
    assert page.run("return document.getElementById('option-scale')") is None
    chosen = "document.querySelector('#tasks input[value={}]').click()"
    page.run(chosen.format("upscale"))
    page.until("document.getElementById('list').textContent.includes('enlarged to 240 × 160')")
    page.shown(1)
    assert page.find("facts").text.startswith("120 × 80 → 240 × 160 · PNG")
    assert page.find("noise").text.endswith("Enlarged by upscale.")
    assert "enlarged to 240 × 160" in page.find("status").get_attribute("textContent")
    # Settings and models of other tasks are not shown.
    assert page.run("return document.getElementById('option-sigma')") is None
    assert page.run("return [...document.getElementById('option-model').options].map(e => e.value)") == ["upscale", "upscale-photo"]

    scale = page.find("option-scale-exact")
    assert scale.get_attribute("value") == "2"
    scale.clear()
    scale.send_keys("2.25", Keys.ENTER)
    page.until("document.getElementById('list').textContent.includes('enlarged to 270 × 180')")
    page.shown(1)
    assert page.find("option-scale-exact").get_attribute("value") == "2.25"
    # At 100 % the right half shows the output's pixels, and the left half the input, enlarged to the same size.
    before, after = levels(source.read_bytes()), levels(as_command_line(source, tmp_path, "--scale", "2.25", task="upscale"))
    page.find("actual").click()
    drawn = page.drawn()
    first = int(np.flatnonzero(drawn[drawn.shape[0] // 2, :, 3])[0])
    top = int(np.flatnonzero(drawn[:, first + 2, 3])[0])
    found, line = drawn[top : top + 180, first : first + 270, :3], drawn.shape[1] // 2 - first
    assert np.array_equal(found[:45, line + 4 :], after[:45, line + 4 :])
    plain = np.asarray(PillowImage.fromarray(before).resize((270, 180), PillowImage.Resampling.BICUBIC)).astype(float)
    assert np.abs(found[:45, : line - 4] - plain[:45, : line - 4]).mean() < 3
    # Smooth, with no blocks of one colour.
    assert np.mean(np.abs(np.diff(found[:45, 2 : line - 4].astype(int), axis=1)).sum(axis=2) == 0) < 0.3
    page.run("document.getElementById('magnify').click()")
    page.frame()
    page.shot("enlarged")
    page.run("document.getElementById('magnify').click()")
    page.find("download").click()
    assert page.downloaded("small.large.png") == as_command_line(source, tmp_path, "--scale", "2.25", task="upscale")

    # Each task keeps what it has come to; the way back is a step that is taken back.
    page.requests()
    page.run(chosen.format("denoise"))
    page.shown(1)
    assert page.find("list").text.count("denoised") == 1
    assert page.find("facts").text.startswith("120 × 80 · PNG")
    page.find("undo").click()
    page.until("document.getElementById('facts').textContent.startsWith('120 × 80 → 270 × 180')")
    assert page.run("return document.querySelector('#tasks input:checked').value") == "upscale"
    assert page.requests() == []

    # A format that the browser does not show comes as previews; what would be too large is refused in a line.
    page.give("drop", pictures["third.tif"])
    page.until("document.getElementById('list').textContent.includes('enlarged to 600 × 400')")
    page.run("document.querySelectorAll('.entry')[1].click()")
    page.shown(2)
    assert page.find("noise").text.endswith(", estimated, noise taken away first.")
    page.find("actual").click()
    page.frame()
    drawn = page.drawn()
    assert int((drawn[drawn.shape[0] // 2, :, 3] > 0).sum()) == min(600, drawn.shape[1])
    # Each picture has its own task, which goes with the settings that are used for all.
    page.run(chosen.format("denoise"))
    page.until("document.querySelectorAll('li')[1].textContent.includes('denoised, noise level')")
    page.run("document.querySelectorAll('.entry')[0].click()")
    assert page.run("return document.querySelector('#tasks input:checked').value") == "upscale"
    page.find("apply-all").click()
    page.until("document.querySelectorAll('li')[1].textContent.includes('enlarged to 675 × 450')")
    # One step, with the results.
    page.find("undo").click()
    page.until("document.querySelectorAll('li')[1].textContent.includes('denoised, noise level')")
    assert page.run("return document.querySelectorAll('li')[0].textContent.includes('enlarged to 270 × 180')")
    files.write(tmp_path / "wide.png", images.from_array(np.zeros((400, 500), np.uint8)))
    page.give("drop", tmp_path / "wide.png")
    page.run("document.querySelectorAll('.entry')[2].click()")
    page.until("document.getElementById('list').textContent.includes('enlarged to 1000 × 800')", 60)
    exact = page.find("option-scale-exact")
    exact.clear()
    exact.send_keys("8", Keys.ENTER)
    page.until("document.querySelectorAll('li[data-state=failed]').length === 1")
    assert "500x400 pixels would become 4000x3200, more than the 9 megapixels that this service accepts" in page.find("alert").text
    said = page.browser.get_log("browser")
    assert [entry["message"] for entry in said if "status of 413" not in entry["message"]] == []
    page.assert_quiet()


def test_many_pictures_and_one_that_is_none(page: Page, pictures: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(300))
    three = [pictures[name] for name in ("first.png", "second.jpg", "third.tif")]
    page.give("paste", *three, bad)
    page.restored(3)
    page.until("document.querySelectorAll('li[data-state=failed]').length === 1")
    assert "bad.png" in page.find("alert").text
    assert "/" not in page.find("alert").text
    assert "the picture:" not in page.find("alert").text
    for place in (0, 99999):
        page.run("scrollTo(0, arguments[0])", place)
        page.frame()
        for name in ("download-all", "download", "restore", "list"):
            assert page.run(APART, "alert", name), name
        page.shot(f"many-error-{place}")
    page.run("scrollTo(0, 0)")

    # One that the service would refuse is not sent.
    files.write(tmp_path / "wide.png", images.from_array(np.zeros((3001, 3000), np.uint8)))
    page.requests()
    page.give("drop", tmp_path / "wide.png")
    page.until("document.querySelectorAll('li[data-state=failed]').length === 2")
    assert (
        "wide.png: 3000 × 3001 pixels are more than the 9 megapixels that this service accepts; a smaller picture"
        in page.find("alert").text
    )
    assert [each for each in page.requests() if each.startswith("POST")] == []
    page.run("document.querySelectorAll('.away')[4].click()")

    # A setting that a model does not take is not shown.
    hidden = "document.getElementById('option-sigma').closest('.row').hidden"
    choose = "const e = document.getElementById('option-model'); e.value = arguments[0]; e.dispatchEvent(new Event('change'))"
    for model, expected in (("digits", True), ("photo", False)):
        page.run(choose, model)
        assert page.run(f"return {hidden}") == expected

    # A format that this browser does not show comes as the service's preview.
    page.run("document.querySelectorAll('.entry')[2].click()")
    page.shown(3)
    page.find("actual").click()
    page.find("divider").send_keys("\ue010")  # End: all of it is before
    source = images.to_array(files.read(pictures["third.tif"]))
    drawn = page.drawn()
    first = int(np.flatnonzero(drawn[drawn.shape[0] // 2, :, 3])[0])
    top = int(np.flatnonzero(drawn[:, first + 2, 3])[0])
    found = drawn[top : top + 200, first : first + 290, :3].astype(float)
    assert np.abs(found - source[:, :290] / 257).max() <= 0.51
    assert "16 bits" in page.find("facts").text

    page.find("download-all").click()
    with zipfile.ZipFile(io.BytesIO(page.downloaded("pellucid.zip"))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["first.clean.png", "second.clean.jpg", "third.clean.tif"]
        for path in three:
            assert archive.read(f"{path.stem}.clean{path.suffix}") == as_command_line(path, tmp_path)
    page.run("document.getElementById('magnify').click()")
    page.find("picture").send_keys("1")
    page.frame()
    page.shot("many")
    assert page.run("return !document.getElementById('magnifier').hidden && document.getElementById('magnifier').width === 300")

    # Removed, and taken back.
    page.run("document.querySelectorAll('.away')[0].click()")
    assert page.run("return document.querySelectorAll('.entry').length") == 3
    page.find("undo").click()
    assert page.run("return [...document.querySelectorAll('.entry-name')].map(e => e.textContent)")[0] == "first.png"
    # The browser itself notes in the console that a request was refused; that is all that is there.
    said = page.browser.get_log("browser")
    assert [entry["message"] for entry in said if "status of 422" not in entry["message"]] == []
    page.assert_quiet()


def test_cancelling(page: Page, pictures: dict[str, Path]) -> None:
    page.give("drop", pictures["large.png"], pictures["first.png"])
    page.until("document.getElementById('busy-words').textContent.startsWith('Denoising')")
    page.shot("busy")
    assert page.run("return !document.getElementById('busy').hidden")
    page.find("cancel").click()
    # The next one comes to its turn, for the worker is free again.
    page.restored(1)
    words = page.run("return [...document.querySelectorAll('li')].map(e => e.dataset.state)")
    assert words == ["measured", "restored"]
    assert page.run("return document.getElementById('busy').hidden")
    page.assert_quiet()


def test_on_a_phone(page: Page, pictures: dict[str, Path]) -> None:
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    narrow = "document.documentElement.scrollWidth <= innerWidth"
    page.until(narrow)
    page.shot("phone-start")
    page.give("drop", pictures["first.png"], pictures["second.jpg"])
    page.restored(2)
    page.shown(1)
    page.until(narrow)
    # Canvas and screen have the same pixels.
    assert page.run("const c = document.getElementById('picture'); return c.width === 2 * Math.round(c.clientWidth)")
    sizes = page.run("return [...document.querySelectorAll('button')].filter(b => b.offsetParent).map(b => b.offsetHeight)")
    assert min(sizes) >= 32
    for theme in ("light", "dark"):
        page.run("document.documentElement.dataset.theme = arguments[0]; scrollTo(0, 0)", theme)
        page.frame()
        page.shot(f"phone-{theme}")
    page.run("scrollTo(0, 700)")
    page.shot("phone-below")
    page.run("document.querySelector('#tasks input[value=upscale]').click()")
    page.until("document.getElementById('list').textContent.includes('enlarged to 600 × 400')")
    page.until(narrow)
    page.run("scrollTo(0, 0)")
    page.shot("phone-enlarged")
    page.run("scrollTo(0, 700)")
    page.shot("phone-enlarged-below")
    # A finger takes hold of the divider, and moves the picture elsewhere.
    before = page.run("return document.getElementById('divider').value")
    page.run("scrollTo(0, 0)")
    box = page.run("const b = document.getElementById('picture').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]")
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 3

    page.touch("touchStart", (x, y))
    page.touch("touchMove", (x - 60, y))
    page.touch("touchEnd")
    assert float(page.run("return document.getElementById('divider').value")) == pytest.approx(
        float(before) - 100 * 60 / box[2], abs=1
    )
    zoom = page.find("zoom").text
    page.touch("touchStart", (x - 30, y), (x + 90, y))
    page.touch("touchMove", (x - 60, y), (x + 120, y))
    page.touch("touchEnd")
    page.frame()
    assert page.find("zoom").text != zoom
    page.assert_quiet()


EDITORS = """
const done = arguments[arguments.length - 1];
import("/page/form.js").then(({ Form }) => {
  const [main, more] = [document.createElement("div"), document.createElement("div")];
  document.querySelector("#settings").append(main, more);
  const changes = [];
  const form = new Form(main, more, (name, value) => changes.push([name, value instanceof File ? value.name : value]), () => {});
  const common = { help: "help", step: null, marks: [], choices: [], main: true, many: false, default: null };
  const option = (name, kinds, more = {}) => ({ ...common, name, label: name, kinds, kind: kinds[0], ...more });
  form.build([
    option("flag", ["flag"]), option("free", ["number"], { low: 1, high: null }), option("text", ["text"]),
    option("point", ["point"]), option("box", ["box"]), option("hint", ["hint"], { many: true, default: [] }),
    option("colour", ["colour"]), option("file", ["file"]),
    option("ground", ["choice", "colour", "file"], { choices: ["none at all", "blurred"] }),
    option("palette", ["palette", "file"]), option("count", ["number"], { low: 0, high: 2, step: null, whole: true, default: 1 }),
    option("most", ["number"], { low: 1, high: null, whole: true, default: 1 }),
  ], {});
  form.set({ ground: "#102030", hint: ["1,2=red"], palette: "#fff, red", count: 2 }, {});
  const find = (id) => document.getElementById(`option-${id}`);
  const hidden = (id) => find(id).closest(".row").hidden;
  const values = [find("ground").value, find("ground-colour").value, find("hint").value];
  const lists = [find("palette").value, find("palette-palette").value, find("count-exact").value, find("count").step];
  const shown = [...values, hidden("ground-colour"), hidden("ground-file"), ...lists];
  const enter = (id, value) => { find(id).value = value; find(id).dispatchEvent(new Event("change")); };
  const attach = (id) => {
    const files = new DataTransfer();
    files.items.add(new File(["x"], `${id}.png`));
    find(id).files = files.files;
    find(id).dispatchEvent(new Event("change"));
  };
  enter("free", "3.5"); enter("text", "a b"); enter("point", "3,4"); enter("point", "3;4"); enter("box", "1,2,3,4");
  enter("hint", "1,2=#fff\\n3,4=red"); enter("hint", "nonsense"); enter("colour", "#aabbcc"); attach("file");
  enter("ground", "choice blurred"); enter("ground", "file"); attach("ground-file"); enter("ground", "");
  enter("palette-palette", "red;blue"); enter("palette-palette", "#7b3f00,#87ceeb,olive"); enter("palette-palette", "");
  enter("count-exact", "1.6"); enter("most", "3.5"); enter("most", "3");
  main.remove(); more.remove();
  done([shown, changes]);
}).catch((error) => done(String(error)));
"""


def test_an_editor_for_each_kind_of_setting(page: Page, pictures: dict[str, Path]) -> None:
    page.give("drop", pictures["first.png"])
    page.restored(1)
    shown, changes = page.browser.execute_async_script(EDITORS)
    assert shown == ["colour", "#102030", "1,2=red", False, True, "palette", "#fff, red", "2", "1"]
    assert changes == [
        ["free", 3.5],
        ["text", "a b"],
        ["point", "3,4"],
        ["box", "1,2,3,4"],
        ["hint", ["1,2=#fff", "3,4=red"]],
        ["colour", "#aabbcc"],
        ["file", "file.png"],
        ["ground", "blurred"],
        ["ground", "ground-file.png"],
        ["ground", None],
        ["palette", "#7b3f00,#87ceeb,olive"],
        ["palette", None],
        ["count", 2],
        ["most", 3],
    ]
    page.assert_quiet()


def test_points_and_a_box_are_placed_on_the_picture(page: Page, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    height, width = 240, 320
    rows, columns = np.mgrid[:height, :width]
    values = np.full((height, width, 3), (30, 120, 60), np.uint8)
    values[(rows - 120) ** 2 + (columns - 80) ** 2 < 50**2] = (200, 40, 30)
    values[(rows - 120) ** 2 + (columns - 240) ** 2 < 50**2] = (40, 60, 210)
    source = tmp_path / "two.jpg"
    files.write(source, images.from_array(values))
    page.run("document.querySelector('#tasks input[value=cutout]').click()")
    assert "Click on what you mean" in page.find("summary").text.replace("click", "Click")
    page.give("drop", source)
    page.restored(1)
    page.shown(1)
    assert page.find("marking").text.startswith("Click on the picture: “belongs to it”; with the Alt key")
    scale = page.scale_of(width, height)
    at = partial(page.at, width=width, height=height)

    def pixel(name: str) -> NDArray[np.int64]:
        return np.array([[int(each) for each in line.split(",")] for line in page.find(name).get_attribute("value").split()])

    at(240, 100).click().perform()
    at(80, 100).key_down(Keys.ALT).click().key_up(Keys.ALT).perform()
    assert np.abs(pixel("option-point") - (240, 100)).max() <= 1
    assert np.abs(pixel("option-not_point") - (80, 100)).max() <= 1
    # The page asks for the cut-out as soon as points are placed; no button is pressed.
    page.until("document.getElementById('busy').hidden === false || document.documentElement.dataset.shown === '1-after'")
    page.until("document.getElementById('busy').hidden && !document.querySelector('#list').textContent.includes('changed')")
    # A click on a mark takes it away; a box is dragged.
    at(80, 100).click().perform()
    assert page.find("option-not_point").get_attribute("value") == ""
    page.run("[...document.querySelectorAll('.take')].find((each) => each.textContent.startsWith('Drag')).click()")
    drag = at(20, 60).click_and_hold()
    for column, row in ((60, 100), (140, 180)):
        drag = drag.move_to_element_with_offset(page.find("picture"), *page.offset(column, row, width, height))
    drag.release().perform()
    assert np.abs(pixel("option-box") - (20, 60, 141, 181)).max() <= 2
    page.until("document.getElementById('busy').hidden && !document.querySelector('#list').textContent.includes('changed')")
    # The user chooses the colour behind the cut-out, and the page shows it.
    assert page.run("return document.getElementById('ground-label').hidden") is False
    page.run("const g = document.getElementById('ground'); g.value = '#000000'; g.dispatchEvent(new Event('change'))")
    drawn = page.drawn()
    middle = drawn.shape[0] // 2, drawn.shape[1] // 2
    corner = drawn[middle[0] - 110 * scale, middle[1] + 150 * scale]
    assert corner.tolist() == [0, 0, 0, 255]
    page.shot("cut-out")
    page.find("download").click()
    with PillowImage.open(io.BytesIO(page.downloaded("two.cutout.png"))) as output:
        assert (output.mode, output.size) == ("RGBA", (width, height))
        # Nothing beyond the box.
        assert np.asarray(output)[:, 150:, 3].max() == 0
    # The box is one step, with its result.
    page.find("undo").click()
    assert page.find("option-box").get_attribute("value") == ""
    page.assert_quiet()


def test_hints_of_colour_are_placed_on_the_picture(page: Page, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    height, width = 200, 300
    source = tmp_path / "gray.png"
    PillowImage.fromarray(samples.photograph()[60:260, 150:450]).convert("L").save(source)
    page.run("document.querySelector('#tasks input[value=colorize]').click()")
    page.give("drop", source)
    page.restored(1)
    page.shown(1)
    assert page.find("marking").text.startswith("Click on the picture to give a place the chosen colour")
    scale = page.scale_of(width, height)
    at = partial(page.at, width=width, height=height)

    def colour_at(column: int, row: int) -> NDArray[np.int64]:
        picture = page.drawn()
        middle = picture.shape[0] // 2 + (row - height // 2) * scale, picture.shape[1] // 2 + (column - width // 2) * scale
        return picture[middle][:3].astype(int)

    def hints() -> list[str]:
        return list(page.find("option-hint").get_attribute("value").split())

    def choose(code: str) -> None:
        page.run(
            "const c = document.getElementById('option-hint-colour'); c.value = arguments[0]; c.dispatchEvent(new Event('input'))",
            code,
        )

    def swatches() -> list[str]:
        return list(page.run("return [...document.querySelectorAll('.swatch')].map((each) => each.title)"))

    def settled(count: int) -> None:
        page.until(f"document.getElementById('option-hint').value.split('\\n').filter(Boolean).length === {count}")
        page.until("document.getElementById('busy').hidden && !document.querySelector('#list').textContent.includes('changed')")
        page.until("document.documentElement.dataset.shown === '1-after'")
        page.frame()

    def press(words: str) -> None:
        page.run(
            "[...document.querySelectorAll('#settings button')].find((each) => each.textContent === arguments[0]).click()", words
        )

    # The colour that is there is offered; nothing was pressed for the picture that follows.
    there = colour_at(220, 80)
    choose("#2040e0")
    at(220, 80).click().perform()
    settled(1)
    [first] = hints()
    point, _, colour = first.partition("=")
    assert colour == "#2040e0"
    assert np.abs(np.array(point.split(","), int) - (220, 80)).max() <= 1
    offered = swatches()
    assert np.abs(np.array([int(offered[0][place : place + 2], 16) for place in (1, 3, 5)]) - there).max() < 24
    assert "#2040e0" in offered
    # The mark has its colour.
    assert np.abs(colour_at(220, 80) - (0x20, 0x40, 0xE0)).max() <= 1
    choose("#d02020")
    at(180, 150).click().perform()
    settled(2)
    # A swatch, and the Alt key, choose a colour; they place nothing.
    page.run("[...document.querySelectorAll('.swatch')].find((each) => each.title === '#2040e0').click()")
    assert page.find("option-hint-colour").get_attribute("value") == "#2040e0"
    at(250, 180).key_down(Keys.ALT).click().key_up(Keys.ALT).perform()
    assert page.find("option-hint-colour").get_attribute("value") == swatches()[0] != "#2040e0"
    settled(2)
    page.shot("hints")
    # The file of the hints, and the picture, are the command line's.
    press("Save")
    stored = tmp_path / "gray.hints.json"
    rows = json.loads(page.downloaded(stored.name))
    assert [f"{x},{y}={code}" for x, y, code in rows] == hints()
    page.find("download").click()
    output = page.downloaded("gray.colour.png")
    assert output == as_command_line(source, tmp_path, "--hints", str(stored), task="colorize")
    x, y, _ = rows[0]
    red, _, blue = levels(output)[y, x].astype(int)
    assert blue > red + 60
    # Back: by the button, by a click on the mark; and loaded from the file.
    press("Take back the last")
    settled(1)
    assert hints() == [first]
    at(220, 80).click().perform()
    settled(0)
    page.find("option-hint-load").send_keys(str(stored))
    settled(2)
    assert [f"{x},{y}={code}" for x, y, code in rows] == hints()
    far = tmp_path / "far.json"
    far.write_text('[[300, 10, "red"]]')
    page.find("option-hint-load").send_keys(str(far))
    page.until("!document.getElementById('alert').hidden")
    assert page.find("alert-words").text == "far.json: 300,10 lies outside the picture of 300 × 200 pixels"
    assert len(hints()) == 2
    page.assert_quiet()


def test_for_keys_and_screen_readers(page: Page, pictures: dict[str, Path]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    # The first things that are reached by the tabulator.
    names = []
    for _ in range(5):
        ActionChains(page.browser).send_keys(Keys.TAB).perform()
        names.append(page.run("return document.activeElement.id || document.activeElement.className"))
    assert names[0] == "skip"
    assert "files" in names
    page.find("files").send_keys(str(pictures["first.png"]))
    page.restored(1)
    page.shown(1)
    page.run("document.getElementById('more').open = true")
    tree = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node.get("ignored")]
    acting = ("button", "slider", "spinbutton", "checkbox", "combobox", "textbox", "link", "image", "radio", "progressbar")
    unnamed = [role for role, name in named if role in acting and not name.strip()]
    assert unnamed == []
    assert ("slider", "Noise level") in named
    assert ("slider", "Divider between before and after") in named
    label = page.find("picture").get_attribute("aria-label")
    assert label.startswith("first.png: before on the left 50 %")
    picture = page.find("picture")
    page.run("document.getElementById('picture').focus()")
    picture.send_keys("1", "+")
    page.frame()
    assert page.find("zoom").text == "125 %"
    picture.send_keys("]]", "b")
    page.frame()
    assert page.find("divider").get_attribute("value") == "54"
    picture.send_keys("0")
    # The page says the result to screen readers.
    assert "first.png denoised, noise level" in page.find("status").get_attribute("textContent")
    assert page.find("status").get_attribute("aria-live") == "polite"
    page.assert_quiet()


def test_a_page_that_needs_a_token(
    browser: Any, start_server: Callable[..., Any], pictures: dict[str, Path], tmp_path: Path
) -> None:
    token = "0123456789abcdef"
    folder = tmp_path / "served"
    folder.mkdir()
    made = start_server(folder, "--workers", "1", "--token", token)
    try:
        opened = Page(browser, made, tmp_path, behind=f"#token={token}")
        opened.ready()
        assert opened.run("return location.hash") == ""
        opened.give("drop", pictures["first.png"])
        opened.restored(1)
        opened.assert_quiet()
        # Without it the page asks.
        browser.execute_script("sessionStorage.clear()")
        opened = Page(browser, made, tmp_path)
        opened.until("document.getElementById('token').open")
        assert not opened.find("token-wrong").is_displayed()
        opened.find("token-text").send_keys("wrong", "\n")
        opened.until("!document.getElementById('token-wrong').hidden")
        assert "does not take this token" in opened.find("token-wrong").text
        opened.find("token-text").clear()
        opened.find("token-text").send_keys(token, "\n")
        opened.ready()
    finally:
        made.end()
