"""Handling a call to a trigger: authenticate it, filter it, submit its job, respond."""

import json
import logging

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue
from pydantic_core import from_json
from sqlalchemy.orm import Session

from api.core.problem_response import ProblemError
from api.problems.handlers import error_response
from api.schemas.triggers import HookAnswer, TriggerTest
from api.services.service import Service
from api.submission.idempotency import REPLAYED, KeyedRequest
from api.submission.submit import Submission, preview, submit
from api.triggers.mapping import build_job, filter_mismatch
from api.triggers.sources.registry import SOURCES
from api.triggers.sources.source import Call, Source
from db.access.keys import KeyRepository
from db.core.errors import JobError, TriggerKeyError, TriggerNotFoundError
from db.problems.access import UNPROVEN_CALL
from db.problems.requests import MALFORMED_JSON
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome, TriggerSource
from db.triggers import CallId, DuplicateCallError, TriggerRepository
from db.webhooks.secret_rows import new_secret

logger = logging.getLogger(__name__)
MAX_PLANNER_WAIT_S = 5.0
"""Calling systems time out after ten seconds, so the planner must respond sooner."""
CHALLENGE = {"www-authenticate": 'Bearer realm="zpruner hooks"'}


def receive(service: Service, request: Request, trigger_id: str, body: bytes) -> Response:
    """Handle a call to a trigger.

    A repetition of a call gets the same response, unless the call was refused: then it is handled
    anew.

    Raises:
        TriggerNotFoundError: there is no such trigger.
        ProblemError: the call is not authenticated.
    """
    call = Call(request.headers, body)
    trigger = _authenticate(service, trigger_id, call)
    name = SOURCES[trigger.source].call_name(call)
    with service.sessions() as session:
        earlier = TriggerRepository(session).final_delivery(trigger.id, name)
    if earlier is not None:
        return _response(earlier, REPLAYED)
    try:
        return _handle(service, request, trigger, call, name)
    except DuplicateCallError:  # by a request that has been committed since
        return receive(service, request, trigger_id, body)


def preview_call(service: Service, trigger: Trigger, payload: JsonValue) -> TriggerTest:
    """Return the result that a call with this payload would have; create no job or delivery.

    Raises:
        JobError, ProblemError, RequestValidationError: the call would be refused.
    """
    if (reason := filter_mismatch(trigger.filter, payload)) is not None:
        return TriggerTest(outcome=TriggerOutcome.ignored, reason=reason, job=None)
    job = preview(service, _submission(service, trigger, payload))
    return TriggerTest(outcome=TriggerOutcome.submitted, reason=None, job=job)


def _authenticate(service: Service, trigger_id: str, call: Call) -> Trigger:
    with service.sessions() as session:
        trigger, secrets = TriggerRepository(session).find(trigger_id)
    # Without a trigger the same work is done, so that the time does not reveal that it is missing.
    source = TriggerSource.github if trigger is None else trigger.source
    authentic = SOURCES[source].is_authentic(secrets or [new_secret()], call)
    if trigger is None:
        raise TriggerNotFoundError(trigger_id)
    if not authentic:
        logger.warning("a call of trigger %s is not authenticated", trigger_id)
        raise ProblemError(
            UNPROVEN_CALL.problem("The call is not authenticated."), headers=CHALLENGE
        )
    return trigger


def _handle(
    service: Service, request: Request, trigger: Trigger, call: Call, name: CallId
) -> Response:
    """Ignore a call, refuse it, or submit its job; record the outcome."""
    try:
        source = SOURCES[trigger.source]
        payload = _payload(source, call)
        reason = source.ignore_reason(call) or filter_mismatch(trigger.filter, payload)
        if reason is not None:
            with service.sessions.begin() as session:
                delivery = TriggerRepository(session).record(
                    trigger.id, name, outcome=TriggerOutcome.ignored, reason=reason
                )
                return _response(delivery)
        return _submit(service, trigger, payload, name)
    except (JobError, ProblemError, RequestValidationError) as refused:
        response = error_response(request, refused)
        problem = json.loads(bytes(response.body))
        with service.sessions.begin() as session:
            TriggerRepository(session).record(
                trigger.id, name, outcome=TriggerOutcome.refused, problem=problem
            )
        return response


def _submit(service: Service, trigger: Trigger, payload: JsonValue, name: CallId) -> Response:
    deliveries: list[TriggerDelivery] = []

    def record(session: Session, job_id: str) -> None:
        result = {"outcome": TriggerOutcome.submitted, "job_id": job_id}
        deliveries.append(TriggerRepository(session).record(trigger.id, name, **result))

    submit(service, _submission(service, trigger, payload), record)
    return _response(deliveries[-1])


def _payload(source: Source, call: Call) -> JsonValue:
    try:
        payload: JsonValue = from_json(source.json(call), allow_inf_nan=False)
    except ValueError as error:
        raise ProblemError(MALFORMED_JSON.problem(f"{str(error)[:200]}.")) from None
    return payload


def _submission(service: Service, trigger: Trigger, payload: JsonValue) -> Submission:
    """Return the submission of the trigger's job, under the API key that created the trigger."""
    if (key_id := trigger.created_by) is not None:
        with service.sessions() as session:
            if not KeyRepository(session).is_live(key_id):
                raise TriggerKeyError(trigger.id, key_id)
    job = build_job(trigger, payload)
    request = KeyedRequest(f"/v1/hooks/{trigger.id}", job, created_by=key_id)
    return Submission(job, request, max_planner_wait_s=MAX_PLANNER_WAIT_S)


def _response(delivery: TriggerDelivery, headers: dict[str, str] | None = None) -> Response:
    answer = HookAnswer.of(delivery)
    location = {} if answer.job is None else {"location": answer.job}
    status = 202 if delivery.outcome is TriggerOutcome.submitted else 200
    return JSONResponse(answer.model_dump(mode="json"), status, headers=location | (headers or {}))
