"""The model file that Okra compiles in: writing it, and the int8 rounding it stores.

Little-endian, in this order, with nothing before, between or after:

    8 bytes      magic "OKRASTAT"
    u32          format version, 1
    u32          dimensions d
    u32          number of tokens n
    u32          length in bytes of all tokens together, v
    u32 x (n+1)  where each token starts in the vocabulary, then v
    v bytes      the tokens, UTF-8, in ascending order of their bytes
    f32 x n      the scale of each row
    i8 x n x d   the rows; a token's vector is its row times its scale
"""

import struct
from pathlib import Path

import numpy as np


def rounded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int8 rows, scales): each row's largest component becomes 127."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-12) / 127
    return np.rint(rows / scales[:, None]).astype(np.int8), scales.astype("<f4")


def write(path: Path, tokens: list[str], rows: np.ndarray):
    spelled = [token.encode() for token in tokens]
    order = sorted(range(len(spelled)), key=spelled.__getitem__)
    vocabulary = b"".join(spelled[i] for i in order)
    starts = np.cumsum([0] + [len(spelled[i]) for i in order]).astype("<u4")
    quantised, scales = rounded(rows[order])
    with path.open("wb") as out:
        out.write(b"OKRASTAT")
        out.write(struct.pack("<4I", 1, rows.shape[1], len(order), len(vocabulary)))
        for part in (starts.tobytes(), vocabulary, scales.tobytes(), quantised.tobytes()):
            out.write(part)


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """(tokens, vectors) of a model file, as Okra reads it; used for the tests' reference."""
    data = path.read_bytes()
    assert data[:8] == b"OKRASTAT"
    version, dimensions, count, length = struct.unpack_from("<4I", data, 8)
    assert version == 1
    starts = np.frombuffer(data, "<u4", count + 1, 24)
    at = 24 + 4 * (count + 1)
    tokens = [data[at + a : at + b].decode() for a, b in zip(starts, starts[1:])]
    scales = np.frombuffer(data, "<f4", count, at + length)
    rows = np.frombuffer(data, "i1", count * dimensions, at + length + 4 * count)
    return tokens, rows.reshape(count, dimensions) * scales[:, None]
