"""The console's web application."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, TypeGuard

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sb3_isr.console.guard import Guard, TooLargeError
from sb3_isr.console.views import media_type, question_to_json, state
from sb3_isr.respondents.mailbox_answers import BudgetError, MailboxAnswers, WithdrawnQuestionError
from sb3_isr.respondents.mailbox_file import MailboxError, NotSavedError
from sb3_isr.respondents.mailbox_reader import UnknownQuestionError

_PAGE = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/console.js": ("console.js", "text/javascript"),
    "/clip.js": ("clip.js", "text/javascript"),
    "/outbox.js": ("outbox.js", "text/javascript"),
    "/side.js": ("side.js", "text/javascript"),
}
#: The status of each error, the most special ones first. The page tries again after those from 500 on.
_STATUS: dict[type[Exception], int] = {
    NotSavedError: 507,
    UnknownQuestionError: 404,
    WithdrawnQuestionError: 410,
    BudgetError: 409,
    MailboxError: 422,
}


def make_app(mailbox: MailboxAnswers, token: str, by: str) -> ASGIApp:
    """
    Make the web application of a mailbox.

    :param mailbox: The mailbox.
    :param token: What a request must have; see :class:`~sb3_isr.console.guard.Guard`.
    :param by: Who answers.
    :return: An ASGI application.
    """
    console = _Console(mailbox, by)
    routes = [
        *(Route(path, _file(name, kind)) for path, (name, kind) in _PAGE.items()),
        Route("/api/state", console.state),
        Route("/api/questions/{id}", console.question),
        Route("/api/questions/{id}/pictures/{position:int}", console.picture),
        Route("/api/answers", console.answer, methods=["POST"]),
        Route("/api/undo", console.undo, methods=["POST"]),
        Route("/api/later", console.later, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {MailboxError: _report, TooLargeError: _report_too_large}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token)


class _Console:
    """What the page can ask for. The mailbox waits for the disk, so it is used in threads."""

    def __init__(self, mailbox: MailboxAnswers, by: str) -> None:
        self._mailbox = mailbox
        self._by = by

    async def state(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(state, self._mailbox, self._by))

    async def question(self, request: Request) -> Response:
        def read() -> dict[str, Any]:
            question = self._mailbox.question(request.path_params["id"])
            return question_to_json(question, self._mailbox.status())

        return JSONResponse(await run_in_threadpool(read))

    async def picture(self, request: Request) -> Response:
        where = request.path_params["id"], request.path_params["position"]
        image = await run_in_threadpool(self._mailbox.picture, *where)
        if image is None:
            return _error("There is no such picture.", 404)
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(image, media_type=media_type(image), headers=headers)

    async def answer(self, request: Request) -> Response:
        content = await _content(request)
        question_id, rewards = content.get("question"), content.get("rewards")
        if not isinstance(question_id, str) or not _are_rewards(rewards):
            raise MailboxError('An answer must be {"question": ID, "rewards": [number or null, ...]}.')
        numbers = [math.nan if reward is None else reward for reward in rewards]
        answer = await run_in_threadpool(self._mailbox.answer, question_id, numbers, self._by)
        return JSONResponse({"question": answer.question_id, "time": answer.time})

    async def undo(self, _: Request) -> Response:
        undone = await run_in_threadpool(self._mailbox.undo, self._by)
        if undone is None:
            return JSONResponse({"question": None})
        rewards = [None if math.isnan(reward) else reward for reward in undone.rewards.tolist()]
        return JSONResponse({"question": undone.question_id, "rewards": rewards})

    async def later(self, _: Request) -> Response:
        await run_in_threadpool(self._mailbox.say_later, self._by)
        return JSONResponse({})


def _are_rewards(rewards: Any) -> TypeGuard[list[float | None]]:
    return isinstance(rewards, list) and all(each is None or type(each) in (int, float) for each in rewards)


async def _content(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise MailboxError(f"A request must hold JSON ({error!s:.100}).") from error
    if not isinstance(content, dict):
        raise MailboxError("A request must hold a JSON object.")
    return content


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("sb3_isr.console") / "page" / name).read_bytes()

    async def serve(_: Request) -> Response:
        return Response(content, media_type=kind)

    return serve


async def _report(_: Request, error: Exception) -> Response:
    return _error(str(error), next(status for kind, status in _STATUS.items() if isinstance(error, kind)))


async def _report_too_large(_: Request, error: Exception) -> Response:
    return _error("The request is too large.", 413)


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)
