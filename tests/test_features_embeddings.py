"""Embeddings and probabilities of the user's: read in any order, refused with a sentence that helps."""

from __future__ import annotations

import numpy as np
import pytest

from dataaudit.errors import ManifestError
from dataaudit.features.embeddings import read_embeddings, read_probabilities

PATHS = ("a/1.jpg", "a/2.jpg", "b/\udcff.jpg")
TABLE = np.arange(6, dtype=np.float64).reshape(3, 2)
CHANCES = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])


def npz(folder, **arrays):
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def npy(folder, array):
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


def test_rows_in_path_order(tmp_path):
    found = read_embeddings(npy(tmp_path, TABLE.astype(np.float16)), PATHS)
    assert found.dtype == np.float32
    assert found.tolist() == TABLE.tolist()


@pytest.mark.parametrize("kind", ["U", "S"])
def test_rows_by_path_in_any_order_and_more_than_asked_for(tmp_path, kind):
    names = ["b/\udcff.jpg", "z.jpg", "a/1.jpg", "./a/2.jpg"]
    listed = np.array([name.encode("utf-8", "surrogateescape") for name in names]) if kind == "S" else np.array([*names[1:], "c"])
    paths = PATHS if kind == "S" else PATHS[:2]
    found = read_embeddings(npz(tmp_path, paths=listed, embeddings=np.arange(8.0).reshape(4, 2)), paths)
    assert found[:, 0].tolist() == ([4.0, 6.0, 0.0] if kind == "S" else [2.0, 4.0])


def test_a_row_of_nan_is_a_sample_left_out(tmp_path):
    table = TABLE.copy()
    table[1] = np.nan
    assert np.isnan(read_embeddings(npy(tmp_path, table), PATHS)).all(axis=1).tolist() == [False, True, False]


def test_probabilities_with_named_columns(tmp_path):
    file = npz(tmp_path, paths=np.array(["1", "2", "3"]), pred_probs=CHANCES, classes=np.array(["dog", "cat"]))
    assert read_probabilities(file, ("3", "1", "2"), ("cat", "dog")).tolist() == [[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]]
    assert read_probabilities(npy(tmp_path, CHANCES), PATHS, ("cat", "dog")).tolist() == CHANCES.tolist()


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        (TABLE[:2], "found 2 rows, expected 3"),
        (TABLE[:, 0], r"shape \(3,\)"),
        (np.full((3, 2), "a"), "expected numbers"),
        (np.where(TABLE == 3, np.inf, TABLE), "'a/2.jpg' holds NaN or infinity"),
        (np.full((3, 2), np.nan), "every row is NaN"),
        ({"paths": np.array(PATHS[:2]), "embeddings": TABLE[:2]}, "no row for 1 of the 3"),
        ({"paths": np.array(["a", "a", "b"]), "embeddings": TABLE}, "more than once"),
        ({"paths": np.array(PATHS[:2]), "embeddings": TABLE}, "2 entries, but the table 3 rows"),
        ({"embeddings": TABLE}, "but not 'paths'"),
        ({"paths": TABLE, "embeddings": TABLE}, "a list of strings"),
        (np.array([{}], object), "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, arrays, told):
    file = npz(tmp_path, **arrays) if isinstance(arrays, dict) else npy(tmp_path, arrays)
    with pytest.raises(ManifestError, match=told) as refused:
        read_embeddings(file, PATHS)
    assert str(file) in str(refused.value)


def test_no_file_and_no_numpy_file(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_embeddings(tmp_path / "none.npy", PATHS)
    for content in (b"", b"path,label\n", b"PK\x03\x04 broken"):
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(ManifestError, match="cannot be read"):
            read_embeddings(tmp_path / "x.npy", PATHS)


@pytest.mark.parametrize(
    ("table", "classes", "told"),
    [
        (CHANCES, ("a", "b", "c"), "found 2 columns, expected 3"),
        (CHANCES * 3, ("a", "b"), "Apply softmax"),
        (CHANCES - [[1.0, -1.0]], ("a", "b"), "Apply softmax"),
    ],
)
def test_probabilities_that_are_none_are_refused(tmp_path, table, classes, told):
    with pytest.raises(ManifestError, match=told):
        read_probabilities(npy(tmp_path, table), PATHS, classes)


def test_columns_of_other_classes_are_refused(tmp_path):
    file = npz(tmp_path, paths=np.array(PATHS), pred_probs=CHANCES, classes=np.array(["cat", "cow"]))
    with pytest.raises(ManifestError, match="'cow'"):
        read_probabilities(file, PATHS, ("cat", "dog"))
