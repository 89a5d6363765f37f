"""A checkpoint is one file that is either complete or not there, and that cannot run code when it is read.

Tensors are kept in the safetensors format; counters and settings are JSON in its header, with a digest over both.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
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
    that was there before is kept as `path` + ".previous". A kill or a full disk at any moment leaves the last two
    whole, and at most one unfinished file beside them, which a save an hour later removes.
    Raises: CheckpointError if the folder cannot be written to.
    """
    path = Path(path)
    header = json.dumps(facts, sort_keys=True)
    content = save(
        {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()},
        {"format": FORMAT, "facts": header, "sha256": _digest(tensors, header)},
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}.writing")
    earlier = path.with_name(f".{path.name}.previous.{os.getpid()}")
    state = "an earlier one there is untouched"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                _name_too(path, earlier)
            _replace(
                beside, path
            )  # not later than the next one: two different checkpoints are there at any moment
            state = "the new one is there, but a loss of power may undo it"
            if earlier.exists():
                _replace(earlier, path.with_name(path.name + ".previous"))
        finally:
            beside.unlink(missing_ok=True)
            earlier.unlink(missing_ok=True)
        _sync_folder(path.parent)
        _sweep(path)
    except OSError as error:
        raise CheckpointError(
            f"cannot write the checkpoint {path}: {error.strerror or error}; {state}"
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
    try:
        facts = json.loads(header["facts"])
    except (KeyError, ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise CheckpointError(
            f"{path} is no checkpoint: its facts are not a table of names and values{remedy}"
        )
    return tensors, facts


def check_facts(
    path: str | os.PathLike, tensors: dict[str, Tensor], facts: dict[str, Any], makes_env: bool
) -> None:
    """Refuse facts that are not those of a trainer, before anything is made from them; tensors of any shape.

    `makes_env`: whether environments will be made by name. Gymnasium imports what stands before a colon in that
    name, and a file must not choose what is imported: the module has to be there already.
    Raises: CheckpointError.
    """
    config, count = facts.get("config"), tensors.get("episodes.count")
    if "weights" not in tensors or not isinstance(config, dict):
        raise CheckpointError(f"{path} is a checkpoint, but not one of a trainer")
    if count is None or list(count.shape) != [config.get("num_envs")]:
        raise CheckpointError(f"{path} does not fit: num_envs={config.get('num_envs')} in its settings alone")
    for name in ("iteration", "global_step"):
        if type(facts.get(name)) is not int or not 0 <= facts[name] < 2**63:
            raise CheckpointError(f"{path} does not fit: {name}={facts.get(name)!r}, expected a count")
    module, colon, _ = str(config.get("env_id")).rpartition(":")
    if makes_env and colon and module not in sys.modules:
        raise CheckpointError(
            f"{path} would import the module {module!r} to make its environments: if you trust it, "
            f"import it before, or pass env_id={config['env_id']!r} yourself"
        )


def check_fits(path: str | os.PathLike, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Refuse tensors that are not named, shaped and typed like `expected`, the state of a fresh trainer.

    A digest shows that nobody changed a file since, not that whoever wrote it meant well: a moment of Adam that is
    shorter than the weights would let the optimiser read and write beyond its end.
    Raises: CheckpointError, which names the first tensor that differs.
    """
    if any(name.startswith("adam.") for name in tensors):  # none before the first update
        adam = {"step": torch.zeros(()), "exp_avg": expected["weights"], "exp_avg_sq": expected["weights"]}
        expected = expected | {f"adam.{name}": tensor for name, tensor in adam.items()}
    for name in sorted(tensors.keys() | expected.keys()):
        if name not in tensors or name not in expected:
            raise CheckpointError(
                f"{path} {'lacks the' if name in expected else 'has an unknown'} tensor {name}"
            )
        fresh, found = expected[name], tensors[name]
        free = int(name in ("episodes.played", "episodes.recent") and found.ndim > 0)  # rows of any number
        if fresh.dtype != found.dtype or fresh.ndim != found.ndim or fresh.shape[free:] != found.shape[free:]:
            raise CheckpointError(
                f"{path} does not fit: {name} is {tuple(found.shape)} {found.dtype}, "
                f"expected {tuple(fresh.shape)} {fresh.dtype}: pass the policy whose weights these are"
            )
        if name.partition(".")[0] in ("weights", "adam", "episodes") and not found.isfinite().all():
            raise CheckpointError(f"{path} does not fit: {name} holds a NaN or an infinity")
    log = {name: tensors[f"episodes.{name}"] for name in ("count", "lengths", "played")}
    if min(log["count"].min(), log["lengths"].min()) < 0 or log["lengths"].sum() != len(log["played"]):
        raise CheckpointError(f"{path} does not fit: its episodes under way have negative or wrong lengths")
    try:
        torch.Generator().set_state(tensors["generator"])
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit: {error}") from error


def _digest(tensors: dict[str, Tensor], header: str) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def _name_too(path: Path, second: Path) -> None:
    """Give the present file a second name, without a moment in which `path` does not exist."""
    second.unlink(missing_ok=True)  # of a process with the same number that was killed here
    try:
        os.link(path, second)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, second)


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`; what is younger than an hour may be a save under way."""
    for name in os.listdir(path.parent):
        unfinished = name.startswith(f".{path.name}.") and name.endswith(".writing")
        if unfinished or name.startswith(f".{path.name}.previous."):
            with contextlib.suppress(OSError):
                facts = os.stat(path.with_name(name))
                if time.time() - max(facts.st_mtime, facts.st_ctime) > 3600:
                    os.unlink(path.with_name(name))


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
