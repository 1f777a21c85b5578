"""Sample data: the digital patient, imaged when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.data.progress import finish
from napari_midrl.plugin.readers import study_layers

if TYPE_CHECKING:
    from napari_midrl.plugin.world import LayerData

MALE_SEED = 0
FEMALE_SEED = 1


def digital_patient_male() -> list[LayerData]:
    """Return the volumes of a man."""
    return digital_patient(MALE_SEED)


def digital_patient_female() -> list[LayerData]:
    """Return the volumes of a woman."""
    return digital_patient(FEMALE_SEED)


def digital_patient(seed: int) -> list[LayerData]:
    """Return the volumes of the digital patient with this seed."""
    from napari_midrl.phantom.study import phantom_study

    study, _ = finish(phantom_study(seed, quick=True))
    return study_layers(study)
