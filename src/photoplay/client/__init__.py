"""A thin typed client of photoplay's service. It needs ``httpx`` (``pip install 'photoplay[service]'``) and nothing else.

    with Client("https://films.example.org", "pp_…") as client:
        photo = client.upload(Path("grandmother.jpg"))
        video = client.create(photos=[photo.id], template="smile", consent=["granted"])
        client.wait(video.id, print)
        client.download(video.id, Path("film.mp4"))

Whatever the service refuses is raised as in the library itself, with the same codes; what only a service can say is a
:class:`ServiceError`.
"""

from __future__ import annotations

from photoplay.client.answers import (
    Account,
    Advice,
    Challenge,
    Consent,
    Estimate,
    Event,
    Face,
    Failure,
    Found,
    Job,
    Template,
    Upload,
    Verification,
    Video,
)
from photoplay.client.client import Client
from photoplay.client.wire import ServiceError

__all__ = [
    "Account",
    "Advice",
    "Challenge",
    "Client",
    "Consent",
    "Estimate",
    "Event",
    "Face",
    "Failure",
    "Found",
    "Job",
    "ServiceError",
    "Template",
    "Upload",
    "Verification",
    "Video",
]
