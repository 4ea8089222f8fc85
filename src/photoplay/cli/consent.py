"""``photoplay consent``: who agreed to be animated, on record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photoplay.cli import show
from photoplay.cli.options import AsJson, Yes, group
from photoplay.cli.tables import print_table
from photoplay.errors import ConsentError, InputError

if TYPE_CHECKING:
    from photoplay.safety.consent.record import ConsentRecord, Method, Terms
    from photoplay.safety.consent.store import Entry

consent = group("Who agreed to be animated, on record.")
Id = Annotated[
    str, typer.Argument(metavar="ID", help="The record's id, as `photoplay consent list` shows it.", show_default=False)
]
WORDS = {
    "live": "filmed live under a challenge",
    "record": "signed with the person's own key",
    "operator": "the operator's word alone (weaker)",
    "none": "nobody says so",
    "declared": "the person says so",
    "known": "the issuer knows the person",
    "document": "a document was seen",
}


class ScopeChoice(StrEnum):
    """What somebody can agree to: categories of templates."""

    FACE = "face"
    HEAD = "head"
    BODY = "body"
    IDLE = "idle"
    SPEECH = "speech"
    DUET = "duet"
    CONTACT = "contact"
    ROMANTIC = "romantic"
    ROMANTIC_SINGLE = "romantic-single"


class AdultChoice(StrEnum):
    """How it is known that somebody is an adult."""

    DECLARED = "declared"
    KNOWN = "known"
    DOCUMENT = "document"


@consent.command("create")
def create(
    photo: Annotated[Path | None, typer.Argument(help="A photo of the person.", show_default=False)] = None,
    scope: Annotated[
        list[ScopeChoice] | None, typer.Option(help="What the person agreed to; once for each.", show_default=False)
    ] = None,
    days: Annotated[int, typer.Option(help="For how many days, 366 at most.")] = 30,
    adult: Annotated[
        AdultChoice | None, typer.Option(help="How you know that the person is an adult.", show_default=False)
    ] = None,
    live: Annotated[Path | None, typer.Option(help="A clip that answers a challenge.", show_default=False)] = None,
    challenge: Annotated[str, typer.Option(help="The id of that challenge.", show_default=False)] = "",
    own: Annotated[bool, typer.Option("--own", help="It is you: the record is signed as your own.")] = False,
    portable: Annotated[bool, typer.Option("--portable", help="The record may be used on other machines.")] = False,
    subject: Annotated[str, typer.Option(help="The person's id, from an earlier record.", show_default=False)] = "",
    unlike: Annotated[
        list[str] | None,
        typer.Option(help="The id of somebody on record who looks alike and is another person.", show_default=False),
    ] = None,
    face: Annotated[int, typer.Option(help="Which face of the photo, counted from 1 at the left.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the record here.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The person agreed; do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put on record that somebody agreed. From a photo of the person, or from a clip that answers a live challenge."""
    from photoplay.pipeline.enrolment import face_in_clip, face_in_photo
    from photoplay.safety.consent.matching import look_alike
    from photoplay.safety.consent.record import Adult, Terms
    from photoplay.safety.consent.store import local_store

    if (photo is None) == (live is None) or (live is None) != (not challenge) or (live is not None and own):
        raise InputError(
            "consent_source",
            "A record is made from one photo, or from one live clip and the id of its challenge.",
            "Give a PHOTO, or --live CLIP --challenge ID.",
        )
    if not scope:
        raise InputError("consent_scope_missing", "It is not said what the person agreed to.", "Add --scope face …")
    attested = Adult(True, adult.value) if adult else Adult()
    method: Method = "record" if own else "operator"
    scopes = tuple(each.value for each in scope)
    terms = Terms(scopes, days, attested, method, subject or None, unlike=tuple(unlike or ()))
    store = local_store()
    if photo is not None:
        embedding = face_in_photo(photo, face)
        _agreed(terms.scope, days, own, yes)
    else:
        assert live is not None
        with show.stages(quiet=as_json) as progress:
            embedding = face_in_clip(live, challenge, store, progress)
        terms = replace(terms, method="live")
    if not own:
        _check_known(look_alike(embedding, store.records()), terms)
    record, token = store.enrol(embedding, terms, datetime.now(UTC), portable=portable)
    if out is not None:
        out.write_text(token + "\n", encoding="ascii")
    _tell(record, as_json, "valid", "The consent is on record.")


