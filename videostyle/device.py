"""The devices and number formats a network can run on."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

from videostyle.errors import UsageError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# The residual blocks' convolutions multiply integers of 8 bits, the rest is `best_float`.
INT8 = "int8"


def cores() -> int:
    """Cores this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16 natively (AVX512-BF16 or AMX)."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def best_float(device: torch.device) -> str:
    """fp16 on CUDA, bf16 on a CPU with bf16 instructions, else fp32."""
    if device.type == "cuda":
        return "fp16"
    return "bf16" if cpu_has_bf16() else "fp32"


def choose_precision(name: str, device: torch.device) -> str:
    """Resolve auto: int8 where it is known to be faster, which is with OpenVINO on a CPU that has
    AVX2 and no bf16; else `best_float`. Raises UsageError for what there is not."""
    if name not in ("auto", *PRECISIONS, INT8):
        raise UsageError(f"precision {name!r}: use auto, {', '.join(PRECISIONS)} or {INT8}")
    openvino = device.type == "cpu" and find_spec("openvino")
    if name == INT8 and not openvino:
        raise UsageError(f"precision {INT8}: needs the package openvino, and a CPU")
    if name != "auto":
        return name
    if openvino and torch.cpu.get_capabilities().get("avx2") and not cpu_has_bf16():
        return INT8
    return best_float(device)


def training_dtype(device: torch.device) -> torch.dtype:
    """What training's products are computed in: bf16, whose range needs no scaled losses, on CUDA
    and on a CPU that multiplies it; PyTorch's own loops for other CPUs would take many times as
    long as fp32."""
    return torch.bfloat16 if device.type == "cuda" or cpu_has_bf16() else torch.float32


def choose_device(name: str) -> torch.device:
    """Resolve auto, cpu, cuda or cuda:N. Raises UsageError for what this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name!r}: use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r}: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name!r}: this machine has {torch.cuda.device_count()} GPUs")
    return device
