"""The page of an evaluation: complete in itself, safe with hostile names, the same bytes each time; and in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from pellucid import htmlreport, metrics, samples
from pellucid.errors import FileError, ImageError, OptionError
from pellucid.evaluation import Evaluation
from pellucid.exhibits import Exhibit
from pellucid.tasks import TASKS
from pellucid.tasks.base import Learning

HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror=\"window.broken = 1\"> 'q' {{script}} <!-- \u2028"

METHODS = {
    "none": (0.0, 0.0),
    "photo": (11.2, 0.31),
    "photo-gray": (10.7, 0.12),
    "bm3d": (10.3, 8.4),
    "nlm-skimage": (8.6, 2.2),
    "nlm-opencv": (8.3, 0.9),
    "median": (4.9, 0.02),
}
"""By method: gain in dB at sigma 25, seconds per megapixel."""

NOISES = ("gaussian:0", "gaussian:15", "gaussian:25", "gaussian:50", "salt-pepper:0.1", "salt-pepper:0.3")


def made_up(
    *, noises: tuple[str, ...] = NOISES, methods: tuple[str, ...] = tuple(METHODS), images: tuple[str, ...] = ()
) -> Evaluation:
    """Figures as an evaluation of photographs might have them."""
    names = images or tuple(f"test{number:03d}" for number in range(12))
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 1.6, len(names))
    results: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    for noise in noises:
        kind, level = noise.split(":")[:2]
        sigma = float(level) * (1 if kind == "gaussian" else 150)
        for method in methods:
            gain, seconds = METHODS.get(method, (7.0, 0.5))
            base = None if sigma == 0 else 20 * np.log10(255 / sigma)
            mean = (
                (base + gain * sigma / (sigma + 8) * 1.3) if base is not None else (None if method == "none" else 48.0 + gain / 4)
            )
            own = []
            for name, hard in zip(names, hardness, strict=True):
                psnr = None if mean is None else round(float(mean + hard * (method != "none")), 6)
                ssim = 1.0 if mean is None else round(float(1 / (1 + np.exp(-(mean - 18) / 5))), 6)
                own.append(
                    {
                        "image": name,
                        "noise": noise,
                        "method": method,
                        "psnr": psnr,
                        "ssim": ssim,
                        "ms_ssim": round((1 + ssim) / 2, 6),
                        "seconds_per_megapixel": round(seconds * 1.02, 4),
                        "peak_memory_mib": round(300 + seconds * 40, 1),
                    }
                )
            results += own
            finite = [row["psnr"] for row in own if row["psnr"] is not None]
            worst = min((row for row in own if row["psnr"] is not None), key=lambda row: row["psnr"], default=None)
            summary.append(
                {
                    "noise": noise,
                    "method": method,
                    "images": len(own),
                    "psnr": round(float(np.mean(finite)), 4) if finite else None,
                    "psnr_spread": round(float(np.std(finite)), 4) if finite else None,
                    "identical": len(own) - len(finite),
                    "ssim": own[0]["ssim"],
                    "ms_ssim": own[0]["ms_ssim"],
                    "worst": worst["image"] if worst else None,
                    "worst_psnr": worst["psnr"] if worst else None,
                    "seconds_per_megapixel": own[0]["seconds_per_megapixel"],
                    "peak_memory_mib": own[0]["peak_memory_mib"],
                }
            )
    protocol = {
        "pellucid": "0.2.0",
        "task": "denoise",
        "images": "BSD12",
        "count": len(names),
        "noise": list(noises),
        "seed": "numpy.random.default_rng(n) for image n, sorted by name",
        "clipping": "noise is not clipped unless ':clip' is said; answers are clipped to [0, 1]",
        "rounding": "none",
        "crop": "none",
        "psnr": "per image over all pixels and channels, then the mean",
        "level": "told to models that take it (Gaussian) and to all baselines",
        "blind": False,
        "models": {name: [f"{name}-file"] for name in methods if name.startswith("photo")},
        "numpy": "2.3.1",
        "python": "3.11.9",
        "machine": "x86_64",
        "cores": 2,
    }
    return Evaluation(protocol, tuple(results), tuple(summary))


def exhibit(image: str = "otter", *, reason: str = "chosen", channels: int = 3, noise: str = "gaussian:25") -> Exhibit:
    clean = (samples.photograph()[120:216, 300:428, :channels] / np.float32(255)).astype(np.float32)
    noisy = clean + np.random.default_rng(1).standard_normal(clean.shape, dtype=np.float32) * np.float32(25 / 255)
    answers = {"median": clean * np.float32(0.5), "photo": clean * np.float32(0.97), "none": noisy}
    return Exhibit(image, noise, reason, clean, noisy, answers, {"none": 20.3, "photo": 31.4, "median": None})


class Elements(HTMLParser):
    """Every element with its attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def page(folder: Path, evaluation: Evaluation, exhibits: list[Exhibit] | None = None) -> str:
    path = folder / "report.html"
    htmlreport.write(path, evaluation, exhibits or [], overwrite=True)
    return path.read_text("utf-8")


