"""Jobs behind the control door: making and ending them, which AWS has in another service with other credentials."""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from thing_operator_local.cloud.job_requests import JobError
from thing_operator_local.cloud.jobs import Jobs
from thing_operator_local.cloud.json_text import load_object

_STATUSES: Final = {"ResourceNotFound": 404, "ConflictException": 409}


class JobsDoor:
    """``/jobs`` and what goes wrong with them on demand."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """All of its paths."""
        router.add_get("/jobs", self._list)
        router.add_put("/jobs/{job}", self._create)
        router.add_get("/jobs/{job}", self._describe)
        router.add_delete("/jobs/{job}", self._delete)
        router.add_put("/jobs/{job}/cancel", self._cancel)
        router.add_post("/job-answers/lose", self._lose)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(self._jobs.listed())

    async def _create(self, request: web.Request) -> web.Response:
        body = load_object(await request.read())
        return _answer(lambda: self._jobs.create(request.match_info["job"], body))

    async def _describe(self, request: web.Request) -> web.Response:
        return _answer(lambda: self._jobs.describe(request.match_info["job"]))

    async def _delete(self, request: web.Request) -> web.Response:
        return _answer(lambda: self._jobs.delete(request.match_info["job"]))

    async def _cancel(self, request: web.Request) -> web.Response:
        force = load_object(await request.read()).get("force") is True
        return _answer(lambda: self._jobs.cancel(request.match_info["job"], force=force))

    async def _lose(self, request: web.Request) -> web.Response:
        self._jobs.lose_answers(int(load_object(await request.read()).get("count", 0)))
        return web.json_response({})


def _answer(work: Callable[[], Any]) -> web.Response:
    try:
        return web.json_response(work())
    except JobError as error:
        return web.Response(text=error.message, status=_STATUSES.get(error.code, 400))
