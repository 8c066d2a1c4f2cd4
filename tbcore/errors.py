"""Everything a user of tbcore can cause and mend.

    TbcoreError
    ├── InputError (ValueError)                  a picture, caption, file or argument breaks a stated rule
    ├── DialogueError                            turns, roles or picture marks do not form a dialogue
    ├── MissingExtraError (ImportError)          an optional package is not installed
    ├── MissingFileError (FileNotFoundError)     a file a step needs is not there
    ├── CheckpointError                          a checkpoint does not fit the model it is loaded into
    ├── RecordingMissingError                    no recorded reply belongs to this prompt
    ├── TeacherError                             a teacher could not be asked, or its answer cannot be read
    ├── BudgetError                              the next call could exceed a cap
    ├── ManifestError                            a step's files are not those its manifest names
    └── ProfileError                             a profile is unknown, or too large for this computer

Every message says where, which rule, what was found, and what to do.
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "CheckpointError",
    "DialogueError",
    "InputError",
    "ManifestError",
    "MissingExtraError",
    "MissingFileError",
    "ProfileError",
    "RecordingMissingError",
    "TbcoreError",
    "TeacherError",
]


class TbcoreError(Exception):
    """The root of the tree drawn in this module's docstring."""


class InputError(TbcoreError, ValueError):
    """A picture, caption, file or argument breaks a stated rule."""


class DialogueError(TbcoreError):
    """Turns, roles or picture marks do not form a dialogue."""


class MissingExtraError(TbcoreError, ImportError):
    """An optional package is not installed."""


class MissingFileError(TbcoreError, FileNotFoundError):
    """A file that a step needs is not there."""


class CheckpointError(TbcoreError):
    """A checkpoint does not fit the model it is loaded into."""


class RecordingMissingError(TbcoreError):
    """No recorded reply belongs to this prompt."""


class TeacherError(TbcoreError):
    """A teacher could not be asked, or its answer cannot be read."""


class BudgetError(TbcoreError):
    """The next call could exceed a cap on calls, tokens or money."""


class ManifestError(TbcoreError):
    """A step's files are not those its manifest names."""


class ProfileError(TbcoreError):
    """A profile is unknown, or too large for this computer."""
