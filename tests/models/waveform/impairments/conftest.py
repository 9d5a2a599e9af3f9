"""What the tests of every impairment ask of its settings."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.waveform.impairments import IMPAIRMENTS, SETTINGS, Impairments


@pytest.fixture
def holds():
    """Checks that a setting belongs to an impairment, and what values it has and takes."""

    def check(cause, name, *, default, realistic, allowed, refused, calibrated=None):
        setting = SETTINGS[name]
        assert name in IMPAIRMENTS[cause].names
        assert (setting.default, setting.realistic) == (default, realistic)
        assert setting.calibrated == calibrated
        for value in (default, realistic, *allowed):
            assert getattr(Impairments(**{name: value}), name) == value
        for value in refused:
            with pytest.raises(RangeError, match=name):
                Impairments(**{name: value})

    return check
