"""Options that commands share: their defaults, and the settings that their values stand for."""

import math
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shotveil.host.commands import options
from shotveil.host.leakage.catalogue import DATA_BOUNDS, WEIGHT_BOUNDS
from shotveil.host.run.backends import backend_names
from shotveil.models.common.checks import RangeError
from shotveil.models.link.amplifier import LARGEST_GAIN, require_gain
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.labs import LABS
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import shipped_networks

CHANNEL = {each.name: None for each in Channel.settings()} | {"lab": "ideal"}


def values(*decorators, line=()):
    """What a command with these options is given, by name."""
    got = {}

    def body(**given):
        got.update(given)

    for decorate in decorators:
        body = decorate(body)
    result = CliRunner().invoke(click.command()(body), list(line))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return got


def help_of(decorate):
    return click.command()(decorate(lambda **_: None)).params[0].help


@pytest.mark.parametrize(
    "decorate, name, default, given",
    [
        (options.json_option, "json", False, ("--json", True)),
        (options.seed_option, "seed", 1, ("--seed=4", 4)),
        (options.data_option, "data", None, ("--data=x/y", Path("x/y"))),
        (options.images_option, "images", None, ("--images=4", 4)),
        (
            options.false_alarm_option,
            "false_alarm_probability",
            1e-6,
            ("--false-alarm-probability=0.5", 0.5),
        ),
        (options.sense_option, "sense", "certified", ("--sense=declared", "declared")),
        (options.network_option(), "network", "mnist", ("--network=a.npz", "a.npz")),
        (options.network_option("other"), "network", "other", ("--network=mnist", "mnist")),
        (options.network_option(None), "network", None, ("--network=mnist", "mnist")),
        (options.out_option("a/b", "Help."), "out", Path("a/b"), ("--out=c", Path("c"))),
        (options.photons_option, "photons", None, ("--photons=2", 2.0)),
        (options.f2_option, "f2", None, ("--f2=2", 2.0)),
        (options.data_bound_option("x"), "data_bound", "holevo", ("--data-bound=qcrb", "qcrb")),
        (
            options.data_bound_option("x", "crb_v1"),
            "data_bound",
            "crb_v1",
            ("--data-bound=qcrb", "qcrb"),
        ),
        (
            options.weight_bound_option("x"),
            "weight_bound",
            "holevo",
            ("--weight-bound=holevo", "holevo"),
        ),
    ],
)
def test_defaults_and_values(decorate, name, default, given):
    assert values(decorate) == {name: default}
    assert values(decorate, line=given[:1]) == {name: given[1]}


def test_some_options_are_required():
    for decorate, name in (
        (options.out_option(None, "Help."), "--out"),
        (options.gain_option, "--gain"),
    ):
        result = CliRunner().invoke(click.command()(decorate(lambda **_: None)), [])
        assert result.exit_code == 2 and f"Missing option '{name}'" in result.output
    assert values(options.out_option(None, "Help."), line=["--out", "x"]) == {"out": Path("x")}


def test_help_says_what_is_particular_to_a_command():
    assert help_of(options.out_option("a", "Where to.")) == "Where to."
    assert help_of(options.out_option(None, "Where to.")) == "Where to."
    of_data = help_of(options.data_bound_option("of fun"))
    assert "Bound on the leakage of the data of fun;" in of_data
    assert "leakage of the weights of fun;" in help_of(options.weight_bound_option("of fun"))


def test_the_place_of_an_output_may_be_a_folder():
    for default in ("a", None):
        decorate = options.out_option(default, "Help.", options.FOLDER)
        assert click.command()(decorate(lambda **_: None)).params[0].type is options.FOLDER


def test_names_of_bounds_and_backends():
    assert list(options.data_bounds()) == list(DATA_BOUNDS)
    assert list(options.weight_bounds()) == list(WEIGHT_BOUNDS)
    assert list(options.backends()) == list(backend_names())
    with pytest.raises(RangeError, match="data bound = 'none' is none of holevo, crb_v1"):
        values(options.data_bound_option("x"), line=["--data-bound=none"])
    with pytest.raises(RangeError, match="weight bound = 'qcrb' is none of "):
        values(options.weight_bound_option("x"), line=["--weight-bound=qcrb"])


# Kinds of values ---------------------------------------------------------------------------------


def completed(kind, incomplete):
    return [(item.value, item.type) for item in kind.shell_complete(None, None, incomplete)]


def test_paths():
    assert options.FILE.convert("a/b", None, None) == Path("a/b")
    assert options.FILE.beside(Path("/c"), "a/b") == "/c/a/b"
    assert options.FOLDER.beside(Path("/c"), "/a/b") == "/a/b"
    assert (options.FILE.name, options.FOLDER.name) == ("file", "folder")


def test_networks():
    assert options.NETWORK.convert("mnist", None, None) == "mnist"
    assert options.NETWORK.convert(Path("a.npz"), None, None) == "a.npz"
    assert options.NETWORK.beside(Path("/c"), "mnist") == "mnist"
    assert options.NETWORK.beside(Path("/c"), "a.npz") == "/c/a.npz"
    assert options.NETWORK.name == "network"
    everything = [*((name, "plain") for name in shipped_networks()), ("", "file")]
    assert completed(options.NETWORK, "") == everything
    assert completed(options.NETWORK, "mnist-p") == [("mnist-paper", "plain"), ("mnist-p", "file")]


