"""The largest integer that fits: as by counting, and with few tries."""

import pytest

from shotveil.models.common.search import last_fitting, most_fitting


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 7, 8, 9, 100])
@pytest.mark.parametrize("most", [1, 2, 3, 8, 9, 64])
def test_it_is_what_counting_finds(limit, most):
    tried = []

    def fits(number):
        tried.append(number)
        return number <= limit

    assert most_fitting(fits, most) == min(limit, most)
    assert max(tried) <= min(most, max(1, 2 * limit)) and len(tried) <= 16


@pytest.mark.parametrize("limit", range(3, 12))
def test_between_one_that_fits_and_one_that_does_not(limit):
    tried = []
    assert last_fitting(lambda n: tried.append(n) or n <= limit, 3, 12) == limit
    assert all(3 < number < 12 for number in tried)
