"""The classical methods that people use today, behind one call, each given the true level.

Settings are the documented ones; where a method's own page gives none, those that scored best on the middle 160x160 pixels of 12
training photographs, gray and colour, at levels 5 to 75. All but ``none``, ``by-light``, ``masked-median``, ``bicubic``
and ``lanczos`` need the extra ``bench``. BM3D comes from the package ``bm3d``, whose licence is for academic use only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import asked, colour, images, wear
from pellucid.degradations import Degradation
from pellucid.errors import MissingExtra, OptionError
from pellucid.images import Pixels

__all__ = ["BASELINES", "Baseline", "find", "levin"]


@dataclass(frozen=True)
class Baseline:
    """A method: ``function(noisy, noise)`` takes (h, w, 1 or 3) float32 and the noise that was added, and returns the same
    shape; one that finds a mask returns (h, w, 1).

    ``modules`` are the modules that it imports, ``packages`` the distributions that bring them. ``knows_impulses``: it takes their
    density, too (all take the level of Gaussian noise). ``task`` is the name of the task that it does, None for any that keeps the
    size; a method that enlarges takes the small image and `Shrink`, and returns the large image; one that colours takes the gray
    picture (h, w, 1) and `asked.Gray` with its hints, and returns (h, w, 3). One that ``fills`` damage takes `wear.Covered`.
    """

    name: str
    summary: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    function: Callable[[Pixels, Degradation], Pixels]
    task: str | None = "denoise"
    knows_impulses: bool = False
    fills: bool = False

    def check(self) -> None:
        """Raises `MissingExtra` where something that it needs is not installed."""
        for module, package in zip(self.modules, self.packages, strict=True):
            if find_spec(module) is None:
                raise MissingExtra(package, "bench")


def find(name: str) -> Baseline:
    """The baseline of that name; `OptionError` lists what there is."""
    if name not in BASELINES:
        raise OptionError(f"unknown baseline {name!r}; the baselines are {', '.join(BASELINES)}")
    return BASELINES[name]


def _needed(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(package, "bench") from error


def _nothing(noisy: Pixels, noise: Degradation) -> Pixels:
    return noisy


def _median(noisy: Pixels, noise: Degradation) -> Pixels:
    """3x3; 5x5 from 30 % impulses or a sigma of 40 on, where the smaller window leaves most of the noise."""
    ndimage = _needed("scipy.ndimage", "scikit-image")
    if noise.sigma == 0 and noise.density == 0:
        return noisy
    side = 5 if noise.density >= 0.3 or noise.sigma >= 40 else 3
    output: Pixels = ndimage.median_filter(noisy, size=(side, side, 1), mode="mirror")
    return output


def _adaptive_median(noisy: Pixels, noise: Degradation) -> Pixels:
    """Hwang and Haddad 1995, "Adaptive Median Filters: New Algorithms and Results", RAMF.

    The window grows until its median is not an extreme of it; a pixel that is itself an extreme of that window is replaced by
    the median. Largest window 19; 39 from 90 % impulses on.
    """
    ndimage = _needed("scipy.ndimage", "scikit-image")
    largest = 39 if noise.density >= 0.9 else 19
    output = np.empty_like(noisy)
    for channel in range(noisy.shape[2]):
        plane = noisy[..., channel]
        result = plane.copy()
        open_pixels = np.ones(plane.shape, dtype=bool)
        median = plane
        for side in range(3, largest + 1, 2):
            low = ndimage.minimum_filter(plane, size=side, mode="mirror")
            high = ndimage.maximum_filter(plane, size=side, mode="mirror")
            median = ndimage.median_filter(plane, size=side, mode="mirror")
            settled = open_pixels & (median > low) & (median < high)
            extreme = settled & ~((plane > low) & (plane < high))
            result[extreme] = median[extreme]
            open_pixels &= ~settled
            if not open_pixels.any():
                break
        result[open_pixels] = median[open_pixels]
        output[..., channel] = result
    return output


def _levels(noisy: Pixels) -> NDArray[np.uint8]:
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def _gaussian(noisy: Pixels, noise: Degradation) -> Pixels:
    """Gaussian blur (SciPy) with a standard deviation of 0.035 pixels for each level of noise, as measured best."""
    ndimage = _needed("scipy.ndimage", "scikit-image")
    width = 0.035 * noise.sigma
    output: Pixels = ndimage.gaussian_filter(noisy, (width, width, 0), mode="mirror")
    return output


def _bilateral(noisy: Pixels, noise: Degradation) -> Pixels:
    """OpenCV's bilateral filter, 2.5 pixels wide in space; in value 2.5 sigma, 4 sigma in colour and from a level of 40 on.

    Near the rule of Zhang and Gunturk 2008, "Multiresolution Bilateral Filtering for Image Denoising" (1.8 pixels, 2 sigma), which
    measured up to 1.5 dB less here.
    """
    cv2 = _needed("cv2", "opencv-python-headless")
    if noise.sigma == 0:
        return noisy
    reach = (2.5 if noisy.shape[2] == 1 and noise.sigma < 40 else 4.0) * noise.sigma / 255
    output: Pixels = cv2.bilateralFilter(np.ascontiguousarray(noisy), -1, reach, 2.5).reshape(noisy.shape)
    return output


def _tv(noisy: Pixels, noise: Degradation) -> Pixels:
    """Total variation (Chambolle 2004; scikit-image), its weight in proportion to the noise: 0.64 sigma at 15, 1.2 from 50 on."""
    restoration = _needed("skimage.restoration", "scikit-image")
    if noise.sigma == 0:
        return noisy
    share = min(1.2, 0.4 + 0.016 * noise.sigma)
    output: Pixels = restoration.denoise_tv_chambolle(noisy, weight=share * noise.sigma / 255, channel_axis=2)
    return output.astype(np.float32)


def _wavelet(noisy: Pixels, noise: Degradation) -> Pixels:
    """BayesShrink wavelet thresholds (Chang et al. 2000; scikit-image), soft, colour in YCbCr, as its own example sets them."""
    restoration = _needed("skimage.restoration", "scikit-image")
    _needed("pywt", "PyWavelets")
    if noise.sigma == 0:
        return noisy
    gray = noisy.shape[2] == 1
    output: Pixels = restoration.denoise_wavelet(
        noisy[..., 0] if gray else noisy,
        sigma=noise.sigma / 255,
        method="BayesShrink",
        mode="soft",
        rescale_sigma=True,
        convert2ycbcr=not gray,
        channel_axis=None if gray else 2,
    ).reshape(noisy.shape)
    return output.astype(np.float32)


def _nlm_opencv(noisy: Pixels, noise: Degradation) -> Pixels:
    """OpenCV's fast non-local means on 8 bits, template 7, search 21.

    Its default h of 3 is for nearly clean pictures; measured best: sigma, 0.9 sigma above a level of 20 and 0.8 above 35; in colour
    0.6 sigma for both of its h.
    """
    cv2 = _needed("cv2", "opencv-python-headless")
    if noise.sigma == 0:
        return noisy
    if noisy.shape[2] == 1:
        share = 1.0 if noise.sigma <= 20 else 0.9 if noise.sigma <= 35 else 0.8
        output = cv2.fastNlMeansDenoising(_levels(noisy)[..., 0], None, max(1.0, share * noise.sigma), 7, 21)[..., None]
    else:
        strength = max(1.0, 0.6 * noise.sigma)
        # The function takes BGR and works in Lab, where the order matters.
        swapped = np.ascontiguousarray(_levels(noisy)[..., ::-1])
        output = cv2.fastNlMeansDenoisingColored(swapped, None, strength, strength, 7, 21)[..., ::-1]
    pixels: Pixels = output.astype(np.float32) / np.float32(255)
    return pixels


def _nlm_skimage(noisy: Pixels, noise: Degradation) -> Pixels:
    """scikit-image's fast non-local means: patch 5, distance 6, sigma given, as its own example sets them.

    h is 0.7 sigma, up to 0.1 dB better here than the example's 0.8.
    """
    restoration = _needed("skimage.restoration", "scikit-image")
    sigma = noise.sigma / 255
    if sigma == 0:
        return noisy
    # As two axes: with one channel the function drops the third.
    gray = noisy.shape[2] == 1
    output: Pixels = restoration.denoise_nl_means(
        noisy[..., 0] if gray else noisy,
        h=0.7 * sigma,
        sigma=sigma,
        patch_size=5,
        patch_distance=6,
        fast_mode=True,
        channel_axis=None if gray else 2,
    ).reshape(noisy.shape)
    return output.astype(np.float32)


def _bm3d(noisy: Pixels, noise: Degradation) -> Pixels:
    """BM3D by its authors' package, profile ``np``, colour in their opponent space. Academic licence."""
    bm3d = _needed("bm3d", "bm3d")
    if noise.sigma == 0:
        return noisy
    values = noisy.astype(np.float64)
    if noisy.shape[2] == 1:
        output = np.asarray(bm3d.bm3d(values[..., 0], noise.sigma / 255))
    else:
        output = np.asarray(bm3d.bm3d_rgb(values, noise.sigma / 255))
    return output.reshape(noisy.shape).astype(np.float32)


