"""The HTTP service, on a real socket: its answers are the command line's, its refusals plain, and nothing stays behind."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import os
import re
import signal
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from serving import comes, parts_of, with_pool

import pellucid
from pellucid import cli, files, images, samples
from pellucid.errors import EngineError, OptionError
from pellucid.families import FAMILIES
from pellucid.tasks import TASKS, DenoiseSettings, Task, commands
from pellucid.tasks.settings import Attached, FileSettings, Setting, Settings, Shape, setting

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("python_multipart", reason="the extra web is not installed")

from pellucid.web import catalogue, limits, openapi, pool, security, server, uploads

PNG = b"\x89PNG\r\n\x1a\n"
"""How a PNG begins."""

MODELS = [name for name, family in FAMILIES.items() if family.task in commands()]


@pytest.fixture(scope="module")
def served(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = start_server(
        tmp_path_factory.mktemp("served"),
        *("--workers", "1", "--queue", "1", "--max-megapixels", "1", "--max-megabytes", "2"),
        # However slow this computer is when the service starts.
        *("--timeout", "600"),
    )
    yield made
    assert made.end() == 0
    assert list(made.folder.iterdir()) == []


@pytest.fixture(autouse=True)
def nothing_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "served" in request.fixturenames:
        made = request.getfixturevalue("served")
        # A folder goes just after its answer.
        assert comes(lambda: made.uploads() == []), made.uploads()


def noisy_levels(depth: str = "uint8") -> np.ndarray[Any, Any]:
    clean = samples.photograph()[100:196, 200:328] / np.float64(255)
    spoiled = np.clip(clean + np.random.default_rng(0).standard_normal(clean.shape) * 20 / 255, 0, 1)
    return np.rint(spoiled * np.iinfo(depth).max).astype(depth)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small noisy pictures by their endings, with metadata where the format has any."""
    folder = tmp_path_factory.mktemp("pictures")
    exif = PillowImage.Exif()
    exif[0x010F] = "Maker"
    image = replace(images.from_array(noisy_levels()), exif=exif.tobytes(), resolution=(300.0, 300.0))
    found = {}
    for ending in ("png", "jpg", "webp"):
        found[ending] = folder / f"picture.{ending}"
        files.write(found[ending], image)
    found["tif"] = folder / "picture.tif"
    files.write(found["tif"], replace(images.from_array(noisy_levels("uint16")), exif=exif.tobytes()))
    found["npy"] = folder / "stack.npy"
    np.save(found["npy"], np.stack([noisy_levels()[..., 0], noisy_levels()[::-1, :, 1]]))
    return found


def as_command_line(source: Path, folder: Path, *arguments: str, task: str = "denoise") -> bytes:
    """The file that `pellucid denoise` writes, or another task's command."""
    answer = folder / "answer"
    assert cli.main([task, str(source), "-o", str(answer), *arguments]) == 0
    (written,) = answer.glob("[!.]*")
    return written.read_bytes()


def form_of(content: bytes, *, name: str = "image", file: str = "x.png", media: str = "image/png") -> tuple[bytes, str]:
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: {media}\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


# -- what is right ----------------------------------------------------------------------------------------------------


def test_a_part_is_as_it_is_in_the_whole(served: Any, pictures: dict[str, Path], tmp_path: Path) -> None:
    content = pictures["png"].read_bytes()
    (tmp_path / "answer").mkdir()
    with PillowImage.open(io.BytesIO(as_command_line(pictures["png"], tmp_path, "--strength", "1.3"))) as picture:
        whole = np.asarray(picture).astype(int)
    # The second time the noise need not be looked for.
    for _ in range(2):
        answer = served.ask("POST", "/v1/restore?strength=1.3&part=40,20,104,70", content)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png"), answer.body
        assert answer.headers["x-pellucid-size"] == "64x50"
        with PillowImage.open(io.BytesIO(answer.body)) as picture:
            part = np.asarray(picture).astype(int)
        assert part.shape == (50, 64, 3)
        assert np.abs(part - whole[20:70, 40:104]).mean() < 0.5
        assert 15 < float(answer.headers["x-pellucid-sigma"]) / 1.3 < 25


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("part=40,20,30,70", "part must be X0,Y0,X1,Y1"),
        ("part=0,0,400,70", "not inside a picture of 128x96"),
        ("part=0,0,40,40&preview=true", "do not go together"),
        ("part=0,0,40,40&task=upscale", "has no parts to show"),
    ],
)
def test_a_part_that_cannot_be_shown(query: str, words: str, served: Any, pictures: dict[str, Path]) -> None:
    answer = served.ask("POST", f"/v1/restore?{query}", pictures["png"].read_bytes())
    assert answer.status == 422
    assert words in answer.json["error"]


@pytest.mark.parametrize(
    ("ending", "query", "arguments"),
    [
        ("png", "", ()),
        ("jpg", "?sigma=15", ("--sigma", "15")),
        ("tif", "?strength=0.4&sigma=20", ("--strength", "0.4", "--sigma", "20")),
        ("webp", "?format=png&strip=true", ("--format", "png", "--strip")),
        ("npy", "?sigma=20&axes=ZYX&task=denoise", ("--sigma", "20", "--axes", "ZYX")),
        ("png", "?model=seed-digits", ("--model", "seed-digits")),
        ("jpg", "?task=upscale", ()),
        ("tif", "?task=upscale&scale=3&strength=0.5", ("--scale", "3", "--strength", "0.5")),
        ("npy", "?task=upscale&scale=1.5&model=upscale-photo", ("--scale", "1.5", "--photo")),
    ],
)
def test_an_answer_is_the_command_lines_file(
    ending: str, query: str, arguments: tuple[str, ...], served: Any, pictures: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "answer").mkdir()
    task = "upscale" if "upscale" in query else "denoise"
    answer = served.ask("POST", f"/v1/restore{query}", pictures[ending].read_bytes())
    assert answer.status == 200, answer.body
    expected = as_command_line(pictures[ending], tmp_path, *arguments, task=task)
    assert answer.body == expected
    kind = next(kind for kind in files.FORMATS if f".{'png' if 'format=png' in query else ending}" in kind.endings)
    assert answer.headers["content-type"] == kind.media[0]
    assert answer.headers["content-disposition"] == f'attachment; filename="restored{kind.endings[0]}"'
    scale = 1 if task == "denoise" else float((re.findall(r"scale=([\d.]+)", query) or ["2"])[0])
    assert answer.headers["x-pellucid-size"] == f"{round(128 * scale)}x{round(96 * scale)}"
    if "sigma" not in query and "model" not in query and task == "denoise":
        assert answer.headers["x-pellucid-estimated"] == "true"
        assert 15 < float(answer.headers["x-pellucid-sigma"]) < 25


