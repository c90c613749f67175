"""Sending a job's result to its target, whatever its kind."""

from db.access.caller_secrets import read_secret
from db.core.session import Sessions
from db.outputs.sending import ClaimedOutput
from db.spec.outputs.allowed import require_allowed
from db.spec.outputs.targets import HubOutput, MlflowOutput, S3Output
from db.startup.settings import Settings
from worker.outputs.attempt import OutputAttempt
from worker.outputs.hub import send_to_hub
from worker.outputs.mlflow import send_to_mlflow
from worker.outputs.s3 import send_to_s3


class Sender:
    """Sends results, with the secrets of the keys that their jobs count against."""

    def __init__(self, sessions: Sessions, settings: Settings) -> None:
        self._sessions, self._settings = sessions, settings

    def send(self, attempt: OutputAttempt) -> str:
        """Send a result; return the address of what was sent.

        Raises:
            SpecRefusedError: the operator does not allow the target any more, or the secret is
                gone.
            EncryptionKeyError: this process cannot decrypt the secret.
            TargetError, SecretFormatError: see `worker.outputs.failures`.
            ArtifactDamagedError, ArtifactDeletedError: a file is not what the job wrote.
            SendingStopped: the attempt has to stop.
        """
        output = attempt.output
        require_allowed(output.target, output.index, self._settings.output_urls)
        match output.target:
            case HubOutput() as target:
                return send_to_hub(target, attempt, self._secret(output, target.secret))
            case S3Output() as target:
                return send_to_s3(target, attempt, self._secret(output, target.secret))
            case MlflowOutput() as target:
                secret = None if target.secret is None else self._secret(output, target.secret)
                return send_to_mlflow(target, attempt, secret)

    def _secret(self, output: ClaimedOutput, name: str) -> str:
        used_by = f"output {output.index} of job {output.job_id}"
        field = f"output.{output.index}.secret"
        return read_secret(self._sessions, self._settings, name, output.created_by, used_by, field)