def test_the_page_is_complete_in_itself(tmp_path: Path) -> None:
    text = page(tmp_path, made_up(), [exhibit()])
    elements = Elements(text)
    assert text.startswith("<!DOCTYPE html>")
    for tag, attributes in elements.found:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, attributes)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "sourceMappingURL" not in text
    assert "{{" not in text
    policy = next(attributes["content"] for tag, attributes in elements.found if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'")
    assert "The above copyright notice and this permission notice" in text
    assert ("html", {"lang": "en"}) in elements.found


def test_the_data_are_in_the_page(tmp_path: Path) -> None:
    evaluation, shown = made_up(), exhibit()
    scripts = Elements(page(tmp_path, evaluation, [shown])).scripts
    assert json.loads(scripts[0]) == json.loads(evaluation.to_json())
    data = json.loads(scripts[1])[0]
    assert (data["width"], data["height"], data["psnr"]["median"]) == (128, 96, None)
    assert [answer["method"] for answer in data["answers"]] == ["median", "photo", "none"]
    with PillowImage.open(io.BytesIO(base64.b64decode(data["noisy"].removeprefix("data:image/png;base64,")))) as picture:
        levels = np.asarray(picture)
    # Clipped, rounded, nothing else.
    assert np.array_equal(levels, np.rint(np.clip(shown.noisy, 0, 1) * 255))


@pytest.mark.parametrize("task", [*TASKS, None])
def test_the_page_has_the_words_of_the_task(task: str | None, tmp_path: Path) -> None:
    evaluation = made_up()
    evaluation = replace(evaluation, protocol=evaluation.protocol | {"task": task} if task else {})
    terms = json.loads(Elements(page(tmp_path, evaluation)).scripts[2])
    module = TASKS[task].module() if task else None
    learning = module.Learning if module else Learning
    assert [entry["name"] for entry in terms["metrics"]] == list(module.METRICS if module else metrics.COMPARED)
    assert (terms["before"], terms["words"]) == (learning.before, learning.words)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = Elements(page(tmp_path, made_up(), [exhibit()]))
    evaluation = made_up(images=(HOSTILE, "b"))
    evaluation = replace(evaluation, protocol=evaluation.protocol | {"images": HOSTILE}, failed=(HOSTILE,))
    hostile = Elements(page(tmp_path, evaluation, [exhibit(HOSTILE)]))
    assert hostile.found == plain.found
    assert len(hostile.scripts) == 5
    assert json.loads(hostile.scripts[0])["failed"] == [HOSTILE]
    assert json.loads(hostile.scripts[1])[0]["image"] == HOSTILE


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    scripts = Elements(page(tmp_path, made_up(images=("a\udcff", "b")))).scripts
    assert json.loads(scripts[0])["results"][0]["image"] == "a\udcff"


def test_identical_input_gives_identical_bytes(tmp_path: Path) -> None:
    assert page(tmp_path, made_up(), [exhibit()]) == page(tmp_path, made_up(), [exhibit()])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(FileError, match="exists"):
        htmlreport.write(path, made_up(), [])
    assert path.read_text() == "mine"
    htmlreport.write(path, made_up(), [], overwrite=True)
    assert path.stat().st_size > 200_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_unfit_exhibits_are_our_error(tmp_path: Path) -> None:
    path, good = tmp_path / "report.html", exhibit()
    with pytest.raises(ImageError, match="shape"):
        htmlreport.write(path, made_up(), [replace(good, answers={"photo": good.clean[:-1]})])
    with pytest.raises(ImageError, match="at most 320"):
        htmlreport.write(
            path, made_up(), [replace(good, clean=np.zeros((321, 9, 1), np.float32), noisy=np.zeros((321, 9, 1)), answers={})]
        )
    with pytest.raises(OptionError, match="chosen, worst"):
        htmlreport.write(path, made_up(), [replace(good, reason="pretty")])
    assert list(tmp_path.iterdir()) == []


def test_the_library_and_its_licence_lie_together() -> None:
    folder = Path(htmlreport.__file__).parent
    version = re.search(r"Chart\.js v(\S+)", (folder / "chart.umd.min.js").read_text("utf-8"))
    assert version is not None
    licence = (folder / "CHARTJS-LICENCE.txt").read_text("utf-8")
    assert f"Chart.js {version[1]}," in licence
    assert "MIT" in licence


# -- in a browser -----------------------------------------------------------------------------------------------------


def visit(browser: Any, folder: Path, evaluation: Evaluation, exhibits: list[Exhibit]) -> None:
    path = folder / "report.html"
    htmlreport.write(path, evaluation, exhibits, overwrite=True)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(path.as_uri())


def settled(browser: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(f"return {script}"))


def assert_quiet(browser: Any) -> None:
    """No word in the console, no request but of this file and what is in it."""
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [entry["params"]["request"]["url"] for entry in messages if entry["method"] == "Network.requestWillBeSent"]
    assert any(url.endswith("report.html") for url in asked)
    # The browser's own icons (chrome:) come from inside it, for its search fields and pickers.
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "chrome:", "chrome-untrusted:"))] == []


