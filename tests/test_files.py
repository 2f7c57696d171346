"""A folder takes the place of another as a whole or not at all."""

import os

import pytest

from mosaiclib.files import replacing_folder
from mosaiclib.tflite import refusals
from mosaiclib.wording import shortened


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


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Encountered unresolved custom op: edgetpu-custom-op.\nSee instructions: https://x.org/ops Node number "
         "0 (edgetpu-custom-op) failed to prepare.", "it needs edgetpu-custom-op, which this runtime does not have: c"),
        ("Select TensorFlow op(s), included in the given model, is(are) not supported. See ops_selectNode number 2 "
         "(FlexErf) failed to prepare.\nNode number 3 (FlexInv) failed", "it needs FlexErf, FlexInv, which"),
        ("ERROR: [x.cc:3] Node 1 (CONV_2D) failed.", "Node 1 (CONV_2D) failed"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_words_of_a_runtime_say_what_to_do(words, reason):
    assert refusals.reason(RuntimeError(words)).startswith(reason)


def test_a_long_message_is_cut_at_words_with_a_mark_and_keeps_its_end():
    assert shortened("one  line\nof two ", 20) == "one line of two"
    words = [f"word{i}" for i in range(200)]
    for most in (40, 41, 42, 43, 200):
        text = shortened(" ".join(words), most)
        head, tail = (part.split() for part in text.split("[...]"))
        assert most - 20 < len(text) <= most and head == words[: len(head)] and tail == words[-len(tail) :]
    assert len(shortened("x" * 5000, 100)) <= 100 and shortened("x" * 5000, 100).count("[...]") == 1