def _enlarged(kernel: PillowImage.Resampling, small: Pixels, shrunk: Degradation) -> Pixels:
    """Pillow's own enlargement."""
    height, width = small.shape[:2]
    return images.resized(small, height * shrunk.scale, width * shrunk.scale, kernel)


def _grabcut(picture: Pixels, case: Degradation) -> Pixels:
    """OpenCV's GrabCut (Rother et al. 2004) with the case's box, or one that leaves out the outermost pixels; five rounds."""
    cv2 = _needed("cv2", "opencv-python-headless")
    height, width = picture.shape[:2]
    found = asked.of(case)
    box = found.box if isinstance(found, asked.Alpha) else None
    left, top, right, bottom = (1, 1, width - 1, height - 1) if box is None else box
    mask = np.full((height, width), 0, np.uint8)
    if right - left > 1 and bottom - top > 1:
        mask[top:bottom, left:right] = cv2.GC_PR_FGD
    if mask.any() and not mask.all():
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        colours = np.ascontiguousarray(np.broadcast_to(_levels(picture), (height, width, 3)))
        cv2.grabCut(colours, mask, (left, top, right - left, bottom - top), *models, 5, cv2.GC_INIT_WITH_RECT)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD))[..., None].astype(np.float32)


def _otsu(picture: Pixels, noise: Degradation) -> Pixels:
    """Lighter or darker than Otsu's threshold: whichever of both is rarer at the border."""
    cv2 = _needed("cv2", "opencv-python-headless")
    gray = _levels(images.gray(picture))[..., 0]
    level, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    lighter = gray > level
    border = np.concatenate([lighter[0], lighter[-1], lighter[:, 0], lighter[:, -1]])
    output: Pixels = (lighter if border.mean() < 0.5 else ~lighter)[..., None].astype(np.float32)
    return output


