"""``/v1/session``: signing in and out at a browser."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from photoplay.errors import RequestError
from photoplay.service.accounts import letters
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import Principal
from photoplay.service.accounts.sessions import SESSION_S
from photoplay.service.api import problems
from photoplay.service.api.security import (
    HubOf,
    check_same_origin,
    csrf_of,
    forget_session,
    maybe,
    session_only,
    session_token,
    start_session,
)
from photoplay.service.api.shapes_account import (
    LetterAnswer,
    LetterAsk,
    LetterOpen,
    PasswordAsk,
    SessionAnswer,
    SignIn,
    SignUp,
    UserAnswer,
)
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ForbiddenError, NotFoundError
from photoplay.service.ground.mail import Mailer

router = APIRouter(tags=["account"])


def _told(hub: Hub, who: Principal | None, token: str | None) -> SessionAnswer:
    plan_name = who.plan if who else hub.settings.sign_up_plan
    plan = hub.plans.get(plan_name)
    user = None
    if who is not None and who.user_id is not None:
        with hub.database.read() as conn:
            found = accounts.get_user(conn, who.user_id)
        user = UserAnswer(id=found.id, email=found.email, operator=found.operator, has_password=found.has_password)
    return SessionAnswer(
        user=user,
        plan=who.plan if who else None,
        hosted=bool(hub.settings.hosted),
        sign_up=hub.settings.sign_up,
        mail=hub.settings.smtp_url is not None,
        csrf=csrf_of(hub, token) if token and user else None,
        backends=list(hub.backends(plan_name)),
        sizes=list(plan.sizes) if plan else [],
        max_seconds=plan.max_seconds if plan else 0,
    )


def _entered(hub: Hub, token: str, response: Response) -> SessionAnswer:
    with hub.database.read() as conn:
        who = accounts.check_session(conn, token, time.time())
    start_session(response, hub, token, int(SESSION_S))
    return _told(hub, who, token)


@router.get(
    "/v1/session", summary="Who is signed in?", response_model=SessionAnswer, responses={**problems.documented()}
)
def retrieve_session(hub: HubOf, request: Request) -> SessionAnswer:
    """Who is signed in at this browser, if anybody, and what this installation can do."""
    who = maybe(request)
    return _told(hub, who, session_token(request, hub) if who and who.session else None)


@router.post(
    "/v1/session",
    summary="Sign in",
    response_model=SessionAnswer,
    responses=problems.documented(401, 403, 415, 422, 429),
)
def sign_in(hub: HubOf, request: Request, response: Response, ask: SignIn) -> SessionAnswer:
    """Signs in with e-mail and password, or with the token of a link that works once. The session is a cookie."""
    check_same_origin(request)
    now = time.time()
    if ask.token is not None and ask.email is None and ask.password is None:
        with hub.database.begin() as conn:
            token = accounts.use_link(conn, ask.token, now)
    elif ask.email is not None and ask.password is not None and ask.token is None:
        token = accounts.sign_in(hub.database, ask.email, ask.password, address(request), now)
    else:
        raise RequestError(
            "sign_in_incomplete", "This is not enough to sign in.", "Send email and password, or token, not both."
        )
    return _entered(hub, token, response)


@router.delete(
    "/v1/session", summary="Sign out", status_code=204, response_class=Response, responses=problems.documented(401, 403)
)
def sign_out(hub: HubOf, request: Request) -> Response:
    """Ends this browser's session."""
    if token := session_token(request, hub):
        with hub.database.begin() as conn:
            accounts.end_session(conn, token, time.time())
    response = Response(status_code=204)
    forget_session(response, hub)
    return response


@router.post(
    "/v1/account/password",
    summary="Change the password",
    response_model=SessionAnswer,
    responses=problems.documented(401, 403, 415, 422, 429),
)
def change_password(
    hub: HubOf,
    who: Annotated[Principal, Depends(session_only)],
    request: Request,
    response: Response,
    ask: PasswordAsk,
) -> SessionAnswer:
    """Changes the password and signs out everywhere but here: this browser gets a new session. Keys stay as they are."""
    assert who.user_id is not None
    token = accounts.change_password(
        hub.database, who.user_id, ask.current, ask.password, address(request), time.time()
    )
    return _entered(hub, token, response)


@router.post(
    "/v1/sign-up",
    summary="Make an account",
    response_model=SessionAnswer,
    status_code=201,
    responses=problems.documented(403, 404, 409, 415, 422, 429),
)
def sign_up(hub: HubOf, request: Request, response: Response, ask: SignUp) -> SessionAnswer:
    """A new account, signed in: where strangers are taken, and no mail is sent. It tells who has an account already."""
    if not hub.settings.sign_up:
        raise NotFoundError("sign_up_closed", "This installation takes no new accounts.", "Ask its operator for one.")
    check_same_origin(request)
    if hub.settings.smtp_url is not None:
        raise ForbiddenError(
            "sign_up_by_mail", "Here an account begins with a letter.", "Ask for one at /v1/letters, and open its link."
        )
    plan = hub.plans[hub.settings.sign_up_plan]
    token = accounts.sign_up(hub.database, ask.email, ask.password, plan, address(request), time.time())
    return _entered(hub, token, response)


@router.post(
    "/v1/letters",
    summary="Ask for a letter",
    response_model=LetterAnswer,
    status_code=202,
    responses=problems.documented(403, 404, 415, 422, 429),
)
def ask_letter(hub: HubOf, request: Request, ask: LetterAsk) -> LetterAnswer:
    """Sends a mail with a link, good for an hour, to choose a new password or to make an account, where there is one or
    may be one. The answer is the same for every address."""
    mailer: Mailer | None = request.app.state.mailer
    if mailer is None or hub.settings.public_url is None:
        raise _mail_off()
    check_same_origin(request)
    letter = letters.write_letter(
        hub.database,
        hub.settings.key("letters"),
        ask.email,
        address(request),
        time.time(),
        sign_up=hub.settings.sign_up,
    )
    if letter is not None:
        mailer.post(letter.mail(hub.settings.public_url, ask.language))
    return LetterAnswer()


@router.post(
    "/v1/letters/open",
    summary="Open a letter",
    response_model=SessionAnswer,
    responses=problems.documented(401, 403, 404, 415, 422),
)
def open_letter(hub: HubOf, request: Request, response: Response, ask: LetterOpen) -> SessionAnswer:
    """Chooses the password of the account that a letter is for, and signs in: a new account, or one that is signed out
    everywhere else by this."""
    if hub.settings.smtp_url is None:
        raise _mail_off()
    check_same_origin(request)
    plan = hub.plans[hub.settings.sign_up_plan] if hub.settings.sign_up else None
    key = hub.settings.key("letters")
    token = letters.open_letter(hub.database, key, ask.token, ask.password, plan, time.time())
    return _entered(hub, token, response)


def _mail_off() -> NotFoundError:
    return NotFoundError("mail_off", "This installation sends no mail.", "Ask its operator for a sign-in link.")


def address(request: Request) -> str | None:
    """Where a request comes from, for throttling."""
    return request.client.host if request.client else None
