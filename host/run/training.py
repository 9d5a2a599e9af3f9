"""Noise-aware training: the loss includes the noise of the link, so a network needs less light.

After rescaling, a client gets from a layer with weights W and data x (which includes the constant 1
if there is a bias)

    y = W·x + ‖x‖·rms(W)/F · n,    n ~ N(0, 1) per output, F of the layer,

because x̂ = x/‖x‖ goes to the optics, the row's light has unit-rms weights times √(2μ), and
F² = 2μ/D(G) is the SNR scale. Norm and rms are part of the noisy forward pass, so the gradient
goes through both: a network may lower its noise by making its own weights smaller where they do
not help.

PyTorch is needed only for the gradient and is imported only then; inference works without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.extras import import_extra
from shotveil.host.run.training_settings import TrainingSettings
from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.mnist import CLASSES, SIDE
from shotveil.models.networks.network import Layer, Network

if TYPE_CHECKING:
    import torch

ELASTIC_POINTS = 7  # points along each side of an image, about one for every fourth pixel
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
CHECKSUMS = {  # SHA-256 of the gzipped files as first published
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


@dataclass(frozen=True)
class Progress:
    """The progress of training after an epoch, counted from 1.

    loss: Mean loss over the epoch.
    accuracy: Fraction of the noisy, distorted training images that was classified correctly.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float


def train(
    settings: TrainingSettings,
    images: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    name: str = "trained",
    progress: Callable[[Progress], None] = lambda _: None,
) -> Network:
    """Train a network on `images` (n, inputs), in [0, 1], and `labels` (n,) in 0…9.

    The same settings and data give the same network on one machine. `progress` is called after
    each epoch, with loss and accuracy of the noisy, distorted training images.

    Raises `RangeError` for data that does not fit together, `ModuleNotFoundError` when PyTorch is
    not installed.
    """
    torch = import_extra("torch", "train")
    images, labels = np.asarray(images, np.float32), np.asarray(labels)
    if images.ndim != 2 or labels.shape != images.shape[:1] or len(images) == 0:
        raise RangeError(
            f"images have shape {images.shape} and labels {labels.shape}; "
            "allowed: (n, inputs) and (n,), n ≥ 1"
        )
    require("label", labels, at_least=0, below=CLASSES, integer=True)
    require("pixel", images, at_least=0, at_most=1)
    if settings.augments and images.shape[1] != SIDE**2:
        raise RangeError(
            f"images have {images.shape[1]} pixels; allowed: {SIDE**2} to distort them"
        )

    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        weights = _fit(
            settings, torch.from_numpy(images), torch.from_numpy(labels).long(), progress
        )
    finally:
        torch.set_num_threads(threads)
    layers = [Layer(w.detach().numpy(), settings.bias) for w in weights]
    if settings.int8:
        layers = [layer.rounded() for layer in layers]
    about = {
        "training": {
            **asdict(settings),
            "hidden": list(settings.hidden),
            "f2": list(settings.f2) if isinstance(settings.f2, tuple) else settings.f2,
        },
        "images": len(images),
        "torch": torch.__version__,
    }
    return Network(name, tuple(layers), about)


def fetch_mnist(folder: str | Path, mirror: str = MIRROR) -> None:
    """Download the missing ones of MNIST's four gzipped IDX files into `folder`; check all four.

    Raises `RangeError` when a file cannot be fetched or does not have its published SHA-256, and
    `ModuleNotFoundError` when pooch is not installed.
    """
    pooch = import_extra("pooch", "train")
    for stem, checksum in CHECKSUMS.items():
        name = f"{stem}.gz"
        try:
            pooch.retrieve(mirror + name, f"sha256:{checksum}", fname=name, path=folder)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            raise RangeError(f"{name} cannot be fetched from {mirror}: {error}") from None


