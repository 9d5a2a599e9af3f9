import numpy as np
import pytest

from shotveil.models.waveform.delay import Delay


@pytest.mark.parametrize("blocks", [[10], [1, 9], [3, 0, 7], [4, 6]])
@pytest.mark.parametrize("samples", [1, 4, 25])
def test_samples_come_later_in_whatever_blocks(samples, blocks):
    values = np.arange(1, 21).reshape(2, 10)
    delay = Delay(samples)
    parts = [delay(part) for part in np.split(values, np.cumsum(blocks)[:-1], axis=1)]
    expected = np.concatenate([np.zeros((2, samples), int), values], axis=1)[:, :10]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)


def test_without_delay_samples_pass():
    values = np.arange(5)
    assert Delay(0)(values) is values


def test_complex_samples_stay_complex():
    assert Delay(1)(np.array([1j, 2])).tolist() == [0, 1j]


@pytest.mark.parametrize("samples", [0, 1, 5, 30])
def test_samples_come_later_in_whatever_pieces(samples):
    given = np.arange(1.0, 41).reshape(2, 20)
    whole = Delay(samples)(given)
    due = np.concatenate([np.zeros((2, samples)), given], axis=1)[:, :20]
    np.testing.assert_array_equal(whole, due)
    delay = Delay(samples)
    parts = [delay(part) for part in np.split(given, [1, 2, 9], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), due)
    assert Delay(2)(np.array([1j, 2])).dtype == np.complex128
