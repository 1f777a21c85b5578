"""Which MR sequence a volume shows, and how it is named for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SequenceKind(StrEnum):
    """What an image's contrast comes from; the value is the short public name."""

    T1W = "T1w"
    T2W = "T2w"
    T2W_FS = "T2w FS"
    PD = "PD"
    DWI = "DWI"
    ADC = "ADC"
    DCE = "DCE"
    DCE_SUBTRACTION = "DCE subtraction"
    DIXON_IN = "Dixon in"
    DIXON_OPPOSED = "Dixon opposed"
    DIXON_WATER = "Dixon water"
    DIXON_FAT = "Dixon fat"
    UNKNOWN = "MR"


@dataclass(frozen=True)
class Sequence:
    """The sequence of one volume.

    Parameters
    ----------
    kind
        Family of contrast.
    b_value_s_mm2
        Diffusion weighting in s/mm²; None where it does not apply or is unknown.
    time_s
        Seconds from the first phase of a dynamic series; None for a static one.
    phase
        Number of the dynamic phase, from 0; None for a static volume.
    """

    kind: SequenceKind = SequenceKind.UNKNOWN
    b_value_s_mm2: float | None = None
    time_s: float | None = None
    phase: int | None = None

    @property
    def label(self) -> str:
        """Name as a reader expects it: ``"DWI b=1400"``, ``"DCE phase 2 t=14 s"``."""
        words = [self.kind.value]
        if self.b_value_s_mm2 is not None:
            words.append(f"b={self.b_value_s_mm2:g}")
        if self.phase is not None:
            words.append(f"phase {self.phase}")
        if self.time_s is not None:
            digits = ".3g" if abs(self.time_s) < 999.5 else ".0f"
            words.append(f"t={self.time_s:{digits}} s")
        return " ".join(words)