def visible_sections(browser: Any) -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('main > section:not([hidden])')].map(s => s.id)"
    )
    return found


def signature(browser: Any, canvas: str) -> str:
    found: str = browser.execute_script(f"return document.getElementById('{canvas}').toDataURL()")
    return found


def drawn_pixels(browser: Any, canvas: str) -> int:
    found: int = browser.execute_script(
        f"const c = document.getElementById('{canvas}');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n;"
    )
    return found


def choose(browser: Any, select: str, value: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element(By.ID, select)).select_by_value(value)


def test_charts_and_tables_in_a_browser(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    visit(browser, tmp_path, made_up(), [exhibit()])
    settled(browser, "document.documentElement.dataset.ready === 'yes'")
    assert visible_sections(browser) == ["scores", "speed", "gain", "spread", "chosen"]
    for canvas in ("speed-chart", "gain-chart", "spread-chart"):
        assert drawn_pixels(browser, canvas) > 3000, canvas
    for canvas, select, value in (
        ("speed-chart", "speed-noise", "gaussian:50"),
        ("speed-chart", "speed-metric", "ms_ssim"),
        ("gain-chart", "gain-kind", "salt-pepper"),
    ):
        before = signature(browser, canvas)
        choose(browser, select, value)
        assert signature(browser, canvas) != before, select
    assert "gaussian:50" in str(browser.find_element(By.ID, "speed-chart").get_attribute("aria-label"))

    shown = "return [...document.querySelectorAll('.metric')].filter(e => e.offsetParent).map(e => e.dataset.metric)"
    assert browser.execute_script(shown) == ["psnr"]
    head = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, ".metric[data-metric=psnr] thead tr:last-child th")]
    assert head == ["0", "15", "25", "50", "0.1", "0.3"]
    first = browser.find_elements(By.CSS_SELECTOR, ".metric[data-metric=psnr] tbody tr")[0]
    assert first.text.startswith("photo ")
    assert first.get_attribute("class") == "model"
    psnr = next(row["psnr"] for row in made_up().summary if (row["method"], row["noise"]) == ("photo", "gaussian:25"))
    # At gaussian:0 doing nothing is best.
    assert [cell.text for cell in first.find_elements(By.CSS_SELECTOR, "td.best")][1] == f"{psnr:.2f}"
    browser.find_element(By.CSS_SELECTOR, "input[name=metric][value=worst]").send_keys(" ")
    assert browser.execute_script(shown) == ["worst"]

    # The button downloads the whole evaluation.
    fetched = browser.execute_script("return document.getElementById('evaluation').textContent")
    assert json.loads(fetched) == json.loads(made_up().to_json())
    assert str(browser.find_element(By.ID, "download").get_attribute("href")).startswith("blob:")
    before = signature(browser, "gain-chart")
    for theme in ("light", "dark"):
        browser.find_element(By.ID, "theme").click()
        assert browser.execute_script("return document.documentElement.dataset.theme") == theme
    assert signature(browser, "gain-chart") != before

    assert_quiet(browser)

    # Paper is light with all details open, the screen afterwards as it was.
    events = "window.seen = []; addEventListener('beforeprint', () => seen.push(document.documentElement.dataset.theme));"
    browser.execute_script(
        f"{events} addEventListener('beforeprint', () => seen.push(document.querySelectorAll('details:not([open])').length))"
    )
    assert base64.b64decode(browser.print_page()).startswith(b"%PDF")
    assert browser.execute_script("return seen") == ["light", 0]
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
    assert browser.execute_script("return document.querySelectorAll('details:not([open])').length") == 2


