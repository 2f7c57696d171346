"""Checks of a PNG file that its decoders leave out: checksums, and that no row is missing."""

import struct
import zlib
from typing import NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class Damaged(Exception):
    """A PNG file is not whole; the text says why."""


class Header(NamedTuple):
    """What the first chunk says. depth: bits a channel. colour_type: 0 grey, 2 RGB, 3 palette, 4 and 6 with alpha."""

    width: int
    height: int
    depth: int
    colour_type: int
    interlaced: bool


def header(content) -> Header:
    """The header of a PNG (bytes) whose chunks are whole. Raises `Damaged` where a checksum differs or one is cut."""
    if content[:8] != _SIGNATURE:
        raise Damaged("no PNG signature")
    position, first, view = 8, None, memoryview(content)
    while True:
        if position + 12 > len(content):
            raise Damaged("it ends too early")
        (length,) = struct.unpack_from(">I", content, position)
        kind, end = content[position + 4 : position + 8], position + 8 + length
        if end + 4 > len(content):
            raise Damaged("it ends too early")
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            raise Damaged(f"the checksum of its {kind.decode('ascii', 'replace')} chunk differs")
        if first is None:
            if kind != b"IHDR" or length != 13:
                raise Damaged("it has no header")
            width, height, depth, colour_type, _, _, interlace = struct.unpack_from(">IIBBBBB", content, position + 8)
            first = Header(width, height, depth, colour_type, bool(interlace))
        if kind == b"IEND":
            return first
        position = end + 4


def check_rows(content, first):
    """Raises `Damaged` where the pixel data of a PNG do not hold every row of its header."""
    expected = _raw_bytes(first)
    decoder, length = zlib.decompressobj(), 0
    try:
        for data in _pixel_data(content):
            while data and length <= expected:
                length += len(decoder.decompress(data, 1 << 24))
                data = decoder.unconsumed_tail
    except zlib.error as error:
        raise Damaged(f"its pixel data are damaged ({error})") from None
    if length < expected:
        raise Damaged("rows of its pixels are missing")


def _pixel_data(content):
    position = 8
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        if content[position + 4 : position + 8] == b"IDAT":
            yield content[position + 8 : position + 8 + length]
        position += length + 12


def _raw_bytes(first):
    """How many bytes the pixel data have when inflated: a filter byte and packed pixels for each row of each pass."""
    bits = first.depth * _CHANNELS.get(first.colour_type, 1)
    total = 0
    for left, top, across, down in _PASSES if first.interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(first.width - left) // across), -(-(first.height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total