def test_one_of_several_names():
    kind = options.OneOf("data bound", lambda: iter(["one", "two"]))
    assert kind.name == "bound" and kind.convert("two", None, None) == "two"
    with pytest.raises(RangeError, match=r"^data bound = 'three' is none of one, two$"):
        kind.convert("three", None, None)
    assert completed(kind, "t") == [("two", "plain")]
    assert completed(kind, "") == [("one", "plain"), ("two", "plain")]


def test_devices():
    assert completed(options.URL, "rtl:") == [("rtl:server", "plain"), ("rtl:client", "plain")]
    assert [value for value, _ in completed(options.URL, "")] == [
        *("model:server", "model:client", "rtl:server", "rtl:client"),
        *("tcp:127.0.0.1:", "serial:/dev/tty", "replay:"),
    ]
    assert options.URL.name == "url" and options.URL.convert("x:1", None, None) == "x:1"


# The link ----------------------------------------------------------------------------------------


def test_options_of_the_channel():
    assert values(options.channel_options) == CHANNEL
    given = {name: 0.05 + i / 640 for i, name in enumerate(CHANNEL) if name != "lab"}
    line = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    given["lab"] = "realistic"
    line += ["--lab=realistic"]
    assert values(options.channel_options, line=line) == given


def test_options_of_the_link():
    given = values(options.link_options, line=["--gain=1.5"])
    assert given == {**CHANNEL, "gain": 1.5, "photons": None, "f2": None}


def test_options_of_the_clients_detector():
    own = values(options.client_optics_options)
    assert own.pop("loss_imbalance", "missing") is None
    assert own == {name: None for name in CHANNEL if name.startswith("client_")}
    assert options.channel_of(**own).client_detector == Detector()


@pytest.mark.parametrize("add", [options.channel_options, options.link_options])
def test_help_lists_them_in_their_order_with_their_ranges(add):
    params = click.command()(add(lambda **_: None)).params
    names = [each.name for each in Channel.settings()]
    light = ["gain", "photons", "f2"] if add is options.link_options else []
    assert [param.name for param in params] == [*light, "lab", *names]
    for param, each in zip(params[len(light) + 1 :], Channel.settings(), strict=True):
        assert param.help == each.described
        if each.default is not None:
            assert param.show_default == f"{each.default:g}, or the lab's"


def test_the_channel_of_its_options():
    assert options.channel_of(**CHANNEL) == Channel()
    given = dict(CHANNEL, transmittance_out=0.5, client_efficiency=0.75, excess_noise=0.125)
    assert options.channel_of(**given) == Channel(
        transmittance_out=0.5, client_detector=Detector(0.75), excess_noise=0.125
    )
    real = options.channel_of(lab="realistic", excess_noise=0.0)
    assert real == LABS["realistic"].channel(excess_noise=0)
    assert real.excess_noise == 0 and real.phase_error == 1e-3
    with pytest.raises(RangeError, match="excess noise = -1"):
        options.channel_of(**dict(CHANNEL, excess_noise=-1))


def test_the_link_of_its_options():
    given = dict(CHANNEL, transmittance_back=0.5)
    assert options.link_of(1.5, 2.0, None, **given) == Link(1.5, 2.0, transmittance_back=0.5)
    link = options.link_of(1.5, None, 2.0, **given)
    assert math.isclose(link.f2, 2) and (link.gain, link.transmittance_back) == (1.5, 0.5)


@pytest.mark.parametrize(
    "light, message",
    [
        ((None, None), "neither of --photons and --f2 given; allowed: exactly one of them"),
        ((1.0, 1.0), "both of --photons and --f2 given; allowed: exactly one of them"),
        ((0.0, None), r"photons = 0 is outside \(0, ∞\)"),
        ((None, 0.0), r"f2 = 0 is outside \(0, ∞\)"),
    ],
)
def test_light_is_given_once_and_is_there(light, message):
    with pytest.raises(RangeError, match=message):
        options.link_of(1.5, *light)


def test_a_ledger_is_a_file_or_the_address_of_a_database(tmp_path):
    url = "postgresql://me@db/ledger?key=ledger.key"
    ledger = options.LEDGER
    assert ledger.convert(url, None, None) == ledger.beside(tmp_path, url) == url
    assert ledger.convert("a.db", None, None) == Path("a.db")
    assert ledger.beside(tmp_path, "a.db") == str(tmp_path / "a.db")


def test_the_range_of_gains_in_help_is_the_one_that_is_enforced():
    assert options.GAIN_RANGE == "above 1, at most 10⁶" and LARGEST_GAIN == 10**6
    require_gain(LARGEST_GAIN)
    for gain in (1.0, math.nextafter(LARGEST_GAIN, math.inf)):
        with pytest.raises(RangeError, match="gain"):
            require_gain(gain)
