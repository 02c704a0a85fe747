"""What plain scaling leaves out of luma that it doubles: the weights that tell, as numpy.

A small convolutional network takes blocks of 2 x 2 pixels for one of its own and gives blocks of
4 x 4 (sub-pixel convolution, Shi et al., CVPR 2016): what is to be added to the luma as a cubic
filter doubles it (residual learning, Kim et al., CVPR 2016). It knows no styles and no colours:
most videos have half the lines in chroma. `bench/train_enlarger.py` trains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np
from safetensors.numpy import load

from videostyle.network.architecture import Numbers

HIDDEN = (16, 16, 16)  # channels between the first convolution and the last
LEVELS = 255  # of bytes, in a unit of the network's numbers


@cache
def enlarger_weights() -> Mapping[str, Numbers]:
    """`convs.N.weight` (O, I, 3, 3) and `convs.N.bias` (O,), from 4 channels to 16, fp32."""
    stored = load((resources.files("videostyle") / "network/enlarger.safetensors").read_bytes())
    return {name: values.astype(np.float32) for name, values in stored.items()}
