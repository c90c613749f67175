"""Compact files, of the kind that release 0.2.0 wrote."""

import json
import struct
from hashlib import sha256
from pathlib import Path

import numpy as np

from tests.zpruner.files.safetensors_files import Content, write_safetensors
from zpruner.files.header import BITS


def write_compact(path: Path, content: bytes) -> bytes:
    """Write the compact form of a safetensors file with this content; return its bytes."""
    start = 8 + struct.unpack("<Q", content[:8])[0]
    entries = json.loads(content[8:start])
    entries.pop("__metadata__", None)
    parts = {"header": Content("U8", (start,), content[:start])}
    for name, entry in entries.items():
        dtype, (begin, end) = entry["dtype"], entry["data_offsets"]
        data = content[start + begin : start + end]
        units = np.frombuffer(data, f"<u{max(1, BITS[dtype] // 8)}")
        mask, kept = np.packbits(units != 0, bitorder="little"), units[units != 0]
        if mask.nbytes + kept.nbytes < len(data):
            parts[f"mask:{name}"] = Content("U8", mask.shape, mask.tobytes())
            stored = dtype if BITS[dtype] >= 8 else "U8"
            parts[f"values:{name}"] = Content(stored, kept.shape, kept.tobytes())
        else:
            parts[f"whole:{name}"] = Content(dtype, tuple(entry["shape"]), data)
    digest = sha256(content).hexdigest()
    metadata = {"format": "zpruner-compact", "version": "1", "sha256": digest}
    return write_safetensors(path, parts, metadata)
