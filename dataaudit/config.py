"""Every threshold and its default, in one frozen model.

Read from ``[tool.dataaudit]`` of ``pyproject.toml`` or from ``dataaudit.toml`` of the *working directory*, or from
``--config FILE``; never from the audited dataset. Command-line options override what a file says.
"""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dataaudit.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

C = TypeVar("C", bound="Config")

_NOT_OF_THE_SEARCH: Final = frozenset(
    (
        *("keras_split", "cache", "cache_dir", "cache_limit", "paranoid"),
        *("manifest", "group_by", "roles", "follow_links", "embeddings", "pred_probs", "jobs", "file_timeout", "file_memory"),
        *("select", "ignore", "alpha", "imbalance_ratio", "rare_class", "share_difference", "drift_effect", "drift_minimum"),
        *("random_split_leak", "val_accuracy", "seed", "ratios", "remake", "previous", "folds", "class_weight"),
    )
)
"""Options that have no part in which copies are found (or that change the dataset's fingerprint)."""


class Config(BaseModel):
    """Options and thresholds of a run. Each field's description says unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # find
    manifest: str | None = Field(None, description="CSV or JSONL file: path,label[,split][,group]; relative to the dataset")
    group_by: str | None = Field(None, description="regex:R | column:NAME | file:CSV:COLUMN | inferred")
    roles: dict[str, str] = Field(default_factory=dict, description="folder name → train, val or test")
    manifest_hashes: str | None = Field(None, description="file of SHA-256 digests to compare with: sha256sum's, or path,sha256")
    keras_split: float | None = Field(
        None, gt=0, lt=1, description="take an unsplit dataset apart as image_dataset_from_directory(validation_split=…) would"
    )
    follow_links: bool = Field(default=False, description="descend into linked directories, each once")

    embeddings: str | None = Field(None, description=".npy, .npz or .keras file: what a model of yours makes of the pictures")
    pred_probs: str | None = Field(None, description=".npy or .npz file: out-of-sample class probabilities of a model of yours")

    # measure
    jobs: int | None = Field(None, ge=1, description="worker processes; None: one a core")
    integrity: str = Field("usual", pattern="^(usual|deep)$", description="deep: decode strictly, too; needs simplejpeg")
    max_pixels: int = Field(100_000_000, ge=1, description="pictures with more pixels are not decoded")
    file_timeout: float = Field(30.0, gt=0, description="seconds a single file may take")
    file_memory: int = Field(2_048, ge=128, description="MiB a worker may allocate beyond what it starts with")

    # remember
    cache: bool = Field(default=True, description="keep what was measured for the next run; it never changes an answer")
    cache_dir: str | None = Field(None, description="folder of the cache; None: DATAAUDIT_CACHE_DIR, or the user's cache folder")
    cache_limit: int = Field(4_096, ge=1, description="MiB the cache may grow to; what was not used for longest goes first")
    paranoid: bool = Field(default=False, description="read and hash every file, whatever its time stamps say")

    # relate
    transformed: bool = Field(
        default=True, description="look for copies that were cropped, rotated, shifted …; without, about twice as fast"
    )
    hamming64: int = Field(10, ge=0, le=16, description="bits of 64 within which two pictures are nominated as copies")
    hamming256: int = Field(72, ge=0, le=128, description="bits of 256 within which a nomination is looked at")
    neighbours: int = Field(24, ge=0, le=100, description="nearest by copy descriptor that are looked at among 1,000; 0: none")
    descriptor: str | None = Field(None, description=".keras file of a model that replaces the built-in copy descriptor")
    descriptor_score: float = Field(
        -0.08, ge=-2, le=2, description="normalised descriptor similarity of a nomination, at 10,000 images"
    )
    descriptor_clear: float = Field(
        0.06, ge=0, le=4, description="above that: a nomination stands where a picture has too few local features to be asked"
    )
    descriptor_far: float = Field(
        0.24,
        ge=0,
        le=4,
        description="above that, or that at 10,000 images, fewer local features of a picture and its nearest must agree; "
        "under five sixths of it one more",
    )
    agreement: int = Field(
        6,
        ge=3,
        le=30,
        description="local features that must agree on one map; of all but the nearest one more, beyond the third two",
    )
    flat_contrast: float = Field(4.0, ge=0, description="luminance standard deviation (0–255) under which a picture is flat")
    proved_median: float = Field(0.95, ge=0, le=1, description="median local correlation from which a copy is proved, with …")
    proved_quartile: float = Field(0.85, ge=0, le=1, description="… the lower quartile of the local correlations")
    probable_median: float = Field(0.85, ge=0, le=1, description="median from which it is probable, with …")
    probable_quartile: float = Field(0.7, ge=0, le=1, description="… the lower quartile")
    registered_proved: tuple[float, float] = Field(
        (0.97, 0.92), description="median and quartile where a had to be registered onto b"
    )
    registered_probable: tuple[float, float] = Field((0.93, 0.82), description="… from which such a copy is probable")

    # judge
    select: tuple[str, ...] = Field((), description="codes or code prefixes to run; empty: all")
    ignore: tuple[str, ...] = Field((), description="codes or code prefixes not to report")
    alpha: float = Field(0.01, gt=0, lt=1, description="false-discovery rate of the statistical rules")
    imbalance_ratio: float = Field(3.0, gt=1, description="largest class over smallest from which BAL501 warns")
    rare_class: int = Field(20, ge=1, description="train samples under which a class is rare")
    share_difference: float = Field(0.05, gt=0, lt=1, description="total variation between class shares worth a warning")
    drift_effect: float = Field(0.3, gt=0, description="standardised effect from which a property's drift is worth a warning")
    separable: float = Field(0.65, gt=0.5, lt=1, description="AUC from which it matters that splits can be told apart")
    spread_ratio: float = Field(0.8, gt=0, lt=1, description="spread of a split beside train's (or its inverse) worth a warning")
    coverage: float = Field(0.9, gt=0, lt=1, description="covered share of train, of what is expected, worth a warning")
    drift_minimum: int = Field(20, ge=2, description="samples a split must hold for a drift test")
    random_split_leak: float = Field(0.01, ge=0, le=1, description="share of validation a random split may leak unremarked")
    group_likeness: float = Field(
        0.7, ge=0.5, le=1, description="chance that pictures of one inferred group are closer than others from which it is told"
    )
    burst_seconds: float = Field(10.0, ge=0, description="seconds between two pictures of one camera that may be of one burst")
    shortcut_gain: float = Field(
        0.2, gt=0, lt=1, description="share of the way from guessing to certainty from which a shortcut is told"
    )
    shortcut_content_gain: float = Field(0.5, gt=0, lt=1, description="the same for file size and colour")
    shortcut_sample: int = Field(2_000, ge=50, description="pictures the small models of the SHC rules look at")
    shortcut_minimum: int = Field(20, ge=5, description="pictures a class or split must have to take part")
    assumed_accuracy: float = Field(0.8, gt=0, lt=1, description="accuracy VAL701 reckons with where --val-accuracy is not given")
    assumed_disagreement: float = Field(0.1, gt=0, lt=1, description="share of images that only one of two runs gets right")
    widest_interval: float = Field(0.25, gt=0, lt=1, description="width of the accuracy's 95 % interval from which VAL702 warns")
    val_accuracy: float | None = Field(None, ge=0, le=1, description="the validation accuracy a model reached")

    # correct
    seed: int = Field(0, ge=0, description="random_state of the split, and Keras's seed with keras_split")
    ratios: tuple[float, float, float] | None = Field(None, description="train, val, test; None: repair what exists")
    remake: bool = Field(default=False, description="make new splits although the dataset has some")
    previous: str | None = Field(None, description="an earlier plan (its folder, or plan.json) to go on from")
    folds: int = Field(0, ge=0, le=100, description="cross-validation folds outside test; 0: none")
    offline_copies: str = Field(
        "keep", pattern="^(keep|originals)$", description="augmented copies on disk: keep them, or only their originals"
    )
    class_weight: str = Field("balanced", pattern="^(balanced|effective-number|none)$", description="weighting method")

    @property
    def workers(self) -> int:
        """Processes, or threads, at a time: ``jobs``, or as many as there are cores that this process may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.jobs or cores

    @field_validator("ratios")
    @classmethod
    def _possible(cls, ratios: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if ratios is not None and not (all(ratio >= 0 for ratio in ratios) and abs(sum(ratios) - 1) <= 1e-6 and ratios[0] > 0):  # noqa: PLR2004 - rounding only
            raise ValueError("expected train, val, test, none negative, train above 0, summing to 1")
        return ratios

    @model_validator(mode="after")
    def _one_way_to_split(self) -> Self:
        if self.previous is not None and (self.remake or self.ratios is not None):
            raise ValueError("previous goes on from an earlier plan, ratios and remake make a new one; leave one of them out")
        return self

    @field_validator("folds")
    @classmethod
    def _more_than_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0 (none) or at least 2")
        return folds

    @field_validator("select", "ignore")
    @classmethod
    def _capitals(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(code.strip().upper() for code in codes)

    def of_the_search(self, *, changed: bool = False) -> dict[str, Any]:
        """Return the options that have a part in which copies are found, as JSON holds them; ``changed``: not the defaults."""
        return self.model_dump(mode="json", exclude=set(_NOT_OF_THE_SEARCH), exclude_defaults=changed)

    def merged(self, **options: object) -> Self:
        """Return a copy with the options that are not None; values are validated.

        Raises:
            ConfigError: if an option has an impossible value.
        """
        given = {name: value for name, value in options.items() if value is not None}
        return _validated(type(self), {**self.model_dump(), **given}, "command line")

    @classmethod
    def load(cls, path: Path | None = None, directory: Path | None = None) -> Self:
        """Read ``path``; else ``dataaudit.toml``, else ``[tool.dataaudit]`` of ``pyproject.toml``, of ``directory``.

        Raises:
            ConfigError: if the file cannot be read, is not TOML, or holds unknown or impossible values.
        """
        if path is None:
            directory = directory or Path.cwd()
            path = next((directory / name for name in ("dataaudit.toml", "pyproject.toml") if (directory / name).is_file()), None)
            if path is None:
                return cls()
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            message = f"{path}: cannot be read as TOML ({error}). Correct the file, or name another with --config."
            raise ConfigError(message) from error
        if path.name == "pyproject.toml":
            table = table.get("tool", {}).get("dataaudit", {})
        return _validated(cls, {name.replace("-", "_"): value for name, value in table.items()}, str(path))


def _validated(model: type[C], values: dict[str, object], source: str) -> C:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        message = f"{source}: {'; '.join(_told(problem, model) for problem in error.errors())}."
        raise ConfigError(message) from error


def _told(problem: ErrorDetails, model: type[Config]) -> str:
    name = ".".join(map(str, problem["loc"])) or "value"
    if problem["type"] == "extra_forbidden":
        near = ", ".join(get_close_matches(name, model.model_fields, cutoff=0.5))
        return f"there is no option {name!r}; " + (f"near it: {near}" if near else "dataaudit/config.py describes them all")
    told = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {told}, found {problem['input']!r}" if problem["loc"] else told
