"""A folder takes the place of another as a whole or not at all."""

import os

import pytest

from mosaiclib.files import replacing_folder


def fill(path, text, **options):
    with replacing_folder(path, **options) as new:
        (new / "a").write_text(text)


def test_a_folder_is_replaced_whole_and_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "folder"
    fill(path, "one")
    fill(path, "two")
    with pytest.raises(KeyError), replacing_folder(path) as new:
        (new / "a").write_text("three")
        raise KeyError
    assert (path / "a").read_text() == "two" and os.listdir(path.parent) == ["folder"]
    rename = os.rename

    def refuses(source, target):
        if str(source).endswith(".partial"):
            raise PermissionError
        rename(source, target)

    monkeypatch.setattr("os.rename", refuses)
    with pytest.raises(PermissionError):
        fill(path, "four")
    assert (path / "a").read_text() == "two" and os.listdir(path.parent) == ["folder"]


def test_of_two_processes_that_make_a_folder_the_first_one_s_stays(tmp_path):
    path = tmp_path / "folder"
    with replacing_folder(path, first_stays=True) as slow:
        fill(path, "first", first_stays=True)
        (slow / "a").write_text("second")
    assert (path / "a").read_text() == "first" and os.listdir(tmp_path) == ["folder"]