def levin(light: Pixels, hints: NDArray[np.floating]) -> Pixels:
    """Chroma (h, w, 2) by Levin, Lischinski and Weiss 2004, "Colorization using Optimization": each pixel is the mean of its 3x3
    neighbours, weighed by the light, where no hint of 3x3 pixels is. The weights are those of the authors' code
    (getColorExact.m).

    ``light`` is L of CIELAB (h, w) in [0, 100]; ``hints`` (n, 4) are y, x in pixels, and two values that spread, such as chroma on
    the even scale of `pellucid.colour`. Raises `MissingExtra` without SciPy.
    """
    ndimage, sparse = _needed("scipy.ndimage", "scikit-image"), _needed("scipy.sparse", "scikit-image")
    linalg = _needed("scipy.sparse.linalg", "scikit-image")
    height, width = light.shape
    if not len(hints):
        return np.zeros((height, width, 2), np.float32)
    shade = light.astype(np.float64) / 100
    mean = ndimage.uniform_filter(shade, 3)
    varies = 0.6 * np.maximum(ndimage.uniform_filter(shade * shade, 3) - mean * mean, 0)
    padded = np.pad(shade, 1, constant_values=np.nan)
    around = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)]
    away = np.stack([np.square(padded[1 + d : 1 + d + height, 1 + a : 1 + a + width] - shade) for d, a in around])
    varies = np.maximum(np.maximum(varies, -np.nanmin(away, axis=0) / np.log(0.01)), 2e-6)
    weights = np.nan_to_num(np.exp(-away / varies))
    weights /= weights.sum(axis=0)
    given, values = np.zeros((height, width), bool), np.zeros((height, width, 2))
    for y, x, a, b in hints:
        part = slice(max(0, int(y) - 1), int(y) + 2), slice(max(0, int(x) - 1), int(x) + 2)
        given[part], values[part] = True, (a, b)
    place = np.arange(height * width)
    system = sparse.identity(height * width, format="csr")
    for (down, across), weight in zip(around, weights, strict=True):
        counts = np.where(given, 0, weight).ravel()
        which = np.flatnonzero(counts)
        system = system - sparse.csr_matrix((counts[which], (place[which], place[which] + down * width + across)), system.shape)
    solve = linalg.splu(system.tocsc()).solve
    return np.stack([solve((values[..., at] * given).ravel()).reshape(height, width) for at in (0, 1)], axis=2).astype(np.float32)


