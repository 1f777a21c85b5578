"""What can go wrong, as types.

MidrlError                      everything this package raises on purpose
├── InputError                  a file or a value from outside is not usable
│   ├── ImageError              an image file: empty, truncated, huge, ambiguous
│   │   └── SeriesError         DICOM files that do not form one volume
│   ├── LandmarkFileError       a landmark or trajectory file; names row and column
│   ├── ProtocolError           a landmark protocol
│   └── AnnotationFileError     a reader's annotations: damaged, or of something else
│       ├── OtherImageError     ... of another image; names both
│       └── ChangedOnDiskError  ... changed by somebody else since it was read
├── PackError                   an agent pack: weights, card, or both
├── OverwriteError              a write would replace something it should not
├── EditError                   a change of the annotations that cannot be made
│   └── LockedError             ... because the landmark is locked
├── SearchError                 a search cannot run on this volume
├── NoPolicyError               agents whose moves do not depend on the place alone
└── TrainingError               a training goes astray

A caller's own mistake (wrong shape, wrong type) is a ``ValueError`` or
``TypeError``, as everywhere in Python.
"""

from __future__ import annotations

from pathlib import Path


class MidrlError(Exception):
    """Everything this package raises on purpose."""


class InputError(MidrlError):
    """A file or value from outside cannot be used.

    Parameters
    ----------
    cause
        What was expected and what came, in words for the user.
    path
        The offending file; it leads the message.
    """

    def __init__(self, cause: str, path: str | Path | None = None) -> None:
        self.cause = cause
        self.path = None if path is None else Path(path)
        super().__init__(cause if path is None else f"{path}: {cause}")


class ImageError(InputError):
    """An image file is empty, truncated, too large or ambiguous."""


class SeriesError(ImageError):
    """DICOM files do not form one regular volume."""


class LandmarkFileError(InputError):
    """A landmark or trajectory file is malformed."""


class ProtocolError(InputError):
    """A landmark protocol is malformed or not to be found."""


class AnnotationFileError(InputError):
    """A file of annotations is damaged, or of another reader or protocol."""


class OtherImageError(AnnotationFileError):
    """A file of annotations was made on another image than the one at hand."""


class ChangedOnDiskError(AnnotationFileError):
    """A file of annotations is no longer what was read or written last."""


class PackError(InputError):
    """An agent pack cannot be trusted or does not fit its network."""


class OverwriteError(InputError):
    """A write would replace a file that should be kept."""


class EditError(MidrlError):
    """A change of the annotations cannot be made; nothing was changed."""


class LockedError(EditError):
    """The landmark is locked; nothing was changed."""


class SearchError(MidrlError):
    """A search cannot run on this volume with these agents."""


class NoPolicyError(MidrlError):
    """The agents have no policy that could be shown: a place does not decide a move."""


class TrainingError(MidrlError):
    """A training cannot go on: what it learns is no longer a number."""
