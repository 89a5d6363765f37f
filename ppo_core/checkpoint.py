"""A checkpoint is one file that is either complete or not there, and that cannot run code when it is read.

Tensors are kept in the safetensors format; counters and settings are JSON in its header, with a digest over both.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ppo_core.errors import CheckpointError

FORMAT = "ppo_core checkpoint 1"


def save_checkpoint(path: str | os.PathLike, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Path:
    """Write `tensors`, of any shape, and `facts` (plain JSON values) to `path`, all or nothing.

    The file is written beside its place, flushed to the disk and then moved there in one step; the checkpoint
    that was there before is kept as `path` + ".previous". A kill or a full disk at any moment leaves a whole one.
    Raises: CheckpointError if the folder cannot be written to.
    """
    path = Path(path)
    header = json.dumps(facts, sort_keys=True)
    content = save(
        {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()},
        {"format": FORMAT, "facts": header, "sha256": _digest(tensors, header)},
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                _keep(path, path.with_name(path.name + ".previous"))
            _replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"cannot write the checkpoint {path}: {error.strerror or error}; an earlier one there is untouched"
        ) from error
    return path


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote. Nothing in the file is executed.

    Returns: (tensors, facts); the tensors have any shape, as they were saved.
    Raises: CheckpointError if there is no such file, or it is not a checkpoint of this book, or a byte has changed.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    earlier = path.with_name(path.name + ".previous")
    remedy = f"; the checkpoint before it is {earlier}" if earlier.is_file() else ""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a complete checkpoint ({error}){remedy}") from error
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is no checkpoint of this version: "
            f"its format is {header.get('format')!r}, expected {FORMAT!r}{remedy}"
        )
    if header.get("sha256") != _digest(tensors, header.get("facts", "")):
        raise CheckpointError(
            f"{path} was changed after it was written: its digest does not fit its content{remedy}"
        )
    return tensors, json.loads(header["facts"])


def _digest(tensors: dict[str, Tensor], header: str) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def _keep(path: Path, previous: Path) -> None:
    """Give the present file a second name, without a moment in which `path` does not exist."""
    beside = previous.with_name(f".{previous.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # of a process with the same number that was killed here
    try:
        os.link(path, beside)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, beside)
    _replace(beside, previous)
    beside.unlink(missing_ok=True)  # replacing a file by another name of itself does nothing


def _replace(source: Path, target: Path) -> None:
    for attempt in range(5):
        try:
            return os.replace(source, target)
        except PermissionError:  # on Windows while a reader or a virus scanner holds the target
            if attempt == 4:
                raise
            time.sleep(0.05)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # other systems cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
