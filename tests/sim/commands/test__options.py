"""Options that several commands of the lab share: names, kinds, defaults, help, refusals."""

import click
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import LARGEST_STORE, NodeSpec
from shotveil.sim.commands import _options as options
from shotveil.sim.loop.backend import BACKENDS, PRESETS


def given(option, *words):
    """What a command with this option gets, by name."""
    got = {}

    @click.command(context_settings={"show_default": True})
    @option
    def command(**values):
        got.update(values)

    command.main(words, standalone_mode=False)
    return got


def told(option):
    """The option's help, with its default."""
    command = option(click.Command("any", callback=lambda: None, params=[]))
    context = click.Context(command, show_default=True, max_content_width=1000)
    (parameter,) = command.params
    return parameter.get_help_record(context)


def test_names_are_those_of_the_loop():
    assert list(options.backends()) == list(BACKENDS) == ["model", "rtl"]
    assert list(options.impairments()) == list(PRESETS) == ["ideal", "realistic"]
    assert options.EXTRA == "lab"


@pytest.mark.parametrize(
    ("make", "name", "names"),
    [
        (options.backend_option, "backend", ["model", "rtl"]),
        (options.impairments_option, "impairments", ["ideal", "realistic"]),
    ],
)
def test_options_of_names(make, name, names):
    for default in names:
        assert given(make(default)) == {name: default}
        for word in names:
            assert given(make(default), f"--{name}", word) == {name: word}
    with pytest.raises(RangeError, match=f"{name} = 'glass' is none of {', '.join(names)}"):
        given(make(names[0]), f"--{name}", "glass")


@pytest.mark.parametrize(
    ("option", "name", "default", "says"),
    [
        (options.gain_option, "gain", 1.3, "Power gain of the client's amplifier (above "
         "1, at most 10⁶)."),
        (options.f2_option, "f2", 2.4, "Optical signal-to-noise scale F² as it arrives at the "
         "client (above 0)."),
    ],
)  # fmt: skip
def test_options_of_numbers(option, name, default, says):
    assert given(option) == {name: default}
    assert given(option, f"--{name}", "2.75") == {name: 2.75}
    with pytest.raises(click.BadParameter, match="'many' is not a valid float"):
        given(option, f"--{name}", "many")
    assert told(option)[1] == f"{says}  [default: {default}]"


def test_record_frames():
    assert given(options.record_frames_option(50)) == {"record_frames": 50}
    assert given(options.record_frames_option(50), "--record-frames", "7") == {"record_frames": 7}
    with pytest.raises(click.BadParameter, match="not a valid integer"):
        given(options.record_frames_option(50), "--record-frames", "7.5")
    assert told(options.record_frames_option(50))[1].endswith("(1 or more).  [default: 50]")
    assert told(options.record_frames_option(50, lowest=9))[1].endswith(
        "(9 or more).  [default: 50]"
    )


def test_store():
    assert given(options.store_option) == {"store": LARGEST_STORE}
    assert given(options.store_option, "--store", "8192") == {"store": 8192}
    assert told(options.store_option)[1].endswith(
        f"(from 0 to {LARGEST_STORE}, a multiple of {NodeSpec().drive.row_capacity}).  "
        f"[default: {LARGEST_STORE}]"
    )


def test_what_the_names_mean_is_told():
    assert "`rtl` is their compiled gateware" in told(options.backend_option("rtl"))[1]
    said = told(options.impairments_option("ideal"))[1]
    assert said.endswith("`ideal` or `realistic`.  [default: ideal]")


@pytest.mark.parametrize("option", ["--backend", "--impairments"])
def test_an_extra_that_is_missing_is_named(without, option):
    without("shotveil.sim.loop.backend", "lab", "cosim", option, "any")
