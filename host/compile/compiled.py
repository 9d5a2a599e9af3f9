"""`compile`: a model becomes a network whose head is private, inside budgets of leakage.

The cut decides what is private. Everything before it runs in the clear at the client; linear layers
behind it travel as light. With cut="auto" every cut is tried: the light that the budgets allow is
found for each, and the score is measured at that light. Of the cuts that lose little against the
best one, the one with most private weights is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.finetuning import finetuned
from shotveil.host.compile.opening import source_of
from shotveil.host.compile.source import Source, light_of, require_same
from shotveil.host.design.operating_point import Budgets, most_light
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.backends import InferenceTask, backend_named
from shotveil.host.run.noise import noisy_outputs
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network
from shotveil.models.networks.plan import ClientPlan
from shotveil.models.networks.tasks import Task

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Budget(Budgets):
    """The most that may leak; the fields are those of `host.design.operating_point.Budgets`.

    Raises `RangeError` for a value out of range or an unknown bound.

    >>> budget = Budget(weight_bits=0.1, data_bits=0.01, inferences=1000)
    >>> f"{budget.weight_bits} bit per weight in {budget.inferences:,} inferences"
    '0.1 bit per weight in 1,000 inferences'
    """


DEFAULT_BUDGET = Budget(weight_bits=0.1, data_bits=0.01)
LABS = {
    "ideal": Channel(),
    "realistic": Channel(transmittance_out=10**-0.005, transmittance_back=10**-0.005,
                         excess_noise=1e-3),
}  # fmt: skip
SERVER_FILE, CLIENT_FILE = "server.npz", "client.npz"
MOST_PATCHES = 1.0  # P/N above which a cut is not measured
MOST_SAMPLES = 1000  # inputs by which cuts are compared
NO_PROGRESS: Progress = lambda what, done, total: None  # noqa: E731


@dataclass(frozen=True)
class Cut:
    """One place where a model may be cut, with what was found there.

    number: Number of the first private layer among the linear ones.
    node, operator: Its name in the model, and what it is there.
    weights: Number of private weights.
    patches_per_mode: Largest P/N of a private layer: how its leakage for one image compares with
        that of a dense layer (docs/networks.md).
    light: Modes that are sent for one image.
    f2, weight_bits, score: At the light that the budgets allow; None where it was not measured.
    why: Why it was not measured; "" where it was.
    """

    number: int
    node: str
    operator: str
    weights: int = 0
    patches_per_mode: float = 0.0
    light: int = 0
    f2: float | None = None
    weight_bits: float | None = None
    score: float | None = None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Private:
    """A compiled network: what `compile` returns.

    network: The network, with the private layers and the client's plan.
    link: The light that is used.
    budget: The budget that it stays inside.
    cuts: Every cut that was considered, and what was found.
    cut: The one that was taken.
    score: Score at this light, clean_score: without noise, on the `scored` inputs that were given:
        against labels where there were any, otherwise as agreement with the model itself.
    against: "labels" or "the model".
    difference: Largest relative difference between model and network without noise, before any
        fine-tuning.
    """

    network: Network
    link: Link
    budget: Budgets
    cuts: tuple[Cut, ...]
    cut: Cut
    score: float
    clean_score: float
    scored: int
    against: str
    difference: float

    def outputs(self, x: Array, backend: str = "optics", seed: int = 1) -> Array:
        """Return the outputs (n, outputs) for inputs x (n, …) through a backend.

        backend: "optics", "model", "rtl", "parties", or one that another package offers.
        seed: Seed of all randomness.

        Raises `RangeError` for inputs that do not fit, or an unknown backend.
        """
        x = np.asarray(x)
        task = InferenceTask(self.network, x.reshape(len(x), -1), self.link, seed)
        return np.asarray(backend_named(backend)(task).inference.outputs)

    def predict(self, x: Array, backend: str = "optics", seed: int = 1) -> Array:
        """Return predictions for inputs x (n, …); arguments and errors are those of `outputs`."""
        return self.network.plan.task.of(self.outputs(x, backend, seed))

    def save(self, server: str | Path, client: str | Path) -> tuple[Path, Path]:
        """Write the parties' files into their folders, and return both paths.

        The server's file holds the private weights and nothing of the plan. The client's holds the
        plan and the shapes of the private layers. Raises `RangeError` where a file cannot be
        written.
        """
        paths = Path(server) / SERVER_FILE, Path(client) / CLIENT_FILE
        self.network.server_part.save(paths[0])
        self.network.client_part.save(paths[1])
        return paths

    def as_dict(self) -> dict[str, Any]:
        """Return everything about the network as plain values."""
        leakage = network_leakage(self.network, self.link, self.budget.inferences)
        public = [
            {"operation": step.does.kind, "gives": list(step.gives)}
            for step in self.network.plan.steps
            if not isinstance(step.does, int)
        ]
        layers = [
            {
                "rows": layer.rows,
                "columns": layer.columns,
                "patches": layer.patches,
                "patches_per_mode": layer.patches / layer.modes,
                "weights": layer.weights.size,
                "light": light_of(layer.shape),
                "f2": self.link.f2,
                "weight_bits": own.weight_leakage_bits,
                "weight_bits_after": own.weight_leakage_bits_after,
                "total_bits": own.weight_leakage_bits * layer.weights.size,
                "data_bits": own.data_leakage_bits[self.budget.data_bound],
            }
            for layer, own in zip(self.network.layers, leakage.layers, strict=True)
        ]
        return {
            "network": self.network.name,
            "digest": self.network.digest,
            "cut": self.cut.node,
            "task": self.network.plan.task.kind,
            "measure": self.network.plan.task.measure,
            "score": self.score,
            "clean_score": self.clean_score,
            "scored": self.scored,
            "against": self.against,
            "difference": self.difference,
            "gain": self.link.gain,
            "photons": self.link.photons,
            "f2": self.link.f2,
            "transmittance": self.link.transmittance,
            "weights": self.network.weights,
            "weight_bits": leakage.weight_leakage_bits,
            "total_bits": sum(layer["total_bits"] for layer in layers),
            "inferences": self.budget.inferences,
            "weight_bits_after": leakage.weight_leakage_bits_after,
            "data_bits": leakage.data_leakage_bits[self.budget.data_bound],
            "data_bound": self.budget.data_bound,
            "weight_budget": self.budget.weight_bits,
            "data_budget": self.budget.data_bits,
            "binds": self._binds(leakage.weight_leakage_bits_after),
            "public": public,
            "layers": layers,
            "cuts": [vars(cut) for cut in self.cuts],
        }

    def _binds(self, weight_bits: float) -> str:
        """Say which budget limits the light."""
        bits = self.budget.weight_bits
        binds = ["weights"] if bits is not None and weight_bits > 0.99 * bits else []
        if self.budget.data_bits is not None:
            free = most_light(
                self.network, _channel_of(self.link), replace(self.budget, data_bits=None)
            )
            if free.f2 > 1.001 * self.link.f2:
                binds.append("data")
        return " and ".join(binds) or "nothing"

    def report(self) -> str:
        """Return the table of layers, light, leakage and score as text."""
        return report_text(self.as_dict())


def compile(
    model: Any,
    *,
    sample: Array,
    labels: Array | None = None,
    cut: str | int = "auto",
    budget: Budgets | None = None,
    lab: str | Channel = "ideal",
    finetune: tuple[Array, Array] | None = None,
    task: Task | None = None,
    name: str = "",
    seed: int = 1,
    tolerance: float = 0.01,
    progress: Progress = NO_PROGRESS,
) -> Private:
    """Return a model as a network with a private head, inside a budget of leakage.

    model: An ONNX file, a `torch.nn.Module`, a fitted scikit-learn estimator, or a `Network`.
    sample: Inputs (n, …) as the model takes them, by which cuts are compared.
    labels: What is right for each of them; without, the model's own predictions count as right.
    cut: "auto", or the name (or number) of the first linear layer that is private.
    budget: Limits on leakage; by default 0.1 bit per weight and 0.01 bit per data element.
    lab: "ideal", "realistic", or a channel.
    finetune: Inputs (n, …) and their labels, on which the private layers are trained through the
        noise that they will meet; None leaves them as they are.
    task: What the outputs mean; None takes what the model says.
    name: Name of the network; "" takes the model's.
    seed: Seed of all randomness, ≥ 0.
    tolerance: Score that a cut may lose against the best one if more weights become private, ≥ 0.
    progress: Function that is called with what is done, how much of it, and of how much.

    Raises `RangeError` for a model that cannot be run (the message names operator and node), an
    unknown cut or laboratory, and budgets that no light meets.

    >>> from shotveil import load_mnist, load_network
    >>> images, labels = load_mnist()
    >>> model, budget = load_network("mnist-paper"), Budget(weight_bits=0.1)
    >>> private = compile(model, sample=images[:500], labels=labels[:500], cut=1, budget=budget)
    >>> private.network.weights, bool((private.predict(images[:9]) == labels[:9]).mean() > 0.8)
    (7840, True)
    """
    require("seed", seed, at_least=0, integer=True)
    require("tolerance", tolerance, at_least=0)
    budget = budget or DEFAULT_BUDGET
    channel = lab_channel(lab)
    sample = np.asarray(sample)
    source = source_of(model, sample, name)
    task = task or source.task
    if not source.linears:
        raise RangeError(f"model {source.name} has no linear layer that could be private")
    few, right = _few(sample, labels, seed)
    truth = task.of(source.reference(few)) if right is None else right
    judge = _Judge(source, task, channel, budget, few, truth, seed)
    if cut == "auto":
        cuts, networks = judge.all(progress)
        chosen = _chosen(cuts, tolerance)
    else:
        number = _number_of(source, cut)
        found, network = judge.one(number, refuse=True)
        cuts, networks, chosen = (found,), {number: network}, found
    network = networks[chosen.number]
    assert network is not None
    difference = require_same(source, network, few[: min(len(few), 64)])
    link = most_light(network, channel, budget)
    if finetune is not None:
        network = finetuned(
            network, link.f2, *finetune, seed=seed,
            progress=lambda done, total: progress("fine-tuning", done, total),
        )  # fmt: skip
        link = most_light(network, channel, budget)
    values = network.plan.begin(few)
    rng = np.random.default_rng(seed)
    score, clean = (
        task.score(noisy_outputs(network, values, f2, rng), truth) for f2 in (link.f2, np.inf)
    )
    against = "the model" if labels is None else "labels"
    return Private(network, link, budget, cuts, chosen, score, clean, len(few), against, difference)


def lab_channel(lab: str | Channel) -> Channel:
    """Return the channel of a laboratory by its name. Raises `RangeError` for another name."""
    if isinstance(lab, Channel):
        return lab
    if lab not in LABS:
        raise RangeError(f"lab = {lab!r} is none of {', '.join(LABS)}")
    return LABS[lab]


@dataclass(frozen=True, eq=False)
class _Judge:
    """Measures what a cut gives."""

    source: Source
    task: Task
    channel: Channel
    budget: Budgets
    data: Array
    truth: Array
    seed: int

    def one(self, number: int, refuse: bool = False) -> tuple[Cut, Network | None]:
        """Return what a cut gives, with its network unless it has none.

        With `refuse`, raises `RangeError` where there is no network or no light.
        """
        linear = self.source.linears[number]
        cut = Cut(number, linear.name, linear.operator)
        try:
            network = self.source.network(number)
        except RangeError as error:
            if refuse:
                raise
            return replace(cut, why=str(error)), None
        plan = ClientPlan(
            network.plan.shape, network.plan.layers, network.plan.steps, network.plan.output,
            self.task,
        )  # fmt: skip
        network = Network(network.name, network.layers, network.about, plan)
        cut = replace(
            cut,
            weights=network.weights,
            patches_per_mode=max(layer.patches / layer.modes for layer in network.layers),
            light=sum(light_of(layer.shape) for layer in network.layers),
        )
        if cut.patches_per_mode > MOST_PATCHES and not refuse:
            return replace(cut, why=f"P/N is above {MOST_PATCHES:g}"), network
        try:
            link = most_light(network, self.channel, self.budget)
        except RangeError as error:
            if refuse:
                raise
            return replace(cut, why=str(error)), network
        values = plan.begin(self.data)
        outputs = noisy_outputs(network, values, link.f2, np.random.default_rng(self.seed))
        leakage = network_leakage(network, link, self.budget.inferences)
        return replace(
            cut,
            f2=link.f2,
            weight_bits=leakage.weight_leakage_bits,
            score=self.task.score(outputs, self.truth),
        ), network

    def all(self, progress: Progress) -> tuple[tuple[Cut, ...], dict[int, Network | None]]:
        """Return what each cut gives, first to last. They are tried from the last one on."""
        found: dict[int, Cut] = {}
        networks: dict[int, Network | None] = {}
        total = len(self.source.linears)
        for done, number in enumerate(reversed(range(total))):
            found[number], networks[number] = self.one(number)
            progress("cuts", done + 1, total)
        return tuple(found[number] for number in range(total)), networks


def _chosen(cuts: tuple[Cut, ...], tolerance: float) -> Cut:
    measured = [cut for cut in cuts if cut.score is not None]
    if not measured:
        why = "; ".join(f"{cut.node}: {cut.why}" for cut in cuts[-3:])
        raise RangeError(f"no cut can be used: {why}")
    best = max(cut.score for cut in measured if cut.score is not None)
    good = [cut for cut in measured if cut.score is not None and cut.score >= best - tolerance]
    return max(good, key=lambda cut: (cut.weights, -cut.light))


def _number_of(source: Source, cut: str | int) -> int:
    names = [linear.name for linear in source.linears]
    if isinstance(cut, int) and not isinstance(cut, bool):
        require("cut", cut, at_least=0, at_most=len(names) - 1)
        return cut
    if cut in names:
        return names.index(str(cut))
    shown = ", ".join(names[-12:])
    raise RangeError(f"cut = {cut!r} is none of auto, {'…, ' if len(names) > 12 else ''}{shown}")


def _few(sample: Array, labels: Array | None, seed: int) -> tuple[Array, Array | None]:
    if labels is not None and len(labels) != len(sample):
        raise RangeError(f"{len(labels)} labels for {len(sample)} inputs; allowed: one for each")
    if len(sample) <= MOST_SAMPLES:
        return sample, None if labels is None else np.asarray(labels)
    order = np.random.default_rng(seed).permutation(len(sample))[:MOST_SAMPLES]
    return sample[order], None if labels is None else np.asarray(labels)[order]


def _channel_of(link: Link) -> Channel:
    return Channel(**{each.name: getattr(link, each.name) for each in fields(Channel)})


def report_text(found: dict[str, Any]) -> str:
    """Return the report of `Private.as_dict` as lines of text."""
    k = found["inferences"]
    lines = [
        f"{found['network']}: private from {found['cut']} on, {found['weights']:,} private weights",
        f"{found['measure']} {found['score']:.2%} ({found['clean_score']:.2%} without noise) "
        f"against {found['against']}, {found['scored']:,} inputs",
        f"light: F² {found['f2']:.3g}, gain {found['gain']:.6g}, "
        f"{found['photons']:.4g} photons per mode",
        f"leakage of one inference: {found['weight_bits']:.4g} bits per weight, "
        f"{found['total_bits']:.4g} bits in all; {found['data_bits']:.4g} bits per data element "
        f"({found['data_bound']})",
        f"after {k:,} inferences: {found['weight_bits_after']:.4g} bits per weight",
        f"what limits the light: the budget of {found['binds']}",
        "",
        f"{'layer':<8}{'rows':>7}{'columns':>9}{'P':>7}{'P/N':>8}{'bits/weight':>13}"
        f"{'bits':>10}{f'after {k:,}':>12}",
    ]
    for number, layer in enumerate(found["layers"]):
        lines.append(
            f"{number:<8}{layer['rows']:>7,}{layer['columns']:>9,}{layer['patches']:>7,}"
            f"{layer['patches_per_mode']:>8.3g}{layer['weight_bits']:>13.4g}"
            f"{layer['total_bits']:>10.4g}{layer['weight_bits_after']:>12.4g}"
        )
    if len(found["cuts"]) > 1:
        lines += ["", f"{'cut at':<40}{'weights':>11}{'P/N':>9}{'bits/weight':>13}{'score':>8}"]
        for cut in found["cuts"]:
            name = cut["node"] if len(cut["node"]) < 39 else "…" + cut["node"][-37:]
            if cut["score"] is None:
                lines.append(f"{name:<40}not measured: {cut['why']}")
                continue
            lines.append(
                f"{name:<40}{cut['weights']:>11,}{cut['patches_per_mode']:>9.3g}"
                f"{cut['weight_bits']:>13.4g}{cut['score']:>8.2%}"
            )
    return "\n".join(lines)
