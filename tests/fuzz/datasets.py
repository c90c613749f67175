"""Malformed datasets."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from random import Random
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # it has none
import pyarrow.parquet as pq  # type: ignore[import-untyped] # it has none

from tests.fuzz.damage import damaged_bytes, damaged_json, encoded

WORDS = "The quick brown fox jumps over the lazy dog. "
ROWS = 40
Dataset = tuple[str, bytes]
"""The suffix and the content of a file."""


def jsonl(random: Random) -> Dataset:
    chat = [{"role": "user", "content": WORDS}, {"role": "assistant", "content": WORDS}]
    ids = [n % 250 for n in range(16)]
    rows: list[Any] = [random.choice(({"text": WORDS}, {"messages": chat}, {"input_ids": ids}))]
    rows *= ROWS
    at = random.randrange(ROWS)
    if random.random() < 0.2:
        return ".jsonl", damaged_bytes(random, b"\n".join(encoded_row(row) for row in rows))
    rows[at] = damaged_json(random, rows[at])
    lines = [encoded_row(row) for row in rows]
    lines[at] = encoded(random, rows[at])
    if random.random() < 0.1:
        rest = random.choice((b"[" * 100_000, b"9" * 5000, b'"' + b"x" * 200_000))
        lines[at] = b'{"text": ' + rest
    return random.choice((".jsonl", ".json", ".ndjson", ".JSONL")), b"\n".join(lines)


def csv(random: Random) -> Dataset:
    suffix, mark = random.choice(((".csv", ","), (".tsv", "\t")))
    lines = [f"text{mark}id"] + [f'"{WORDS}"{mark}{n}' for n in range(ROWS)]
    at = random.randrange(ROWS)
    odd = ('"', f'"{mark}', mark * 500, "", "\0", '"a"b', "x" * 200_000, f'""{mark}""', "\ufeff")
    if random.random() < 0.6:
        lines[at] = random.choice(odd)
        return suffix, "\n".join(lines).encode()
    return suffix, damaged_bytes(random, "\r\n".join(lines).encode())


def parquet(random: Random) -> Dataset:
    texts: Any = [WORDS] * ROWS
    kind = random.randrange(6)
    if kind == 0:
        texts = [random.choice((None, 1, True, {"a": 1}, [1], [[1]], b"\xff", 1.5))] * ROWS
    elif kind == 1:
        texts = [[{"role": "user", "content": random.choice((WORDS, None, ""))}]] * ROWS
    elif kind == 2:
        texts = [random.choice(("", "a" * 1_000_000))]
        texts = pa.DictionaryArray.from_arrays(bytes(random.choice((90, 2_000_000))), texts)
    column = random.choice(("text", "text", "text", "input_ids", "page", "messages"))
    buffer = BytesIO()
    codec = random.choice(("none", "snappy", "gzip", "zstd", "brotli", "lz4"))
    pq.write_table(pa.table({column: texts}), buffer, compression=codec, store_schema=False)
    data = buffer.getvalue()
    if kind == 3:
        return ".parquet", data[: random.randrange(len(data))]
    if kind == 4:  # the footer
        at = max(0, len(data) - random.choice((8, 60, 300)))
        return ".parquet", data[:at] + damaged_bytes(random, data[at:])
    return ".parquet", damaged_bytes(random, data) if kind == 5 else data


def text(random: Random) -> Dataset:
    content = (WORDS * ROWS).encode()
    odd = (b"", b" \n", b"\0", b"\xff\xfe", b"\xed\xa0\x80", content.decode().encode("utf-16"))
    choice = random.choice((*odd, *(damaged_bytes(random, content) for _ in range(6))))
    return random.choice((".txt", ".md", ".csv.gz", "")), choice


def encoded_row(row: Any) -> bytes:
    return json.dumps(row).encode()


DATASET_KINDS: Mapping[str, Callable[[Random], Dataset]] = {
    "jsonl": jsonl,
    "csv": csv,
    "parquet": parquet,
    "text": text,
}
