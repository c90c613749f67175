"""The rotation that a job asks for."""

from db.spec.prune_spec import PruneSpec
from worker.pruning.sweep.rotation.rotating import Rotating


def rotating(spec: PruneSpec) -> Rotating | None:
    return None if spec.rotate is None else Rotating()
