"""The datasets of a service."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from zpruner.client.models.jobs import Dataset
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation

UPLOADED = "uploaded:"
MEDIA_TYPES = {
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".json": "application/jsonl",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
}
"""Media types by file suffix.

The service refuses the last two formats. They are listed here because a file sent as ``text/plain``
would be read as text.
"""
PIECE_BYTES = 1 << 20


class Datasets(Resource[Mode]):
    """The datasets of a service; uploaded ones have ids such as ``dat_…`` or ``uploaded:dat_…``."""

    @operation
    async def upload(self, path: str | Path, *, name: str | None = None) -> Dataset:
        """Upload a text, JSONL or CSV file; the suffix determines the format.

        To use the dataset in a job, pass the attribute ``dataset`` of the result. Uploading the
        same bytes again in the same format returns the same dataset.
        """
        file = _File(Path(path))
        headers = {"Content-Type": file.media_type, "Content-Length": str(file.size_bytes)}
        params = {"name": name or file.path.name}
        response = await self._transport.send(
            "POST",
            "/v1/datasets",
            content=self._transport.content(file.pieces),
            params=params,
            headers=headers,
        )
        return Dataset.model_validate(response.json())

    @operation
    async def list(self) -> Sequence[Dataset]:
        """Return the built-in datasets, then the uploaded ones, newest first."""
        return [Dataset.model_validate(row) for row in await self._transport.rows("/v1/datasets")]

    @operation
    async def get(self, dataset: str) -> Dataset:
        """Return an uploaded dataset."""
        return Dataset.model_validate(await self._transport.get(_path(dataset)))

    @operation
    async def delete(self, dataset: str) -> None:
        """Delete an uploaded dataset; this fails while an unfinished job uses it."""
        await self._transport.send("DELETE", _path(dataset))


class _File:
    """A file as the body of a request; a retry sends it from the beginning."""

    def __init__(self, path: Path) -> None:
        self.path, self.size_bytes = path, path.stat().st_size

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES.get(self.path.suffix.lower(), "text/plain")

    def pieces(self) -> Iterator[bytes]:
        """Yield the file's bytes."""
        with self.path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece


def _path(dataset: str) -> str:
    return f"/v1/datasets/{dataset.removeprefix(UPLOADED)}"
