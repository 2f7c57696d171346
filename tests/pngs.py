"""A PNG writer of the tests' own: any depth, interlaced or not, with rows left out."""

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE = 0, 2, 3
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(path, values, depth, colour_type, interlaced=False, keep=None, extra=b""):
    """Writes `values` [H, W] or [H, W, 3] as a PNG of that depth; keep: of the rows' bytes only so many."""
    height, width = values.shape[:2]
    raw = b""
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        part = values[top::down, left::across]
        for row in part if part.size else ():
            bits = np.unpackbits(row.astype(">u2").reshape(-1, 1).view(np.uint8), axis=1)[:, -depth:]
            raw += b"\0" + np.packbits(bits.ravel()).tobytes()
    first = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour_type == PALETTE else b""
    body = palette + extra + chunk(b"IDAT", zlib.compress(raw[:keep]))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", first) + body + chunk(b"IEND", b""))