def test_a_form_is_as_good_as_the_picture_alone(served: Any, pictures: dict[str, Path]) -> None:
    content = pictures["png"].read_bytes()
    alone = served.ask("POST", "/v1/restore?sigma=20", content, Content_Type="image/png")
    body, kind = form_of(content, file="../../etc/../evil name.PNG")
    assert served.ask("POST", "/v1/restore?sigma=20", body, Content_Type=kind).body == alone.body


def test_json_has_the_picture_and_the_diagnosis(served: Any, pictures: dict[str, Path]) -> None:
    answer = served.ask("POST", "/v1/restore", pictures["tif"].read_bytes(), Accept="text/html;q=0, application/json")
    found = answer.json
    assert (found["format"], found["width"], found["height"], found["depth"], found["pages"]) == ("TIFF", 128, 96, "uint16", 1)
    assert found["sigma"] == pytest.approx(found["diagnosis"]["sigma"], abs=0.01)
    image = base64.b64decode(found["image"])
    assert image == served.ask("POST", "/v1/restore", pictures["tif"].read_bytes()).body


def test_previews_are_what_a_browser_shows(served: Any, pictures: dict[str, Path]) -> None:
    answer = served.ask("POST", "/v1/restore?preview=true&sigma=20", pictures["tif"].read_bytes())
    parts = parts_of(answer)
    assert list(parts) == ["details", "image", "before", "after"]
    details = json.loads(parts["details"])
    assert (details["preview_scale"], details["sigma"], details["estimated"]) == (1.0, 20.0, False)
    restored = images.to_array(files.read(pictures["tif"])) / np.float64(65535)
    with PillowImage.open(io.BytesIO(parts["before"])) as picture:
        assert np.abs(np.asarray(picture) - restored * 255).max() <= 0.51
    with PillowImage.open(io.BytesIO(parts["after"])) as picture:
        assert np.asarray(picture).std() < (restored * 255).std()
    inspected = parts_of(served.ask("POST", "/v1/inspect?preview=true", pictures["tif"].read_bytes()))
    assert inspected["before"] == parts["before"]
    assert list(inspected) == ["details", "before"]


def test_a_larger_answer_in_json_and_in_previews(served: Any, pictures: dict[str, Path]) -> None:
    content = pictures["tif"].read_bytes()
    found = served.ask("POST", "/v1/restore?task=upscale&scale=3", content, Accept="application/json").json
    assert (found["width"], found["height"], found["depth"], found["model"]) == (384, 288, "uint16", "upscale")
    # The diagnosis describes the picture that was sent, not the enlarged one.
    assert found["diagnosis"] == served.ask("POST", "/v1/inspect", content).json["diagnosis"]
    parts = parts_of(served.ask("POST", "/v1/restore?task=upscale&scale=3&preview=true", content))
    sizes = {}
    for name in ("before", "after"):
        with PillowImage.open(io.BytesIO(parts[name])) as picture:
            sizes[name] = picture.size
    assert sizes == {"before": (128, 96), "after": (384, 288)}


def test_a_stacks_answer_is_within_the_limit_too(served: Any) -> None:
    pages = io.BytesIO()
    np.save(pages, np.zeros((3, 160, 160), np.uint8))
    answer = served.ask("POST", "/v1/restore?task=upscale&scale=4", pages.getvalue())
    assert (answer.status, "pages together" in answer.json["error"]) == (413, True)


def test_inspect_says_what_is_there(served: Any, pictures: dict[str, Path]) -> None:
    found = served.ask("POST", "/v1/inspect", pictures["npy"].read_bytes()).json
    assert (found["format"], found["pages"], found["channels"], found["alpha"]) == ("NumPy", 2, 1, False)
    assert found["diagnosis"]["kind"] == "gaussian"
    assert 10 < found["diagnosis"]["sigma"] < 30


