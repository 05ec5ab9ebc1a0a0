"""Log files: followed line by line, cut when large without losing the writer."""

from __future__ import annotations

from pathlib import Path

from tradeplatform.supervisor.logfiles import LogFile


def test_only_new_whole_lines_are_given(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("from an earlier run\n")
    log = LogFile(path)
    with path.open("a") as writer:
        writer.write("one\ntw")
        writer.flush()
        assert list(log.new_lines()) == ["one"]
        writer.write("o\n")
        writer.flush()
        assert list(log.new_lines()) == ["two"]
        assert list(log.new_lines()) == []


def test_a_missing_file_has_no_lines_and_needs_no_rotation(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "none.log")
    log.rotate_if_large()
    assert list(log.new_lines()) == []


def test_rotation_keeps_the_newest_three_and_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = LogFile(path)
    with path.open("ab", buffering=0) as writer:
        for number in range(5):
            writer.write(b"%d" % number * 200 + b"\n")
            assert list(log.new_lines()) == [str(number) * 200]
            log.rotate_if_large(limit=100)
        writer.write(b"after\n")
    assert list(log.new_lines()) == ["after"]
    assert path.read_text() == "after\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2", "a.log.3"]
    assert (tmp_path / "a.log.1").read_text() == "4" * 200 + "\n"
    assert (tmp_path / "a.log.3").read_text() == "2" * 200 + "\n"


def test_a_small_file_is_not_rotated(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("x" * 100)
    LogFile(path).rotate_if_large(limit=100)
    assert [file.name for file in tmp_path.iterdir()] == ["a.log"]
