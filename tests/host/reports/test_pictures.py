"""The pictures of a report: what they show is what the run and the bounds say."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from shotveil.host.figures.style import COLOURS, PANEL, new_figure, style
from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.reports import pictures
from shotveil.host.run.counting import wilson
from shotveil.host.run.inference import Inference
from shotveil.host.run.run import run as real_run
from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Link, noise_quantum
from shotveil.models.networks.network import Layer, Network


@pytest.fixture(autouse=True)
def _look():
    with style():
        yield


@pytest.fixture
def run(small_network):
    return real_run(small_network, Link(1.2, 6.0, excess_noise=0.01), images=30, seed=7)


def told(run, wrong):
    """The run with these images misread, each as the class after its own, and no other."""
    outputs = np.full((len(run.labels), run.network.outputs), -1.0)
    for index, label in enumerate(run.labels):
        outputs[index, (label + (index in wrong)) % 10] = 1 + index
    return replace(run, inference=Inference(outputs, ()))


def shown(axes):
    """The pixels in an axes, one row."""
    (image,) = axes.get_images()
    return np.asarray(image.get_array()).ravel()


def only(figure):
    """The only axes of a panel."""
    (axes,) = figure.axes
    return axes


# Digits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong, right_shown, wrong_shown",
    [((), 16, []), ((2, 5), 14, [2, 5]), ((1, 3, 4, 8, 9), 12, [1, 3, 4, 8])],
)
def test_mistakes_come_last_and_are_a_quarter_at_most(run, wrong, right_shown, wrong_shown):
    run = told(run, wrong)
    panels = pictures.digits(run)
    good = [i for i in range(30) if i not in wrong][:right_shown]
    expected = [*good, *wrong_shown]
    assert len(panels) == 16
    for index, panel in zip(expected, panels, strict=True):
        top, below = panel.axes
        np.testing.assert_array_equal(shown(top), run.images[index])
        label = run.labels[index]
        read = (label + 1) % 10 if index in wrong else label
        said = f"{read}, is {label}" if index in wrong else f"{read}"
        assert top.get_title("center") == said
        colour = COLOURS[1] if index in wrong else "black"
        assert to_rgba(top.title.get_color()) == to_rgba(colour)
        bars = below.patches
        assert [bar.get_height() for bar in bars] == list(run.inference.outputs[index])
        coloured = [to_rgba(COLOURS[0]) == bar.get_facecolor() for bar in bars]
        assert coloured == [place == read for place in range(10)]
        assert list(below.get_xticks()) == [0, 5, 9] and list(below.get_yticks()) == []


@pytest.mark.parametrize("count", [3, 9])
def test_few_digits_take_less_room(run, count):
    run = told(run, ())
    few = Inference(run.inference.outputs[:count], ())
    run = replace(run, images=run.images[:count], labels=run.labels[:count], inference=few)
    assert len(pictures.digits(run)) == count


def test_classes_that_are_not_ten_have_no_ticks(run):
    eleven = Network("eleven", (Layer(np.ones((11, 784))),))
    run = told(replace(run, network=eleven), ())
    bars = pictures.digits(run)[0].axes[1]
    assert len(bars.patches) == 11 and list(bars.get_xticks()) == []


# Accuracy ----------------------------------------------------------------------------------------


def test_accuracy_against_light_with_this_run(run, monkeypatch):
    asked = []
    curve = np.linspace(0.1, 0.9, 49)

    def accuracy_curve(*what, ratios):
        assert ratios == [1.0] * len(run.links)
        asked.append(what)
        return curve

    monkeypatch.setattr("shotveil.host.run.curves.accuracy_curve", accuracy_curve)
    monkeypatch.setattr(pictures, "CURVE_IMAGES", 20)
    (axes,) = pictures.accuracy_curve(run).axes
    ((network, images, labels, f2, rng),) = asked
    assert network is run.network
    np.testing.assert_array_equal(images, run.images[:20])
    np.testing.assert_array_equal(labels, run.labels[:20])
    np.testing.assert_allclose(f2, np.geomspace(0.01, 100, 49))
    assert rng.random() == np.random.default_rng([7, 1]).random()
    line, point = axes.lines[:2]
    np.testing.assert_array_equal(line.get_xdata(), f2)
    np.testing.assert_allclose(line.get_ydata(), 100 * curve)
    assert point.get_xdata() == [run.link.f2]
    assert point.get_ydata() == [100 * run.summary["accuracy"]]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["small, 20 images", "this run, 30 images"]
    band, bar = axes.collections
    ends = band.get_paths()[0].get_extents()
    low, high = 100 * wilson(curve, 20)
    np.testing.assert_allclose([ends.y0, ends.y1], [low.min(), high.max()])
    (low, high) = bar.get_segments()[0][:, 1]
    assert [low, high] == pytest.approx([100 * end for end in run.summary["accuracy_interval"]])
    assert axes.get_xscale() == "log" and axes.get_ylabel() == "accuracy (%)"


def test_the_curve_is_of_two_thousand_images():
    assert pictures.CURVE_IMAGES == 2000 and pictures.INFERENCES == (1, 10, 100)
    assert (pictures.PAPER_WEIGHT_BITS, pictures.PAPER_DATA_BITS) == (0.1, 0.01)
    assert pictures.PAPER_GAIN == 1.3


# Leakage -----------------------------------------------------------------------------------------


def test_leakage_of_weights_against_photons(run):
    left = only(pictures.leakages(run)[0])
    *curves, budget, dot = left.lines
    gains = [1.01, 1.1, 1.2, 1.3, 2.0]
    assert [line.get_label() for line in curves] == [f"G = {gain:.6g}" for gain in gains]
    for line, gain in zip(curves, gains, strict=True):
        for at in (0, 40, 79):
            photons = line.get_xdata()[at]
            link = replace(run.link, gain=gain, photons=photons)
            expected = network_leakage(run.network, link).weight_leakage_bits
            assert line.get_ydata()[at] == expected
        assert line.get_linewidth() == (2.2 if gain == 1.2 else 1.2)
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == pytest.approx((0.1, 1000))
    assert list(budget.get_ydata()) == [0.1, 0.1]
    assert list(dot.get_xdata()) == [6.0] and dot.get_label() == "this run"
    assert list(dot.get_ydata()) == [run.summary["weight_leakage_bits"]]
    (name,) = left.texts
    assert name.get_text() == "the paper's budget" and name.get_position()[1] == 0.1
    assert left.get_xscale() == left.get_yscale() == "log"
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    assert texts == [*(line.get_label() for line in curves), "this run"]


@pytest.mark.parametrize("photons, ends", [(0.5, (0.05, 1000)), (500.0, (0.1, 5000))])
def test_the_range_of_photons_holds_the_run(run, photons, ends):
    links = (replace(run.link, photons=photons),) * len(run.links)
    left = only(pictures.leakages(replace(run, links=links))[0])
    line = left.lines[0]
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == pytest.approx(ends)


@pytest.mark.parametrize(
    "gain, ends", [(1.2, (1e-4, 2)), (1 + 1.5e-4, (5e-5, 2)), (3.0, (1e-4, 6))]
)
def test_leakage_of_data_against_gain(run, gain, ends):
    links = (replace(run.link, gain=gain),) * len(run.links)
    right = only(pictures.leakages(replace(run, links=links))[1])
    *pairs, budget = right.lines
    curves, dots = pairs[::2], pairs[1::2]
    bounds = run.summary["data_leakage_bits"]
    assert [line.get_label() for line in curves] == list(bounds)
    for line, dot in zip(curves, dots, strict=True):
        rise = line.get_xdata()
        assert (rise[0], rise[-1]) == pytest.approx(ends) and len(rise) == 100
        expected = data_leakage(noise_quantum(1 + rise[50]), 24, run.network.layers[0].modes)
        assert line.get_ydata()[50] == pytest.approx(expected[line.get_label()])
        assert dot.get_xdata()[0] == pytest.approx(gain - 1)
        assert dot.get_ydata()[0] == bounds[line.get_label()]
    assert list(budget.get_ydata()) == [0.01, 0.01]
    (name,) = right.texts
    assert name.get_position() == pytest.approx((ends[1], 0.01))
    assert right.get_ylim() == (1e-7, 10)
    assert right.get_legend().get_title().get_text() == "dots: this run"


@pytest.mark.parametrize("bits", [1e-12, 90.0])
def test_no_dot_lies_beyond_its_axis(run, bits):
    told = dict(
        run.summary, data_leakage_bits=dict.fromkeys(run.summary["data_leakage_bits"], bits)
    )
    axes = only(pictures.leakages(replace(run, summary=told))[1])
    low, high = axes.get_ylim()
    assert low < bits < high


@pytest.mark.parametrize("gain", [1.3, 1.3 + 1e-9])
def test_a_gain_that_reads_like_the_papers_is_shown_once(run, gain):
    run = replace(run, links=(replace(run.link, gain=gain),) * len(run.links))
    said = [only(panel).get_title("left") for panel in pictures.what_the_server_sees(run)]
    assert len(said) == len(set(said)) == 3
    assert pictures.gains_said(run).startswith("The gain is that of this run and of the paper")
    texts = only(pictures.leakages(run)[0]).get_legend().get_texts()
    assert [text.get_text() for text in texts].count("G = 1.3") == 1


def test_every_panel_is_readable_on_a_phone(run):
    """A page of 390 px leaves 358 px for a panel: text of 9 points is then 10 px high."""
    run = taught(run, [{"accuracy": 0.5, "held_out": 0.6}])
    for picture in (pictures.digits, pictures.accuracy_curve, pictures.learning_curve,
                    pictures.leakages, pictures.what_the_server_sees,
                    pictures.what_the_client_sees):  # fmt: skip
        drawn = picture(run)
        for panel in drawn if isinstance(drawn, tuple) else (drawn,):
            width, _ = panel.get_size_inches()
            assert width <= PANEL
            texts = [text for text in panel.findobj(Text) if text.get_text()]
            assert texts and min(text.get_fontsize() for text in texts) >= 9
    assert 9 * 96 / 72 * min(1, 358 / (96 * PANEL)) > 10


# What the parties see ----------------------------------------------------------------------------


def test_what_the_server_sees_at_two_gains(run, monkeypatch):
    seen = []
    layer = run.network.layers[0]
    xi = directions(layer.inputs_of(run.images[:1]))[0][0]

    def homodyning(link, rows, direction, columns, rng):
        seen.append((link, rng.bit_generator.seed_seq.entropy))
        np.testing.assert_array_equal(direction, xi)
        sent = encode_rows(layer.weights, run.link.modulation_variance)
        np.testing.assert_array_equal(rows.x, sent.x)
        return np.arange(columns) * link.gain

    def counting(link, direction, rows, columns, rng):
        assert seen[-1][0] == link and rows == layer.rows
        np.testing.assert_array_equal(direction, xi)
        return np.arange(columns) + link.gain, 12

    monkeypatch.setattr(pictures, "image_by_homodyning", homodyning)
    monkeypatch.setattr(pictures, "image_by_photon_counting", counting)
    panels = [only(figure) for figure in pictures.what_the_server_sees(run)]
    assert seen == [
        (run.link, [7, 2, 0]),
        (replace(run.link, gain=1.3), [7, 2, 1]),
    ]
    assert [axes.get_title("left") for axes in panels] == [
        "the client's\nimage",
        "homodyning\nG = 1.2",
        "photon counting\nG = 1.2\nclicks: 12",
        "homodyning\nG = 1.3",
        "photon counting\nG = 1.3\nclicks: 12",
    ]
    pixels = np.arange(784)
    expected = (run.images[0], pixels * 1.2, pixels + 1.2, pixels * 1.3, pixels + 1.3)
    for axes, image in zip(panels, expected, strict=True):
        np.testing.assert_allclose(shown(axes), image)
        assert axes.get_images()[0].get_clim()[0] == 0  # grey from 0 up
        assert axes.get_images()[0].get_cmap().name == "gray_r"


def test_what_the_client_sees_of_a_typical_row(run, monkeypatch):
    layer = run.network.layers[0]
    squares = np.square(layer.weights).mean(axis=1)
    typical = int(np.abs(squares - np.square(layer.weights).mean()).argmin())
    asked = []

    def guess(name, sign):
        def row_of(link, sent, row, columns, count, rng):
            entropy = rng.bit_generator.seed_seq.entropy
            asked.append((name, link, row, columns, count, entropy))
            return sign * layer.weights[row]

        return row_of

    monkeypatch.setattr(pictures, "row_by_amplifying", guess("amplifying", 2))
    monkeypatch.setattr(pictures, "row_at_the_bound", guess("bound", -1))
    truth, *others = map(only, pictures.what_the_client_sees(run))
    assert asked == [
        (name, run.link, typical, 785, count, [7, 3, line, column])
        for line, name in enumerate(("amplifying", "bound"))
        for column, count in enumerate((1, 10, 100))
    ]
    weights = layer.weights[typical][:784]
    np.testing.assert_array_equal(shown(truth), weights)
    assert truth.get_title() == "" and truth.get_title("left").startswith(f"row {typical} of the")
    said = [axes.get_title("left") for axes in others]
    assert said == [
        f"{name}\n{times}\ncorrelation {like}"
        for name, like in (("amplifying client", "1.00"), ("at the bound", "-1.00"))
        for times in ("1 inference", "10 inferences", "100 inferences")
    ]
    for axes, factor in zip(others, [2, 2, 2, -1, -1, -1], strict=True):
        np.testing.assert_allclose(shown(axes), factor * weights)
        largest = abs(factor) * float(np.abs(weights).max())
        assert axes.get_images()[0].get_clim() == pytest.approx((-largest, largest))
        assert axes.get_images()[0].get_cmap().name == "RdBu"
        assert list(axes.get_xticks()) == list(axes.get_yticks()) == []


def taught(run, curve):
    network = Network("taught", run.network.layers, {"learning_curve": curve})
    return replace(run, network=network)


def test_the_learning_curve_of_a_network_that_tells_it(run):
    curve = [{"accuracy": a, "held_out": h} for a, h in ((0.5, 0.6), (0.7, 0.9), (0.8, 0.85))]
    (axes,) = pictures.learning_curve(taught(run, curve)).axes
    trained, held, kept = axes.lines
    np.testing.assert_allclose(trained.get_ydata(), [50, 70, 80])
    np.testing.assert_allclose(held.get_ydata(), [60, 90, 85])
    assert kept.get_label() == "kept, epoch 2" and list(kept.get_xdata()) == [2, 2]


@pytest.mark.parametrize(
    "curve", [None, [], "text", [1], [{"accuracy": 1}], [{"accuracy": "x", "held_out": 1}],
              [{"accuracy": 1, "held_out": None}]]
)  # fmt: skip
def test_what_is_no_learning_curve_is_not_drawn(run, curve):
    assert pictures.epochs_of(taught(run, curve).network) is None


def test_data_that_are_no_square_image_are_shown_as_well(run):
    figure = new_figure(2, 2)
    axes = figure.add_subplot()
    pictures._picture(axes, np.arange(1.0, 8))
    (image,) = axes.images
    assert image.get_array().shape == (3, 3)
    np.testing.assert_array_equal(image.get_array().compressed(), np.arange(1.0, 8))
