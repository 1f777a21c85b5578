"""The two frames of reference that files state coordinates in."""

from typing import Literal

Frame = Literal["LPS", "RAS"]
"""``"LPS"`` (DICOM, ITK, Slicer files) or ``"RAS"`` (NIfTI, older point lists)."""
