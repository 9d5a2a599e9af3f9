"""`shotveil lab rates`: the projection for both lengths of a symbol, and its shares."""

import json

import pytest


def test_rates_of_a_network(lab):
    code, out, _ = lab("rates")
    assert code == 0 and out.startswith("mnist-paper, projected at ")
    assert out.count("in memory at the node") == out.count("row ") == 2
    assert out.count("UART") == 2 * out.count("UART, 3 Mbaud, network at the node") == 4
    assert out.index("2 samples a symbol:") < out.index("4 samples a symbol:")
    code, out, _ = lab("rates", "--json")
    (two, four) = json.loads(out)["samples_per_symbol"].values()
    # The guard is a pulse long, and a pulse twice as many symbols.
    assert 1.9 < two[0]["images_a_second"] / four[0]["images_a_second"] < 2
    for each in (*two, *four):
        assert sum(each["shares"].values()) == pytest.approx(1)


def test_images_that_share_a_batch_share_what_is_not_rows(lab):
    found = {}
    for images in (1, 1000):
        _, out, _ = lab("rates", "--network", "mnist-head", "--images", images, "--json")
        found[images] = json.loads(out)["samples_per_symbol"]["2"][0]
    assert found[1]["shares"]["lead-in"] > 0.5 > 0.01 > found[1000]["shares"]["lead-in"]
    assert found[1000]["images_a_second"] > 4 * found[1]["images_a_second"]
    rates = {}
    for frames in ((), ("--lead-in", 64)):
        _, out, _ = lab("rates", *frames, "--json")
        projected = json.loads(out)
        rates[projected["lead_in"]] = [
            projected["samples_per_symbol"][samples][1]["images_a_second"] for samples in "42"
        ]
    # Floors with the network at the node, over USB.
    assert rates[32][0] > 80 > rates[64][0] and rates[32][1] > 150 > rates[64][1]
    code, _, err = lab("rates", "--lead-in", 3)
    assert code == 2 and "lead_in = 3" in err
    code, _, err = lab("rates", "--images", 0)
    assert code == 2 and "images in a batch = 0" in err