def test_everything_derives_from_the_declarations(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = served.ask("GET", "/v1/models").json
    assert [task["name"] for task in found["tasks"]] == list(commands())
    for task in found["tasks"]:
        row = TASKS[task["name"]]
        assert task["keeps_size"] == (row.settings().answer(Shape(10, 20, 3, alpha=False))[:2] == (10, 20))
        assert [option["name"] for option in task["options"]] == ["model", *row.settings.names(), *FileSettings.names()]
        assert [option["name"] for option in task["options"] if option["of_task"]] == list(row.settings.names())
        assert (task["mark"], tuple(task["verbs"]), task["headline"], task["after"]) == (
            row.mark,
            row.verbs,
            row.headline,
            row.after,
        )
        assert [fact["name"] for fact in task["facts"]] == [fact.name for fact in row.facts]
    assert {model["name"] for model in found["models"]} == set(MODELS)
    takes = {model["name"]: model["takes"] for model in found["models"]}
    assert "sigma" in takes["photo"]
    assert "sigma" not in takes["digits"]
    assert all(model["takes_sigma"] == ("sigma" in model["takes"]) for model in found["models"])
    described = served.ask("GET", "/openapi.json").json
    asked = {parameter["name"]: parameter for parameter in described["paths"]["/v1/restore"]["post"]["parameters"]}
    # Names are there once, whichever tasks they are of.
    assert len(asked) == len(described["paths"]["/v1/restore"]["post"]["parameters"])
    for task in commands().values():
        with pytest.raises(SystemExit):
            cli.main([task.name, "--help"])
        shown = capsys.readouterr().out
        assert all(f"--{name}" in shown for name, _, _ in task.shorthands)
        for option in (*task.settings.declared(), *FileSettings.declared()):
            assert option.flag in shown
            if option.kinds == ("file",):
                # A part of the form.
                assert option.name not in asked
                continue
            schema = asked[option.name]["schema"]
            # A setting of several tasks has what each of them takes, and the default that all agree on.
            namesakes = [each for row in TASKS.values() for each in row.settings.declared() if each.name == option.name] or [option]
            defaults = [list(each.default) if each.many else each.default for each in namesakes]
            assert schema.get("default") == (defaults[0] if all(each == defaults[0] for each in defaults) else None)
            if option.kind == "number":
                least = "exclusiveMinimum" if option.above else "minimum"
                bounds = [(each.get(least), each.get("maximum")) for each in schema.get("anyOf", [schema])]
                assert (option.low, option.high) in bounds
    assert "default: " + ", ".join(f"{row.model} for {row.name}" for row in commands().values()) in asked["model"]["description"]
    assert sorted(asked["model"]["schema"]["enum"]) == sorted(MODELS)


def test_values_are_read_and_refused_by_name() -> None:
    assert DenoiseSettings.read({"sigma": ["3"]}) == DenoiseSettings(sigma=3)
    assert FileSettings.read({"strip": ["true"]}) == FileSettings(strip=True)
    with pytest.raises(OptionError, match="'colour' is not a setting"):
        DenoiseSettings.read({"colour": ["red"]})
    offered = catalogue.Catalogue({"photo": "photo"})
    with pytest.raises(OptionError, match="task must be one of denoise, not 'paint'"):
        offered.offer("paint")
    for text in ("nan", "-1", "256", "many", "inf"):
        with pytest.raises(OptionError, match="sigma must be a number from 0 to 255"):
            DenoiseSettings.read({"sigma": [text]})
    two = Setting("either", kind="choice", choices=("a", "b"), name="two")
    assert two.read("a") == "a"
    with pytest.raises(OptionError, match="two must be one of a, b"):
        two.read("c")


@dataclass(frozen=True)
class TintSettings(Settings):
    """Settings of each kind."""

    tone: str | Attached | None = setting(None, "by what", kind=("choice", "colour", "file"), choices=("warm", "cold"))
    palette: Attached | None = setting(None, "a picture", kind="file")
    hint: tuple[Any, ...] = setting((), "colours at places", kind="hint", many=True)
    amount: float = setting(2.0, "how much", low=1)


def test_a_new_task_is_described_by_its_row() -> None:
    row = Task("tint", "give tint", "tint", ("Tint", "Tinting", "Tinted"), "see it", "you see it", "tint", TintSettings)
    offered = catalogue.Catalogue({})
    offered.offers = {"tint": catalogue.Offer(row, ("tint",))}
    assert offered.offer(None).parts == {"tone": (), "palette": ()}
    options = {
        option["name"]: option
        for option in json.loads(json.dumps(offered.to_dict(lambda model: limits.Limits()), allow_nan=False))["tasks"][0]["options"]
    }
    assert options["tone"]["kinds"] == ["choice", "colour", "file"]
    assert (options["amount"]["low"], options["amount"]["high"], options["hint"]["many"]) == (1, None, True)
    described = openapi.document(limits.Limits(), offered, token=False)["paths"]["/v1/restore"]["post"]
    asked = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert "palette" not in asked
    assert (asked["hint"]["schema"]["type"], asked["hint"]["explode"]) == ("array", True)
    assert len(asked["tone"]["schema"]["anyOf"]) == 2
    form = described["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (list(form["properties"]), form["required"]) == (["image", "tone", "palette", "mask", "protect"], ["image"])


def test_palettes_and_whole_numbers_are_described() -> None:
    offered = catalogue.Catalogue({"colorize": "colorize"})
    options = {option["name"]: option for option in offered.to_dict(lambda model: limits.Limits())["tasks"][0]["options"]}
    assert options["palette"]["kinds"] == ["palette", "file"]
    assert {name: options[name]["whole"] for name in ("draw", "variants", "saturation")} == {
        "draw": True,
        "variants": True,
        "saturation": False,
    }
    described = openapi.document(limits.Limits(), offered, token=False)["paths"]["/v1/restore"]["post"]
    asked = {parameter["name"]: parameter["schema"] for parameter in described["parameters"]}
    assert asked["draw"] == {"type": "integer", "minimum": 0, "maximum": 99, "default": 0}
    assert asked["saturation"]["type"] == "number"
    for text, right in (("#7b3f00,#87ceeb,olive", True), ("red", True), ("#fff, #000", True), ("red,", False), ("red;blue", False)):
        assert bool(re.match(asked["palette"]["pattern"], text)) is right
    assert "palette" in described["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]


def test_facts_are_described_in_the_order_of_their_row() -> None:
    document = openapi.document(limits.Limits(), catalogue.Catalogue({"upscale": "upscale", "photo": "photo"}), token=False)
    good = document["paths"]["/v1/restore"]["post"]["responses"]["200"]
    facts = TASKS["denoise"].facts
    names = [fact.name for fact in facts]
    described = good["content"]["application/json"]["schema"]["properties"]
    assert [name for name in described if name in names] == names
    headers = [f"X-Pellucid-{fact.header}" for fact in facts if fact.header is not None]
    assert [name for name in good["headers"] if name in headers] == headers


def test_a_file_as_a_setting_is_a_part_and_never_a_path(tmp_path: Path) -> None:
    content = tmp_path / "secret"
    content.write_bytes(b"x")
    for name in ("tone", "palette"):
        with pytest.raises(OptionError, match=name):
            TintSettings.read({name: [str(content)]}, paths=False)
    read = TintSettings.read({"tone": ["#fff"], "hint": ["1,2=red", "3,4=#00f"]}, {"palette": content}, paths=False)
    assert (read.tone, len(read.hint)) == ("#ffffff", 2)
    assert read.palette is not None
    # The worker gets the settings as text.
    again = TintSettings.read(read.text())
    assert again == read
    assert again.palette is not None
    assert again.palette.path == content


SITE = """
import sys, types
from dataclasses import dataclass
from pellucid import families, tasks
from pellucid.tasks.settings import Settings, setting

@dataclass(frozen=True)
class TintSettings(Settings):
    palette: object = setting(None, "a picture", kind="file", label="Palette")
    words: tuple = setting((), "many", kind="text", many=True)

def prepare(view, models, settings):
    from pellucid.tasks.base import Job
    named = None if settings.palette is None else f"{settings.palette.name} {settings.palette.path.stat().st_size}"
    return Job("none", facts=lambda: {"palette": named, "count": len(settings.words)})

row = tasks.Task(
    "tint", "give tint", "tinted", ("Tint", "Tinting", "Tinted"), "see it tinted", "you see it", "tint", TintSettings,
    facts=(
        tasks.Fact("palette", "the palette", {"type": ["string", "null"]}, header="Palette"),
        tasks.Fact("count", "of the words", {"type": "integer"}, default=0, header="Count"),
    ),
)
tasks.TASKS["tint"] = row
families.FAMILIES["tint"] = families.Family("tint", {"colour": "photo-color"})
module = types.ModuleType("pellucid.tasks.tint")
module.prepare = prepare
sys.modules[module.__name__] = module
"""
"""A third task that does nothing to the picture, for processes that find this as ``sitecustomize``."""


@pytest.fixture(scope="module")
def tinted(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("tinted")
    place = tmp_path_factory.mktemp("site")
    (place / "sitecustomize.py").write_text(SITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])]))
        made = start_server(folder, "--workers", "1", "--max-megapixels", "1", "--timeout", "600")
    yield made
    assert made.end() == 0


