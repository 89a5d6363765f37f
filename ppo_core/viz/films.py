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
        data, kind, poster = _read(Path(frames))
        length = f"the file {Path(frames).name}"
    else:
        images = _checked(frames)
        data, kind = _encode(images, fps)
        poster, length = images[len(images) // 2], f"{len(images)} frames at {fps} per second"
    if len(data) > max_kb * 1000:
        raise FilmTooLarge(
            f"the film is {len(data) / 1000:.0f} kB ({length}), above max_kb={max_kb}: "
            "show fewer frames, take every second one at half the fps, or make them smaller"
        )
    picture = (_video if kind == "mp4" else _waiting_gif)(base64.b64encode(data).decode(), alt, poster)
    bundle = {"text/html": framed(picture, caption), "text/plain": alt}
    return bundle if poster is None else {**bundle, "image/png": _png(poster)}


def _video(data: str, alt: str, poster: np.ndarray | None) -> str:
    label = html.escape(alt)
    shot = "" if poster is None else f' poster="data:image/png;base64,{_png(poster)}"'
    return (
        f'<video controls muted playsinline preload="metadata"{_size(poster)} aria-label="{label}"{shot} '
        f'src="data:video/mp4;base64,{data}">{label}</video>'
    )


def _waiting_gif(data: str, alt: str, poster: np.ndarray) -> str:
    """A GIF would run for ever beside the text: it stays behind a still picture until it is asked for."""
    still = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{_png(poster)}"{_size(poster)}>'
    moving = f'<img alt="The same film, playing." src="data:image/gif;base64,{data}"{_size(poster)}>'
    return f"<details><summary>{still}<br>Play the film</summary>{moving}</details>"


def _size(poster: np.ndarray | None) -> str:
    given = "" if poster is None else f' width="{poster.shape[1]}" height="{poster.shape[0]}"'
    return f'{given} style="max-width:100%;height:auto;background:#fff"'


def _read(path: Path) -> tuple[bytes, str, np.ndarray | None]:
    """A film file's bytes, its kind, and its first frame (None for an mp4 where there is no ffmpeg to open it)."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("mp4", "gif"):
        raise ValueError(f"a film is an mp4 or a GIF file, got {path.name}")
    data = path.read_bytes()
    if kind == "gif":
        return data, kind, np.asarray(Image.open(path).convert("RGB"))
    try:
        import imageio_ffmpeg

        reader = imageio_ffmpeg.read_frames(str(path))
        width, height = next(reader)["size"]
        poster = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
        reader.close()
    except (ImportError, RuntimeError, OSError):
        poster = None
    return data, kind, poster


def _checked(frames: Iterable[np.ndarray]) -> list[np.ndarray]:
    images = [np.asarray(frame) for frame in frames]
    if not images:
        raise ValueError("a film needs at least one frame")
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 2:
            raise ValueError(
                f"a frame must be uint8 of shape [height, width, 3], got {image.dtype} {image.shape}"
            )
        if image.shape != images[0].shape:
            raise ValueError(
                f"the frames of a film must have one size, got {images[0].shape} and {image.shape}"
            )
    return [
        image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2] for image in images
    ]  # H.264 wants even sizes


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


def _png(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).quantize(64).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
