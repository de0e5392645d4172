"""Clip files: restoring changes the noise of a clip and nothing else."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import COUNT, HEIGHT, WIDTH, Sound, av, frame_of, make, planes, told

from pellucid import batch, footage, plan, restorer, windows
from pellucid.errors import FileError, OptionError, SizeError
from pellucid.files import clips, encoders, joining, limited, matroska, yuv
from pellucid.files.yuv import Layout, Turn
from pellucid.restorer import Restorer
from pellucid.tasks import DenoiseSettings
from pellucid.tasks.settings import ClipSettings

TICK = 512
"""A frame at 25 frames a second in units of 1/12800 s, as MP4 files have it."""

UNEVEN = [0, 512, 1536, 2048, 3072, 4608, 5632]

NOTHING = DenoiseSettings(sigma=0)
"""Nothing is taken away: what differs then comes of reading and writing."""


@pytest.fixture(scope="session")
def model() -> Restorer:
    return restorer.load("photo-fast")


@pytest.fixture(scope="session")
def tiny() -> Restorer:
    """The smallest network, which changes every pixel."""
    return restorer.load("digits")


def again(source: Path, model: Restorer, name: str | None = None, **how: Any) -> Path:
    target = source.with_name(f"again-{name or source.name}")
    footage.restore(source, target, model, NOTHING, ClipSettings(**how))
    return target


MATRIX: dict[str, Callable[[Path], Path]] = {
    "even": lambda folder: make(folder / "a.mp4", sounds=[Sound()]),
    "uneven": lambda folder: make(folder / "a.mp4", times=UNEVEN, sounds=[Sound()], options={"bf": "0"}),
    "uneven-reordered": lambda folder: make(folder / "a.mp4", times=UNEVEN, sounds=[Sound()]),
    "uneven-mkv": lambda folder: make(
        folder / "a.mkv", times=[time * 5 // 64 for time in UNEVEN], time_base=Fraction(1, 1000), sounds=[Sound("flac")]
    ),
    "late-pictures": lambda folder: make(
        folder / "a.mp4", times=[4000 + time for time in UNEVEN], sounds=[Sound()], options={"bf": "0"}
    ),
    "late-sound": lambda folder: make(folder / "a.mov", sounds=[Sound("pcm_s16le", start=0.2)]),
    "ntsc": lambda folder: make(folder / "a.mp4", times=[1001 * n for n in range(COUNT)], time_base=Fraction(1, 30000)),
    "turned": lambda folder: make(folder / "a.mp4", matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)),
    "anamorphic": lambda folder: make(folder / "a.mp4", aspect=Fraction(16, 11)),
    "anamorphic-webm": lambda folder: make(
        folder / "a.webm", "libvpx-vp9", times=range(0, 400, 40), time_base=Fraction(1, 1000), aspect=Fraction(2)
    ),
    "bt709": lambda folder: make(folder / "a.mp4", colours=(1, 1, 1, 1)),
    "bt601": lambda folder: make(folder / "a.mp4", colours=(1, 6, 6, 6)),
    "full": lambda folder: make(folder / "a.mp4", colours=(2, 1, 1, 1)),
    "ten-bits": lambda folder: make(folder / "a.mp4", "libx265", "yuv420p10le"),
    "ten-bits-422": lambda folder: make(folder / "a.mov", "libx264", "yuv422p10le"),
    "hlg": lambda folder: make(folder / "a.mp4", "libx265", "yuv420p10le", colours=(1, 9, 18, 9)),
    "tracks": lambda folder: make(
        folder / "a.mkv",
        times=range(0, 40 * COUNT, 40),
        time_base=Fraction(1, 1000),
        sounds=[Sound("flac", language="ger"), Sound("libopus", language="fre")],
        subtitles=True,
        chapters=[(0, 200, "one"), (200, 480, "two")],
        tags={"title": "A title", "COM.EXAMPLE": "kept"},
        attached=b"a note",
    ),
    "chapters-mp4": lambda folder: make(folder / "a.mp4", chapters=[(0, 200, "one"), (200, 480, "two")], tags={"title": "A title"}),
    "own-tags-mov": lambda folder: make(
        folder / "a.mov",
        tags={"com.apple.quicktime.make": "Maker"},
        container_options={"movflags": "use_metadata_tags"},
    ),
    "avi": lambda folder: make(folder / "a.avi", "mpeg4", sounds=[Sound("mp3")]),
    "mpeg": lambda folder: make(folder / "a.mpg", "mpeg2video", sounds=[Sound("mp2")]),
    "transport": lambda folder: make(
        folder / "a.ts", times=[90000 + 3600 * n for n in range(COUNT)], time_base=Fraction(1, 90000), sounds=[Sound(start=1.0)]
    ),
    "webm": lambda folder: make(
        folder / "a.webm", "libvpx-vp9", times=range(0, 40 * COUNT, 40), time_base=Fraction(1, 1000), sounds=[Sound("libopus")]
    ),
    "gray": lambda folder: make(folder / "a.mkv", "ffv1", "gray", time_base=Fraction(1, 1000)),
    "red-green-blue": lambda folder: make(folder / "a.mkv", "ffv1", "gbrp10le", time_base=Fraction(1, 1000)),
    "odd": lambda folder: make(folder / "a.webm", "libvpx-vp9", size=(65, 49), time_base=Fraction(1, 1000)),
    # Half of it would end in half a pixel of colour.
    "odd-halves": lambda folder: make(folder / "a.mkv", "ffv1", size=(63, 47), time_base=Fraction(1, 1000)),
    # Matroska's length counts from 0.
    "late-mkv": lambda folder: make(folder / "a.mkv", times=range(5000, 5000 + 40 * COUNT, 40), time_base=Fraction(1, 1000)),
    "mpeg1": lambda folder: make(
        folder / "a.mpg", "mpeg1video", times=range(COUNT), time_base=Fraction(1, 25), sounds=[Sound("mp2")]
    ),
}
"""Name -> a clip whose file says something of its own."""


@pytest.mark.parametrize("name", MATRIX)
def test_a_clip_keeps_its_times_tracks_and_words(name: str, tmp_path: Path, model: Restorer) -> None:
    source = MATRIX[name](tmp_path)
    before, after = told(source), told(again(source, model))
    # An MPEG program stream states no length: a reader estimates it from the rate of its bytes.
    # FFmpeg's writer takes the length of a track from the order of decoding, and may cut off the last frame: here it is right.
    left = {"duration"} if name in ("mpeg", "mpeg1", "transport", "uneven-reordered") else set()
    assert {key: value for key, value in after.items() if key not in left} == {
        key: value for key, value in before.items() if key not in left
    }


def test_a_clip_is_as_long_as_it_says_where_the_end_of_its_sound_is_padding(tmp_path: Path, model: Restorer) -> None:
    source = MATRIX["webm"](tmp_path)
    with av.open(str(source)) as file:
        written = Fraction(file.duration, av.time_base)
    # Other writers leave the padding of the last packet of Opus out of the length, FFmpeg counts it in where packets are copied.
    matroska.state_length(source, written - Fraction(13, 1000))
    assert told(source)["duration"] == round((written - Fraction(13, 1000)) * av.time_base)
    assert told(again(source, model)) == told(source)
    assert told(again(source, model, "a.mkv"))["duration"] == told(source)["duration"]
    # More than a packet is no padding: a length that is wrong is not copied.
    matroska.state_length(source, written - Fraction(25, 100))
    assert told(source)["duration"] == round((written - Fraction(13, 1000)) * av.time_base)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize("name", ["uneven", "tracks"])
def test_another_program_finds_the_same(name: str, tmp_path: Path, model: Restorer) -> None:
    source = MATRIX[name](tmp_path)
    target = again(source, model)
    asked = ["-show_packets", "-show_entries", "packet=stream_index,pts_time,data_hash,duration_time"]

    def lines(path: Path, kind: str, *more: str) -> list[str]:
        run = ["ffprobe", "-v", "error", "-select_streams", kind, "-of", "compact", *more, str(path)]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()

    for kind in ("a", "s"):
        assert lines(source, kind, *asked, "-show_data_hash", "md5") == lines(target, kind, *asked, "-show_data_hash", "md5")
    shown = ["-show_frames", "-show_entries", "frame=pts_time"]
    assert lines(source, "v", *shown) == lines(target, "v", *shown)
    assert lines(source, "v", "-show_chapters") == lines(target, "v", "-show_chapters")
    stated = ["-show_entries", "stream=time_base,start_time,sample_aspect_ratio,width,height,pix_fmt:stream_side_data=rotation"]
    assert lines(source, "v", *stated) == lines(target, "v", *stated)


def test_an_edit_list_is_obeyed(tmp_path: Path, model: Restorer) -> None:
    whole = make(tmp_path / "a.mp4", sounds=[Sound()], options={"g": "30"})
    # The packets from the beginning, shown from the sixth frame on: the writer makes an edit list of the times below 0.
    late = tmp_path / "b.mp4"
    with av.open(str(whole)) as file, av.open(str(late), "w", container_options={"video_track_timescale": "12800"}) as out:
        tracks = {each.index: out.add_stream_from_template(each) for each in file.streams}
        for packet in file.demux():
            if packet.dts is None:
                continue
            shift = round(Fraction(5 * TICK, 12800) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = tracks[packet.stream.index]
            out.mux(packet)
    before, after = told(late), told(again(late, model))
    assert before["frames"] == [TICK * n for n in range(COUNT - 5)]
    assert {**after, "packets": None} == {**before, "packets": None}


def test_frames_that_nothing_changes_come_back_to_the_bit(tmp_path: Path, model: Restorer) -> None:
    for pixels, top in (
        ("yuv420p", 255),
        ("yuv422p10le", 1023),
        ("yuv444p", 255),
        ("gbrp", 255),
        ("gray10le", 1023),
        ("yuv411p", 255),
        ("yuva444p", 255),
        ("yuva420p10le", 1023),
    ):
        shapes = [part.shape for part in planes(0, pixels, 65, 49)]
        dtype = np.uint8 if top == 255 else np.uint16

        def noise(number: int, shapes: Any = shapes, top: int = top, dtype: Any = dtype) -> list[Any]:
            return [np.random.default_rng(number).integers(0, top, shape, endpoint=True).astype(dtype) for shape in shapes]

        # FFV1 has 8-bit colours in one plane.
        if pixels == "gbrp":
            source = make(
                tmp_path / "rgb.mkv",
                "libx265",
                pixels,
                count=2,
                options={"x265-params": "log-level=none:lossless=1"},
                time_base=Fraction(1, 1000),
            )
        else:
            source = make(
                tmp_path / f"{pixels}.mkv", "ffv1", pixels, count=2, frames=noise, size=(65, 49), time_base=Fraction(1, 1000)
            )
        target = again(source, model, f"{pixels}.mkv", lossless=True)
        first, second = clips.look(source), clips.look(target)
        assert (first.pixels, first.layout) == (second.pixels, second.layout)
        pairs = list(zip(clips.frames(first), clips.frames(second), strict=True))
        assert len(pairs) == 2
        for one, other in pairs:
            assert all((a == b).all() for a, b in zip(one.planes, other.planes, strict=True))


TURNS = [
    (1, 0, 0, 1),
    (0, 1, -1, 0),
    (-1, 0, 0, -1),
    (0, -1, 1, 0),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, -1, -1, 0),
]
"""Four turns, and each of them in a mirror: the first, second, fourth and fifth number of a display matrix."""


def matrix_of(turn: tuple[int, int, int, int]) -> tuple[int, ...]:
    return (turn[0] << 16, turn[1] << 16, 0, turn[2] << 16, turn[3] << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("turn", TURNS)
def test_a_matrix_moves_pixels_as_players_do(turn: tuple[int, int, int, int]) -> None:
    lying = np.arange(5 * 8).reshape(5, 8)
    how = Turn.of(matrix_of(turn))
    upright = how.upright(lying)
    assert upright.shape == how.shape(5, 8)
    assert (how.lying(upright) == lying).all()
    middle = (upright.shape[1] - 1) / 2, (upright.shape[0] - 1) / 2
    for (row, column), value in np.ndenumerate(lying):
        x, y = column - 3.5, row - 2
        shown = turn[0] * x + turn[2] * y + middle[0], turn[1] * x + turn[3] * y + middle[1]
        assert upright[int(shown[1]), int(shown[0])] == value


def test_other_matrices_are_left_to_the_player() -> None:
    for turn in ((1, 1, -1, 1), (0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0)):
        assert Turn.of(matrix_of(turn)) == Turn()


@pytest.mark.parametrize("turn", [TURNS[1], TURNS[3], TURNS[6]])
def test_a_turned_clip_is_restored_as_it_is_shown(turn: tuple[int, int, int, int], tmp_path: Path, tiny: Restorer) -> None:
    lies = np.random.default_rng(1).integers(0, 255, (3, HEIGHT, WIDTH), dtype=np.uint8)
    source = make(tmp_path / "a.mp4", pixels="yuv444p", frames=lambda _: lies, count=2, matrix=matrix_of(turn))
    clip = clips.look(source)
    upright = clip.layout.turn.upright
    if turn != TURNS[6]:
        # FFmpeg's angle is of turns alone.
        with av.open(str(source)) as file:
            assert (upright(lies[0]) == np.rot90(lies[0], next(file.decode(video=0)).rotation // 90)).all()
    given = [frame.planes for frame in clips.frames(clip)]
    shown = [[upright(plane) for plane in planes] for planes in given]
    straight = make(tmp_path / "b.mkv", "ffv1", "yuv444p", frames=lambda n: shown[n], count=2, size=clip.shown[::-1])
    weights = np.zeros(clip.shown, np.float32)
    weights[:20, :30] = 1
    made = []
    for path in (source, straight):
        target = tmp_path / f"{path.stem}-out.mkv"
        how = ClipSettings(lossless=True)
        result = footage.restore(path, target, tiny, DenoiseSettings(), how, areas=lambda _: (weights, ()))
        assert (result.height, result.width) == clip.shown
        made.append([frame.planes for frame in clips.frames(clips.look(target))])
    for before, turned, stood in zip(shown, *made, strict=True):
        for plane, one, other in zip(before, turned, stood, strict=True):
            assert (upright(one) == other).all()
            assert (other != plane)[:20, :30].mean() > 0.3
            assert (other == plane)[20:].all()


BARS = np.array(
    [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]], np.uint8
)
"""Colour bars of 75 %, as red, green and blue."""


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_colour_bars_are_read_by_their_own_matrix(matrix: int, full: bool, tmp_path: Path, model: Restorer) -> None:
    kr, kb = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    red, green, blue = (BARS.astype(float) / 255).T
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    parts = [luma, (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))]
    scales = ((0, 255), (128, 255), (128, 255)) if full else ((16, 219), (128, 224), (128, 224))
    values = [np.rint(zero + part * unit).clip(0, 255).astype(np.uint8) for part, (zero, unit) in zip(parts, scales, strict=True)]
    rows = [np.repeat(value, WIDTH // 8)[None].repeat(HEIGHT, 0) for value in values]
    bars = [rows[0], rows[1][::2, ::2], rows[2][::2, ::2]]
    colours = (2 if full else 1, matrix, matrix, matrix)
    source = make(tmp_path / "a.mp4", frames=lambda _: bars, count=3, colours=colours, options={"qp": "0"})
    clip = clips.look(source)
    assert (clip.colours, clip.layout.full, clip.layout.matrix) == (colours, full, matrix)
    pixels = yuv.to_pixels(next(clips.frames(clip)).planes, clip.layout)
    middle = pixels[HEIGHT // 2, WIDTH // 16 :: WIDTH // 8]
    assert np.abs(255 * middle - BARS).max() < 1.5
    # By the other matrix, yellow and cyan are other colours.
    wrong = yuv.to_pixels(bars_of(bars), Layout("yuv", 8, 2, 2, {1: 6, 6: 1}[matrix], full=full))
    assert np.abs(255 * wrong[HEIGHT // 2, WIDTH // 16 :: WIDTH // 8] - BARS).max() > 15
    # swscale, given the matrix, finds the same colours in the restored clip.
    with av.open(str(again(source, model))) as file:
        frame = next(file.decode(video=0))
        assert (frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace) == colours
        shown = frame.reformat(format="rgb24").to_ndarray()
    assert np.abs(shown[HEIGHT // 2, WIDTH // 16 :: WIDTH // 8].astype(int) - BARS).max() <= 5


def bars_of(parts: list[Any]) -> tuple[Any, ...]:
    return tuple(parts)


def test_static_metadata_of_hdr_is_kept_or_named(tmp_path: Path, model: Restorer) -> None:
    words = "log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
    source = make(tmp_path / "a.mkv", "libx265", "yuv420p10le", colours=(1, 9, 16, 9), options={"x265-params": words}, count=3)
    before, after = told(source), told(again(source, model))
    assert len(before["side"]) == 2
    assert after == before
    done = footage.restore(source, tmp_path / "b.mkv", model, NOTHING, ClipSettings(lossless=True))
    assert "what HDR says of its screen is left out: ffv1 does not hold it" in done.remarks


def test_fields_become_frames(tmp_path: Path, model: Restorer) -> None:
    interlaced = int(av.codec.context.Flags.interlaced_dct) | int(av.codec.context.Flags.interlaced_me)

    def comb(number: int) -> list[Any]:
        # A bright bar that moves by four pixels from field to field.
        early, late = (np.full((HEIGHT, WIDTH), 40, np.uint8) for _ in range(2))
        early[:, 8 * number % 48 :][:, :12] = 200
        late[:, (8 * number + 4) % 48 :][:, :12] = 200
        early[1::2] = late[1::2]
        return [early, *(np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8),) * 2]

    source = make(tmp_path / "a.mpg", "mpeg2video", frames=comb, options={"qmin": "1", "qmax": "2"}, flags=interlaced)
    clip = clips.look(source)
    assert clip.interlaced
    done = footage.restore(source, tmp_path / "b.mpg", model, NOTHING)
    assert "interlaced: each two fields were made into one frame (bwdif) before the work" in done.remarks
    first, second = told(source), told(tmp_path / "b.mpg")
    assert first["seen"][3]
    assert not second["seen"][3]
    assert first["frames"] == second["frames"]

    def combed(path: Path) -> float:
        rows = [
            frame.planes[0].astype(int) for frame in clips.frames(clips.Clip(**{**vars(clips.look(path)), "interlaced": False}))
        ][4]
        return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())

    assert combed(tmp_path / "b.mpg") < 0.2 * combed(source)


def test_a_part_of_a_clip(tmp_path: Path, model: Restorer) -> None:
    source = make(
        tmp_path / "a.mkv", time_base=Fraction(1, 1000), sounds=[Sound("flac")], chapters=[(0, 200, "one"), (200, 480, "two")]
    )
    target = tmp_path / "b.mkv"
    done = footage.restore(source, target, model, NOTHING, ClipSettings(start="0.12", end="0:00:00.40", lossless=True))
    assert done.frames == 7
    whole, part = told(source), told(target)
    assert part["frames"] == [40 * n for n in range(7)]
    assert [chapter[:2] for chapter in part["chapters"]] == [
        (Fraction(0), Fraction(80, 1000)),
        (Fraction(80, 1000), Fraction(280, 1000)),
    ]
    first, second = clips.look(source), clips.look(target)
    kept = [frame.planes[0] for frame in clips.frames(first)][3:10]
    assert all((a == b.planes[0]).all() for a, b in zip(kept, clips.frames(second), strict=True))
    # The sound is the packets of that time, as far from the pictures as they were.
    (sound,) = whole["packets"].values()
    wanted = [(pts - 120, length, data) for pts, length, data in sound if 120 <= pts < 400]
    assert part["packets"] == {1: wanted}
    for start, end in (("0.4", "0.3"), ("1:2:3:4", None), ("-1", None), (None, "x")):
        with pytest.raises(OptionError):
            footage.restore(source, tmp_path / "c.mkv", model, NOTHING, ClipSettings(start=start, end=end))
    with pytest.raises(FileError, match="there is no frame between --start and --end"):
        footage.restore(source, tmp_path / "c.mkv", model, NOTHING, ClipSettings(start="5"))


def test_codec_and_quality(tmp_path: Path, model: Restorer) -> None:
    source = make(tmp_path / "a.mkv", time_base=Fraction(1, 1000), frames=grain)
    sizes = {}
    for codec in ("h264", "hevc", "vp9", "ffv1", "mjpeg"):
        target = tmp_path / f"{codec}.mkv"
        footage.restore(source, target, model, NOTHING, ClipSettings(codec=codec))
        assert clips.look(target).codec == codec
    for quality in (10, 80, 100):
        target = tmp_path / f"{quality}.mkv"
        footage.restore(source, target, model, NOTHING, ClipSettings(quality=quality))
        sizes[quality] = target.stat().st_size
    assert sizes[10] < sizes[80] / 2 < sizes[100] / 2
    for how, words in (
        (ClipSettings(codec="h266"), "codec 'h266' is not one of h264"),
        (ClipSettings(codec="h264", lossless=True), "--lossless writes ffv1"),
    ):
        with pytest.raises(OptionError, match=words):
            footage.restore(source, tmp_path / "x.mkv", model, NOTHING, how)
    with pytest.raises(OptionError, match=r"MP4 is not written with ffv1; name the output with \.mkv"):
        footage.restore(source, tmp_path / "x.mp4", model, NOTHING, ClipSettings(lossless=True))
    with pytest.raises(FileError, match="not written under the ending"):
        footage.restore(source, tmp_path / "x.png", model, NOTHING)
    assert not (tmp_path / "x.mkv").exists()


def grain(number: int) -> list[Any]:
    rng = np.random.default_rng(number)
    return [np.clip(part + rng.normal(0, 12, part.shape), 0, 255).astype(np.uint8) for part in planes(number)]


def test_what_cannot_be_read_is_one_line(tmp_path: Path, model: Restorer) -> None:
    long = make(tmp_path / "long.mkv", time_base=Fraction(1, 1000), count=50, sounds=[Sound("flac")])
    made = make(tmp_path / "made.mp4", sounds=[Sound()])
    broken = bytearray(made.read_bytes())
    cases = {
        "empty.mp4": (b"", "the file is empty"),
        "text.mkv": (b"no clip at all " * 99, "it is damaged, or no clip"),
        "half.mp4": (made.read_bytes()[: len(broken) // 2], "it is damaged"),
        "half.mkv": (long.read_bytes()[: long.stat().st_size // 2], "it is cut off: it states 0:00:02"),
    }
    # The last frames alone are missing.
    for ending, codec, share in ((".webm", "libvpx-vp9", 0.95), (".avi", "mpeg4", 0.95), (".mp4", "libx264", 0.98)):
        options = {"movflags": "faststart"} if ending == ".mp4" else {}
        whole = make(tmp_path / f"whole{ending}", codec, time_base=Fraction(1, 1000), count=20, container_options=options)
        content = whole.read_bytes()
        cases[f"nearly{ending}"] = (content[: int(share * len(content))], "bytes are missing, and it has frames up to 0:00:00.")
    sound = tmp_path / "sound.mp4"
    with av.open(str(made)) as file, av.open(str(sound), "w") as out:
        track = out.add_stream_from_template(file.streams.audio[0])
        for packet in file.demux(audio=0):
            if packet.dts is not None:
                packet.stream = track
                out.mux(packet)
    cases["sound.mp4"] = (sound.read_bytes(), "it has no moving pictures, only audio")
    # A film of no tracks: what a recorder leaves that was stopped at once.
    header = bytes(12) + (1000).to_bytes(4, "big") + bytes(80)
    film = (8 + len(header)).to_bytes(4, "big") + b"mvhd" + header
    brand = b"\0\0\0\x14ftypisom\0\0\2\0isom"
    cases["none.mp4"] = (brand + (8 + len(film)).to_bytes(4, "big") + b"moov" + film, "it has no moving pictures")
    for name, (content, words) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FileError) as failed:
            footage.restore(path, tmp_path / f"out-{name}", model, NOTHING)
        text = str(failed.value)
        assert words in text
        assert not text.endswith(("only", "only nothing"))
        assert text.startswith(str(path))
        assert "\n" not in text
        assert not (tmp_path / f"out-{name}").exists()
        assert not (tmp_path / f".out-{name}.parts").exists()
    # The part of the clip that the file still holds can be restored.
    assert footage.restore(tmp_path / "half.mkv", tmp_path / "part.mkv", model, NOTHING, ClipSettings(end="0.5")).frames == 13
    with limited(1000), pytest.raises(SizeError, match="64x48 pixels are more than"):
        footage.restore(made, tmp_path / "x.mp4", model, NOTHING)


def stated(path: Path) -> list[Fraction]:
    """The times of the frames that our reader gives."""
    clip = clips.look(path)
    return [frame.pts * clip.time_base for frame in clips.frames(clip)]


@pytest.mark.parametrize(("codec", "options"), [("libx264", {}), ("libx264", {"bf": "0"}), ("mpeg4", {"bf": "2"})])
def test_avi_gives_each_frame_the_place_that_it_has(codec: str, options: dict[str, str], tmp_path: Path, model: Restorer) -> None:
    source = make(tmp_path / "a.avi", codec, options=options, times=range(COUNT), time_base=Fraction(1, 25))
    assert stated(source) == [Fraction(number, 25) for number in range(COUNT)]
    assert stated(again(source, model, "a.mkv")) == stated(source)


def test_avi_is_written_at_the_clips_rate(tmp_path: Path, model: Restorer) -> None:
    gaps = [0, 40, 80, 200, 240, 700, 740]
    source = make(tmp_path / "a.mkv", time_base=Fraction(1, 1000), times=gaps)
    written = again(source, model, "a.avi")
    with av.open(str(written)) as file:
        assert file.streams.video[0].average_rate == 25
    assert np.abs(np.array(stated(written)) - np.array(gaps) / 1000).max() < 0.0201
    # MPEG states no time for each frame, and AVI none that its rate does not have.
    uneven = make(tmp_path / "b.mkv", time_base=Fraction(1, 1000), times=[0, 1, 2, 3, 4, 400, 440, 480])
    for clip, ending in ((source, ".mpg"), (uneven, ".mpg"), (uneven, ".avi")):
        with pytest.raises(FileError, match="holds frames at an even rate alone, and these are not"):
            again(clip, model, f"c{ending}")
        assert not (tmp_path / f"again-c{ending}").exists()


def test_alpha_that_would_be_lost_is_refused(tmp_path: Path, model: Restorer) -> None:
    for codec, name in (("libvpx-vp9", "a.webm"), ("libvpx", "b.webm")):
        source = make(tmp_path / name, codec, "yuva420p", time_base=Fraction(1, 1000), options={"auto-alt-ref": "0"}, count=3)
        with pytest.raises(FileError, match=f"transparency beside vp[89] would be lost; convert it first .ffmpeg -c:v {codec} "):
            footage.restore(source, tmp_path / "out.mkv", model, NOTHING)
    source = make(tmp_path / "c.mkv", "ffv1", "yuva420p", time_base=Fraction(1, 1000), count=3)
    with pytest.raises(FileError, match="WebM cannot hold these frames"):
        again(source, model, "c.webm")
    film = restorer.load("film")
    footage.restore(source, tmp_path / "damage.mkv", film, film.settings(show_damage=True))
    assert clips.look(tmp_path / "damage.mkv").pixels == "gray"


@pytest.mark.parametrize(
    "layout", [Layout("yuv", 8, 1, 1, 1), Layout("yuv", 8, 1, 1, full=True), Layout("yuv", 10, 1, 1), Layout("gray", 8)]
)
@pytest.mark.parametrize("turn", [Turn(), Turn(swapped=True, across=True)])
def test_what_lies_beyond_colours_is_gone_where_the_work_replaced_it_and_stays_elsewhere(layout: Layout, turn: Turn) -> None:
    layout = replace(layout, turn=turn)
    rng = np.random.default_rng(2)
    planes = tuple(rng.integers(0, 2**layout.depth, (10, 14)).astype(layout.dtype) for _ in range(layout.channels))
    frame, clip = clips.Frame(0, 0, 0, planes), type("Clip", (), {"layout": layout})()
    output = footage._Output("", layout, 10, 14, (1, 2, 2, 2), same=True)
    before, beyond = windows.picture_and_beyond(planes, layout)
    assert (before.pixels != yuv.to_pixels(planes, layout)).mean() > 0.05
    replaced = rng.random(before.pixels.shape[:2]) < 0.5
    # Farther from what was there than noise is.
    colour = np.where(before.pixels > 0.5, 0.25, 0.75).astype(np.float32)
    colour = np.where(replaced[..., None], colour, before.pixels)
    made = footage._changed(frame, before, beyond, replace(before, pixels=colour), clip, output)
    assert np.abs(yuv.to_pixels(made, layout) - colour)[replaced].max() < 2.5 / 2**layout.depth
    for one, other in zip(planes, made, strict=True):
        assert (turn.upright(one) == turn.upright(other))[~replaced].all()


def test_a_name_may_be_as_long_as_names_are(tmp_path: Path, model: Restorer) -> None:
    source = make(tmp_path / "a.mkv", "ffv1", time_base=Fraction(1, 1000), count=2)
    target = again(source, model, f"{'n' * 245}.mkv")
    assert sorted(tmp_path.iterdir()) == sorted([source, target])


def test_the_source_is_never_touched(tmp_path: Path, model: Restorer) -> None:
    source = make(tmp_path / "a.mp4")
    content = source.read_bytes()
    with pytest.raises(FileError, match="exists"):
        footage.restore(source, source, model, NOTHING)
    other = tmp_path / ".b.mp4.parts"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(FileError, match="is in the way"):
        footage.restore(source, tmp_path / "b.mp4", model, NOTHING)
    assert (other / "mine.txt").read_text() == "mine"
    (other / "plan").write_text("[" * 60_000)
    with pytest.raises(FileError, match="is in the way"):
        footage.restore(source, tmp_path / "b.mp4", model, NOTHING)
    assert (other / "mine.txt").exists()
    assert source.read_bytes() == content


# -- segments ---------------------------------------------------------------------------------------------------------


def test_segments_are_no_seams(tmp_path: Path, tiny: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "a.mp4", times=UNEVEN[:5], sounds=[Sound()])
    frames = {}
    for longest in (240, 3):
        monkeypatch.setattr(footage, "LONGEST", longest)
        target = tmp_path / f"{longest}.mkv"
        footage.restore(source, target, tiny, DenoiseSettings(), ClipSettings(lossless=True))
        frames[longest] = [frame.planes for frame in clips.frames(clips.look(target))]
    assert len(frames[3]) == 5
    for one, other in zip(frames[240], frames[3], strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    # With frames that wait for later ones, too: every time is the source's.
    target = tmp_path / "b.mp4"
    footage.restore(source, target, tiny, DenoiseSettings(strength=0))
    assert told(target)["frames"] == UNEVEN[:5]


class StoppedError(Exception):
    pass


def test_a_clip_is_continued_to_the_same_bytes(tmp_path: Path, model: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "LONGEST", 4)
    settings = NOTHING
    for ending, clip in (
        (".mp4", make(tmp_path / "a.mp4", sounds=[Sound()])),
        (".mkv", make(tmp_path / "a.mkv", sounds=[Sound("flac")])),
    ):
        whole = tmp_path / f"whole{ending}"
        footage.restore(clip, whole, model, settings)
        for stop in (1, 4, 11) if ending == ".mp4" else (5,):
            seen: list[int] = []

            def told_of(done: int, count: int | None, seen: list[int] = seen, stop: int = stop) -> None:
                seen.append(done)
                if done == stop:
                    raise StoppedError

            target = tmp_path / f"part{stop}{ending}"
            with pytest.raises(StoppedError):
                footage.restore(clip, target, model, settings, told=told_of)
            parts = tmp_path / f".part{stop}{ending}.parts"
            assert not target.exists()
            assert len(list(parts.glob("*.segment"))) == (stop - 1) // 4
            worked: list[int] = []
            footage.restore(clip, target, model, settings, resume=True, told=lambda done, _, worked=worked: worked.append(done))
            assert target.read_bytes() == whole.read_bytes()
            assert not parts.exists()
            # Only what was not finished was done.
            assert sorted({done for done in worked if done}) == list(range((stop - 1) // 4 * 4 + 1, COUNT + 1))


def test_segments_of_other_settings_are_not_taken(tmp_path: Path, model: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "LONGEST", 4)
    clip = make(tmp_path / "a.mp4")
    target = tmp_path / "b.mp4"

    def stop(done: int, count: int | None) -> None:
        if done == 9:
            raise StoppedError

    def begun() -> None:
        with pytest.raises(StoppedError):
            footage.restore(clip, target, model, NOTHING, told=stop)

    for how in (
        {"settings": DenoiseSettings(sigma=0, strength=0.9), "resume": True},
        {"settings": NOTHING, "resume": False},
        {"settings": NOTHING, "how": ClipSettings(quality=50), "resume": True},
    ):
        begun()
        done: list[int] = []
        footage.restore(clip, target, model, **how, told=lambda number, _, done=done: done.append(number))
        assert 1 in done
        target.unlink()
    # A segment that was changed or cut is made again.
    begun()
    first, second = sorted((tmp_path / ".b.mp4.parts").glob("*.segment"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:-5])
    assert joining.read_segment(first) is joining.read_segment(second) is None
    footage.restore(clip, target, model, NOTHING, resume=True)
    whole = tmp_path / "whole.mp4"
    footage.restore(clip, whole, model, NOTHING)
    assert whole.read_bytes() == target.read_bytes()


def test_a_killed_run_is_continued(tmp_path: Path, model: Restorer) -> None:
    clip = make(tmp_path / "a.mp4", sounds=[Sound()])
    code = (
        "import sys; from pathlib import Path; from pellucid import footage, restorer; footage.LONGEST = 4\n"
        "model = restorer.load('photo-fast')\n"
        "footage.restore(Path(sys.argv[1]), Path(sys.argv[2]), model, model.settings(sigma=0), resume=True,\n"
        "    told=lambda done, count: print(done, flush=True))\n"
    )
    whole, target = tmp_path / "whole.mp4", tmp_path / "b.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(footage, "LONGEST", 4)
        footage.restore(clip, whole, model, NOTHING)
    run = [sys.executable, "-c", code, str(clip), str(target)]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 6:
                process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
                break
    assert not target.exists()
    assert len(list((tmp_path / ".b.mp4.parts").glob("*.segment"))) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(footage, "LONGEST", 4)
        footage.restore(clip, target, model, NOTHING, resume=True)
    assert target.read_bytes() == whole.read_bytes()
    assert not any(entry.suffix == ".parts" for entry in tmp_path.iterdir())


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    code = (
        "import resource, sys; from pathlib import Path; from pellucid import footage, restorer\n"
        "model = restorer.load('photo-fast')\n"
        "for name in sys.argv[1:]:\n"
        "    footage.restore(Path(name), Path(name).with_suffix('.out.mkv'), model, model.settings(sigma=0))\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    made = [make(tmp_path / f"{n}.mkv", "ffv1", count=n, time_base=Fraction(1, 1000), size=(160, 120)) for n in (60, 260)]
    run = subprocess.run([sys.executable, "-c", code, *map(str, made)], capture_output=True, text=True, check=True)
    short, long = map(int, run.stdout.split())
    # In kibibytes: 200 more frames would be 5,700.
    assert long - short < 3000


# -- layouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout",
    [
        Layout("yuv", 8, 2, 2, 1),
        Layout("yuv", 10, 2, 1, 9),
        Layout("yuv", 8, 4, 1, 6, full=True),
        Layout("rgb", 12),
        Layout("gray", 8),
    ],
)
def test_a_change_of_the_pixels_is_all_that_reaches_the_planes(layout: Layout) -> None:
    rng = np.random.default_rng(3)
    height, width = 21, 35
    shared = (-(-height // layout.down), -(-width // layout.across))
    shapes = [(height, width), shared, shared] if layout.kind == "yuv" else [(height, width)] * layout.channels
    given = tuple(rng.integers(0, 2**layout.depth, shape).astype(layout.dtype) for shape in shapes)
    pixels = yuv.to_pixels(given, layout)
    for one, other in zip(given, yuv.apply(given, layout, np.zeros_like(pixels)), strict=True):
        assert (one == other).all()
    # Whatever the noise in the colours was: flat gray instead leaves none of it.
    flat = yuv.apply(given, layout, np.float32(0.5) - pixels)
    for plane in flat:
        assert int(plane.max()) - int(plane.min()) <= 1
    # The way back from pixels alone, within rounding.
    back = yuv.to_pixels(yuv.from_pixels(np.full_like(pixels, 0.25), layout), layout)
    assert np.abs(back - 0.25).max() < 1.5 / 2**layout.depth * 2


def test_every_shipped_codec_row_has_an_encoder_in_this_build() -> None:
    for codec in encoders.CODECS.values():
        assert any(encoders.pixels_for(name, "yuv420p") or encoders.pixels_for(name, "yuv422p10le") for name in codec.encoders), (
            codec
        )
    for container in encoders.CONTAINERS:
        assert set(container.codecs) <= set(encoders.CODECS)
    assert frame_of(planes(0), "yuv420p").width == WIDTH


def test_a_playlist_under_a_clips_name_opens_no_other_file(tmp_path: Path, model: Restorer) -> None:
    inner = make(tmp_path / "inner.ts", times=[90000 + 3600 * n for n in range(3)], time_base=Fraction(1, 90000))
    for name, text in {
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{inner}\n#EXT-X-ENDLIST\n",
        "concat.mkv": f"ffconcat version 1.0\nfile {inner.name}\n",
    }.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(FileError, match="it is damaged, or no clip"):
            footage.restore(path, tmp_path / f"out-{name}", model, NOTHING)


def test_x264_gives_the_same_bytes_each_time(tmp_path: Path, model: Restorer) -> None:
    clip = make(tmp_path / "a.mp4", count=8)
    made = set()
    for number in range(6):
        footage.restore(clip, tmp_path / f"{number}.mp4", model, DenoiseSettings(sigma=0))
        made.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(made) == 1


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM, errno.ENOSPC])
def test_an_error_names_the_file_that_it_is_of(
    tmp_path: Path, model: Restorer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A source that cannot be read on is not the output's fault, and a disk that fails not the source's."""
    source = make(tmp_path / "in.mkv", count=4, sounds=[Sound("flac")])

    def failing(*_: object, **__: object) -> Iterator[Any]:
        raise av.error.OSError(number, "the disk fails")
        yield

    class Broken:
        streams = ()
        demux = failing

    with pytest.raises(FileError, match=r"in\.mkv: it is damaged"):
        next(clips.packets_of(Broken(), (), source))
    with pytest.raises(FileError, match=r"in\.mkv: it is damaged"), clips.opened(source):
        failing().__next__()
    with (
        pytest.raises(OSError, match="the disk fails") as raised,
        clips.opened(source),
        clips.written(tmp_path / "out.mkv", {"format": "matroska"}),
    ):
        failing().__next__()
    assert not isinstance(raised.value, av.error.FFmpegError)
    # In a run, while the tracks beside the pictures are copied.
    monkeypatch.setattr(joining, "packets_of", lambda _, streams, path: clips.packets_of(Broken(), streams, path))
    (outcome,) = batch.restore_files(plan.plan([source], tmp_path / "o.mkv"), model, model.settings(sigma=5))
    assert outcome.error is not None
    assert str(source) in outcome.error
    assert "o.mkv" not in outcome.error
