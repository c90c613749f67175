"""The recovery that a job asks for."""

from db.spec.prune_spec import PruneSpec
from worker.recovery.settings import Recovery


def recovery_of(spec: PruneSpec) -> Recovery | None:
    """Return the settings of the recovery; None if the job has none."""
    if (settings := spec.recover) is None:
        return None
    rounds = spec.quantize is not None and settings.kind == "masked"
    return Recovery(
        kind=settings.kind,
        tokens=settings.tokens,
        learning_rate=settings.lr,
        kl=settings.kl,
        temperature=settings.temperature,
        rounds=rounds,
        skip=settings.skip,
    )
