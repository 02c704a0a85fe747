"""Every error a user can cause, and the exit code the command line gives it.

VideoStyleError            1  the run failed
├── UsageError             2  options that contradict each other or name what does not exist
├── TimelineError          2  an unreadable timeline; the message starts with file:line:column
├── ModelError             1  a model file that cannot be read, or a style it does not have
├── MediaError             1  a picture or video that cannot be read or written
└── TrainingError          1  a training configuration or its data
"""

import re


class VideoStyleError(Exception):
    """Base of all errors with a message meant for the user: what, where, what to do."""

    exit_code = 1


class UsageError(VideoStyleError):
    """Options or arguments that contradict each other or name what does not exist."""

    exit_code = 2


class TimelineError(VideoStyleError):
    """A timeline that cannot be read: a line for each mistake, from file:line:column on."""

    exit_code = 2


class ModelError(VideoStyleError):
    """A model file that cannot be read or written, or a style it does not have."""


class MediaError(VideoStyleError):
    """A picture or video that cannot be read or written."""


class TrainingError(VideoStyleError):
    """A training configuration, its data, or a run that cannot go on."""


# The other exit codes of the command line.
SOME_FAILED = 3
INTERRUPTED = 130


# CUDA; PyTorch on Windows; C++, and so OpenVINO; cuDNN and cuBLAS; PyTorch, OpenVINO and Linux.
_NO_MEMORY = re.compile(
    r"out[ _]of[ _]memory|not enough memory|bad[ _]alloc|can't alloc\b|alloc(ation)?_failed"
    r"|(can't|cannot|could not|failed to) allocate (memory|\d+ bytes)",
    re.IGNORECASE,
)


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory, of the machine or of a GPU, does not suffice.

    numpy and PyAV raise a MemoryError; PyTorch and OpenVINO a RuntimeError, told by its words from
    one of an allocator that is set up wrongly or of registers that cannot be allocated.
    """
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))
