"""What the gates of an installation ask: its consent records, content filter, blocklist, age estimator and log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from photoplay.errors import ConsentError, RefusedError
from photoplay.safety.age import AgeEstimator
from photoplay.safety.audit import AuditLog
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.certificates import Signer, data_home
from photoplay.safety.consent.record import ConsentRecord
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.content import ContentGate, default_classifier
from photoplay.safety.ledger import Ledger
from photoplay.safety.proof import check_untouched
from photoplay.types import Admitted, Request

MOST_NAMED = 20
"""Consent records that a request may name."""


@dataclass(frozen=True)
class Guard:
    """The means of an installation's gates. None of them can be left out.

    ``hosted``: a service for strangers. There a statement about consent is worth nothing: every face in every picture needs
    the record of a person of its own, and contact needs an age estimator. ``signer`` seals the films; without one
    :func:`photoplay.safety.certificates.default_signer`.
    """

    content: ContentGate
    records: RecordStore
    blocklist: Blocklist
    audit: AuditLog
    ledger: Ledger
    age: AgeEstimator | None = None
    hosted: bool = False
    signer: Signer | None = None

    @classmethod
    def local(cls) -> Guard:
        """The guard of this user: everything lies in photoplay's own folder (``$PHOTOPLAY_HOME``).

        Raises:
            UnavailableError: ``content_filter_missing``.
        """
        home = data_home()
        return cls(
            ContentGate(default_classifier()),
            RecordStore(home / "consent"),
            Blocklist(home / "blocklist"),
            AuditLog(home / "audit"),
            Ledger(home / "works"),
        )

    def candidates(self, request: Request, now: datetime) -> tuple[ConsentRecord, ...]:
        """The records that this request's faces are compared with: those that it names. On a user's own machine a request
        that names none means all of the user's own; a service never looks for somebody among all whom it knows.

        Raises:
            ConsentError: ``consent_unnamed``; a record that is named is unknown, revoked or does not hold now.
        """
        if len(request.records) > MOST_NAMED or (self.hosted and not request.records):
            raise ConsentError(
                "consent_unnamed",
                "It is not said whose consent records this film rests on.",
                f"Name the ids of the records of everybody in the pictures, at most {MOST_NAMED}.",
            )
        if request.records:
            return tuple(self.records.get(id_, now) for id_ in dict.fromkeys(request.records))
        return self.records.records()

    def still_agreed(self, admitted: Admitted) -> None:
        """Whether everybody whose record was used still agrees: asked when work starts, as it goes on, and before a seal.

        Raises:
            ConsentError: a record was revoked, erased or ran out, or cannot be read.
            RefusedError: ``admission_changed``: this is not what was admitted; ``photo_blocked``: a picture was taken down.
        """
        check_untouched(admitted)
        lists = self.blocklist.lists()
        if any(lists.holds(digest) for digest in admitted.request.pictured()):
            raise RefusedError(
                "photo_blocked",
                "A picture of this film was taken down while it was being made.",
                "Use another photo. If this is a mistake, ask the operator of this installation.",
            )
        now = datetime.now(UTC)
        self.records.still_valid([self.records.get(one["id"], now) for one in admitted.statements["records"]], now)
