"""Several tasks over HTTP, and masks in forms: the outputs are Python's, and text names no file of the server."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from serving import parts_of

import pellucid
from pellucid import samples

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("python_multipart", reason="the extra web is not installed")

TEXT = "denoise:sigma=20:strength=0.8+upscale:scale=1.5:noise=keep"


def levels() -> NDArray[np.uint8]:
    clean = samples.photograph()[100:148, 200:264].astype(np.float64)
    noisy = clean + np.random.default_rng(0).standard_normal(clean.shape) * 20
    return np.asarray(np.rint(np.clip(noisy, 0, 255)), dtype=np.uint8)


def png(values: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(PillowImage.open(io.BytesIO(content)))


def form(**parts: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n%s\r\n'
        % (name.replace("__", ".").encode(), content)
        for name, content in parts.items()
    )
    return body + b"--x--\r\n", {"Content_Type": "multipart/form-data; boundary=x"}


def test_steps_over_http_give_what_python_gives(served: Any) -> None:
    expected = pellucid.run(levels(), TEXT)
    # As people write it, and as programs do.
    for text in (TEXT, quote(TEXT, safe=""), quote(TEXT, safe=":=")):
        answer = served.ask("POST", f"/v1/run?steps={text}", png(levels()), Content_Type="image/png")
        assert answer.status == 200, answer.body
        np.testing.assert_array_equal(pixels(answer.body), expected)
    assert answer.headers["x-pellucid-model"] == "photo-color+upscale"
    assert answer.headers["x-pellucid-size"] == "96x72"


def test_what_each_step_did_and_pictures_of_the_stages(served: Any) -> None:
    answer = served.ask("POST", f"/v1/run?steps={TEXT}", png(levels()), Content_Type="image/png", Accept="application/json")
    done = answer.json["steps"]
    assert [(step["task"], step["model"]) for step in done] == [("denoise", "photo-color"), ("upscale", "upscale")]
    assert done[0]["sigma"] == 20
    answer = served.ask("POST", f"/v1/run?steps={TEXT}&preview=true", png(levels()), Content_Type="image/png")
    shown = parts_of(answer)
    assert list(shown) == ["details", "image", "before", "stage-1", "after"]
    np.testing.assert_array_equal(pixels(shown["before"]), levels())
    np.testing.assert_array_equal(pixels(shown["stage-1"]), pellucid.run(levels(), TEXT.partition("+")[0]))
    np.testing.assert_array_equal(pixels(shown["after"]), pixels(shown["image"]))


def test_presets_over_http(served: Any) -> None:
    listed = {entry["name"]: entry for entry in served.ask("GET", "/v1/models").json["presets"]}
    assert listed["scan"]["steps"] == "denoise:descreen=true"
    answer = served.ask("POST", "/v1/run?preset=scan", png(levels()), Content_Type="image/png")
    np.testing.assert_array_equal(pixels(answer.body), pellucid.run(levels(), preset="scan"))


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("", "name the steps"),
        ("steps=denoise&preset=scan", "name the steps"),
        ("steps=sharpen", "'sharpen' is no step"),
        ("steps=upscale+denoise", "denoise comes after upscale"),
        ("steps=denoise&strength=0.5", "'strength' is not a setting of run"),
        ("steps=denoise:model=/etc/passwd", "step denoise: model must be one of photo"),
        ("steps=colorize:like=/etc/passwd", "like is a file: send the file itself"),
        ("steps=denoise&mask=/etc/passwd", "mask is a file: send the file itself"),
        ("steps=colorize:variants=2", "ask for several pictures"),
        ("preset=nothing", "preset must be one of"),
        ("steps=denoise&steps=upscale", "steps is given 2 times"),
    ],
)
def test_refusals_in_a_line(served: Any, query: str, line: str) -> None:
    answer = served.ask("POST", f"/v1/run?{query}", png(levels()), Content_Type="image/png")
    assert answer.status == 422
    assert line in answer.json["error"]


def test_masks_are_parts_of_the_form(served: Any) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    for path in ("/v1/restore?sigma=20", "/v1/run?steps=denoise:sigma=20"):
        body, head = form(image=png(levels()), mask=png(mask))
        answer = served.ask("POST", path, body, **head)
        assert answer.status == 200, answer.body
        after = pixels(answer.body)
        np.testing.assert_array_equal(after[:, 32:], levels()[:, 32:])
        assert (after != levels())[:, :32].mean() > 0.5
        body, head = form(image=png(levels()), protect=png(255 - mask))
        np.testing.assert_array_equal(pixels(served.ask("POST", path, body, **head).body), after)
    answer = served.ask("POST", "/v1/restore?mask=/etc/passwd", png(levels()), Content_Type="image/png")
    assert answer.status == 422
    assert "send the file itself" in answer.json["error"]


def test_files_of_steps_are_parts_of_the_form(served: Any, tmp_path: Path) -> None:
    gray = np.repeat(levels().mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    body, head = form(image=png(gray), colorize__palette=png(np.full((8, 8, 3), (200, 30, 30), np.uint8)))
    answer = served.ask("POST", "/v1/run?steps=denoise:sigma=5+colorize", body, **head)
    assert answer.status == 200, answer.body
    (tmp_path / "p.png").write_bytes(png(np.full((8, 8, 3), (200, 30, 30), np.uint8)))
    np.testing.assert_array_equal(pixels(answer.body), pellucid.run(gray, f"denoise:sigma=5+colorize:palette={tmp_path / 'p.png'}"))
    body, head = form(image=png(gray), upscale__palette=png(gray))
    assert served.ask("POST", "/v1/run?steps=colorize", body, **head).status == 422


def test_two_files_of_one_task_are_two(served: Any) -> None:
    values, left = levels(), np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    body, media = form(image=png(values), cutout__add=png(left), cutout__remove=png(255 - left))
    answer = served.ask("POST", "/v1/run?steps=cutout:alpha_only", body, **media)
    np.testing.assert_array_equal(pixels(answer.body), left)


def test_the_output_as_text_is_the_file(served: Any) -> None:
    asked = f"/v1/run?steps={quote(TEXT, safe='')}"
    answer = served.ask("POST", asked, png(levels()), Content_Type="image/png", Accept="application/json").json
    assert base64.b64decode(answer["image"]) == served.ask("POST", asked, png(levels()), Content_Type="image/png").body


def test_the_description_has_it(served: Any) -> None:
    described = served.ask("GET", "/openapi.json").json["paths"]["/v1/run"]["post"]
    names = [parameter["name"] for parameter in described["parameters"]]
    assert names == ["steps", "preset", "format", "range", "axes", "strip", "depth", "preview", "confidence", "ticket"]
    fields = described["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"image", "mask", "protect", "colorize.palette"} <= set(fields)


def test_the_confidence_is_one_more_picture(served: Any) -> None:
    for path, shape in (("/v1/restore?sigma=20", (48, 64)), (f"/v1/run?steps={TEXT}", (72, 96))):
        shown = parts_of(served.ask("POST", f"{path}&preview=true&confidence=true", png(levels()), Content_Type="image/png"))
        assert pixels(shown["confidence"]).shape == shape
    answer = served.ask("POST", "/v1/restore?sigma=20&confidence=true", png(levels()), Content_Type="image/png")
    assert answer.status == 422
    assert "confidence goes with preview=true" in answer.json["error"]
