"""Statistics in a file: what is read is what was written, and what is no such file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.stream import saved
from streams import CASES, differences, shuffled


def model(case: str) -> bb.MixedModel:
    formula, load, options = CASES[case]
    return bb.MixedModel.from_batches(formula, shuffled(load(), 3), **options)


@pytest.mark.parametrize(
    "case", ["slopes", "weights", "years", "scaled", "factors", "crossed", "nested", "chain"]
)
def test_what_is_read_is_what_was_written(tmp_path: Path, case: str) -> None:
    one = model(case)
    one.save(tmp_path / "site.npz")
    other = bb.MixedModel.from_statistics(tmp_path / "site.npz")
    assert max(differences(other.statistics, one.statistics).values()) == 0.0
    assert other.fit().theta.tolist() == one.fit().theta.tolist()
    assert other.design.hash == one.design.hash
    frame = CASES[case][1]()
    assert other.fit().predict(frame.head(9)).equals(one.fit().predict(frame.head(9)))
    if case != "years":  # its posterior has a ridge that takes minutes
        a, b = one.integrate(rel_error=0.1).summary(), other.integrate(rel_error=0.1).summary()
        assert a.equals(b)


def test_a_file_holds_no_row_and_no_code(tmp_path: Path) -> None:
    frame = bb.load_dataset("sleepstudy").assign(Reaction=lambda d: d["Reaction"] + 0.123456789)
    bb.MixedModel.from_batches("Reaction ~ Days + (Days | Subject)", [frame]).save(tmp_path / "site.npz")
    with np.load(tmp_path / "site.npz", allow_pickle=False) as file:
        assert not any(file[name].dtype.hasobject for name in file.files)
        numbers = np.concatenate([file[name].ravel() for name in file.files if file[name].dtype.kind == "f"])
    inside = (
        frame["Reaction"].sort_values().to_numpy()[1:-1]
    )  # the smallest and the largest value are kept, as a range
    assert not np.isin(inside, numbers).any()


def test_what_is_no_statistics_is_refused(tmp_path: Path) -> None:
    model("slopes").save(tmp_path / "site.npz")
    whole = (tmp_path / "site.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("y,x\n1,2\n")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("half.npz", "text.npz", "other.npz"):
        with pytest.raises(bb.DataError, match=f"{name}' does not hold the statistics of a model"):
            bb.MixedModel.from_statistics(tmp_path / name)
    with pytest.raises(bb.DataError, match="there is no file"):
        bb.MixedModel.from_statistics(tmp_path / "none.npz")
    with pytest.raises(bb.DataError, match="give at least one file"):
        bb.MixedModel.from_statistics()


def test_another_format_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "FORMAT", "blupbayes statistics 0")
    model("slopes").save(tmp_path / "old.npz")
    monkeypatch.undo()
    with pytest.raises(bb.DataError, match=r"another format \(blupbayes statistics 0\)"):
        bb.MixedModel.from_statistics(tmp_path / "old.npz")


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = model("slopes")
    one.save(tmp_path / "site.npz")
    before = (tmp_path / "site.npz").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved.np, "savez", full)
    with pytest.raises(bb.DataError, match=r"cannot be written to .*No space left"):
        one.save(tmp_path / "site.npz")
    assert (tmp_path / "site.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site.npz"]


def test_a_model_that_keeps_its_rows_says_how_to_save(tmp_path: Path) -> None:
    table = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    with pytest.raises(bb.DataError, match=r"from_batches\(formula, \[data\]\)"):
        table.save(tmp_path / "rail.npz")
