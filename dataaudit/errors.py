"""What can go wrong for a user, each kind with a stable slug and an exit code."""

from __future__ import annotations

from typing import ClassVar


class DataAuditError(Exception):
    """An error a user can act on: the message says what was found, what was expected and what to do."""

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2


class UsageError(DataAuditError):
    """An option or argument that cannot be honoured."""

    slug: ClassVar[str] = "usage"


class ConfigError(DataAuditError):
    """A configuration file that cannot be read or holds unknown or impossible values."""

    slug: ClassVar[str] = "config"


class LayoutError(DataAuditError):
    """A dataset whose layout is not one we know: no images, two labels for one path, detection data."""

    slug: ClassVar[str] = "layout"


class ManifestError(DataAuditError):
    """A manifest, metadata or group file that cannot be read or contradicts the dataset."""

    slug: ClassVar[str] = "manifest"


class PlanError(DataAuditError):
    """A plan that cannot be made, read or carried out."""

    slug: ClassVar[str] = "plan"


class IncompleteError(DataAuditError):
    """An audit that could not be completed."""

    slug: ClassVar[str] = "incomplete"
    exit_code: ClassVar[int] = 3


class ModelError(IncompleteError):
    """A model of the user's that cannot be used, crashed, hung, or returned something else than numbers."""

    slug: ClassVar[str] = "model"


class CacheWarning(UserWarning):
    """The cache cannot be used, or was damaged. It costs time, never an answer."""
