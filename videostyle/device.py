"""The devices and number formats a network can run on."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from videostyle.errors import UsageError
from videostyle.wording import shown

PRECISIONS = ("fp32", "bf16", "fp16")
# The residual blocks' convolutions multiply integers of 8 bits, the rest is `best_float`.
INT8 = "int8"


def cores() -> int:
    """Cores this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_x86() -> bool:
    """Whether this processor is one of Intel's or AMD's."""
    return platform.machine().lower() in ("x86_64", "amd64")


@cache
def cpu_has(feature: str) -> bool:
    """Whether this processor has an instruction set of x86, by Linux's name (avx2, avx512bw)."""
    if not is_x86():
        return False
    if not _cpuinfo():  # Windows, and a Mac of before 2020
        import torch

        return any(
            has and name.replace("_", "") == feature.replace("_", "")
            for name, has in torch.cpu.get_capabilities().items()
        )
    return feature in _fact("flags").split()


def processor_name() -> str:
    """As the processor calls itself where the system tells, else its kind."""
    return _fact("model name") or platform.processor() or platform.machine()


def _is_amd() -> bool:
    return "AuthenticAMD" in (_cpuinfo() or platform.processor())  # which tells it on Windows


def _fact(name: str) -> str:
    """What Linux tells of the processor under this name; "" if it does not."""
    lines = (line for line in _cpuinfo().splitlines() if line.startswith(name))
    return next(lines, "").partition(":")[2].strip()


@cache
def _cpuinfo() -> str:
    """What Linux tells of the processor; "" elsewhere."""
    with suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    return ""


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16 faster than fp32: with AMX, or AMD's AVX512-BF16.
    Intel's AVX512-BF16 has half as many units as its fp32: a gain of nothing."""
    return cpu_has("amx_bf16") or (cpu_has("avx512_bf16") and _is_amd())


def best_float(device: str) -> str:
    """fp16 on CUDA, bf16 on a CPU with bf16 instructions, else fp32."""
    if device != "cpu":
        return "fp16"
    return "bf16" if cpu_has_bf16() else "fp32"


def choose_precision(name: str, device: str) -> str:
    """Resolve auto: int8 where it is known to be faster, which is with OpenVINO on a CPU that has
    AVX2 and no AMX; else `best_float`. Raises UsageError for what there is not."""
    if not (isinstance(name, str) and name in ("auto", *PRECISIONS, INT8)):
        raise UsageError(f"precision {shown(name)}: use auto, {', '.join(PRECISIONS)} or {INT8}")
    openvino = device == "cpu" and find_spec("openvino")
    if name == INT8 and not openvino:
        raise UsageError(f"precision {INT8}: needs the package openvino, and a CPU")
    if name != "auto":
        return name
    if openvino and cpu_has("avx2") and not cpu_has("amx_bf16"):
        return INT8
    return best_float(device)


@cache
def gpus() -> int:
    """How many GPUs PyTorch can paint on. Without NVIDIA's driver it need not be asked, for it
    takes a second to load."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def choose_device(name: str) -> str:
    """Resolve auto, cpu, cuda or cuda:N to cpu or cuda:N. Raises UsageError for what this machine
    lacks."""
    if not (isinstance(name, str) and re.fullmatch("auto|cpu|cuda(:[0-9]{1,4})?", name)):
        raise UsageError(f"device {shown(name):.80}: use auto, cpu, cuda or cuda:N")
    if name == "cpu" or (name == "auto" and not gpus()):
        return "cpu"
    number = int(name.partition(":")[2] or 0)
    if number >= gpus():
        found = f"{gpus()} of NVIDIA's GPUs" if gpus() else "no NVIDIA GPU"
        hint = "" if gpus() else "; it may be a build without CUDA, or the driver may be missing"
        raise UsageError(f"device {name!r}: PyTorch finds {found}{hint}")
    return f"cuda:{number}"
