"""`compile`: a model becomes a network whose head is private, inside budgets of leakage.

The cut decides what is private. Everything before it runs in the clear at the client; linear layers
behind it travel as light. With cut="auto" every cut is tried: the light that the budgets allow is
found for each, and the score is measured at that light. Of the cuts that lose little against the
best one, the one with most private weights is taken. Each private layer has light of its own, in
the ratios at which the network scores best (`host.design.layer_light`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.finetuning import finetuned
from shotveil.host.compile.opening import source_of
from shotveil.host.compile.source import Source, light_of, numbers_of, require_same
from shotveil.host.design.binding import binding
from shotveil.host.design.layer_light import brightest
from shotveil.host.design.operating_point import Budgets
from shotveil.host.design.width import limit_of, warn_if_narrow
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.backends import InferenceTask, backend_named
from shotveil.host.run.noise import Readings, noisy_outputs
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.labs import IDEAL
from shotveil.models.link.labs import lab as lab_called
from shotveil.models.link.light import Light, links_of, one_or_each
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network
from shotveil.models.networks.plan import ClientPlan, LayerShape
from shotveil.models.networks.rescaling import rescaled
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
SERVER_FILE, CLIENT_FILE = "server.npz", "client.npz"
MOST_PATCHES = 1.0  # P/N above which a cut is not measured
MOST_SAMPLES = 1000  # inputs by which cuts are compared
MOST_NARROW = 5000  # inputs by which it is judged whether they can be told apart
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
    f2: F² of each private layer at the light that the budgets allow; () where it was not measured.
    weight_bits, score: At that light; None where it was not measured.
    why: Why it was not measured; "" where it was.
    """

    number: int
    node: str
    operator: str
    weights: int = 0
    patches_per_mode: float = 0.0
    light: int = 0
    f2: tuple[float, ...] = ()
    weight_bits: float | None = None
    score: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Placed:
    """One linear layer of the model: its node and operator there, and its shape."""

    node: str
    operator: str
    shape: LayerShape


@dataclass(frozen=True, eq=False)
class Private:
    """A compiled network: what `compile` returns.

    network: The network, with the private layers and the client's plan.
    link: The light that is used: one link for all private layers, or a tuple with one for each.
    budget: The budget that it stays inside.
    linears: The linear layers of the model; the last of them are the private ones.
    cuts: Every cut that was considered, and what was found.
    cut: The one that was taken.
    score: Score at this light, clean_score: without noise, on the `scored` inputs that were given:
        against labels where there were any, otherwise as agreement with the model itself.
    against: "labels" or "the model".
    difference: Largest relative difference between model and network without noise, before any
        fine-tuning.
    """

    network: Network
    link: Light
    budget: Budgets
    linears: tuple[Placed, ...]
    cuts: tuple[Cut, ...]
    cut: Cut
    score: float
    clean_score: float
    scored: int
    against: str
    difference: float

    @property
    def links(self) -> tuple[Link, ...]:
        """The light of each private layer."""
        return links_of(self.link, len(self.network.layers))

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
        first = len(self.linears) - len(self.network.layers)
        bound, k = self.budget.weight_bound, self.budget.inferences
        layers = []
        for number, placed in enumerate(self.linears):
            shape = placed.shape
            layer: dict[str, Any] = {
                "node": placed.node,
                "operator": placed.operator,
                "private": number >= first,
                "rows": shape.rows,
                "columns": shape.columns,
                "patches": shape.patches,
                "patches_per_mode": shape.patches / modes_of(shape.columns),
                "weights": shape.rows * shape.columns,
            }
            if number >= first:
                own, link = leakage.layers[number - first], self.links[number - first]
                layer |= {
                    "modes": light_of(shape),
                    "gain": link.gain,
                    "photons": link.photons,
                    "f2": link.f2,
                    "weight_bits": own.weight_bounds_bits[bound],
                    "weight_bits_after": own.weight_bounds_bits_after[bound],
                    "total_bits": own.total_weight_bits[bound],
                    "total_bits_after": own.total_weight_bits_after[bound],
                    "data_bits": own.data_leakage_bits[self.budget.data_bound],
                }
            layers.append(layer)
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
            "gain": one_or_each([link.gain for link in self.links]),
            "photons": one_or_each([link.photons for link in self.links]),
            "f2": one_or_each([link.f2 for link in self.links]),
            "transmittance": self.links[0].transmittance,
            "weights": self.network.weights,
            "weight_bound": bound,
            "weight_bits": leakage.weight_bounds_bits[bound],
            "total_bits": leakage.total_weight_bits[bound],
            "inferences": k,
            "weight_bits_after": leakage.weight_bounds_bits_after[bound],
            "total_bits_after": leakage.total_weight_bits_after[bound],
            "data_bound": self.budget.data_bound,
            "data_bits": leakage.data_leakage_bits[self.budget.data_bound],
            "image_bits": leakage.image_bits[self.budget.data_bound],
            "budget": asdict(self.budget),
            "binds": binding(self.network, self.link, self.budget),
            "public": [
                step.does.kind for step in self.network.plan.steps if not isinstance(step.does, int)
            ],
            "layers": layers,
            "cuts": [vars(cut) for cut in self.cuts],
        }

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
    lab: str | Channel = IDEAL.name,
    finetune: tuple[Array, Array | None] | None = None,
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
    lab: Name of a laboratory in `models.link.labs`, or a channel.
    finetune: Inputs (n, …) and their labels, on which the private layers are trained through the
        noise that they will meet; without labels, they are trained to say what the model says. None
        leaves them as they are.
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
    channel = lab if isinstance(lab, Channel) else lab_called(lab).channel()
    source = source_of(model, np.asarray(sample), name)
    sample = numbers_of(sample)
    task = task or source.task
    if not source.linears:
        raise RangeError(f"model {source.name} has no linear layer that could be private")
    few, known = _few(sample, labels, seed)
    said = source.reference(few)
    truth = task.of(said) if known is None else task.truth(known, said.shape[1])
    judge = _Judge(source, task, channel, budget, few, truth, seed)
    if cut == "auto":
        judged = judge.all(progress)
        chosen = _chosen([cut for cut, _, _ in judged], tolerance)
        cuts, (_, network, links) = tuple(cut for cut, _, _ in judged), judged[chosen.number]
    else:
        chosen, network, links = judge.one(_number_of(source, cut), refuse=True)
        cuts = (chosen,)
    assert network is not None and chosen.score is not None
    difference = require_same(source, network, few[: min(len(few), 64)])
    if len(network.layers) > 1:
        even = rescaled(network)
        score_of = judge.scorer(even)
        lit = judge.light(even, score_of)
        if score_of(f2_of(lit)) > chosen.score:
            network, links = even, lit
    if task.chooses and finetune is not None and finetune[1] is not None:
        _warn_if_narrow(network, links[0].f2, finetune[0], finetune[1])
    if finetune is not None:
        network = finetuned(
            network, f2_of(links), *finetune, seed=seed,
            progress=lambda done, total: progress("fine-tuning", done, total),
        )  # fmt: skip
        links = judge.light(network, judge.scorer(network))
    if len(few) == len(sample):
        sample, right = few, truth
    else:
        right = (
            task.of(source.reference(sample))
            if labels is None
            else task.truth(labels, said.shape[1])
        )
    rng = np.random.default_rng([seed, 1])  # noise by which nothing was chosen
    noisy, quiet = [], []
    for first in range(0, len(sample), MOST_SAMPLES):
        values = network.plan.begin(sample[first : first + MOST_SAMPLES])
        noisy.append(noisy_outputs(network, values, f2_of(links), rng))
        quiet.append(noisy_outputs(network, values, np.inf, rng))
        progress("inputs", min(first + MOST_SAMPLES, len(sample)), len(sample))
    score, clean = (task.score(np.concatenate(each), right) for each in (noisy, quiet))
    against = "the model" if labels is None else "labels"
    linears = tuple(Placed(each.name, each.operator, each.shape) for each in source.linears)
    light = one_or_each(links)
    return Private(
        network, light if isinstance(light, Link) else tuple(light), budget, linears, cuts, chosen,
        score, clean, len(sample), against, difference,
    )  # fmt: skip