def test_a_third_task_is_served(tinted: Any, pictures: dict[str, Path]) -> None:
    listed = tinted.ask("GET", "/v1/models").json
    assert [task["verbs"][0] for task in listed["tasks"]] == [*(row.verbs[0] for row in commands().values()), "Tint"]
    assert [model["takes"] for model in listed["models"] if model["task"] == "tint"] == [["strength", "palette", "words"]]
    described = tinted.ask("GET", "/openapi.json").json["paths"]["/v1/restore"]["post"]
    assert {"X-Pellucid-Palette", "X-Pellucid-Sigma"} <= set(described["responses"]["200"]["headers"])
    image, palette = pictures["png"].read_bytes(), pictures["jpg"].read_bytes()
    sent = form_of(palette, name="palette", file="/etc/mine.jpg", media="image/jpeg")[0].removesuffix(b"--edge--\r\n")
    body, kind = form_of(image)
    answer = tinted.ask("POST", "/v1/restore?task=tint&words=a&words=b", sent + body, Content_Type=kind)
    assert answer.status == 200, answer.body
    headers = {name for name in answer.headers if name.startswith("x-pellucid-")}
    assert headers == {f"x-pellucid-{name}" for name in ("model", "size", "seconds", "palette", "count")}
    assert answer.headers["x-pellucid-palette"] == f"upload-palette.jpg {len(palette)}"
    assert answer.headers["x-pellucid-count"] == "2"
    found = tinted.ask("POST", "/v1/restore?task=tint", image, Accept="application/json").json
    assert (found["palette"], found["count"], "sigma" in found, found["diagnosis"]["kind"]) == (None, 0, False, "gaussian")


@pytest.mark.parametrize(
    ("query", "form", "status", "said"),
    [
        ("task=tint&palette=/etc/passwd", True, 422, "palette"),
        ("task=tint&task=tint", True, 422, "task is given 2 times"),
        ("task=tint", False, 422, "'image', 'palette'"),
        ("task=denoise", True, 422, "the form may have these fields, each a file: 'image'"),
        ("task=tint", True, 413, "1000x1001 pixels are more than the 1 megapixels"),
    ],
)
def test_what_is_refused_of_files_as_settings(
    query: str, form: bool, status: int, said: str, tinted: Any, pictures: dict[str, Path]
) -> None:
    sent = form_of(png_claiming(1000, 1001), name="palette" if form else "other")[0].removesuffix(b"--edge--\r\n")
    body, kind = form_of(pictures["png"].read_bytes())
    answer = tinted.ask("POST", f"/v1/restore?{query}", sent + body, Content_Type=kind)
    assert (answer.status, said in answer.json["error"]) == (status, True), answer.body
    assert "/tmp" not in answer.json["error"]


class Sent:
    """A request with this body."""

    def __init__(self, body: bytes, media: str) -> None:
        self.body, self.headers = body, {"content-type": media}

    async def stream(self) -> Any:
        for start in range(0, len(self.body), 100):
            yield self.body[start : start + 100]


def received(folder: Path, body: bytes, parts: dict[str, tuple[str, ...]], **bounds: Any) -> dict[str, Path]:
    folder.mkdir()
    request: Any = Sent(body, "multipart/form-data; boundary=edge")
    with uploads.Held().share() as share:
        return asyncio.run(uploads.received(request, folder, limits.Limits(**bounds), share, parts))


