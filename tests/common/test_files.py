from pathlib import Path

import pytest

from sb3_isr.common.files import replaced, write_text


def test_a_text_is_written_into_a_new_folder_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "notes.txt"
    for text in ("one", "two"):
        write_text(path, text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_when_writing_fails_the_old_file_is_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    write_text(path, "old")

    def fill_disk() -> None:
        with replaced(path) as partial:
            partial.write_text("half")
            assert path.read_text() == "old"
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