def _warn_if_narrow(network: Network, f2: float, inputs: Array, labels: Array) -> None:
    """Warn where the first private layer cannot tell the classes apart, whatever its weights."""
    first = network.layers[0]
    if first.patches == 1:
        seen = network.plan.taken(network.plan.begin(np.asarray(inputs)[:MOST_NARROW]))
        classes = np.asarray(labels)[:MOST_NARROW]
        warn_if_narrow(limit_of(seen, classes, first.rows, f2, first.bias))


_Judged = tuple[Cut, Network | None, tuple[Link, ...]]
_Scorer = Callable[[Sequence[float]], float]


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

    def light(
        self, network: Network, score: _Scorer, behind: Sequence[float] = ()
    ) -> tuple[Link, ...]:
        """Return the light of each layer at which a network scores best (see `brightest`)."""
        return brightest(network, self.channel, self.budget, score, behind)

    def scorer(self, network: Network) -> _Scorer:
        """Return what gives the mean score over some draws of the noise, always the same ones."""
        readings = Readings.of(network, network.plan.begin(self.data))
        draws = max(1, MOST_SAMPLES // len(self.data))

        def score(f2: Sequence[float]) -> float:
            rng = np.random.default_rng(self.seed)
            drawn = (readings.outputs(f2, rng) for _ in range(draws))
            return float(np.mean([self.task.score(outputs, self.truth) for outputs in drawn]))

        return score

    def one(self, number: int, refuse: bool = False, behind: Sequence[float] = ()) -> _Judged:
        """Return what a cut gives, its network unless it has none, and the light of each layer.

        behind: F² of the layers but the first, where the cut behind this one was judged. With
        `refuse`, raises `RangeError` where there is no network or no light.
        """
        linear = self.source.linears[number]
        cut = Cut(number, linear.name, linear.operator)
        try:
            network = self.source.network(number)
        except RangeError as error:
            if refuse:
                raise
            return replace(cut, why=str(error)), None, ()
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
            return replace(cut, why=f"P/N is above {MOST_PATCHES:g}"), network, ()
        try:
            score = self.scorer(network)
            links = self.light(network, score, behind)
        except RangeError as error:
            if refuse:
                raise
            return replace(cut, why=str(error)), network, ()
        f2 = f2_of(links)
        leakage = network_leakage(network, links, self.budget.inferences)
        return (
            replace(
                cut,
                f2=f2,
                weight_bits=leakage.weight_bounds_bits[self.budget.weight_bound],
                score=score(f2),
            ),
            network,
            links,
        )

    def all(self, progress: Progress) -> list[_Judged]:
        """Return what each cut gives, first to last. They are tried from the last one on."""
        judged: list[_Judged] = []
        total = len(self.source.linears)
        for number in reversed(range(total)):
            # What is behind keeps its ratios of light, so a cut costs the same however deep it is.
            judged.append(self.one(number, behind=judged[-1][0].f2 if judged else ()))
            progress("cuts", len(judged), total)
        return judged[::-1]


def f2_of(links: Sequence[Link]) -> tuple[float, ...]:
    """Return F² of each link."""
    return tuple(link.f2 for link in links)


def _chosen(cuts: Sequence[Cut], tolerance: float) -> Cut:
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


def report_text(found: dict[str, Any]) -> str:
    """Return the report of `Private.as_dict` as lines of text."""
    k, budget = found["inferences"], found["budget"]
    lines = [
        f"{found['network']}: private from {found['cut']} on, {found['weights']:,} private weights",
        f"{found['measure']} {found['score']:.2%} ({found['clean_score']:.2%} without noise) "
        f"against {found['against']}, {found['scored']:,} inputs",
        f"in the clear at the client: {', '.join(found['public']) or 'nothing'}",
        f"light: {light_text(found)}, transmittance {found['transmittance']:.4g}",
        f"one inference leaks {found['weight_bits']:.4g} bits per weight, "
        f"{found['total_bits']:,.5g} in all ({found['weight_bound']}); "
        f"{found['data_bits']:.4g} bits per data element, "
        f"{found['image_bits']:.4g} of an input ({found['data_bound']})",
        f"after {k:,}: {found['weight_bits_after']:.4g} bits per weight, "
        f"{found['total_bits_after']:,.5g} in all; {budget_text(budget)}",
        f"what binds: {'; '.join(found['binds'].values()) or 'nothing'}",
        "",
        f"{'layer':<32}{'':8}{'rows':>7}{'columns':>9}{'P':>7}{'P/N':>10}{'F²':>8}{'modes':>11}"
        f"{'bits/weight':>13}{'bits':>10}{f'bits, K={k:,}':>16}",
    ]
    for layer in found["layers"]:
        lines.append(
            f"{_short(layer['node'], 31):<32}{'private' if layer['private'] else 'public':8}"
            f"{layer['rows']:>7,}{layer['columns']:>9,}{layer['patches']:>7,}"
            f"{layer['patches_per_mode']:>10.3g}"
            + (
                f"{layer['f2']:>8.3g}{layer['modes']:>11,}{layer['weight_bits']:>13.4g}"
                f"{layer['total_bits']:>10,.5g}{layer['total_bits_after']:>16,.5g}"
                if layer["private"]
                else ""
            )
        )
    if len(found["cuts"]) > 1:
        lines += [
            "",
            f"{'cut at':<32}{'weights':>11}{'P/N':>9}{'modes':>13}{'bits/weight':>13}"
            f"{found['measure']:>10}",
        ]
        for cut in found["cuts"]:
            if cut["score"] is None:
                lines.append(f"{_short(cut['node'], 31):<32}not measured: {cut['why']}")
                continue
            lines.append(
                f"{_short(cut['node'], 31):<32}{cut['weights']:>11,}{cut['patches_per_mode']:>9.3g}"
                f"{cut['light']:>13,}{cut['weight_bits']:>13.4g}{cut['score']:>10.2%}"
            )
    return "\n".join(lines)


def light_text(found: dict[str, Any]) -> str:
    """Return the light of `Private.as_dict` as words, layer by layer where it is not the same."""
    names = (("f2", "F²", ".3g"), ("gain", "gain", ".6g"), ("photons", "photons per mode", ".4g"))
    told = []
    for name, what, digits in names:
        told.append(f"{what} {' / '.join(format(value, digits) for value in each(found[name]))}")
    return ", ".join(told)


def each(value: float | list[float]) -> list[float]:
    """Return the values of what `one_or_each` gave, one if all layers share it."""
    return value if isinstance(value, list) else [value]


def budget_text(budget: dict[str, Any]) -> str:
    """Return the limits of a budget, given as plain values, as words."""
    each = "of each layer" if budget["each_layer"] else "as a mean of the layers"
    told = [
        f"{budget[name]:g} {what}"
        for name, what in (
            ("weight_bits", f"bits per weight {each}"),
            ("total_bits", "bits of all weights"),
            ("data_bits", "bits per data element"),
            ("image_bits", "bits per input"),
        )
        if budget[name] is not None
    ]
    return f"budget: {', '.join(told)}"


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else "…" + name[1 - length :]