@consent.command("challenge")
def challenge_(as_json: AsJson = False) -> None:
    """Ask for a live challenge. It says what to do before the camera, within ten minutes."""
    from photoplay.safety.consent.store import local_store

    made = local_store().challenge(datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps({"id": made.id, "actions": made.actions, "expires": made.expires.isoformat()}))
        return
    typer.echo(made.instructions())
    typer.echo(f"Film one face in good light, in one go and not mirrored. Then, before {made.expires:%H:%M} UTC:")
    typer.echo(f"  photoplay consent create --live CLIP --challenge {made.id} --scope face")


@consent.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the records on this machine, each with the id of its person below."""
    from photoplay.safety.consent.store import local_store

    entries = local_store().entries(datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps([_entry(each) for each in entries]))
        return
    if not entries:
        typer.echo("No consent is on record. `photoplay consent create --help` says how to make one.")
        return
    rows = []
    for each in entries:
        record = each.record
        rows.append(
            (
                f"{each.id}\n  {each.subject}".rstrip(),
                each.state,
                f"{record.expires:%Y-%m-%d}" if record else each.since[:10],
                record.method if record else "",
                ("yes, " + record.adult.method if record.adult.adult else "no") if record else "",
                " ".join(record.scope) if record else each.reason,
            )
        )
    print_table(("record / person", "state", "until / since", "how", "adult", "scope"), rows, wrapped="scope")


@consent.command("show")
def show_(id_: Id, as_json: AsJson = False) -> None:
    """Tell what a record says."""
    from photoplay.safety.consent.store import local_store

    for entry in local_store().entries(datetime.now(UTC)):
        if entry.id != id_:
            continue
        if entry.record is not None:
            _tell(entry.record, as_json, entry.state, f"This record is {entry.state}.")
        elif as_json:
            typer.echo(json.dumps(_entry(entry)))
        else:
            typer.echo(f"This record is {entry.state}. {entry.since} {entry.reason}".rstrip())
        return
    raise ConsentError("consent_unknown", "That consent record is not here.", "`photoplay consent list` shows them.")


@consent.command("verify")
def verify(
    record: Annotated[Path, typer.Argument(help="A record's file, or the id of one.", show_default=False)],
    photo: Annotated[Path | None, typer.Option(help="Whose face is in this photo?", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a record holds today. Exit status: 0 it does."""
    from photoplay.pipeline.enrolment import faces_in
    from photoplay.safety.consent.binding import SAME_PERSON
    from photoplay.safety.consent.record import verify as check
    from photoplay.safety.consent.store import local_store

    store, now = local_store(), datetime.now(UTC)
    if record.is_file():
        found = check(_read(record).decode("ascii", "replace").strip(), store.trusted(), now)
        store.check_revoked(found.id)
    else:
        found = store.get(str(record), now)
    lines = []
    if photo is not None:
        for place, face in enumerate(faces_in(photo), 1):
            apart = found.binding.distance(face.embedding)
            verdict = "this person" if apart <= SAME_PERSON else "somebody else"
            lines.append({"face": place, "verdict": verdict, "bits_apart": apart})
    _tell(found, as_json, "valid", "This record holds.", {"faces": lines} if photo else {})


@consent.command("add")
def add(file: Annotated[Path, typer.Argument(help="A record's file.", show_default=False)]) -> None:
    """Take in a record that somebody gave you. Its issuer's key has to be trusted first."""
    from photoplay.safety.consent.store import local_store

    added = local_store().add(_read(file).decode("ascii", "replace").strip(), datetime.now(UTC))
    _tell(added, False, "valid", "The consent is on record.")


@consent.command("revoke")
def revoke(
    id_: Id,
    reason: Annotated[str, typer.Option(help="Why; without names.", show_default=False)] = "",
    yes: Yes = False,
) -> None:
    """Withdraw a record for good. Its face binding is destroyed, and jobs that rest on it stop."""
    from photoplay.safety.consent.store import local_store

    show.confirm("Withdraw this record? It cannot be undone.", yes)
    local_store().revoke(id_, reason, datetime.now(UTC))
    typer.echo("The record is withdrawn.")


