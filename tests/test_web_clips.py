"""Clips over HTTP: the bytes of the command line, within the time that the service gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clips_made import Sound, make

from pellucid import cli

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("python_multipart", reason="the extra web is not installed")


@pytest.fixture(scope="module")
def served(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = start_server(tmp_path_factory.mktemp("served"), "--workers", "1", "--timeout", "600", "--max-megapixels", "0.04")
    yield made
    assert made.end() == 0
    assert list(made.folder.iterdir()) == []


def test_a_clip_comes_back_as_the_command_line_writes_it(served: Any, tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", count=3, sounds=[Sound()])
    out = tmp_path / "b.mp4"
    assert cli.main(["denoise", str(clip), "-o", str(out), "--model", "photo", "--sigma", "0"]) == 0
    answer = served.ask("POST", "/v1/restore?sigma=0", clip.read_bytes(), Content_Type="video/mp4", Accept="video/mp4")
    assert (answer.status, answer.headers["content-type"]) == (200, "video/mp4"), answer.body
    assert answer.body == out.read_bytes()
    assert answer.headers["x-pellucid-size"] == "64x48"
    described = served.ask("POST", "/v1/restore?sigma=0", clip.read_bytes(), Accept="application/json").json
    assert (described["format"], described["frames"], described["media_type"]) == ("MP4", 3, "video/mp4")
    # As the output is, and not the clip before.
    masks = served.ask("POST", "/v1/restore?task=cutout&alpha_only=true", clip.read_bytes(), Accept="application/json").json
    assert (described["channels"], masks["channels"], masks["alpha"]) == (3, 1, False)


def test_what_a_clip_cannot_have_is_one_line(served: Any, tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", count=3)
    long = make(tmp_path / "b.mp4", count=20)
    secret = tmp_path / "secret.ts"
    secret.write_bytes(clip.read_bytes())
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n".encode()
    for query, content, media, status, words in (
        ("restore?sigma=0", long.read_bytes(), "video/mp4", 413, "20 frames together are more than"),
        ("restore?preview=true", clip.read_bytes(), "video/mp4", 422, "preview and part are for pictures"),
        ("restore?format=png", clip.read_bytes(), "video/mp4", 422, "format is for pictures"),
        ("restore?depth=16", clip.read_bytes(), "video/mp4", 422, "depth is for pictures"),
        ("run?steps=denoise&range=0:99", clip.read_bytes(), "video/mp4", 422, "range is for pictures"),
        ("restore", clip.read_bytes()[:900], "video/mp4", 422, "it is damaged, or no clip"),
        ("restore", playlist, "video/mp4", 415, "the content is none that is known here"),
        ("inspect", clip.read_bytes(), "video/mp4", 415, "only pictures are inspected here"),
        ("restore?task=cutout", clip.read_bytes(), "video/mp4", 422, "without transparency"),
    ):
        answer = served.ask("POST", f"/v1/{query}", content, Content_Type=media)
        assert answer.status == status, answer.body
        assert words in answer.body.decode()
        assert str(served.folder) not in answer.body.decode()


def test_clips_are_described(served: Any) -> None:
    paths = served.ask("GET", "/openapi.json").json["paths"]
    for path in ("/v1/restore", "/v1/run"):
        post = paths[path]["post"]
        assert "video/mp4" in post["requestBody"]["content"]
        assert "video/mp4" in post["responses"]["200"]["content"]
    assert "video/mp4" not in paths["/v1/inspect"]["post"]["requestBody"]["content"]
    assert {".mp4", ".mkv", ".webm"} <= set(served.ask("GET", "/v1/models").json["clips"])