def test_pictures_in_a_browser(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    visit(browser, tmp_path, made_up(), [exhibit("hard", reason="worst", channels=1), exhibit()])
    settled(browser, "document.documentElement.dataset.ready === 'yes'")
    assert browser.find_element(By.ID, "worst-title").text == "The worst image"
    article = browser.find_elements(By.CSS_SELECTOR, ".exhibit")[1]
    captions = [caption.text.split("\n") for caption in article.find_elements(By.CSS_SELECTOR, ".panel figcaption")]
    assert captions == [["clean"], ["noisy", "20.30 dB"], ["photo", "31.40 dB"], ["median", "identical"]]
    panels = article.find_elements(By.CSS_SELECTOR, ".panel img")
    # At 100 %: one pixel of the picture, one of the page.
    assert (panels[0].size["width"], panels[0].size["height"]) == (128, 96)
    assert panels[0].value_of_css_property("image-rendering") == "pixelated"

    slider = article.find_element(By.CSS_SELECTOR, "input[type=range]")
    divider = article.find_element(By.CSS_SELECTOR, ".divider")
    before = divider.location["x"]
    slider.send_keys(Keys.ARROW_RIGHT * 10)
    assert divider.location["x"] - before == pytest.approx(128 * 0.10, abs=1.5)
    slider.send_keys(Keys.HOME)
    assert divider.location["x"] < before - 60
    assert slider.get_attribute("aria-valuetext") == "0 % noisy, the rest photo"

    source = panels[2].get_attribute("src")
    toggle = article.find_element(By.CSS_SELECTOR, ".differs")
    toggle.click()
    settled(browser, "document.querySelectorAll('.exhibit')[1].dataset.view === 'difference'")
    shown = exhibit()
    for index, pixels in enumerate((shown.clean, shown.noisy, shown.answers["photo"], shown.answers["median"])):
        content = str(panels[index].get_attribute("src")).removeprefix("data:image/png;base64,")
        with PillowImage.open(io.BytesIO(base64.b64decode(content))) as picture:
            drawn = np.asarray(picture.convert("RGB"))
        one, two = (np.rint(np.clip(each, 0, 1) * 255) for each in (pixels, shown.clean))
        assert np.array_equal(drawn, np.minimum(4 * np.abs(one - two), 255))
    assert "difference" in str(panels[2].get_attribute("alt"))
    toggle.click()
    settled(browser, "document.querySelectorAll('.exhibit')[1].dataset.view === 'pictures'")
    assert panels[2].get_attribute("src") == source
    assert_quiet(browser)


def test_an_enlarged_exhibit_stands_beside_the_bicubic_one(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    evaluation = made_up(noises=("shrink:2", "shrink:3"), methods=("photo", "bicubic", "lanczos"))
    evaluation = replace(evaluation, protocol=evaluation.protocol | {"task": "upscale"})
    shown = exhibit(noise="shrink:2")
    answers = {"bicubic": shown.noisy, "lanczos": shown.clean, "photo": shown.clean}
    scores = {"bicubic": 28.0, "lanczos": 28.5, "photo": 30.0}
    visit(browser, tmp_path, evaluation, [replace(shown, answers=answers, psnr=scores)])
    settled(browser, "document.documentElement.dataset.ready === 'yes'")
    captions = [caption.text.split("\n") for caption in browser.find_elements(By.CSS_SELECTOR, ".panel figcaption")]
    assert captions == [["clean"], ["bicubic", "28.00 dB"], ["photo", "30.00 dB"], ["lanczos", "28.50 dB"]]
    # Without "none" there is nothing to gain upon, and no noisy image is spoken of.
    assert "gain" not in visible_sections(browser)
    assert "noisy" not in browser.find_element(By.TAG_NAME, "main").text
    assert_quiet(browser)


@pytest.mark.parametrize("case", ["digits", "bare", "hostile", "empty", "one noise"])
def test_odd_evaluations_in_a_browser(case: str, browser: Any, tmp_path: Path) -> None:
    evaluation = made_up()
    exhibits: list[Exhibit] = []
    if case == "digits":
        kept = ("noise", "method", "images", "psnr", "psnr_spread", "worst", "seconds_per_megapixel")
        rows = tuple({key: row[key] for key in kept} | {"worst": 7} for row in evaluation.summary)
        evaluation, expected = Evaluation(evaluation.protocol, (), rows), ["scores", "speed", "gain"]
    elif case == "bare":
        rows = tuple({key: row[key] for key in ("noise", "method", "psnr")} for row in evaluation.summary)
        evaluation, expected = Evaluation({}, (), rows), ["scores", "gain"]
    elif case == "hostile":
        evaluation = made_up(noises=("gaussian:25",), methods=("none", HOSTILE), images=(HOSTILE, "b"))
        protocol = evaluation.protocol | {"images": HOSTILE, "models": {HOSTILE: [HOSTILE]}}
        evaluation = replace(evaluation, protocol=protocol, failed=(HOSTILE, HOSTILE))
        exhibits, expected = [exhibit(HOSTILE)], ["scores", "speed", "spread", "chosen"]
    elif case == "empty":
        evaluation, expected = Evaluation({}, (), ()), ["scores"]
    else:
        evaluation, expected = made_up(noises=("jpeg:20",), methods=("photo", "median")), ["scores", "speed", "spread"]
    visit(browser, tmp_path, evaluation, exhibits)
    settled(browser, "document.documentElement.dataset.ready === 'yes'")
    assert visible_sections(browser) == expected
    assert browser.execute_script("return window.broken === undefined")
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert_quiet(browser)
