"""The proof that a task is one module and one row: a third one, ``invert``, is added from outside, and is everywhere.

Its row, family and module come by a ``sitecustomize.py`` on PYTHONPATH, so that the service's workers have them, too. No file of
the package is touched.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid.cards import METADATA_KEY, Card

MODULE = '''
"""Light for dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.tasks import base
from pellucid.tasks.settings import Settings

CASES = ("gaussian:0", "gaussian:10")
METRICS = ("psnr",)
PROTOCOL = {"crop": "none", "psnr": "per image over all pixels and channels"}


def prepare(view: Any, models: Any, settings: Any) -> base.Job:
    role = next(iter(models))
    graph = models.graph(role)
    step = base.Pass(lambda planes, place, room: graph(planes[None])[0], tile=512, engine_bytes=16, piece_bytes=16)
    black = np.zeros((1, 3, 2, 2), np.float32)
    return base.Job(models.card(role).name, (step,), facts=lambda: {"mean": float(graph(black).mean())})


def known(case: Any, maps: Any, *, blind: bool) -> Settings:
    return Settings()


def scored(case: Any, pixels: Any) -> Any:
    return pixels


def degraded(case: Any, clean: Any, rng: Any) -> Any:
    given = case.pair(clean, rng)[1]
    return 1 - clean, given, given


@dataclass(frozen=True)
class Learning(base.Learning):
    name: ClassVar[str] = "invert"
    before: ClassVar[str] = "positive"

    def pair(self, clean: Any, rng: Any) -> base.Pair:
        return base.Pair(image=clean, maps=np.empty((*clean.shape[:2], 0), np.float32), clean=1 - clean, base=clean)

    def degrade(self, clean: Any, case: Any, rng: Any) -> base.Pair:
        return self.pair(clean, rng)
'''

START = """
import pellucid.tasks
from pellucid.families import FAMILIES, Family
from pellucid.tasks import TASKS, Fact, Task
from pellucid.tasks.settings import Settings

pellucid.tasks.__path__.append({folder!r})
TASKS["invert"] = Task(
    name="invert",
    summary="turn light into dark",
    mark="negative",
    verbs=("Invert", "Inverting", "Inverted"),
    headline="see its negative",
    after="black becomes white",
    model="invert",
    settings=Settings,
    facts=(Fact("mean", "the mean of a black picture's negative", {{"type": "number"}}, header="Mean", digits=1),),
)
FAMILIES["invert"] = Family("invert", {{"colour": {model!r}}})
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the module, the start-up file, a model of one operator and two pictures."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("invert")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "invert.py").write_text(MODULE)
    (folder / "sitecustomize.py").write_text(START.format(folder=str(folder / "tasks"), model=str(folder / "invert")))
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Sub", ["one", "input"], ["output"])],
        "invert",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [helper.make_tensor("one", TensorProto.FLOAT, [1, 1, 1, 1], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    card = Card(
        name="invert",
        task="invert",
        summary="Negatives",
        channels=3,
        maps=(),
        answer="clean",
        multiple_of=1,
        halo=0,
        parameters=0,
        licence="Apache-2.0",
    )
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.save(model, str(folder / "invert.onnx"))
    (folder / "in").mkdir()
    for number, name in enumerate(("a.png", "b.png")):
        PillowImage.fromarray(picture(number)).save(folder / "in" / name)
    return folder


def picture(number: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (24, 30, 3), np.uint8)


def command(place: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "pellucid", *map(str, arguments)]


def surroundings(place: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])}


def run(place: Path, *arguments: object) -> str:
    done = subprocess.run(command(place, *arguments), env=surroundings(place), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_a_command_with_its_settings(place: Path) -> None:
    assert re.search(r"^ +invert +turn light into dark$", run(place, "--help"), re.MULTILINE)
    assert "--strength" in run(place, "invert", "--help")
    assert "IN.negative.EXT" in run(place, "invert", "--help")


def test_it_goes_through_a_folder_and_is_resumed(place: Path) -> None:
    lines = run(place, "invert", place / "in", "-o", place / "out", "--json").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["error"], row["model"], row["mean"]) for row in rows] == [(None, "invert", 1.0)] * 2
    for number, name in enumerate(("a.png", "b.png")):
        with PillowImage.open(place / "out" / name) as output:
            np.testing.assert_array_equal(np.asarray(output), 255 - picture(number))
    again = run(place, "invert", place / "in", "-o", place / "out", "--json", "--resume").splitlines()
    assert [json.loads(line)["skipped"] for line in again] == [True, True]
    assert "a.negative.png" in run(place, "invert", place / "in" / "a.png")


def test_it_is_a_function_of_python(place: Path) -> None:
    code = "import numpy, pellucid; print(pellucid.invert(numpy.zeros((4, 5, 3), numpy.uint8)).min(), pellucid.load('invert'))"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(place), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "255 <Restorer 'invert' for invert: colour invert>"


def test_it_is_evaluated(place: Path) -> None:
    run(place, "evaluate", place / "in", "--task", "invert", "--model", "invert", "--out", place / "scores.json", "--runs", 1)
    scores = json.loads((place / "scores.json").read_text())
    assert scores["protocol"]["task"] == "invert"
    # It is scored against the negative: nothing but the noise is left.
    psnr = {row["noise"]: row["psnr"] for row in scores["summary"]}
    assert psnr["gaussian:0"] > 100
    assert 27 < psnr["gaussian:10"] < 29


@pytest.fixture(scope="module")
def service(place: Path) -> Iterator[str]:
    pytest.importorskip("uvicorn")
    server = subprocess.Popen(
        command(place, "serve", "--port", 0, "--workers", 1), env=surroundings(place), stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found is not None
    with server:
        yield found[0].rstrip("/")
        server.terminate()


def asked(address: str, body: bytes | None = None, **headers: str) -> tuple[bytes, Any]:
    request = urllib.request.Request(address, body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read(), response.headers


def test_it_is_served(place: Path, service: str) -> None:
    listed = json.loads(asked(f"{service}/v1/models")[0])
    (row,) = (task for task in listed["tasks"] if task["name"] == "invert")
    assert (row["summary"], row["mark"], row["verbs"]) == ("turn light into dark", "negative", ["Invert", "Inverting", "Inverted"])
    assert [option["name"] for option in row["options"]][:2] == ["model", "strength"]
    assert "invert" in [model["name"] for model in listed["models"]]
    described = json.loads(asked(f"{service}/openapi.json")[0])
    parameters = {each["name"]: each for each in described["paths"]["/v1/restore"]["post"]["parameters"]}
    assert "invert" in parameters["task"]["schema"]["enum"]
    body = (place / "in" / "a.png").read_bytes()
    kind = {"Content-Type": "image/png"}
    output, headers = asked(f"{service}/v1/restore?task=invert", body, **kind)
    np.testing.assert_array_equal(np.asarray(PillowImage.open(io.BytesIO(output))), 255 - picture())
    assert (headers["X-Pellucid-Model"], headers["X-Pellucid-Mean"]) == ("invert", "1.0")
    told, _ = asked(f"{service}/v1/restore?task=invert&strength=0", body, **kind, Accept="application/json")
    assert json.loads(told)["mean"] == 1.0
