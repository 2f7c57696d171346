"""Words of other programs as part of a message: in one line, and never cut within a sentence without a mark."""

MARK = "[...]"


def shortened(text, most) -> str:
    """A text in one line of at most `most` characters: of a longer one the beginning and the end, at whole words.

    What a program says at the end, such as what to do, is kept. A mark stands for what is left out.
    """
    line = " ".join(str(text).split())
    if len(line) <= most:
        return line
    room = most - len(MARK) - 2
    head, tail = line[: room - room // 2 + 1], line[len(line) - room // 2 - 1 :]
    head, tail = (head.rpartition(" ")[0] or head[:-1]), (tail.partition(" ")[2] or tail[1:])
    return f"{head} {MARK} {tail}"