def _levin(picture: Pixels, case: Degradation) -> Pixels:
    """The optimisation of Levin et al. with the case's hints; gray without any."""
    light = colour.light_of_gray(images.gray(picture)[..., 0])
    says = asked.of(case)
    given = says.hints if isinstance(says, asked.Gray) else ()
    codes = np.array([levels for _, _, levels in given], dtype=np.float32).reshape(-1, 3) / 255
    places = np.array([(y, x) for x, y, _ in given], dtype=np.float32).reshape(-1, 2)
    even = levin(light, np.concatenate([places, colour.even_of(colour.lab_of(codes)[:, 1:])], axis=1))
    return colour.rgb_of(light, colour.ab_of(even))


def _by_light(picture: Pixels, case: Degradation) -> Pixels:
    """The usual colour of photographs at each light (`colour.TABLE`); hints are not looked at."""
    light = colour.light_of_gray(images.gray(picture)[..., 0])
    return colour.rgb_of(light, colour.ab_of(colour.by_light(light)))


NEAR = 3
"""Pixels around damage from which OpenCV's inpainting fills it, as in its own example (samples/python/inpaint.py)."""


def _true_mask(picture: Pixels, case: Degradation) -> NDArray[np.bool_]:
    """The damage (h, w) that the case says of the picture, or of a larger one whose upper left corner it is."""
    if not isinstance(case, wear.Covered):
        raise OptionError("this method fills damage that is known, and nothing says where it is")
    height, width = picture.shape[:2]
    return case.mask[:height, :width]


def _inpainted(flag: str, picture: Pixels, case: Degradation) -> Pixels:
    """OpenCV's inpainting of 8 bits, in what is damaged."""
    cv2 = _needed("cv2", "opencv-python-headless")
    mask = _true_mask(picture, case)
    levels = _levels(picture)
    filled = cv2.inpaint(levels if levels.shape[2] == 3 else levels[..., 0], mask.astype(np.uint8), NEAR, getattr(cv2, flag))
    made = filled.reshape(picture.shape).astype(np.float32) / np.float32(255)
    output: Pixels = np.where(mask[..., None], made, picture)
    return output


