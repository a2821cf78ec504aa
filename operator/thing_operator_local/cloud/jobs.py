"""AWS IoT Jobs behind MQTT and REST: routing, keeping, time-outs; the rules are in ``job_service``.

For whoever makes jobs there is the control door (``thing-operator cloud jobs``), since AWS's own API for that is
another service with other credentials.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from thing_operator_local.cloud.job_requests import (
    JobError,
    JobRequest,
    is_job_id,
    read_job_topic,
    read_timeout,
)
from thing_operator_local.cloud.job_service import JobAnswer, JobService, listed_jobs, status_of
from thing_operator_local.cloud.json_text import Json, JsonObject
from thing_operator_local.cloud.refusals import REFUSALS
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.service_link import Message
from thing_operator_local.cloud.shadow_service import Publication
from thing_operator_local.cloud.store import Store

_log = logging.getLogger(__name__)

_LONGEST_SLEEP: Final = 1.0
"""Seconds between two looks at what is due."""


class Jobs:
    """All jobs of the account, for the loop's thread."""

    def __init__(
        self,
        service: JobService,
        *,
        store: Store,
        registry: Registry,
        publish: Callable[[Iterable[Publication]], None],
    ) -> None:
        self._service = service
        self._store = store
        self._registry = registry
        self._publish = publish
        self._unanswered = 0
        service.load(store.jobs())

    def handle_messages(self, messages: Iterable[Message]) -> list[Message]:
        """Answer what clients published on topics of jobs; returns the messages on other topics."""
        others = []
        for topic, payload in messages:
            request = read_job_topic(topic, payload)
            if request is None:
                others.append((topic, payload))
            else:
                self._answer(request)
        return others

    def handle_rest(self, request: JobRequest) -> JobAnswer:
        """Answer a request of the data plane."""
        answer = self._service.handle(request)
        self._keep(answer.notifications)
        return answer

    def lose_answers(self, count: int) -> None:
        """Carry out so many requests that come over MQTT, and lose their answers; notifications are sent."""
        self._unanswered = count

    def create(self, job_id: str, body: JsonObject) -> JsonObject:
        """A job; ``body`` has targets (names of things; none: all), document and timeoutMinutes. Raises JobError."""
        if not is_job_id(job_id):
            raise JobError(
                "InvalidRequest", f"{job_id} is no job id: 1 to 64 letters, digits, hyphens, underscores"
            )
        things = self._targets(body.get("targets"))
        document, timeout = body.get("document", {}), read_timeout(body.get("timeoutMinutes"))
        self._keep(self._service.create(job_id, document, things, timeout=timeout))
        return {"jobId": job_id, "things": things}

    def cancel(self, job_id: str, *, force: bool) -> JsonObject:
        """Cancel what is queued, with ``force`` also what is in progress. Raises JobError."""
        self._keep(self._service.cancel(job_id, force=force))
        return self.describe(job_id)

    def delete(self, job_id: str) -> JsonObject:
        """Forget a job and its executions. Raises JobError."""
        self._keep(self._service.delete(job_id))
        return {"jobId": job_id}

    def listed(self) -> list[JsonObject]:
        """All jobs, with how many things are at what."""
        return list(listed_jobs(self._service))

    def describe(self, job_id: str) -> JsonObject:
        """A job with all its executions. Raises JobError."""
        executions = self._service.executions(job_id)
        job = next(each for each in self._service.jobs() if each.job_id == job_id)
        return {
            "jobId": job_id,
            "status": status_of(self._service, job),
            "document": job.document,
            "executions": [each.summary | {"thingName": each.thing} | each.state for each in executions],
        }

    def forget(self, thing: str) -> None:
        """Forget the executions of a thing that is no more."""
        self._service.forget(thing)
        self._keep(())

    async def run(self) -> None:
        """Time out what is due, until cancelled."""
        while True:
            if publications := self._service.expire():
                self._keep(publications)
            await asyncio.sleep(_LONGEST_SLEEP)

    def _targets(self, given: Json) -> list[str]:
        things = [thing.name for thing in self._registry if thing.parent is None]
        if not given:
            return things
        if not isinstance(given, list) or (unknown := [each for each in given if each not in things]):
            raise JobError(
                "ResourceNotFound", f"there is no thing {unknown[0] if isinstance(given, list) else given}"
            )
        return given

    def _answer(self, request: JobRequest) -> None:
        try:
            answer = self._service.handle(request)
        except Exception:  # noqa: BLE001 - logged; others are to get their answers
            _log.exception("a message on %s cannot be handled", request.topic)
            return
        if answer.code is not None:
            REFUSALS.info("%s of %s over MQTT: %s", request.operation, request.thing, answer.code)
        is_lost = self._unanswered > 0
        self._unanswered -= is_lost
        self._keep([*answer.notifications, *(() if is_lost else (answer.publication,))])

    def _keep(self, publications: Iterable[Publication]) -> None:
        """Keep everything before anything is said of it."""
        with self._store.transaction():
            for (thing, job_id), body in self._service.changes():
                self._store.put_job(thing, job_id, body)
        self._publish(publications)
