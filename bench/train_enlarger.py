"""Trains what gives doubled pastiches their sharp edges (`network/enlarger.py`).

    python bench/train_enlarger.py DATA -o videostyle/network/enlarger.safetensors

DATA holds photos/ and paintings/. Crops of paintings, and of photographs as `lean` paints them, are
halved and smoothed as `lean` smooths, blurred by up to 0.9 pixels, woven over and rounded; what
comes of them, doubled, is compared with the crops (L1). Luma alone. About a quarter of an hour.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from videostyle.look import Look
from videostyle.media.pixels import MIDDLE, luma_of
from videostyle.network.architecture import SMOOTHING
from videostyle.network.enlarger_network import EnlargerNetwork
from videostyle.network.model import load_model
from videostyle.stylize.planes import Resize
from videostyle.stylize.stylizer import Stylizer
from videostyle.training.dataset import list_paintings, list_photos

SIDE, BATCH = 96, 16  # of a crop, in pixels; crops of an update
PAINTED = 160  # photographs, which make three crops of ten
LEARNING_RATE = 2e-3
REPORT = 1000
# As frames are scaled.
DOUBLED = Resize((SIDE // 2,) * 2, (SIDE,) * 2, cubic=True, shift=0.0, like=torch.empty(0))


def pictures(data: Path) -> tuple[list[Image.Image], list[Image.Image]]:
    """Luma of the paintings, and of photographs painted in all styles in turn."""
    paintings = [
        Image.open(painting.path).convert("L")
        for painting in list_paintings(data / "paintings").values()
    ]
    photos = list_photos(data / "photos")
    model = load_model("lean")
    stylizer, styles = Stylizer(model, device="cpu"), model.card.style_names
    painted = []
    for number, path in enumerate(photos[:: max(1, len(photos) // PAINTED)][:PAINTED]):
        with Image.open(path) as photo:
            frame = np.array(photo.convert("RGB"))
        look = Look({styles[number % len(styles)]: 1})
        painted.append(Image.fromarray(luma_of(stylizer(frame, look))))
    return paintings, painted


def crop(picture: Image.Image) -> Tensor:
    """(SIDE, SIDE), 0 to 255, of a picture at 0.4 to 1 of its size, turned and mirrored."""
    scale = random.uniform(max(0.4, SIDE / min(picture.size)), 1)
    reach = SIDE / scale
    left, top = (random.uniform(0, side - reach) for side in picture.size)
    box = (left, top, left + reach, top + reach)
    pixels = np.array(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))
    pixels = np.rot90(pixels, random.randrange(4))
    return torch.from_numpy((pixels[::-1] if random.random() < 0.5 else pixels).copy()).float()


def filtered(luma: Tensor, kernels: Tensor) -> Tensor:
    """(N, H, W), each by a kernel of its own (N, k) along rows and along columns."""
    count, taps = kernels.shape
    margin = taps // 2
    x = F.pad(luma[None], (margin,) * 4, mode="reflect")
    x = F.conv2d(x, kernels.view(count, 1, 1, taps), groups=count)
    return F.conv2d(x, kernels.view(count, 1, taps, 1), groups=count)[0]


def degraded(luma: Tensor) -> Tensor:
    """(N, H, W) -> (N, H / 2, W / 2): as soft as a pastiche."""
    count = len(luma)
    small = filtered(F.avg_pool2d(luma, 2), torch.tensor(SMOOTHING).expand(count, -1))
    sigma = (torch.rand(count, 1) * 1.1 - 0.2).clamp_min(1e-3)  # for one in five no blur
    blur = torch.exp(-(torch.arange(-3.0, 4) ** 2) / (2 * sigma**2))
    small = filtered(small, blur / blur.sum(1, keepdim=True))
    # The fine weave that is left in a pastiche, along one axis, is to stay faint.
    across = torch.arange(small.shape[-1]).expand(count, small.shape[1], -1)
    down = torch.rand(count, 1, 1) < 0.5
    place = torch.where(down, across.transpose(1, 2), across)
    period, phase, height = (torch.rand(3, count, 1, 1)).unbind()
    weave = 3.8 * height * torch.sin(2 * torch.pi * (place / (2 + 2.5 * period) + phase))
    return (small + weave + torch.randn_like(small)).round().clamp(0, 255)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=25_000)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    torch.manual_seed(0)
    random.seed(0)
    paintings, painted = pictures(arguments.data)
    network = EnlargerNetwork()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.steps)
    losses = plain_losses = 0.0
    started = time.perf_counter()
    for step in range(1, arguments.steps + 1):
        sources = [paintings if random.random() < 0.7 else painted for _ in range(BATCH)]
        large = torch.stack([crop(random.choice(source)) for source in sources])
        small = degraded(large)
        plain = DOUBLED(small)
        loss = (plain + network(small - MIDDLE) - large).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses += loss.item() / REPORT
        plain_losses += (plain - large).abs().mean().item() / REPORT
        if step % REPORT == 0:
            seconds = time.perf_counter() - started
            print(f"{step} {seconds:.0f} s: off by {losses:.3f}, plain {plain_losses:.3f}")
            losses = plain_losses = 0.0
    half = {name: values.half().contiguous() for name, values in network.state_dict().items()}
    save_file(half, arguments.output)


if __name__ == "__main__":
    main()
