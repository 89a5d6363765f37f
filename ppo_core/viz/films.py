"""A short film of an agent, inside the page: no network, no autoplay, small, and described in words."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from ppo_core.viz.figures import described, display_bundle, framed


class FilmTooLarge(ValueError):
    """The encoded film is larger than a page should carry."""


def film(
    frames: Iterable[np.ndarray] | str | Path,
    alt: str,
    fps: int = 30,
    *,
    caption: str | None = None,
    max_kb: int = 600,
) -> None:
    """Display a film with controls, a poster frame and a text description; it does not start by itself.

    Args: `frames` are [height, width, 3] uint8 images, or the path of an mp4 or GIF file that is embedded as it
        is; `alt` says in words what happens in it; `max_kb` is the largest size in kilobytes.
    Frames become an H.264 mp4 where imageio-ffmpeg is installed, and a GIF otherwise.
    Raises: ValueError if `alt` is empty or a frame has the wrong form; FilmTooLarge above `max_kb`.
    """
    display_bundle(film_bundle(frames, alt, fps, caption=caption, max_kb=max_kb))


def film_bundle(
    frames: Iterable[np.ndarray] | str | Path,
    alt: str,
    fps: int = 30,
    *,
    caption: str | None = None,
    max_kb: int = 600,
) -> dict[str, str]:
    """The MIME bundle of a film: HTML that holds it whole, a PNG of the poster frame (print), text (terminals)."""
    alt = described(alt, "a film")
    if isinstance(frames, (str, Path)):
        data, kind = Path(frames).read_bytes(), Path(frames).suffix.lower().lstrip(".")
        if kind not in ("mp4", "gif"):
            raise ValueError(f"a film is an mp4 or a GIF file, got {Path(frames).name}")
        images, poster, length = None, _first_frame(Path(frames)), f"embedded from {Path(frames).name}"
    else:
        images = [_checked(frame) for frame in frames]
        if not images:
            raise ValueError("a film needs at least one frame")
        data, kind = _encode(images, fps)
        poster, length = images[len(images) // 2], f"{len(images)} frames at {fps} per second"
    if len(data) > max_kb * 1000:
        raise FilmTooLarge(
            f"the film is {len(data) / 1000:.0f} kB ({length}), above max_kb={max_kb}: "
            "show fewer frames, take every second one at half the fps, or make them smaller"
        )
    encoded, shot = base64.b64encode(data).decode(), _png(poster)
    height, width = poster.shape[:2]
    label, size = (
        html.escape(alt),
        f'width="{width}" height="{height}" style="max-width:100%;height:auto;background:#fff"',
    )
    if kind == "mp4":
        picture = (
            f'<video controls muted playsinline preload="metadata" {size} aria-label="{label}" '
            f'poster="data:image/png;base64,{shot}" src="data:video/mp4;base64,{encoded}">{label}</video>'
        )
    else:  # a GIF would run for ever beside the text: it stays behind its first frame until it is asked for
        picture = (
            f'<details><summary><img alt="{label}" src="data:image/png;base64,{shot}" {size}><br>Play the film</summary>'
            f'<img alt="The same film, playing." src="data:image/gif;base64,{encoded}" {size}></details>'
        )
    return {"text/html": framed(picture, caption), "image/png": shot, "text/plain": alt}


def _checked(frame: np.ndarray) -> np.ndarray:
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(
            f"a frame must be uint8 of shape [height, width, 3], got {frame.dtype} {frame.shape}"
        )
    return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]  # H.264 wants even sizes


def _encode(images: list[np.ndarray], fps: int) -> tuple[bytes, str]:
    """The film as bytes, and its kind: mp4, or GIF where there is no ffmpeg."""
    try:
        return _mp4(images, fps), "mp4"
    except (
        ImportError,
        RuntimeError,
        OSError,
    ):  # not installed, or installed without a binary for this machine
        return _gif(images, fps), "gif"


def _mp4(images: list[np.ndarray], fps: int) -> bytes:
    import os
    import tempfile

    import imageio_ffmpeg

    height, width = images[0].shape[:2]
    handle, path = tempfile.mkstemp(suffix=".mp4")
    os.close(handle)
    try:
        writer = imageio_ffmpeg.write_frames(
            path, (width, height), fps=fps, codec="libx264", quality=None, macro_block_size=1, ffmpeg_log_level="error",
            output_params=["-crf", "28", "-preset", "slow", "-movflags", "+faststart"],
        )  # fmt: skip
        writer.send(None)
        for image in images:
            writer.send(np.ascontiguousarray(image))
        writer.close()
        return Path(path).read_bytes()
    finally:
        os.unlink(path)


def _gif(images: list[np.ndarray], fps: int) -> bytes:
    pictures = [Image.fromarray(image).quantize(32) for image in images]
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=1000 / fps, loop=0, optimize=True
    )
    return file.getvalue()


def _first_frame(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".gif":
        return np.asarray(Image.open(path).convert("RGB"))
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    frame = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
    reader.close()
    return frame


def _png(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).quantize(64).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
