"""`shotveil leakage`: its figures, its text, and what it refuses."""

import json

import pytest

from shotveil.host.leakage.declared import layer_leakage
from shotveil.host.leakage.majorant import majorant_after
from shotveil.models.link.optics import Link

LIGHT = "--gain 1.3 --photons 6"


def test_leakage_json(shotveil):
    code, out, _ = shotveil(
        "leakage --gain 1.3 --photons 6 --modes 392 --rows 794 --inferences 100 --json"
    )
    result = json.loads(out)
    assert code == 0
    # Checkpoints: physics, "Points to check an implementation against", halved per real weight.
    assert result["weight_bounds_bits"]["holevo_mean"] == pytest.approx(0.065083 / 2, abs=1e-6)
    assert result["weight_bounds_bits_after"]["holevo_mean"] == pytest.approx(1.92 / 2, abs=5e-3)
    assert result["data_leakage_bits"]["crb_prx"] == pytest.approx(0.186596, abs=1e-6)
    assert result["f2"] == pytest.approx(3.16216, abs=1e-5)


def test_leakage_with_loss_and_technical_noise(shotveil):
    _, out, _ = shotveil(
        "leakage --gain 1.3 --photons 4 --modes 392 --rows 784 --transmittance 0.5 "
        "--excess-noise 0.01 --json"
    )
    assert json.loads(out)["weight_leakage_bits"] == pytest.approx(
        majorant_after(1, 8, 0.5, 0.01 + 0.461538461538 / 392)
    )


def test_leakage_for_a_person(shotveil):
    code, out, _ = shotveil("leakage --gain 1.3 --photons 6 --modes 392 --rows 794 --inferences 10")
    assert code == 0
    assert "0.0325415 bits per weight" in out
    assert "after 10 inferences" in out


def test_all_that_is_known_of_a_layer_is_in_the_object(shotveil):
    link = Link(1.3, 6.0, excess_noise=0.01)
    _, out, _ = shotveil(f"leakage {LIGHT} --excess-noise 0.01 --modes 50 --rows 7 --json")
    result = json.loads(out)
    layer = layer_leakage(link, 7, 100, 1)
    for name in ("weight_leakage_bits", "weight_leakage_bits_after", "weight_bounds_bits"):
        assert result[name] == getattr(layer, name), name
    assert result["data_leakage_bits"] == layer.data_leakage_bits
    assert (result["rows"], result["modes"], result["inferences"]) == (7, 50, 1)
    assert result["declared_excess_noise"] == link.declared_excess_noise(50)
    assert (result["gain"], result["photons"], result["transmittance"]) == (1.3, 6.0, 1.0)
    assert "columns" not in result


def test_the_lines_for_a_person(shotveil):
    line = f"leakage {LIGHT} --transmittance 0.25 --modes 392 --rows 794"
    _, out, _ = shotveil(line)
    link = Link(1.3, 6.0, transmittance_out=0.5, transmittance_back=0.5)
    layer = layer_leakage(link, 794, 784, 1)
    first, weights, *others = out.splitlines()
    assert first == (
        f"F² = {link.f2:.4g} with G = 1.3, μ = 6 photons per mode, T = 0.25, ε = 0.001177 SNU"
    )
    assert weights == (
        f"weights → client   {layer.weight_leakage_bits:.6g} bits per weight, "
        f"{794 * 784 * layer.weight_leakage_bits:.6g} bits of all (holevo)"
    )
    rest = [(name, bits) for name, bits in layer.weight_bounds_bits.items() if name != "holevo"]
    assert [line.split() for line in others] == [
        *(
            f"{bits:.6g} bits per weight, {794 * 784 * bits:.6g} bits of all ({name})".split()
            for name, bits in rest
        ),
        *(
            f"data → server {bits:.6g} bits per data element, {784 * bits:.6g} bits per image "
            f"({name if name == 'holevo' else name + ', an estimate'})".split()
            for name, bits in layer.data_leakage_bits.items()
        ),
    ]
    _, out, _ = shotveil(f"{line} --inferences 2")
    after = layer_leakage(link, 794, 784, 2)
    assert out.splitlines()[2].strip() == (
        f"{after.weight_leakage_bits_after:.6g} bits per weight, "
        f"{after.total_weight_bits_after['holevo']:.6g} bits of all (holevo) after 2 inferences"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        (f"{LIGHT} --modes 0 --rows 1", "modes = 0 is outside [1, ∞)"),
        (f"{LIGHT} --modes 1 --rows 0", "rows = 0 is outside"),
        (f"{LIGHT} --modes 1 --rows 1 --inferences 0", "inferences = 0 is outside"),
        (f"{LIGHT} --modes 1", "Missing option '--rows'"),
        (f"{LIGHT} --rows 1", "Missing option '--modes'"),
        ("--gain 1.3 --modes 1 --rows 1", "neither of --photons and --f2"),
    ],
)
def test_refuses(refused, options, message):
    refused(f"leakage {options}", message)


def test_networks_that_take_turns_leak_their_share_each(shotveil):
    line = f"leakage {LIGHT} --modes 392 --rows 794 --json --inferences"
    turns, alone, odd = (
        json.loads(shotveil(f"{line} {rest}")[1])
        for rest in ("100 --rotate 4", "25", "97 --rotate 4")
    )
    assert turns["weight_bounds_bits_after"] == alone["weight_bounds_bits_after"]
    assert odd["weight_bounds_bits_after"] == alone["weight_bounds_bits_after"]  # its busiest one
    assert (turns["inferences"], turns["rotate"]) == (100, 4)
    _, out, _ = shotveil(f"leakage {LIGHT} --modes 9 --rows 7 --inferences 100 --rotate 4")
    assert "after 100 inferences, of each of 4 networks that take turns" in out
    code, _, err = shotveil(f"leakage {LIGHT} --modes 9 --rows 7 --rotate 0")
    assert code == 2 and "rotate = 0 is outside" in err
