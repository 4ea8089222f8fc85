"""HTTP as the client speaks it: what is tried again, and how problems become photoplay's errors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from photoplay.errors import (
    CancelledError,
    ConsentError,
    InputError,
    MediaError,
    PhotoplayError,
    RefusedError,
    RequestError,
    ReviewError,
    SceneError,
    SealError,
    TemplateError,
    UnavailableError,
)

if TYPE_CHECKING:
    import httpx

TRIES = 4
LONGEST_WAIT_S = 60.0
AGAIN = frozenset({429, 502, 503, 504})
ACCOUNT = frozenset(
    {
        "adult_vouched",
        "csrf",
        "key_over",
        "live_needed",
        "scope_missing",
        "session_needed",
        "sign_up_by_mail",
    }
)
"""Codes of 403 that are about the key, not about safety; so are those that start with ``plan_``."""
ACCOUNT_STATUS = frozenset({400, 401, 402, 404, 405, 409, 413, 415, 416, 429})
REFUSALS = frozenset(
    {
        "admission_changed",
        "age_refused",
        "age_unchecked",
        "audit_failed",
        "blocklist_unreadable",
        "category_unknown",
        "check_failed",
        "content_refused",
        "content_unchecked",
        "prompt_refused",
        "prompt_too_long",
        "prompt_unreadable",
        "romantic_needs_records",
    }
)
"""What a job that failed says when a gate said no: there is no status to tell it by."""
BY_CODE: dict[str, type[PhotoplayError]] = {
    "backdrop_missing": SceneError,
    "backdrop_people": ConsentError,
    "bystander_seen": ConsentError,
    "consent_source": InputError,
    "consent_which_face": InputError,
    "face_too_small": SceneError,
    "lora_unknown": RefusedError,
    "no_face": SceneError,
    "nobody_to_replace": SceneError,
    "one_person": SceneError,
    "photo_blocked": RefusedError,
    "photo_missing": RequestError,
    "photo_unidentified": RefusedError,
    "photo_unusable": RequestError,
    "photos_too_many": RequestError,
    "photos_unlike": SceneError,
    "size_ratio_out_of_range": SceneError,
    "template_changed": RefusedError,
    "template_missing": RequestError,
    "turned_away": SceneError,
    "upload_kind": RequestError,
}
BY_START: tuple[tuple[str, type[PhotoplayError]], ...] = (
    ("consent_", ConsentError),
    ("live_", ConsentError),
    ("template_", TemplateError),
    ("needs_", SceneError),
    ("review_", ReviewError),
    *((start, SealError) for start in ("seal_", "ledger_", "certificate_", "sign_settings", "verify_failed")),
    *(
        (start, MediaError)
        for start in ("file_", "photo_", "video_", "audio_", "image_format_", "image_not_", "upload_", "verify_")
    ),
    *((start, InputError) for start in ("lora_", "upscaler_")),
)
"""Kinds of errors by their codes, and by how these start, the first that fits."""
BUSY = frozenset({"queue_full", "looker_busy"})
"""Codes of 503 after which it is only a matter of time."""


class ServiceError(PhotoplayError):
    """What only a service can say: not signed in, not there, no credits, too much at once. ``status`` is HTTP's, and
    ``retry_after`` the seconds after which to come again (0: nobody said)."""

    def __init__(self, code: str, message: str, hint: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[PhotoplayError], tuple[str, str, str, int, float]]:  # type: ignore[override]
        return type(self), (self.code, self.message, self.hint, self.status, self.retry_after)


def load() -> Any:
    """httpx. Raises UnavailableError ``client_missing``."""
    try:
        import httpx
    except ImportError:
        raise UnavailableError(
            "client_missing",
            "The client of photoplay's service needs a part that is not installed.",
            "Install it with `pip install 'photoplay[service]'`.",
        ) from None
    return httpx


def error_of(code: str, message: str, hint: str, status: int = 0, retry_after: float = 0.0) -> PhotoplayError:
    """The error of a code, as the library itself would have raised it; a ServiceError for what only a service says."""
    if status in ACCOUNT_STATUS or code in {*ACCOUNT, *BUSY} or (status == 403 and code.startswith("plan_")):
        return ServiceError(code, message, hint, status, retry_after)
    if code == "cancelled":
        return CancelledError(message, hint)
    if status >= 500:
        return UnavailableError(code, message, hint) if status == 503 else ServiceError(code, message, hint, status)
    found = BY_CODE.get(code) or next((kind for start, kind in BY_START if code.startswith(start)), None)
    if found is not None:
        return found(code, message, hint)
    if status == 403 or code in REFUSALS:
        return RefusedError(code, message, hint)
    return RequestError(code, message, hint) if status else ServiceError(code, message, hint)


class Wire:
    """One connection pool to a service. Whatever can be asked twice is asked again when the service is busy or away."""

    def __init__(self, base_url: str, api_key: str | None, timeout: float, transport: Any = None) -> None:
        self._httpx = load()
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self.http: httpx.Client = self._httpx.Client(
            base_url=base_url, headers=headers, timeout=timeout, transport=transport, follow_redirects=False
        )

    def ask(self, method: str, path: str, *, again: bool | None = None, **sent: Any) -> httpx.Response:
        """An answer. ``again``: it may be asked more than once (None: if it changes nothing).

        Raises:
            PhotoplayError: what the service said.   UnavailableError: ``service_unreachable``.
        """
        tries = TRIES if again or (again is None and method == "GET") else 1
        for left in reversed(range(tries)):
            try:
                answer = self.http.request(method, path, **sent)
            except self._httpx.TransportError as error:
                if left:
                    time.sleep(0.5 * (tries - left))
                    continue
                raise unreachable() from error
            if answer.is_success:
                return answer
            wait = _retry_after(answer.headers)
            if not left or answer.status_code not in AGAIN or wait > LONGEST_WAIT_S:
                raise _error(answer)
            time.sleep(wait)
        raise unreachable()

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str], timeout: float | None = None) -> Iterator[httpx.Response]:
        """An answer that comes in pieces. Raises as :meth:`ask`, and httpx's own errors while it comes."""
        patience = self.http.timeout if timeout is None else self._httpx.Timeout(timeout)
        with self.http.stream("GET", path, headers=dict(headers), timeout=patience) as answer:
            if not answer.is_success:
                answer.read()
                raise _error(answer)
            yield answer

    @property
    def trouble(self) -> type[Exception]:
        """What a broken connection raises."""
        kind: type[Exception] = self._httpx.TransportError
        return kind


def unreachable() -> UnavailableError:
    """The service does not answer."""
    return UnavailableError(
        "service_unreachable", "The service does not answer.", "Check its address and the network, then try again."
    )


def _error(answer: httpx.Response) -> PhotoplayError:
    try:
        said = answer.json()
        code, message, hint = (str(said.get(name, "")) for name in ("code", "detail", "hint"))
    except (ValueError, AttributeError):
        code = message = hint = ""
    if not code:
        code, message, hint = "http_error", f"The service answered {answer.status_code}.", "Check its address."
    return error_of(code, message, hint, answer.status_code, _retry_after(answer.headers, 0.0))


def _retry_after(headers: Mapping[str, str], usual: float = 1.0) -> float:
    said = headers.get("retry-after", "")
    return float(said) if said.isdecimal() else usual
