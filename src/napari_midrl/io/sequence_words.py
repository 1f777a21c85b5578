"""What the words in a file name or series description say about the sequence."""

from __future__ import annotations

import re

from napari_midrl.data.sequence import SequenceKind

_B_VALUE = re.compile(r"(?:^|[^a-z0-9])b(?:[-_ ]?val(?:ue)?)?[-_= ]?(\d{1,5})(?![\d.])")
_PHASE = re.compile(r"(?:^|[^a-z0-9])(?:phase|ph)[-_ ]?(\d{1,4})(?!\d)")
_TIME = re.compile(r"(?:^|[^a-z0-9])t[-_= ]?(\d{1,5}(?:\.\d+)?)[-_ ]?s(?![a-z0-9])")

# Tried from top to bottom: the special before the general.
_RULES: tuple[tuple[SequenceKind, str], ...] = (
    (SequenceKind.ADC, r"adc|apparent diffusion|diffusion coefficient"),
    (
        SequenceKind.DIXON_OPPOSED,
        r"opp|opposed|out[ _-]?(?:of)?[ _-]?phase|opp[ _-]?phase|op",
    ),
    (SequenceKind.DIXON_IN, r"in[ _-]?phase|dixon[ _-]?in|in|inphase|ip"),
    (SequenceKind.DIXON_WATER, r"water|dixon[ _-]?w|w|wat"),
    (SequenceKind.DIXON_FAT, r"fat|dixon[ _-]?f|f"),
    # "sub-01" is a subject (BIDS), a trailing "sub" a subtraction.
    (SequenceKind.DCE_SUBTRACTION, r"(?<!^)sub(?!-)|subtract(?:ion|ed)?|subtr"),
    (SequenceKind.DCE, r"dce|dyn|dynamic|twist|perfusion|tricks|disco"),
    (SequenceKind.DWI, r"dwi|diff|diffusion|\w*diff|trace\w*|ep2d|dti|b\d{2,4}"),
    (SequenceKind.T2W_FS, r"stir|tirm|t2\w*[ _-]?fs|t2\w*fatsat"),
    (SequenceKind.PD, r"pd|pdw|proton(?:[ _-]?density)?|\w*152pd"),
    (SequenceKind.T2W, r"t2|t2w|t2wi|haste|ssfse|\w*152t2"),
    (
        SequenceKind.T1W,
        r"t1|t1w|t1wi|mprage|mp2rage|bravo|spgr|flash|vibe|lava|thrive|tfl3d|\w*152t1",
    ),
)
_FAT_SATURATION = re.compile(
    r"(?:^|[^a-z0-9])(?:fs|fat[ _-]?sat\w*|fat[ _-]?supp\w*|spair|spir|stir|tirm)"
    r"(?![a-z0-9])"
)
# Single letters and short words mean Dixon only beside a word that says so.
_DIXON_CONTEXT = re.compile(r"dixon|ideal|mdixon|in[ _-]?phase|opp|vibe|lava|_wfi")
_WEAK_DIXON = {"in", "ip", "op", "w", "f", "fat", "opp"}


def kind_from_words(text: str) -> SequenceKind:
    """Return the sequence kind that a name or description speaks of, else UNKNOWN.

    Parameters
    ----------
    text
        File name without suffix, series description, protocol name.
    """
    low = text.lower()
    fat_saturated = bool(_FAT_SATURATION.search(low))
    for kind, words in _RULES:
        found = re.search(rf"(?:^|[^a-z0-9])({words})(?![a-z0-9])", low)
        if found is None:
            continue
        if kind.value.startswith("Dixon") and not _means_dixon(
            found[1], low, fat_saturated
        ):
            continue
        if kind == SequenceKind.T2W and fat_saturated:
            return SequenceKind.T2W_FS
        return kind
    return SequenceKind.UNKNOWN


def b_value_from_words(text: str) -> float | None:
    """Return the b-value in s/mm² that a name speaks of, such as ``"dwi_b800"``."""
    found = _B_VALUE.search(text.lower())
    return float(found[1]) if found else None


def phase_from_words(text: str) -> tuple[int | None, float | None]:
    """Return phase number and seconds that a name speaks of, None where it does not.

    Such as ``"DCE_phase_2_t=14_s"``, which gives 2 and 14.0.
    """
    phase, time = _PHASE.search(text.lower()), _TIME.search(text.lower())
    return (int(phase[1]) if phase else None), (float(time[1]) if time else None)


def _means_dixon(word: str, text: str, fat_saturated: bool) -> bool:
    """Return whether a short word stands for a Dixon image here."""
    if word == "fat" and fat_saturated:
        return False
    return word not in _WEAK_DIXON or bool(_DIXON_CONTEXT.search(text)) or text == word