def test_a_form_with_a_picture_for_a_setting(tmp_path: Path, pictures: dict[str, Path]) -> None:
    image, palette = pictures["png"].read_bytes(), pictures["jpg"].read_bytes()
    end = b"--edge--\r\n"
    body = form_of(palette, name="palette", media="image/jpeg")[0].removesuffix(end) + form_of(image)[0]
    found = received(tmp_path / "a", body, {"palette": ()})
    assert {name: path.name for name, path in found.items()} == {"image": "upload.png", "palette": "upload-palette.jpg"}
    assert (found["image"].read_bytes(), found["palette"].read_bytes()) == (image, palette)
    alone = form_of(palette, name="palette", media="image/jpeg")[0]
    for sent, parts, bounds, status in (
        (body, {}, {}, 422),
        (alone, {"palette": ()}, {}, 422),
        (alone.removesuffix(end) + body, {"palette": ()}, {}, 422),
        # One bound for all of them.
        (body, {"palette": ()}, {"bytes": len(image) + len(palette) - 1}, 413),
    ):
        with pytest.raises(uploads.Refused) as caught:
            received(tmp_path / f"{len(sent)}-{len(bounds)}-{len(parts)}", sent, parts, **bounds)
        assert caught.value.status == status


@pytest.mark.parametrize(
    ("media", "name", "content", "ending"),
    [
        ("application/json", "hints.json", b"[]", ".json"),
        ("application/octet-stream", "hints.json", b"[]", ".json"),
        ("application/octet-stream", "a", b"[]", ".json"),
        ("text/plain", "hints.json", b"[]", ".json"),
        # Its content says more than its name.
        ("application/octet-stream", "hints.json", PNG, ".png"),
        ("image/png", "hints.png", PNG, ".png"),
        ("application/octet-stream", "hints.txt", b"[]", 415),
        ("image/png", "hints.png", b"[]", 415),
        ("text/html", "hints.json", b"[]", 415),
        ("application/json", "hints.json", b"", 422),
    ],
)
def test_a_file_of_a_setting_may_have_the_endings_that_it_declares(
    tmp_path: Path, media: str, name: str, content: bytes, ending: str | int
) -> None:
    head = f'--edge\r\nContent-Disposition: form-data; name="hints"; filename="{name}"\r\nContent-Type: {media}\r\n\r\n'.encode()
    body = head + content + b"\r\n" + form_of(PNG)[0]
    if isinstance(ending, int):
        with pytest.raises(uploads.Refused) as caught:
            received(tmp_path / "a", body, {"hints": (".json",)})
        assert caught.value.status == ending
    else:
        found = received(tmp_path / "a", body, {"hints": (".json",)})
        assert (found["hints"].name, found["hints"].read_bytes()) == (f"upload-hints{ending}", content)
    # Without a declaration pictures alone are taken, and the picture itself is never anything else.
    for sent, parts in ((body, {"hints": ()}), (form_of(b"[]", media="application/json")[0], {})):
        if not content.startswith(b"\x89PNG"):
            with pytest.raises(uploads.Refused) as caught:
                received(tmp_path / f"b{len(parts)}", sent, parts)
            assert caught.value.status in (415, 422)


def test_hints_come_as_json(served: Any, tmp_path: Path) -> None:
    gray = np.tile(np.arange(60, 188, dtype=np.uint8), (96, 1))
    files.write(tmp_path / "a.png", images.from_array(gray))
    end = b"--edge--\r\n"
    picture = form_of((tmp_path / "a.png").read_bytes())[0].removesuffix(end)
    hints, media = form_of(b'[[20, 30, "#ff0000"]]', name="hints", file="hints.json", media="application/json")
    answer = served.ask("POST", "/v1/restore?task=colorize", picture + hints, **{"Content-Type": media})
    assert answer.status == 200
    (tmp_path / "b.png").write_bytes(answer.body)
    made = pellucid.colorize(gray, hint=[(20, 30, "#ff0000")])
    np.testing.assert_array_equal(files.read(tmp_path / "b.png").pixels, images.from_array(made).pixels)
    bad = form_of(b'[[20, 300, "#ff0000"]]', name="hints", file="hints.json", media="application/json")[0]
    answer = served.ask("POST", "/v1/restore?task=colorize", picture + bad, **{"Content-Type": media})
    assert (answer.status, "hint 20,300 lies outside the picture" in answer.json["error"]) == (422, True)
    answer = served.ask("POST", "/v1/restore?task=colorize", picture + bad.replace(b'"#ff0000"', b"7"), **{"Content-Type": media})
    assert (answer.status, answer.json["error"].startswith("the file 'hints': hints are a list")) == (422, True)


