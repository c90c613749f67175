"""What happens to a call of a trigger from its proof to the answer."""

import json
import logging
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue
from pydantic_core import from_json
from sqlalchemy.orm import Session

from api.deps import Service
from api.problems.handlers import ProblemError, error_response
from api.schemas.triggers import HookAnswer, TriggerTest
from api.submission.idempotency import REPLAYED, KeyedRequest
from api.submission.submit import Submission, previewed, submit
from api.triggers.mapping import job_from, unmet
from api.triggers.signatures import Call, is_proven, name_of
from db.access.keys import KeyRepository
from db.core.errors import JobError, TriggerKeyError, TriggerNotFoundError
from db.problems.access import UNPROVEN_CALL
from db.problems.requests import MALFORMED_JSON
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome, TriggerSource
from db.triggers import CallName, DeliveryTakenError, TriggerRepository
from db.webhooks.repository import new_secret

logger = logging.getLogger(__name__)
PATIENCE_S = 5.0
"""Sources give up a call after ten seconds."""
FORM = "application/x-www-form-urlencoded"
CHALLENGE = {"www-authenticate": 'Bearer realm="zpruner hooks"'}


def receive(service: Service, request: Request, trigger_id: str, body: bytes) -> Response:
    """Answer a call of a trigger; the same one again as the first time.

    Raises:
        TriggerNotFoundError: there is no such trigger.
        ProblemError: the call did not prove itself.
    """
    call = Call(request.headers, body)
    trigger = _proven(service, trigger_id, call)
    name = name_of(trigger.source, call)
    if (before := _settled(service, trigger, name)) is not None:
        return _told(before, REPLAYED)
    try:
        return _settle(service, request, trigger, call, name)
    except DeliveryTakenError:  # by a request that has been committed since
        return receive(service, request, trigger_id, body)


def try_out(service: Service, trigger: Trigger, payload: JsonValue) -> TriggerTest:
    """Return what would come of a call; write nothing.

    Raises:
        JobError, RequestValidationError: it would be refused.
    """
    if (reason := unmet(trigger.filter, payload)) is not None:
        return TriggerTest(outcome=TriggerOutcome.ignored, reason=reason, job=None)
    job = previewed(service, _submission(service, trigger, payload))
    return TriggerTest(outcome=TriggerOutcome.submitted, reason=None, job=job)


def _proven(service: Service, trigger_id: str, call: Call) -> Trigger:
    with service.sessions() as session:
        trigger, secrets = TriggerRepository(session).find(trigger_id)
    # Where there is no trigger the same work is done, so that time does not tell.
    source = TriggerSource.github if trigger is None else trigger.source
    has_proof = is_proven(source, secrets or [new_secret()], call)
    if trigger is None:
        raise TriggerNotFoundError(trigger_id)
    if not has_proof:
        logger.warning("a call of trigger %s did not prove itself", trigger_id)
        raise ProblemError(
            UNPROVEN_CALL.problem("The call is not authenticated."), headers=CHALLENGE
        )
    return trigger


def _settle(
    service: Service, request: Request, trigger: Trigger, call: Call, name: CallName
) -> Response:
    """Ignore a call, submit its job, or refuse it; what came of it is written down."""
    try:
        payload = _payload(trigger.source, call)
        if (reason := _ignored(trigger, call, payload)) is not None:
            ignored = {"outcome": TriggerOutcome.ignored, "reason": reason}
            with service.sessions.begin() as session:
                return _told(TriggerRepository(session).settle(trigger.id, name, **ignored))
        return _submit(service, trigger, payload, name)
    except (JobError, ProblemError, RequestValidationError) as refused:
        answer = error_response(request, refused)
        problem = {"outcome": TriggerOutcome.refused, "problem": json.loads(bytes(answer.body))}
        with service.sessions.begin() as session:
            TriggerRepository(session).settle(trigger.id, name, **problem)
        return answer


def _submit(service: Service, trigger: Trigger, payload: JsonValue, name: CallName) -> Response:
    settled: list[TriggerDelivery] = []

    def note(session: Session, job_id: str) -> None:
        came = {"outcome": TriggerOutcome.submitted, "job_id": job_id}
        settled.append(TriggerRepository(session).settle(trigger.id, name, **came))

    submit(service, _submission(service, trigger, payload), note)
    return _told(settled[-1])


def _payload(source: TriggerSource, call: Call) -> JsonValue:
    try:
        payload: JsonValue = from_json(_json(source, call), allow_inf_nan=False)
    except ValueError as error:
        raise ProblemError(MALFORMED_JSON.problem(f"{str(error)[:200]}.")) from None
    return payload


def _json(source: TriggerSource, call: Call) -> bytes:
    """Return the JSON of a body; GitHub's other content type has it in a form's only field."""
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return call.body
    if source is not TriggerSource.github:
        raise ValueError(f"The body is {FORM}: send application/json")
    form = parse_qs(call.body, strict_parsing=True)
    if len(form.get(b"payload", ())) != 1:
        raise ValueError(f"The body is {FORM} without exactly one field payload")
    return form[b"payload"][0]


def _ignored(trigger: Trigger, call: Call, payload: JsonValue) -> str | None:
    is_github = trigger.source is TriggerSource.github
    if is_github and call.headers.get("x-github-event") == "ping":
        return "a ping starts no job"
    return unmet(trigger.filter, payload)


def _submission(service: Service, trigger: Trigger, payload: JsonValue) -> Submission:
    """Return the request for a job on behalf of whoever made the trigger."""
    if (key_id := trigger.created_by) is not None:
        with service.sessions() as session:
            if not KeyRepository(session).is_live(key_id):
                raise TriggerKeyError(trigger.id, key_id)
    job = job_from(trigger, payload)
    came = KeyedRequest(f"/v1/hooks/{trigger.id}", job, created_by=key_id)
    return Submission(job, came, patience_s=PATIENCE_S)


def _settled(service: Service, trigger: Trigger, name: CallName) -> TriggerDelivery | None:
    with service.sessions() as session:
        return TriggerRepository(session).settled(trigger.id, name)


def _told(delivery: TriggerDelivery, headers: dict[str, str] | None = None) -> Response:
    shown = HookAnswer.of(delivery)
    location = {} if shown.job is None else {"location": shown.job}
    status = 202 if delivery.outcome is TriggerOutcome.submitted else 200
    return JSONResponse(shown.model_dump(mode="json"), status, headers=location | (headers or {}))
