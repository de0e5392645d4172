"""Facts that containers and codecs of clips do not hold are refused or named, and nothing that was hidden comes to light."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import HEIGHT, WIDTH, Sound, av, make, told

from pellucid import cli, files, footage, restorer
from pellucid.errors import FileError
from pellucid.files import clips
from pellucid.restorer import Restorer
from pellucid.tasks import DenoiseSettings
from pellucid.tasks.settings import ClipSettings

NOTHING = DenoiseSettings(sigma=0)

QUARTER = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
"""The display matrix of a quarter turn."""


@pytest.fixture(scope="session")
def model() -> Restorer:
    return restorer.load("photo-fast")


def packed(path: Path, pixels: str, codec: str = "ffv1") -> list[Any]:
    """Writes a clip of two frames with alpha whose channels lie in one plane, and gives them as (h, w, 4)."""
    made = [np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8) for number in range(2)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for values in made:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="rgba").reformat(format=pixels)))
        out.mux(stream.encode(None))
    return made


@pytest.mark.parametrize(
    ("pixels", "codec", "ending"), [("bgra", "ffv1", ".mkv"), ("argb", "qtrle", ".mov"), ("rgba", "png", ".mov")]
)
def test_packed_colours_with_alpha_come_back_to_the_bit(
    pixels: str, codec: str, ending: str, tmp_path: Path, model: Restorer
) -> None:
    source, target, again = tmp_path / f"a{ending}", tmp_path / "b.mkv", tmp_path / "c.mkv"
    made = packed(source, pixels, codec)
    # An output without loss can be read again.
    footage.restore(source, target, model, NOTHING, ClipSettings(lossless=True))
    footage.restore(target, again, model, NOTHING)
    for path in (source, target, again):
        for frame, values in zip(clips.frames(clips.look(path)), made, strict=True):
            green, blue, red, alpha = frame.planes
            assert (np.stack([red, green, blue, alpha], axis=2) == values).all()


def shifted(source: Path, target: Path, seconds: Fraction) -> Path:
    """The packets of a clip so much earlier: those below 0 are hidden by an edit list."""
    with av.open(str(source)) as file, av.open(str(target), "w", container_options={"video_track_timescale": "12800"}) as out:
        tracks = {each.index: out.add_stream_from_template(each) for each in file.streams}
        for packet in file.demux():
            if packet.dts is not None:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = tracks[packet.stream.index]
                out.mux(packet)
    return target


def test_sound_that_an_edit_list_hides_does_not_come_back(tmp_path: Path, model: Restorer) -> None:
    whole = make(tmp_path / "a.mp4", sounds=[Sound()], options={"g": "60"}, count=25)
    cut = shifted(whole, tmp_path / "b.mp4", Fraction(2, 5))
    for ending in (".mkv", ".ts", ".mp4"):
        target = tmp_path / f"out{ending}"
        footage.restore(cut, target, model, NOTHING)
        with av.open(str(target)) as file:
            assert sum(1 for _ in file.decode(video=0)) == 15
        with av.open(str(target)) as file:
            rate = file.streams.audio[0].rate
            heard = sum(frame.samples for frame in file.decode(audio=0)) / rate
        # 15 frames are 0.6 s; where nothing can be hidden a decoder's lead stays: 0.05 s and two packets at most.
        assert 0.6 <= heard <= 0.75
    # MP4 hides them again.
    assert told(target)["packets"] == told(cut)["packets"]


@pytest.mark.parametrize("ending", [".avi", ".ts", ".mpg"])
def test_a_turn_that_the_output_cannot_state_is_refused(ending: str, tmp_path: Path, model: Restorer) -> None:
    turned = make(tmp_path / "a.mp4", matrix=QUARTER)
    target = tmp_path / f"b{ending}"
    with pytest.raises(FileError, match=r"players turn its frames, and .* does not state how; try an output with .mkv or .mp4"):
        footage.restore(turned, target, model, NOTHING)
    assert not target.exists()
    for plain in (None, (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)):
        source = make(tmp_path / f"{plain is None}.mp4", matrix=plain)
        footage.restore(source, target, model, NOTHING, overwrite=True)


def test_the_shape_of_a_pixel_is_never_lost_without_a_word(tmp_path: Path, model: Restorer) -> None:
    source = make(tmp_path / "a.mp4", aspect=Fraction(8, 9))
    with pytest.raises(FileError, match="beside ffv1 it states no shape of a pixel, which is 8:9 here; leave --codec ffv1 out"):
        footage.restore(source, tmp_path / "b.avi", model, NOTHING, ClipSettings(codec="ffv1"))
    footage.restore(source, tmp_path / "b.avi", model, NOTHING)
    assert told(tmp_path / "b.avi")["aspect"] == Fraction(8, 9)
    # 64 x 48 pixels: 4:3 with square ones; 8:9 is not among the shapes of MPEG-2, 4:3 is.
    done = footage.restore(source, tmp_path / "b.mpg", model, NOTHING)
    assert any(line.startswith("a pixel is 1.000 times as wide as high, where the clip had 0.889") for line in done.remarks)
    wide = make(tmp_path / "wide.mp4", aspect=Fraction(4, 3))
    done = footage.restore(wide, tmp_path / "wide.mpg", model, NOTHING)
    assert told(tmp_path / "wide.mpg")["aspect"] == Fraction(4, 3)
    assert not any("times as wide" in line for line in done.remarks)
    # MPEG-1 states heights: the nearest to 9/8 is 1.095.
    done = footage.restore(source, tmp_path / "one.mpg", model, NOTHING, ClipSettings(codec="mpeg1video"))
    assert abs(float(told(tmp_path / "one.mpg")["aspect"]) - 1 / 1.095) < 0.001
    assert any("a pixel is 0.913 times as wide" in line for line in done.remarks)


def test_a_codec_that_does_not_fit_is_not_answered_with_the_container_that_was_named(tmp_path: Path, model: Restorer) -> None:
    source = make(tmp_path / "a.mp4")
    with pytest.raises(FileError, match="prores does not hold yuv420p; leave --codec prores out"):
        footage.restore(source, tmp_path / "b.mkv", model, NOTHING, ClipSettings(codec="prores"))


def test_a_run_that_was_killed_before_its_plan_was_written_is_no_hindrance(tmp_path: Path, model: Restorer) -> None:
    source, target = make(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    parts = tmp_path / ".b.mp4.parts"
    parts.mkdir()
    (parts / ".pellucid-0123456789abcdef.tmp").write_bytes(b"{")
    footage.restore(source, target, model, NOTHING, resume=True)
    assert target.exists()
    assert not parts.exists()
    # A user's own folder of that name is.
    parts.mkdir()
    (parts / "mine.txt").write_text("mine")
    with pytest.raises(FileError, match="is in the way"):
        footage.restore(source, target, model, NOTHING, overwrite=True)
    assert (parts / "mine.txt").read_text() == "mine"


def test_a_clip_where_pictures_alone_work_is_called_a_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make(tmp_path / "a.mp4")
    assert cli.main(["inspect", str(source)]) == 1
    assert capsys.readouterr().err == f"pellucid: {source}: this is a clip, and only pictures work here\n"
    # As of what comes through a pipe.
    with pytest.raises(FileError, match="this is a clip, and only pictures work here"):
        files.ending_of(source.read_bytes())