def test_health_and_metrics(served: Any, pictures: dict[str, Path]) -> None:
    assert served.ask("GET", "/healthz").json["status"] == "ok"

    def counted() -> dict[str, float]:
        text = served.ask("GET", "/metrics")
        assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = [line for line in text.body.decode().splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    before = counted()
    served.ask("POST", "/v1/restore", pictures["png"].read_bytes())
    done = 'pellucid_requests_total{path="/v1/restore",status="200"}'
    # The service counts an answer just after it has sent it.
    assert comes(lambda: counted().get(done, 0) == before.get(done, 0) + 1)
    after = counted()
    assert after["pellucid_restored_pixels_total"] - before["pellucid_restored_pixels_total"] == 96 * 128
    assert after['pellucid_restore_seconds_bucket{le="+Inf"}'] == after["pellucid_restore_seconds_count"]
    assert (after["pellucid_waiting"], after["pellucid_working"]) == (0, 0)


# -- what is refused --------------------------------------------------------------------------------------------------


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims so many pixels, with next to nothing behind it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    packed = zlib.compress(bytes(1 + 3 * width) * min(height, 2000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "said"),
    [
        ("/v1/restore?sigma=many", b"png", {}, 422, "sigma"),
        ("/v1/restore?sigma=1&sigma=2", b"png", {}, 422, "sigma is given 2 times"),
        ("/v1/restore?preview=true&preview=true", b"png", {}, 422, "preview is given 2 times"),
        ("/v1/restore?colour=red", b"png", {}, 422, "'colour' is not a setting of denoise"),
        ("/v1/restore?task=paint", b"png", {}, 422, "task must be one of denoise, upscale"),
        ("/v1/restore?model=/etc/passwd", b"png", {}, 422, "model must be one of photo"),
        ("/v1/restore?model=photo-gray", b"png", {}, 422, "model must be one of photo"),
        ("/v1/restore?format=nef", b"png", {}, 422, "format"),
        ("/v1/restore?range=much", b"png", {}, 422, "range"),
        ("/v1/restore?preview=perhaps", b"png", {}, 422, "preview must be true or false"),
        ("/v1/restore?ticket=short", b"png", {}, 422, "ticket"),
        ("/v1/restore?axes=ZYX", b"png", {}, 200, ""),
        ("/v1/restore?model=digits&sigma=5", b"png", {}, 422, "takes no sigma"),
        ("/v1/restore?model=upscale", b"png", {}, 422, "model must be one of photo"),
        ("/v1/restore?scale=2", b"png", {}, 422, "'scale' is not a setting of denoise"),
        ("/v1/restore?task=upscale&model=photo", b"png", {}, 422, "model must be one of upscale"),
        ("/v1/restore?task=upscale&sigma=5", b"png", {}, 422, "'sigma' is not a setting of upscale"),
        ("/v1/restore?task=upscale&scale=9", b"png", {}, 422, "scale must be a number above 1 and up to 8"),
        ("/v1/restore?task=upscale&scale=1", b"png", {}, 422, "scale must be a number above 1 and up to 8"),
        # The picture is small enough, but its output would not be.
        (
            "/v1/restore?task=upscale&scale=7",
            png_claiming(200, 128),
            {},
            413,
            "200x128 pixels would become 1400x896, more than the 1 megapixels that this service accepts; a smaller picture",
        ),
        ("/v1/inspect?sigma=5", b"png", {}, 422, "'sigma' is not a setting of inspect; the settings are range, axes"),
        ("/v1/restore", b"", {}, 422, "no picture"),
        ("/v1/restore", b"words, not pixels", {}, 415, "no picture in"),
        ("/v1/restore", b"%PDF-1.7" + bytes(50), {}, 415, "PDF"),
        ("/v1/restore", b"png", {"Content_Type": "text/plain"}, 415, "is not that of a picture"),
        ("/v1/restore", b"png", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "is not that of a picture"),
        ("/v1/restore", b"png", {"Content_Type": "image/jpeg"}, 415, "is that of JPEG, but the content is PNG"),
        ("/v1/restore", b"png", {"Content_Encoding": "gzip"}, 415, "Content-Encoding"),
        ("/v1/restore", b"png", {"Accept": "text/html"}, 406, "Accept"),
        ("/v1/restore", b"png", {"Accept": "image/*;q=0"}, 406, "Accept"),
        ("/v1/inspect", b"png", {"Accept": "image/png"}, 406, "Accept"),
        ("/v1/restore", b"\x89PNG\r\n\x1a\n" + bytes(500), {}, 422, "the picture"),
        ("/v1/restore", b"cut", {}, 422, "the picture"),
        ("/v1/restore", png_claiming(60000, 60000), {}, 413, "60000x60000"),
        (
            "/v1/restore",
            png_claiming(2000, 2000),
            {},
            413,
            "2000x2000 pixels are more than the 1 megapixels that this service accepts",
        ),
        ("/v1/restore", bytes(2_000_001), {}, 413, "2000000 bytes"),
        ("/v1/restore", b"png", {"Content_Type": "multipart/form-data"}, 400, "boundary"),
        ("/v1/restore", b"--edge\r\n", {"Content_Type": "multipart/form-data; boundary=edge"}, 400, "cut off"),
        ("/v1/restore", b"nonsense", {"Content_Type": "multipart/form-data; boundary=edge"}, 400, "form"),
        (
            "/v1/restore",
            b"--edge--\r\n",
            {"Content_Type": "multipart/form-data; boundary=edge"},
            422,
            "the form has no field 'image'",
        ),
    ],
)
def test_what_is_refused(
    path: str, body: bytes, headers: dict[str, str], status: int, said: str, served: Any, pictures: dict[str, Path]
) -> None:
    content = pictures["png"].read_bytes()
    sent = {b"png": content, b"cut": content[:-900]}.get(body, body)
    answer = served.ask("POST", path, sent, **headers)
    assert answer.status == status, answer.body
    if status == 200:
        return
    assert answer.headers["content-type"] == "application/json"
    message = answer.json["error"]
    assert said in message
    assert "\n" not in message
    assert "/tmp" not in message
    assert str(served.folder) not in message


def test_bombs_of_other_formats_are_refused_by_their_headers(served: Any) -> None:
    large = np.zeros((1400, 1400), np.uint8)
    for ending in (".jpg", ".tif", ".webp", ".avif", ".bmp"):
        buffer = io.BytesIO()
        kind = next(kind for kind in files.FORMATS if ending in kind.endings)
        # Whole and valid: but larger than is taken here.
        PillowImage.fromarray(large).convert("RGB").save(buffer, kind.name, compression="tiff_deflate")
        content = buffer.getvalue()[:1_500_000]
        answer = served.ask("POST", "/v1/restore", content)
        assert answer.status == 413, (ending, answer.body)
        assert "1400x1400" in answer.json["error"]
    content = b"P5\n1400 1400\n255\n" + bytes(1400 * 1400)
    assert served.ask("POST", "/v1/inspect", content).status == 413
    pages = io.BytesIO()
    np.save(pages, np.zeros((20, 300, 300), np.uint8))
    for path in ("/v1/inspect", "/v1/restore"):
        answer = served.ask("POST", path, pages.getvalue())
        assert (answer.status, "pages together" in answer.json["error"]) == (413, True)


@pytest.mark.parametrize(
    ("name", "count", "status"),
    [("picture", 1, 422), ("image", 2, 422), ("image", 1, 200), ("i" * 5000, 1, 400)],
)
def test_a_form_has_one_picture(name: str, count: int, status: int, served: Any, pictures: dict[str, Path]) -> None:
    body, kind = form_of(pictures["png"].read_bytes(), name=name)
    if count == 2:
        body = body.removesuffix(b"--\r\n") + b"\r\n" + body.partition(b"\r\n")[2]
    assert served.ask("POST", "/v1/inspect", body, Content_Type=kind).status == status


def test_other_paths_and_methods(served: Any) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/%2e%2e/app.py", 404),
        ("GET", "/v1/restore", 405),
        ("PUT", "/v1/restore", 405),
        ("POST", "/healthz", 405),
        ("OPTIONS", "/v1/restore", 405),
    ):
        answer = served.ask(method, path)
        assert answer.status == status, (method, path)
        assert "access-control-allow-origin" not in answer.headers
        assert answer.json["error"]
    assert served.ask("GET", "/v1/progress/nobody-asked-this").json == {"state": "unknown", "ahead": 0, "done": 0}
    assert served.ask("GET", "/v1/progress/x").status == 422


