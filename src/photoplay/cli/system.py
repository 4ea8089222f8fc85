"""``photoplay verify``, ``backends`` and ``doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photoplay.cli.options import AsJson
from photoplay.cli.tables import print_table, size
from photoplay.errors import PhotoplayError

if TYPE_CHECKING:
    from photoplay.safety.recovery import Recovered
    from photoplay.safety.verify import Verification
    from photoplay.types import Capabilities, Mode
    from photoplay.weights.manifest import Manifest

COLUMNS: dict[Mode, str] = {
    "text-to-video": "text",
    "image-to-video": "photo",
    "multi-image-to-video": "photos",
    "pose-guided": "pose",
    "video-to-video": "video",
    "audio-driven": "sound",
}
"""The modes, as the table of backends calls them."""

TRUST = " --trust-first"
UNPINNED = "Not every file of it has its digest on record: --trust-first takes the mirror's word for those, this once."

DONE = {
    "c2pa.opened": "opened a picture",
    "c2pa.created": "made from nothing that was there",
    "c2pa.placed": "put in what it is made of",
    "c2pa.edited": "animated it",
    "c2pa.addedText": "labelled it for everybody to see",
    "c2pa.watermarked.unbound": "marked it invisibly",
}
"""What C2PA's actions mean in a film of photoplay."""


