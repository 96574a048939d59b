"""settings: what stands when an admin sets nothing."""

import dataclasses

import pytest

from qscanner.settings import MIB, Settings


def test_the_defaults_are_those_of_the_design() -> None:
    """Viruses are never let pass for want of a scanner; spam is; nothing is scored unasked."""
    settings = Settings()

    assert settings.virus.engines == ("clamav",)
    assert settings.virus.on_failure == "defer"
    assert settings.spam.scorer == "none"
    assert settings.spam.on_failure == "accept"
    assert settings.queue.error_text == "auto"
    assert settings.limits.message == 100 * MIB


def test_settings_are_frozen() -> None:
    """What an admin set is not changed by anybody later."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().queue.program = "/bin/true"  # type: ignore[misc]
