"""Where a report may be written: refused before the work, whole or not at all."""

import os

import pytest

from blupbayes.errors import ComparisonError
from blupbayes.show.report import output
from blupbayes.show.report.output import check_path, write_whole


def left(folder):
    """Everything in a folder, folders inside it too."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.mark.parametrize("name", ["r.html", "r.ipynb", "R.MD"])
def test_a_new_file_is_accepted_and_nothing_is_made_yet(tmp_path, name):
    assert check_path(tmp_path / name) == tmp_path / name
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["r.pdf", "r", "r.html.txt"])
def test_another_ending_is_refused_with_those_that_there_are(tmp_path, name):
    with pytest.raises(ComparisonError, match=r"\.html.*\.ipynb.*\.md"):
        check_path(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "r.html").mkdir()
    with pytest.raises(ComparisonError, match="it is a folder"):
        check_path(tmp_path / "r.html", force=True)


def test_a_file_in_no_folder_is_refused(tmp_path):
    with pytest.raises(ComparisonError, match=r"there is no folder .*nowhere"):
        check_path(tmp_path / "nowhere" / "r.html")


def test_an_existing_file_is_refused_by_name_unless_forced(tmp_path):
    there = tmp_path / "r.html"
    there.write_text("mine")
    with pytest.raises(ComparisonError, match=r"r\.html.*exists.*force=True.*--force"):
        check_path(there)
    assert check_path(there, force=True) == there and there.read_text() == "mine"


def test_an_existing_folder_of_pictures_is_refused_by_name_unless_forced(tmp_path):
    (tmp_path / "r_files").mkdir()
    with pytest.raises(ComparisonError, match=r"r_files.*exists"):
        check_path(tmp_path / "r.md")
    assert check_path(tmp_path / "r.md", force=True)
    assert check_path(tmp_path / "r.html")  # which has no such folder
    (tmp_path / "r_files").rmdir()
    (tmp_path / "r_files").write_text("a file")
    with pytest.raises(ComparisonError, match="r_files"):
        check_path(tmp_path / "r.md", force=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ComparisonError, match="cannot be written"):
            check_path(tmp_path / "r.html")
    finally:
        tmp_path.chmod(0o700)


def test_text_and_pictures_are_written(tmp_path):
    write_whole(tmp_path / "r.md", "text ö\n", False, {"a.png": b"1", "b.png": b"2"})
    assert left(tmp_path) == ["r.md", "r_files", "r_files/a.png", "r_files/b.png"]
    assert (tmp_path / "r.md").read_bytes() == "text ö\n".encode()
    assert (tmp_path / "r_files" / "b.png").read_bytes() == b"2"


def test_forced_pictures_replace_their_like_and_leave_others(tmp_path):
    write_whole(tmp_path / "r.md", "old", False, {"a.png": b"1"})
    (tmp_path / "r_files" / "mine.txt").write_text("keep")
    write_whole(tmp_path / "r.md", "new", True, {"a.png": b"2"})
    assert (tmp_path / "r_files" / "a.png").read_bytes() == b"2"
    assert (tmp_path / "r_files" / "mine.txt").read_text() == "keep" and (
        tmp_path / "r.md"
    ).read_text() == "new"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError("disk full")])
@pytest.mark.parametrize("where", ["write_new", "put"])
def test_what_is_stopped_leaves_nothing(tmp_path, monkeypatch, stop, where):
    def broken(*_):
        raise stop

    real, calls = output.put, []

    def second(final, content):
        calls.append(final)
        return real(final, content) if len(calls) == 1 else broken()

    monkeypatch.setattr(output, where, second if where == "put" else broken)
    with pytest.raises(BaseException, match=r"disk full|^$"):
        write_whole(tmp_path / "r.md", "text", False, {"a.png": b"1", "b.png": b"2"})
    assert left(tmp_path) == []


def test_a_file_that_has_appeared_meanwhile_is_not_replaced(tmp_path):
    target = check_path(tmp_path / "r.html")
    target.write_text("mine")
    with pytest.raises(ComparisonError, match="exists"):
        write_whole(target, "report", False)
    assert target.read_text() == "mine"