@consent.command("key")
def key() -> None:
    """Print this machine's public key. Give it to those who shall trust its records."""
    from photoplay.safety.consent.store import local_store, public_pem

    typer.echo(public_pem(local_store().issuer().public_key()).decode(), nl=False)


@consent.command("trust")
def trust(
    file: Annotated[Path, typer.Argument(help="A public key, as `photoplay consent key` prints it.")],
    person: Annotated[
        bool, typer.Option("--person", help="The key of one person, who speaks for nobody else.")
    ] = False,
) -> None:
    """Trust the records that a key signs. It is an issuer's, who may enrol others, or one person's own."""
    from photoplay.safety.consent.store import local_store

    name = local_store().trust(_read(file), "person" if person else "issuer")
    typer.echo(f"Trusted from now on: {name}.")


def _check_known(alike: tuple[str, ...], terms: Terms) -> None:
    """Nobody is put on record as two people unawares: whoever looks like somebody on record is that person, or is said not
    to be.

    Raises:
        ConsentError: ``consent_known``.
    """
    if known := [subject for subject in alike if subject != terms.subject and subject not in terms.unlike]:
        raise ConsentError(
            "consent_known",
            f"Somebody with this face is on record already: {', '.join(known)}.",
            "If it is the same person, add --subject with that id; if it is somebody else who looks alike, such as a twin, "
            "--unlike with it.",
        )


def _agreed(scope: tuple[str, ...], days: int, own: bool, yes: bool) -> None:
    """Asks whether the person agreed.

    Raises:
        ConsentError: ``consent_missing`` where there is nobody to ask.
    """
    if yes:
        return
    who = "Is this you, and do you" if own else "Have you asked this person, and do they"
    show.ask(
        f"{who} agree to films of the kinds {', '.join(scope)} for {days} days?",
        ConsentError(
            "consent_missing", "Nobody has said yet that the person in the photo agrees.", "Ask them, and add --yes."
        ),
    )


def _read(file: Path) -> bytes:
    """A small file's bytes. Raises InputError ``consent_file``."""
    try:
        with file.open("rb") as opened:
            return opened.read(65536)
    except OSError as error:
        raise InputError("consent_file", "That file cannot be read.", "Check its name.") from error


def _told(record: ConsentRecord, state: str) -> dict[str, Any]:
    return {
        "id": record.id,
        "state": state,
        "subject": record.subject,
        "scope": list(record.scope),
        "not_before": record.not_before.isoformat(),
        "expires": record.expires.isoformat(),
        "method": record.method,
        "weak": record.weak,
        "adult": record.adult.adult,
        "adult_method": record.adult.method,
        "portable": not record.binding.secret,
        "issuer": record.issuer,
        "digest": record.digest,
        "unlike": list(record.unlike),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    if entry.record is not None:
        return _told(entry.record, entry.state)
    return {
        "id": entry.id,
        "state": entry.state,
        "subject": entry.subject,
        "since": entry.since,
        "reason": entry.reason,
    }


def _tell(record: ConsentRecord, as_json: bool, state: str, sentence: str, more: dict[str, Any] | None = None) -> None:
    """Prints a record; never its face binding."""
    told = _told(record, state)
    if as_json:
        typer.echo(json.dumps({**told, **(more or {})}))
        return
    typer.echo(sentence)
    told["scope"] = ", ".join(record.scope)
    told["not_before"], told["expires"] = (
        f"{record.not_before:%Y-%m-%d %H:%M} UTC",
        f"{record.expires:%Y-%m-%d %H:%M} UTC",
    )
    told["method"], told["adult"] = WORDS[record.method], WORDS[record.adult.method]
    for name in ("id", "subject", "scope", "not_before", "expires", "method", "adult", "issuer", "digest"):
        typer.echo(f"  {name.replace('_', ' '):<12}{told[name]}")
    for line in (more or {}).get("faces", []):
        typer.echo(f"  face {line['face']:<7}{line['verdict']} ({line['bits_apart']} of 1024 bits differ)")