def verify(
    file: Annotated[str, typer.Argument(help="A film or picture; no address.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell who made a file, from what, with whose consent, and whether it is unchanged.

    Exit status: 0 trusted, 1 anything else, 3 no such file or no film, 7 it cannot be read.
    """
    from photoplay.safety.verify import verify as run

    found = run(file)
    mark = _marked(Path(file)) if found.state in ("unsigned", "tampered") else None
    if as_json:
        told = {**asdict(found), "mark": None if mark is None else asdict(mark)}
        typer.echo(json.dumps(told, default=str, sort_keys=True))
    else:
        typer.echo(found.sentence)
        for key, value in _told(found):
            typer.echo(f"  {key:<16}{value}")
        if mark is not None:
            typer.echo(mark.sentence)
    raise typer.Exit(0 if found.state == "trusted" else 1)


def _marked(file: Path) -> Recovered | None:
    """What the invisible mark of a file without a seal leads to."""
    from photoplay.safety.certificates import data_home
    from photoplay.safety.ledger import Ledger
    from photoplay.safety.recovery import recover
    from photoplay.safety.watermark import DEFAULT_KEY

    return recover(file, Ledger(data_home() / "works"), DEFAULT_KEY)


def _told(found: Verification) -> list[tuple[str, str]]:
    """The lines under the sentence: what the seal says, where it holds."""
    lines = [("problems", ", ".join(found.problems))]
    if found.state in ("trusted", "untrusted", "valid"):
        known = "known here" if found.stamp_trusted else "not known here, so believe it at your own risk"
        lines = [
            ("signed by", f"{found.signer}{' (development certificate)' if found.development else ''}"),
            ("signed at", f"{found.created} by the signer's own clock" if found.created else ""),
            ("stamped at", f"{found.stamped} by an authority that is {known}" if found.stamped else ""),
            ("done", ", ".join(DONE.get(action, action) for action in found.actions)),
            ("kind", found.source_type),
            *(("made from", f"{title or 'something'}, sha256 {sha256}") for title, sha256 in found.sources),
            *(("consent", _stated(said)) for said in found.consent),
            ("on record", ", ".join(found.records)),
            ("content filter", found.content_filter),
            ("number", found.number),
            ("recipe", found.recipe_digest),
            *lines,
        ]
    return [(key, value) for key, value in lines if value]


def _stated(said: dict[str, str]) -> str:
    return f"{said.get('statement', '?')}, stated {said.get('date', '?')} for {said.get('photo', '?')[:16]}…"


def backends(as_json: AsJson = False) -> None:
    """List what can make the frames: for which modes, under which licence, and what is missing."""
    from photoplay.generation.backends import get_backend, list_backends

    found: dict[str, Capabilities] = {}
    broken: dict[str, PhotoplayError] = {}
    for name in list_backends():
        try:
            found[name] = get_backend(name).capabilities
        except PhotoplayError as error:
            broken[name] = error
    states = {name: _state(name, capabilities) for name, capabilities in found.items()}
    if as_json:
        told: dict[str, Any] = {name: {**asdict(each), **states[name]} for name, each in found.items()}
        told |= {name: {"ready": False, "broken": each.message} for name, each in broken.items()}
        typer.echo(json.dumps(told))
        return
    modes = [_modes(name, capabilities, states[name]) for name, capabilities in found.items()]
    needs = [_needs(name, capabilities, states[name]) for name, capabilities in found.items()]
    print_table(("backend", *COLUMNS.values(), "people", "ready"), modes, wrapped="people")
    print_table(("backend", "licence", "size", "GPU memory", "here"), needs, wrapped="here")
    for name, capabilities in found.items():
        typer.echo(f"{name}: {capabilities.description}")
        for note, models in _notes(capabilities).items():
            typer.echo(f"  licence of {models}: {note}")
        for missing, command in states[name]["missing"].items():
            typer.echo(f"  missing: {missing}. Add it with: {command}")
            if command.endswith(TRUST):
                typer.echo(f"    {UNPINNED}")
    for name, fault in broken.items():
        typer.echo(f"{name}: {fault.message} {fault.hint}")


def _state(name: str, capabilities: Capabilities) -> dict[str, Any]:
    """What of a backend is here: its ``models`` in the store, and what is ``missing`` with the command that adds it.

    ``bytes`` is the size of the first model that is here, else of the default one. Looks only for packages and manifests, so
    it is quick and imports nothing.
    """
    from photoplay.weights import store

    here = {
        model: manifest.bytes
        for model in store.installed()
        if (manifest := _manifest(model)) and (model in capabilities.models or manifest.backend == name)
    }
    absent = [package for package in capabilities.packages if find_spec(package.partition(".")[0]) is None]
    missing = {}
    if absent:
        extra = f"photoplay[{capabilities.extra}]" if capabilities.extra else " ".join(absent)
        missing[", ".join(absent)] = f"pip install '{extra}'"
    if capabilities.models and not here:
        missing[f"the model {capabilities.models[0]}"] = _pull(capabilities.models[0])
    return {
        "installed_models": list(here),
        "bytes": next(iter(here.values()), _download(capabilities)),
        "missing": missing,
        "ready": not missing,
    }


def _pull(name: str) -> str:
    """The command that fetches a model; without ``--trust-first`` a pull refuses files whose digest is not on record."""
    from photoplay.weights import catalogue

    known = {model.name: model for model in catalogue.models()}
    pinned = name not in known or all(part.pinned for part in known[name].parts)
    return f"photoplay models pull {name}{'' if pinned else TRUST}"


def _manifest(model: str) -> Manifest | None:
    """What the store says of a model; None where it cannot be read."""
    from photoplay.weights import store

    try:
        return store.manifest(model)
    except PhotoplayError:
        return None


def _download(capabilities: Capabilities) -> int | None:
    """What the default model weighs, where that is published; 0 for a backend that needs no model."""
    from photoplay.weights import catalogue

    if not capabilities.models:
        return 0
    return {model.name: model.bytes for model in catalogue.models()}.get(capabilities.models[0])


def _notes(capabilities: Capabilities) -> dict[str, str]:
    """Whom and what the licences of its models leave out, and the models of each note."""
    from photoplay.weights import catalogue

    found: dict[str, str] = {}
    for model in catalogue.models():
        if model.name in capabilities.models and (note := model.licence_note):
            found[note] = f"{found[note]}, {model.name}" if note in found else model.name
    return found


def _modes(name: str, capabilities: Capabilities, state: dict[str, Any]) -> tuple[str, ...]:
    """A backend's line of the first table: what it makes, and whether all that it needs is here."""
    marks = ("●" if mode in capabilities.modes else "" for mode in COLUMNS)
    return name, *marks, str(capabilities.max_subjects), "yes" if state["ready"] else "no"


def _needs(name: str, capabilities: Capabilities, state: dict[str, Any]) -> tuple[str, ...]:
    """A backend's line of the second table: what it is made of."""
    memory = capabilities.gpu_memory_gb
    return (
        name,
        capabilities.licence,
        size(state["bytes"]) if capabilities.models else "",
        f"{memory:g} GB" if memory else "?" if capabilities.needs_gpu else "",
        ", ".join(state["installed_models"]),
    )


def doctor(as_json: AsJson = False) -> None:
    """Tell what is installed and which features of this machine are used."""
    from photoplay.device import describe
    from photoplay.media.voice import synthesizer

    found = describe()
    filter_name, trouble = _content_filter()
    voice = synthesizer()
    if as_json:
        found |= {"content_filter": filter_name, "voice": voice and Path(voice).name}
        typer.echo(json.dumps(found, default=str))
        return
    found["memory"] = size(found["memory"])
    found["content_filter"] = filter_name or trouble
    found["voice"] = Path(voice).name if voice else "none, so --say cannot speak: install espeak-ng"
    width = 2 + max(
        len(name) for key, value in found.items() for name in (key, *(value if isinstance(value, dict) else ()))
    )
    for key, value in found.items():
        if isinstance(value, dict):
            typer.echo(key)
            for name, detail in value.items():
                typer.echo(f"  {name:<{width}}{'not installed' if detail is None else _plainly(detail)}")
        else:
            typer.echo(f"{key.replace('_', ' '):<{width + 2}}{_plainly(value)}")


def _content_filter() -> tuple[str | None, str]:
    """The name of the filter that films are looked at by, or None and what is wrong with it."""
    from photoplay.safety.content import default_classifier

    try:
        return default_classifier().name, ""
    except PhotoplayError as error:
        return None, f"{error.message} {error.hint}"


def _plainly(value: object) -> str:
    return (
        {None: "unknown", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)
    )