def _masked_median(picture: Pixels, case: Degradation) -> Pixels:
    """In what is damaged the median of what is not: of the smallest window of 5x5, 9x9, 17x17, ... pixels that has five such."""
    mask = _true_mask(picture, case)
    output = picture.copy()
    left = np.argwhere(mask)
    reach = 2
    while len(left) and reach < 2 * max(picture.shape[:2]):
        wide = np.pad(
            np.where(mask[..., None], np.float32(np.nan), picture), ((reach, reach), (reach, reach), (0, 0)), constant_values=np.nan
        )
        windows = np.lib.stride_tricks.sliding_window_view(wide, (2 * reach + 1, 2 * reach + 1), axis=(0, 1))
        again = []
        for part in np.array_split(left, max(1, len(left) * (2 * reach + 1) ** 2 // 4_000_000)):
            values = windows[part[:, 0], part[:, 1]].reshape(len(part), picture.shape[2], -1)
            enough = (~np.isnan(values[:, 0])).sum(axis=-1) >= 5
            output[part[enough, 0], part[enough, 1]] = np.nanmedian(values[enough], axis=-1)
            again.append(part[~enough])
        left, reach = np.concatenate(again), 2 * reach
    return output


SCIPY = (("scipy",), ("scipy",))
OPENCV = (("cv2",), ("opencv-python-headless",))
SKIMAGE = (("skimage",), ("scikit-image",))
WAVELETS = (("skimage", "pywt"), ("scikit-image", "PyWavelets"))
BM3D = (("bm3d",), ("bm3d",))
PILLOW = (("PIL",), ("pillow",))

BASELINES: dict[str, Baseline] = {
    entry.name: entry
    for entry in (
        Baseline("none", "the noisy image, unchanged", (), (), _nothing, task=None, knows_impulses=True),
        Baseline("gaussian", "Gaussian blur (SciPy)", *SCIPY, _gaussian),
        Baseline("median", "median of 3x3 or 5x5 (SciPy)", *SCIPY, _median, knows_impulses=True),
        Baseline(
            "adaptive-median",
            "adaptive median for impulses (Hwang and Haddad 1995)",
            *SCIPY,
            _adaptive_median,
            knows_impulses=True,
        ),
        Baseline("bilateral", "bilateral filter (OpenCV)", *OPENCV, _bilateral),
        Baseline("tv", "total variation (Chambolle; scikit-image)", *SKIMAGE, _tv),
        Baseline("wavelet", "wavelet thresholds (BayesShrink; scikit-image)", *WAVELETS, _wavelet),
        Baseline("nlm-opencv", "fast non-local means (OpenCV, 8 bits)", *OPENCV, _nlm_opencv),
        Baseline("nlm-skimage", "fast non-local means (scikit-image)", *SKIMAGE, _nlm_skimage),
        Baseline("bm3d", "BM3D (package bm3d, academic licence)", *BM3D, _bm3d),
        Baseline("grabcut", "GrabCut with the case's box, or all but the edge (OpenCV)", *OPENCV, _grabcut, "cutout"),
        Baseline("otsu", "lighter or darker than Otsu's threshold (OpenCV)", *OPENCV, _otsu, "cutout"),
        Baseline("by-light", "the usual colour of photographs at each light; hints are not used", (), (), _by_light, "colorize"),
        Baseline("levin", "hints spread by optimisation (Levin et al. 2004; SciPy)", *SCIPY, _levin, "colorize"),
        Baseline(
            "telea",
            "Telea's inpainting with the true damage (OpenCV)",
            *OPENCV,
            partial(_inpainted, "INPAINT_TELEA"),
            "film",
            fills=True,
        ),
        Baseline(
            "navier-stokes",
            "Navier-Stokes inpainting with the true damage (OpenCV)",
            *OPENCV,
            partial(_inpainted, "INPAINT_NS"),
            "film",
            fills=True,
        ),
        Baseline(
            "masked-median", "in the true damage, the median of what is around it", (), (), _masked_median, "film", fills=True
        ),
        Baseline("bicubic", "bicubic (Pillow)", *PILLOW, partial(_enlarged, PillowImage.Resampling.BICUBIC), "upscale"),
        Baseline("lanczos", "Lanczos (Pillow)", *PILLOW, partial(_enlarged, PillowImage.Resampling.LANCZOS), "upscale"),
    )
}
