"""Errors of other libraries, told apart; how messages count."""

from __future__ import annotations

import av.error
import numpy as np
import pytest
import torch

from videostyle.errors import ran_out_of_memory
from videostyle.wording import counted

HUGE = 1 << 50


def test_what_the_libraries_raise_without_memory_is_known() -> None:
    ov = pytest.importorskip("openvino")
    for ask in (
        lambda: np.empty(HUGE, np.uint8),
        lambda: torch.empty(HUGE),
        lambda: ov.Tensor(ov.Type.f32, ov.Shape([HUGE])),
        lambda: av.error.err_check(-12),
    ):
        with pytest.raises((MemoryError, RuntimeError)) as raised:
            ask()
        assert ran_out_of_memory(raised.value), raised.value


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB",
        "CUDA error: out of memory",
        "Triton Error [CUDA]: out of memory",
        "CUDA_ERROR_OUT_OF_MEMORY",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 4096 bytes.",
        "unable to mmap 4096 bytes from file <weights>: Cannot allocate memory (12)",
        "Could not allocate memory for Tensor SizesAndStrides!",
        "Failed to allocate 4096 bytes of memory",
        "bad allocation",
        "Exception from src/inference/src/dev/plugin.cpp:54:\ncan't alloc\n\n",
    ],
)
def test_too_little_memory_is_told_by_its_words(text: str) -> None:
    assert ran_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "CachingAllocator option max_split_size_mb too small, must be >= 20",
        "Unrecognized key 'x' in Accelerator allocator config.",
        "Allocator was not initialized",
        "Cannot create vector! Buffer is not allocated.",
        "Failed to allocate required number of vector registers",
        "The tensor has a non-zero number of elements, but its data is not allocated yet.",
        "CUDA error: an illegal memory access was encountered",
        "out of resource: shared memory, Required: 262144, Hardware limit: 232448",
    ],
)
def test_other_troubles_with_memory_are_not_taken_for_too_little(text: str) -> None:
    assert not ran_out_of_memory(RuntimeError(text))


def test_one_is_counted_without_an_s() -> None:
    assert [counted(count, "key") for count in range(3)] == ["0 keys", "1 key", "2 keys"]
