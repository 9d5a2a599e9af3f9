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

import hashlib
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.extras import import_extra
from shotveil.host.run.training_settings import TrainingSettings
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.networks.features import FrontEnd
from shotveil.models.networks.mnist import CLASSES, SIDE
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import chain
from shotveil.models.networks.tasks import Task

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
    held_out: Fraction of the images held out, as they are, that was classified correctly through
        the light of training; None where nothing is held out.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    held_out: float | None = None


def train(
    settings: TrainingSettings,
    images: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    name: str = "trained",
    classes: Sequence[str | int] = tuple(range(CLASSES)),
    front_end: FrontEnd | None = None,
    resume: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Network:
    """Train a network on `images` (n, inputs) and `labels` (n,), which count from 0.

    classes: Names of the classes, in the order of the labels; two or more.
    front_end: What a client does to images first, in the clear; the network then carries it.
    resume: File that holds the state after each epoch. Where it exists already, training goes on
        from it, and gives what it would have given without the interruption. The file is deleted at
        the end.
    progress: Function that is called after each epoch.

    The same settings and data give the same network on one machine. With a part held out, the
    network is the best one on that part, and training ends early where `patience` says so.

    Raises `RangeError` for data that does not fit together, or a file to resume from that belongs
    to other settings or data, and `ModuleNotFoundError` when PyTorch is not installed.
    """
    torch = import_extra("torch", "train")
    images, labels = np.asarray(images, np.float32), np.asarray(labels)
    if images.ndim != 2 or labels.shape != images.shape[:1] or len(images) == 0:
        raise RangeError(
            f"images have shape {images.shape} and labels {labels.shape}; "
            "allowed: (n, inputs) and (n,), n ≥ 1"
        )
    require("number of classes", len(classes), at_least=2, integer=True)
    require("label", labels, at_least=0, below=len(classes), integer=True)
    require("input", images)
    if settings.augments or front_end is not None:
        require("pixel", images, at_least=0, at_most=1)
    if settings.augments and images.shape[1] != SIDE**2:
        raise RangeError(
            f"images have {images.shape[1]} pixels; allowed: {SIDE**2} to distort them"
        )
    if front_end is not None and images.shape[1] != front_end.inputs:
        raise RangeError(
            f"images have {images.shape[1]} pixels; allowed: {front_end.inputs}, as the front end "
            "takes them"
        )
    before: list[Operation] = []
    training, held_out = _split(settings, len(images))
    if settings.normalise:
        mean = images[training].mean(axis=0)
        spread = images[training].std(axis=0)
        scale = 1 / np.where(spread > 0, spread, 1).astype(np.float32)
        before.append(Operation("affine", {}, {"scale": scale, "shift": -mean * scale}))
    if front_end is not None:
        before.append(front_end.operation)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.device(device):
            fit = _Fit(settings, images, labels, len(classes), before, resume, device)
            weights = fit.run(training, held_out, progress)
    finally:
        torch.set_num_threads(threads)
    layers = [Layer(w.numpy(), settings.bias) for w in weights]
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
    if fit.curve and held_out.size:
        about["learning_curve"] = fit.curve
    named = tuple(classes) if list(classes) != list(range(len(classes))) else ()
    if not before and not named:
        return Network(name, tuple(layers), about)
    between = [before, *([Operation("relu")] for _ in layers[1:]), []]
    shapes = [layer.shape for layer in layers]
    plan = chain(shapes, between, (images.shape[1],), Task(names=named))
    return Network(name, tuple(layers), about, plan)


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


def _split(settings: TrainingSettings, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the images that are trained on, and of those that are held out."""
    held = round(settings.validation * number)
    if held == 0:
        return np.arange(number), np.arange(0)
    order = np.random.default_rng(settings.seed).permutation(number)
    return np.sort(order[held:]), np.sort(order[:held])


class _Fit:
    """Training with everything that goes on from one epoch to the next."""

    def __init__(
        self,
        settings: TrainingSettings,
        images: NDArray[np.float32],
        labels: NDArray[Any],
        classes: int,
        before: Sequence[Operation],
        resume: Path | None,
        device: str,
    ) -> None:
        import torch

        self.settings, self.images, self.before = settings, images, before
        self.labels = torch.as_tensor(labels.astype(np.int64))
        self.resume, self.device = resume, device
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        inputs = self._prepared(images[:1]).shape[1]
        widths = [inputs, *settings.hidden, classes]
        self.weights = _initial_weights(widths, settings, self.generator)
        self.optimizer = torch.optim.AdamW(
            self.weights,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.curve: list[dict[str, float | None]] = []
        self.best = [w.detach().clone() for w in self.weights]
        digest = hashlib.sha256(repr((settings, images.shape, torch.__version__)).encode())
        for array in (images, labels.astype(np.int64)):
            digest.update(np.ascontiguousarray(array).tobytes())
        for operation in before:
            digest.update(repr((operation.kind, operation.settings)).encode())
            for constant in operation.constants.values():
                digest.update(constant.tobytes())
        self.key = digest.hexdigest()
        if resume is not None and resume.exists():
            self._load(resume)

    def run(
        self,
        training: NDArray[np.int64],
        held_out: NDArray[np.int64],
        progress: Callable[[Progress], None],
    ) -> list[torch.Tensor]:
        """Return the trained weights, one tensor (rows, columns) for each layer."""
        settings = self.settings
        while len(self.curve) < settings.epochs and not self._hopeless():
            epoch = len(self.curve) + 1
            loss, accuracy = self._epoch(epoch, training)
            held = self._accuracy(held_out) if held_out.size else None
            earlier = [e["held_out"] for e in self.curve if e["held_out"] is not None]
            if held is None or held > max(earlier, default=-1.0):
                self.best = [w.detach().clone() for w in self.weights]
            self.curve.append({"loss": loss, "accuracy": accuracy, "held_out": held})
            if self.resume is not None:
                self._save(self.resume)
            progress(Progress(epoch, settings.epochs, loss, accuracy, held))
        if self.resume is not None:
            self.resume.unlink(missing_ok=True)
        return [w.cpu() for w in self.best]

    def _hopeless(self) -> bool:
        """Whether the last `patience` epochs brought nothing better on what is held out."""
        seen = [e["held_out"] for e in self.curve if e["held_out"] is not None]
        if not self.settings.patience or not seen:
            return False
        return len(seen) - 1 - seen.index(max(seen)) >= self.settings.patience

    def _epoch(self, epoch: int, training: NDArray[np.int64]) -> tuple[float, float]:
        """Train on all images once; return the mean loss and the accuracy."""
        import torch

        settings, generator = self.settings, self.generator
        steps = math.ceil(len(training) / settings.batch)
        total_loss, correct = 0.0, 0
        order = torch.randperm(len(training), generator=generator).split(settings.batch)
        for step, chosen in enumerate(order, start=steps * (epoch - 1)):
            for group in self.optimizer.param_groups:
                group["lr"] = settings.learning_rate * self._rate(step, steps)
            which = training[chosen.cpu().numpy()]
            x, y = self._inputs(self.images[which]), self.labels[torch.as_tensor(which)]
            outputs = _forward(self.weights, x, settings, generator)
            loss = torch.nn.functional.cross_entropy(
                outputs, y, label_smoothing=settings.label_smoothing
            )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(x)
            correct += int((outputs.argmax(dim=1) == y).sum())
        if not math.isfinite(total_loss):
            raise RangeError(
                f"training diverged in epoch {epoch}; learning_rate = "
                f"{settings.learning_rate:g} is too high for these settings"
            )
        return total_loss / len(training), correct / len(training)

    def _rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, relative to its peak."""
        epochs = self.settings.epochs
        warm = min(steps, steps * epochs // 2)
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps * epochs - warm)))

    def _inputs(self, images: NDArray[np.float32]) -> torch.Tensor:
        """Return what the first layer gets of images, which are distorted first."""
        import torch

        if not self.settings.augments:
            return self._prepared(images)
        distorted = _distort(torch.as_tensor(images), self.settings, self.generator)
        return self._prepared(np.clip(distorted.cpu().numpy(), 0, 1)) if self.before else distorted

    def _prepared(self, images: NDArray[np.float32]) -> torch.Tensor:
        """Return what the first layer gets of images as they are."""
        import torch

        data: NDArray[Any] = images
        for operation in self.before:
            (data,) = operation.run(data)
        return torch.as_tensor(data, dtype=torch.float32)

    def _accuracy(self, which: NDArray[np.int64]) -> float:
        """Return the accuracy on some images, as they are, through the light of training.

        The noise is the same each time, so that epochs can be compared.
        """
        import torch

        generator = torch.Generator(self.device).manual_seed(self.settings.seed)
        settings = replace(self.settings, dropout=0.0, f2_spread=1.0)
        correct = 0
        with torch.no_grad():
            for some in np.array_split(which, math.ceil(len(which) / 1000)):
                outputs = _forward(
                    self.weights, self._prepared(self.images[some]), settings, generator
                )
                correct += int((outputs.argmax(dim=1) == self.labels[torch.as_tensor(some)]).sum())
        return correct / len(which)

    def _save(self, path: Path) -> None:
        import torch

        buffer = io.BytesIO()
        torch.save(
            {
                "key": self.key,
                "weights": [w.detach() for w in self.weights],
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "curve": self.curve,
            },
            buffer,
        )
        write_atomically(path, buffer.getvalue())

    def _load(self, path: Path) -> None:
        import torch

        try:
            state = torch.load(path, weights_only=True, map_location=self.device)
            key = state["key"]
        except Exception:  # damaged bytes make PyTorch raise many unrelated types
            raise RangeError(f"file {path} holds no state of training; delete it") from None
        if key != self.key:
            raise RangeError(
                f"file {path} is of a training with other settings or data; "
                "repeat those, or delete it to start anew"
            )
        with torch.no_grad():
            for mine, saved in zip(self.weights, state["weights"], strict=True):
                mine.copy_(saved)
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.curve = state["curve"]


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
