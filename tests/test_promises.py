"""Names that other people's scripts and clients rest on. Who adds one adds it here; none goes, and none gets another name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

import pellucid
from pellucid import cli, errors, samples
from pellucid.diagnosis import Diagnosis

OUTCOME = {
    "input": str,
    "output": str,
    "error": None,
    "skipped": bool,
    "model": str,
    "sigma": float,
    "estimated": bool,
    "saw": str,
    "diagnosis": dict,
    "expected_gain": float,
    "width": int,
    "height": int,
    "seconds": float,
    "pages": int,
    "frames": int,
    "full": bool,
    "remarks": list,
}
"""Keys of ``--json`` of `pellucid denoise` and `pellucid upscale`, and the type of each where a noisy picture was restored."""

DIAGNOSIS = {
    "kind": str,
    "gaussian_sigma": float,
    "poisson_gain": float,
    "speckle": float,
    "impulse_density": float,
    "jpeg_quality": None,
    "correlated": float,
    "correlation_length": float,
    "clipped": bool,
    "rows": float,
    "columns": float,
    "blotches": float,
    "halftone": float,
    "repeated": None,
    "enlarged": None,
    "sure": float,
}

READ = {"black": float, "white": float, "remarks": list}
"""Beside that, the keys of `pellucid inspect --json` on how the file was read."""

FILE = {"format", "media_type", "width", "height", "channels", "depth", "alpha", "pages", "diagnosis", "remarks"}
"""The keys that /v1/inspect answers with; /v1/restore adds its own."""

RESTORED = FILE | {"model", "sigma", "estimated", "saw", "expected_gain", "seconds", "image"}

OF_DIAGNOSIS = {"kind", "summary", "sigma"}

HEADERS = {
    "x-pellucid-model",
    "x-pellucid-size",
    "x-pellucid-sigma",
    "x-pellucid-estimated",
    "x-pellucid-noise",
    "x-pellucid-expected-gain",
    "x-pellucid-seconds",
}

PARAMETERS: dict[tuple[str, str], set[str]] = {
    ("/v1/restore", "post"): {
        "query task",
        "query model",
        "query sigma",
        "query strength",
        "query colour_noise",
        "query keep_grain",
        "query format",
        "query range",
        "query axes",
        "query gain",
        "query strip",
        "query scale",
        "query noise",
        "query part",
        "query preview",
        "query ticket",
    },
    ("/v1/run", "post"): {
        "query steps",
        "query preset",
        "query format",
        "query range",
        "query axes",
        "query strip",
        "query ticket",
    },
    ("/v1/inspect", "post"): {"query range", "query axes", "query preview", "query ticket"},
    ("/v1/models", "get"): set(),
    ("/v1/progress/{ticket}", "get"): {"path ticket"},
    ("/healthz", "get"): set(),
    ("/metrics", "get"): set(),
}

ANSWERS: dict[str, set[str]] = {
    "/v1/restore": RESTORED | {"denoised"} | {f"diagnosis.{name}" for name in OF_DIAGNOSIS},
    "/v1/run": FILE | {"seconds", "image", "steps"},
    "/v1/inspect": FILE | {f"diagnosis.{name}" for name in OF_DIAGNOSIS},
    "/v1/models": {
        "version",
        *("tasks", "tasks.name", "tasks.summary", "tasks.keeps_size", "tasks.mark"),
        *("tasks.verbs", "tasks.headline", "tasks.after", "tasks.facts", "tasks.facts.name", "tasks.facts.help"),
        *("tasks.options", "tasks.options.name", "tasks.options.kind", "tasks.options.label", "tasks.options.help"),
        *("models", "models.name", "models.task", "models.takes", "models.takes_sigma", "models.takes_noise"),
        *("formats", "formats.name", "formats.endings"),
        *("limits", "limits.bytes", "limits.pixels", "limits.seconds", "limits.preview", "limits.words"),
    },
    "/v1/progress/{ticket}": {"state", "ahead", "done"},
    "/healthz": {"status", "version"},
}


def levels() -> np.ndarray[Any, Any]:
    clean = samples.photograph()[100:164, 200:280] / 255
    noisy = clean + np.random.default_rng(0).normal(0, 20 / 255, clean.shape)
    return np.round(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("promises") / "picture.png"
    PillowImage.fromarray(levels()).save(path)
    return path


def types_of(found: dict[str, Any], promised: dict[str, Any]) -> dict[str, Any]:
    """The type of each value that is there; None where none is promised, which shows what was expected."""
    return {name: None if promised.get(name) is None or value is None else type(value) for name, value in found.items()}


# -- command line -----------------------------------------------------------------------------------------------------


def line_of(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert cli.main([str(word) for word in words]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_keys_of_denoise(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = line_of(capsys, "denoise", picture, "--out", tmp_path / "a.png", "--gain", "--json")
    assert types_of(found, OUTCOME) == OUTCOME
    assert types_of(found["diagnosis"], DIAGNOSIS) == DIAGNOSIS


def test_keys_of_upscale(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = line_of(capsys, "upscale", picture, "--out", tmp_path / "a.png", "--json")
    assert set(found) == {*OUTCOME, "denoised"}
    nothing = {name for name, value in found.items() if value is None}
    assert nothing == {"error", "expected_gain"}
    assert found["denoised"] is True
    assert (found["width"], found["height"]) == (160, 128)


def test_keys_of_inspect(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = line_of(capsys, "inspect", picture, "--json")
    assert found.pop("input") == str(picture)
    assert found.pop("error") is None
    assert types_of(found, DIAGNOSIS | READ) == DIAGNOSIS | READ


# -- Python -----------------------------------------------------------------------------------------------------------


def test_what_a_restoration_says() -> None:
    found = pellucid.load("photo").details(levels())
    assert found.image.dtype == np.uint8
    assert found.image.shape == (64, 80, 3)
    assert found.model == "photo-color"
    assert isinstance(found.sigma, float)
    assert found.estimated is True
    assert isinstance(found.diagnosis, Diagnosis)
    assert found.seconds > 0
    given = pellucid.load("photo").details(levels(), sigma=20)
    assert (given.sigma, given.estimated, given.diagnosis) == (20.0, False, None)


def test_every_error_can_be_caught_by_a_name_of_the_package() -> None:
    of_the_module = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert set(errors.__all__) == of_the_module
    assert of_the_module <= set(pellucid.__all__)
    assert all(getattr(pellucid, name) is getattr(errors, name) for name in of_the_module)


# -- HTTP -------------------------------------------------------------------------------------------------------------


def test_headers_of_an_answer(served: Any, picture: Path) -> None:
    answer = served.ask("POST", "/v1/restore?gain=true", picture.read_bytes(), content_type="image/png")
    assert answer.status == 200
    assert {name for name in answer.headers if name.startswith("x-pellucid-")} == HEADERS
    assert answer.headers["x-pellucid-estimated"] == "true"
    assert answer.headers["x-pellucid-size"] == "80x64"


def test_keys_of_answers_in_json(served: Any, picture: Path) -> None:
    for path, keys in (("/v1/restore", RESTORED), ("/v1/inspect", FILE)):
        answer = served.ask("POST", path, picture.read_bytes(), content_type="image/png", accept="application/json")
        assert answer.status == 200
        found = json.loads(answer.body)
        assert set(found) == keys
        assert set(found["diagnosis"]) >= OF_DIAGNOSIS


def test_what_the_service_describes(served: Any) -> None:
    document = json.loads(served.ask("GET", "/openapi.json").body)
    described = {(path, method): row for path, methods in document["paths"].items() for method, row in methods.items()}
    asked = {
        key: {f"{parameter['in']} {parameter['name']}" for parameter in row.get("parameters", ())} for key, row in described.items()
    }
    # New tasks bring more; what was promised stays.
    assert asked.keys() == PARAMETERS.keys()
    assert {key: names - asked[key] for key, names in PARAMETERS.items() if names - asked[key]} == {}
    good = {path: row["responses"]["200"] for (path, _), row in described.items()}
    schemas = {path: row["content"]["application/json"]["schema"] for path, row in good.items() if path != "/metrics"}
    answered = {path: set(properties(schema)) for path, schema in schemas.items()}
    assert answered.keys() == ANSWERS.keys()
    assert {path: names - answered[path] for path, names in ANSWERS.items() if names - answered[path]} == {}
    assert {name.lower() for name in good["/v1/restore"]["headers"]} >= HEADERS | {"x-pellucid-denoised"}
    assert set(document["components"]["schemas"]) == {"Error"}
    assert set(document["components"]["schemas"]["Error"]["properties"]) == {"error"}
    assert {row["operationId"] for row in described.values()} == {
        *("restore", "run", "inspect", "models", "progress", "health", "metrics"),
    }


def properties(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    """The names of all properties, those of inner objects behind a dot."""
    for name, inner in schema.get("properties", {}).items():
        yield before + name
        yield from properties(inner.get("items", inner), f"{before}{name}.")