def test_every_answer_bears_the_headers(served: Any, pictures: dict[str, Path]) -> None:
    for method, path, body in (
        ("GET", "/", None),
        ("GET", "/page/app.js", None),
        ("GET", "/nothing", None),
        ("POST", "/v1/restore", pictures["png"].read_bytes()),
        ("POST", "/v1/restore", b"x"),
    ):
        headers = served.ask(method, path, body).headers
        for name, value in security.HEADERS.items():
            assert headers[name.lower()] == value, path
        assert "server" not in headers
    page = served.ask("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    again = served.ask("GET", "/", If_None_Match=page.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_only_this_machines_own_pages_may_ask(served: Any, pictures: dict[str, Path]) -> None:
    content = pictures["png"].read_bytes()
    own = f"http://127.0.0.1:{served.port}"
    assert served.ask("GET", "/healthz", Host="evil.example").status == 421
    assert served.ask("GET", "/healthz", Host="").status == 421
    assert served.ask("GET", "/healthz", Host=f"localhost:{served.port}").status == 200
    for headers, status in (
        ({"Origin": own}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": own}, 200),
    ):
        assert served.ask("POST", "/v1/inspect", content, **headers).status == status, headers


class Attacked:
    """The server as ``fuzz_web`` asks it."""

    def __init__(self, served: Any) -> None:
        self.served, self.folder, self.process = served, served.folder, served.process
        self.left = served.uploads

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        answer = self.served.ask(method, path, body, **headers)
        return answer.status, answer.body

    def restarts(self) -> int:
        return 0


def test_hostile_uploads(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import fuzz_web

    # `make fuzz-web` sends 2,000.
    assert fuzz_web.attack(Attacked(served), 60, 1) == []
    assert "200: " in capsys.readouterr().out


# -- under load -------------------------------------------------------------------------------------------------------


def test_a_full_queue_says_when_to_come_back(served: Any, pictures: dict[str, Path]) -> None:
    content = pictures["png"].read_bytes()
    # One at work and one that waits are all that have a place here.
    held = [served.begin(f"/v1/restore?ticket=ticket-{index}", len(content), content[:100]) for index in range(2)]
    for index in range(2):
        assert comes(lambda index=index: served.ask("GET", f"/v1/progress/ticket-{index}").json["state"] == "receiving")
    answer = served.ask("POST", "/v1/restore", content)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    for connection in held:
        connection.sendall(content[100:])
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        response.read()
        connection.close()
    assert served.ask("POST", "/v1/restore", content).status == 200


def test_a_name_is_for_one_request(served: Any, pictures: dict[str, Path]) -> None:
    content = pictures["png"].read_bytes()
    held = served.begin("/v1/restore?ticket=the-same-name", len(content), content[:100])
    assert comes(lambda: served.ask("GET", "/v1/progress/the-same-name").json["state"] == "receiving")
    assert served.ask("POST", "/v1/restore?ticket=the-same-name", content).status == 409
    # Who leaves before the picture is there leaves nothing behind (a fixture looks).
    held.close()


def test_termination_finishes_what_runs(start_server: Callable[..., Any], tmp_path: Path, pictures: dict[str, Path]) -> None:
    left = tmp_path / "pellucid-web-killed"
    left.mkdir()
    (left / "picture").touch()
    made = start_server(tmp_path, "--workers", "1")
    # The start deletes the folder that a killed server left.
    assert not left.exists()
    content = pictures["png"].read_bytes()
    held = made.begin("/v1/restore?ticket=last-request", len(content), content[:100])
    assert comes(lambda: made.ask("GET", "/v1/progress/last-request").json["state"] == "receiving")
    made.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    held.sendall(content[100:])
    response = http.client.HTTPResponse(held)
    response.begin()
    assert (response.status, len(response.read())) == (200, int(response.headers["content-length"]))
    held.close()
    assert made.end() == 0
    assert list(tmp_path.iterdir()) == []


FAKE = """
import json, os, sys, threading, time
say = lambda line: print(json.dumps(line), flush=True)
if "never starts" in sys.argv:
    say({"failed": {"kind": "EngineError", "message": "no engine"}})
    sys.exit()
say({"ready": True})
given_up = threading.Event()
jobs = []
def listen():
    for line in sys.stdin:
        told = json.loads(line)
        if "cancel" in told:
            given_up.set()
        else:
            jobs.append(told)
    os._exit(0)
threading.Thread(target=listen, daemon=True).start()
while True:
    if not jobs:
        time.sleep(0.005)
        continue
    job = jobs.pop(0)
    say({"id": job["id"], "progress": 0.5})
    if job["do"] == "crash":
        sys.exit(3)
    if job["do"] == "hang":
        time.sleep(1000)
    if job["do"] == "long":
        given_up.wait()
        given_up.clear()
        say({"id": job["id"], "failed": {"kind": "cancelled", "message": "cancelled"}})
    elif job["do"] == "measure":
        time.sleep(0.1)
        say({"id": job["id"], "done": {"speed": 1000}})
    elif job["do"] == "refuse":
        say({"id": job["id"], "failed": {"kind": "FileError", "message": "damaged"}})
    else:
        say({"id": job["id"], "done": {"echo": job["do"]}})
"""


def test_a_crash_or_a_hang_costs_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GRACE", 0.2)

    async def work(made: pool.Pool) -> list[str]:
        kinds = []
        for job in ("crash", "hang", "long", "refuse"):
            late = job in ("hang", "long")
            # Nothing but what is never done runs out of time, however busy the machine is.
            made.limits = replace(made.limits, seconds=1 if late else 100)
            async with made.place() as ticket:
                try:
                    await made.run({"do": job}, ticket)
                except pool.Failed as error:
                    kinds.append(error.kind)
                assert late or ticket.done == 0.5
            made.limits = replace(made.limits, seconds=100)
            async with made.place() as ticket:
                assert await made.run({"do": "well"}, ticket) == {"echo": "well"}
        # Two over the crash. One that gives up by itself is kept, if the machine lets it do so in time.
        assert made.restarts in (3, 4)
        return kinds

    assert with_pool(FAKE, work) == ["crash", "time", "time", "FileError"]


def test_the_speed_is_measured_whatever_the_limit() -> None:
    async def work(made: pool.Pool) -> float:
        return await made.measured("photo")

    assert with_pool(FAKE, work, seconds=0.01) == 1000


def test_who_leaves_frees_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GRACE", 60)

    async def work(made: pool.Pool) -> None:
        async with made.place() as ticket, made.place() as second:
            running = asyncio.ensure_future(made.run({"do": "long"}, ticket))
            waiting = asyncio.ensure_future(made.run({"do": "well"}, second))
            while ticket.done != 0.5:
                await asyncio.sleep(0.005)
            assert (ticket.state, second.state, made.working, made.ahead(second)) == ("working", "waiting", 1, 0)
            running.cancel()
            assert await waiting == {"echo": "well"}
            with pytest.raises(asyncio.CancelledError):
                await running
        assert (made.restarts, made.places) == (0, [])

    with_pool(FAKE, work)


def test_places_are_bounded() -> None:
    async def work(made: pool.Pool) -> None:
        async with made.place(), made.place(), made.place() as third:
            third.state = "waiting"
            with pytest.raises(pool.Busy) as caught:
                async with made.place():
                    pass
            assert caught.value.retry >= 1
        async with made.place():
            pass

    with_pool(FAKE, work, queue=2)


def test_a_pool_that_cannot_start_says_why() -> None:
    with pytest.raises(EngineError, match="a worker cannot start: no engine"):
        with_pool(FAKE, lambda made: None, "never starts")


def test_more_bytes_at_once_than_may_lie_here(tmp_path: Path) -> None:
    held = uploads.Held(bytes=90)
    with (tmp_path / "x").open("wb") as file, held.share() as share:
        with pytest.raises(uploads.Refused) as caught:
            uploads._Sink(limits.Limits(held=100), share).write(file, bytes(20))
        assert held.bytes == 110
    assert (caught.value.status, held.bytes) == (429, 90)


# -- who may listen, who may ask --------------------------------------------------------------------------------------


def asked_guard(token: str | None, **headers: str) -> int:
    """The status of a request to /v1/models by way of the guard; 200 is what the application behind it answers."""
    seen: list[int] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    given = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/v1/models", "query_string": b"", "headers": given}
    asyncio.run(security.Guard(behind, token=token, host="0.0.0.0")(scope, receive, send))
    return seen[0]


def test_a_token_is_asked_for() -> None:
    token = "0123456789abcdef"
    assert asked_guard(token, Host="anything.example") == 401
    assert asked_guard(token, Host="x", Authorization="Bearer wrong") == 401
    assert asked_guard(token, Host="x", Authorization=f"Basic {token}") == 401
    assert asked_guard(token, Host="x", Authorization=f"Bearer {token}x") == 401
    assert asked_guard(token, Host="x", Authorization=f"Bearer {token}") == 200
    assert asked_guard(None, Host="localhost") == 200
    assert asked_guard(None, Host="[::1]:80") == 200
    assert asked_guard(None, Host="[bad") == 421


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0"), "others can reach this address; add --token TOKEN"),
        (("--host", "0.0.0.0", "--token", "short"), "16 characters"),
        (("--host", "192.0.2.1", "--token", "0123456789abcdef"), "cannot listen on 192.0.2.1"),
    ],
)
def test_what_serve_refuses(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PELLUCID_TOKEN", raising=False)
    assert cli.main(["serve", "--no-browser", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--no-browser", "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_short_answers_do_not_wait_for_acknowledgements() -> None:
    with server._listening(server.Configuration(port=0)) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_limits_and_workers() -> None:
    assert limits.workers() >= 2
    with pytest.raises(OptionError, match="workers must be above 0"):
        limits.Limits(workers=0)
    with pytest.raises(OptionError, match="queue"):
        limits.Limits(queue=-1)
    # A slow computer takes no picture that it could not finish in time.
    slow = limits.Limits(pixels=64_000_000, seconds=120).within(125_000)
    assert (slow.pixels, slow.timed) == (12_000_000, True)
    assert slow.words == (
        "the 12 megapixels that this computer can restore within 120 seconds; "
        "a smaller picture, a longer --timeout or the command line would work"
    )
    fast = limits.Limits(pixels=64_000_000, seconds=120).within(2e6)
    assert (fast.pixels, fast.timed, "--max-megapixels" in fast.words) == (64_000_000, False, True)
    assert server.Configuration(host="::1").host == "::1"
    assert re.fullmatch(openapi.TICKET, "a" * 8)