def _fit(
    settings: TrainingSettings,
    images: torch.Tensor,
    labels: torch.Tensor,
    progress: Callable[[Progress], None],
) -> list[torch.Tensor]:
    """Return the trained weights, one tensor (rows, columns) for each layer."""
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    weights = _initial_weights([images.shape[1], *settings.hidden, CLASSES], settings, generator)
    optimizer = torch.optim.AdamW(
        weights, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    steps = math.ceil(len(images) / settings.batch)

    def rate(step: int) -> float:
        warm = min(steps, steps * settings.epochs // 2)
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps * settings.epochs - warm)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for epoch in range(settings.epochs):
        total_loss, correct = 0.0, 0
        for chosen in torch.randperm(len(images), generator=generator).split(settings.batch):
            x, y = images[chosen], labels[chosen]
            if settings.augments:
                x = _distort(x, settings, generator)
            outputs = _forward(weights, x, settings, generator)
            loss = torch.nn.functional.cross_entropy(
                outputs, y, label_smoothing=settings.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total_loss += loss.item() * len(x)
            correct += int((outputs.argmax(dim=1) == y).sum())
        if not math.isfinite(total_loss):
            raise RangeError(
                f"training diverged in epoch {epoch + 1}; learning_rate = "
                f"{settings.learning_rate:g} is too high for these settings"
            )
        progress(
            Progress(epoch + 1, settings.epochs, total_loss / len(images), correct / len(images))
        )
    return weights


def _initial_weights(
    widths: list[int], settings: TrainingSettings, generator: torch.Generator
) -> list[torch.Tensor]:
    """Return weights by He's normal initialisation; each bias starts at 0."""
    import torch

    weights = []
    for inputs, rows in pairwise(widths):
        w = torch.randn(rows, inputs, generator=generator) * math.sqrt(2 / inputs)
        if settings.bias:
            w = torch.nn.functional.pad(w, (0, 1))
        weights.append(w.requires_grad_())
    return weights


def _forward(
    weights: list[torch.Tensor],
    x: torch.Tensor,
    settings: TrainingSettings,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the outputs (n, classes) with the noise of the link; they are differentiable."""
    import torch

    kind = torch.bfloat16 if settings.bfloat16 else weights[0].dtype
    noise_scales: list[float] = []
    if settings.f2 is not None:
        spread = math.log(settings.f2_spread) * (2 * torch.rand((), generator=generator).item() - 1)
        noise_scales = [1 / math.sqrt(f2 * math.exp(spread)) for f2 in settings.f2_of_layers]
    for i, w in enumerate(weights):
        if i:
            x = torch.relu(x)
            if settings.dropout:
                keep = torch.rand(x.shape, generator=generator) >= settings.dropout
                x = x * keep / (1 - settings.dropout)
        if settings.bias:
            x = torch.nn.functional.pad(x, (0, 1), value=1.0)
        y = (x.to(kind) @ w.T.to(kind)).to(x.dtype)
        if noise_scales:
            rows, columns = w.shape
            rms = w.norm() / math.sqrt(rows * 2 * math.ceil(columns / 2))  # padding counts as zeros
            size = x.norm(dim=1, keepdim=True)
            y = y + torch.randn(y.shape, generator=generator) * (size * rms * noise_scales[i])
        x = y
    return x


def _distort(
    x: torch.Tensor, settings: TrainingSettings, generator: torch.Generator
) -> torch.Tensor:
    """Distort each image, (n, 784), by a random affine map and a random smooth displacement."""
    import torch
    from torch.nn import functional

    n = len(x)

    def uniform(largest: float) -> torch.Tensor:
        return largest * (2 * torch.rand(n, generator=generator) - 1)

    angle, shear = uniform(math.radians(settings.rotation)), uniform(settings.shear)
    width, height = 1 + uniform(settings.scale), 1 + uniform(settings.scale)
    pixel = 2 / SIDE  # grid_sample's coordinates run from −1 to 1
    across, down = uniform(settings.shift * pixel), uniform(settings.shift * pixel)
    cos, sin = angle.cos(), angle.sin()
    affine = torch.stack(
        [
            torch.stack([width * cos, width * (shear * cos - sin), across], dim=1),
            torch.stack([height * sin, height * (shear * sin + cos), down], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(affine, [n, 1, SIDE, SIDE], align_corners=False)
    if settings.elastic:
        coarse = torch.randn(n, 2, ELASTIC_POINTS, ELASTIC_POINTS, generator=generator)
        smooth = _smoothing()
        field = smooth @ coarse @ smooth.T
        grid = grid + (settings.elastic * pixel) * field.movedim(1, 3)
    distorted = functional.grid_sample(x.view(n, 1, SIDE, SIDE), grid, align_corners=False)
    return distorted.view(n, -1)


def _smoothing() -> torch.Tensor:
    """Return a matrix (28, points) that spreads unit noise from coarse points to pixels.

    The result has unit rms. Each point is spread by a Gaussian as wide as the distance between
    points, so displacements are about as smooth as pen strokes.
    """
    import torch

    points = torch.linspace(0, SIDE - 1, ELASTIC_POINTS)
    spread = (SIDE - 1) / (ELASTIC_POINTS - 1)
    kernel = torch.exp(-0.5 * ((torch.arange(SIDE)[:, None] - points) / spread) ** 2)
    return kernel / kernel.norm(dim=1, keepdim=True)
