"""``photoplay animate`` and ``photoplay demo``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

import typer

from photoplay.cli import show
from photoplay.cli.choices import (
    CodecChoice,
    ConsentChoice,
    CornerChoice,
    FramingChoice,
    ModeChoice,
    QualityChoice,
    WhoChoice,
)
from photoplay.cli.options import Overwrite
from photoplay.cli.portrait import portrait
from photoplay.errors import ConsentError, RequestError

if TYPE_CHECKING:
    from photoplay.types import Clip, Consent, Lora, Staging, Turn


class Behind(TypedDict):
    """What :func:`behind` says."""

    staging: Staging
    backdrop: Path | None


QUESTION = """Who is in {what}? Your answer is written into the film.
  self        it is me
  granted     they agreed to be animated
  historical  a published historical portrait
  fictional   nobody real: a painting or drawing of an invented person"""


def ask_consent(given: ConsentChoice | None, what: str = "this photo") -> ConsentChoice:
    """The statement given on the command line, or asked for at a terminal.

    Raises:
        ConsentError: there is none, and nobody to ask.
    """
    if given:
        return given
    if not show.interactive():
        raise ConsentError(
            "consent_missing",
            f"Nobody has said yet that the people in {what} may be animated.",
            "Add --consent self, granted, historical or fictional.",
        )
    typer.echo(QUESTION.format(what=what), err=True)
    return cast("ConsentChoice", typer.prompt("Consent", value_proc=_answered, err=True))


def _answered(answer: str) -> ConsentChoice:
    try:
        return ConsentChoice(answer.strip().lower())
    except ValueError as error:
        raise typer.BadParameter("Answer self, granted, historical or fictional.") from error


def ask_consents(given: list[ConsentChoice], pictured: list[str]) -> list[Consent]:
    """One statement for each of ``pictured``; one that is given alone stands for all.

    Raises:
        ConsentError: there are none, and nobody to ask; or as many as fit nothing.
    """
    if len(given) == 1:
        given = given * len(pictured)
    if given and len(given) != len(pictured):
        raise ConsentError(
            "consent_missing",
            f"There are {len(given)} statements about consent for {len(pictured)} files that show people.",
            "State --consent once for all, or once for each: the photos, then --last, then --video.",
        )
    statements = given or [ask_consent(None, what) for what in pictured]
    return [said.value for said in statements]


def read_lora(text: str) -> Lora:
    """``FILE`` or ``FILE:WEIGHT`` as a LoRA.

    Raises:
        RequestError: ``lora_weight``: what follows the last colon is no number.
    """
    from photoplay.types import Lora

    file, colon, weight = text.rpartition(":")
    if not colon:
        return Lora(text)
    try:
        return Lora(file, float(weight))
    except ValueError as error:
        raise RequestError(
            "lora_weight", "The weight of that LoRA is not a number.", "Write --lora FILE or --lora FILE:0.8."
        ) from error


def read_turn(text: str) -> Turn:
    """``START-END:PERSON`` in seconds, persons counted from 1, as a turn.

    Raises:
        RequestError: ``turn_invalid``.
    """
    from photoplay.types import Turn

    match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?):([1-9]\d?)", text.strip())
    if match is None:
        raise RequestError("turn_invalid", "A turn to speak is not understood.", "Write for example --turn 0-2.5:1.")
    return Turn(float(match[1]), float(match[2]), int(match[3]) - 1)


def staged(left: int | None, right: int | None, first: int, framing: str, size_ratio: float | None) -> Staging:
    """Who stands where, persons counted from 1.

    Raises:
        RequestError: ``place_invalid``.
    """
    from photoplay.types import Staging

    stands = left if right is None else 3 - right
    if stands not in (None, 1, 2) or first not in (1, 2) or (left is not None and left != stands):
        raise RequestError(
            "place_invalid", "Nobody can stand there.", "Count the photos: --left 2 puts the second one's person left."
        )
    return Staging(
        left=None if stands is None else 0 if stands == 1 else 1,
        first=0 if first == 1 else 1,
        framing=FramingChoice(framing).value,
        size_ratio=size_ratio,
    )


def behind(backdrop: str, staging: Staging) -> Behind:
    """The scene as arguments of :func:`photoplay.animate`: what stands behind two people is named, or is a file."""
    if backdrop in ("auto", "studio", "first"):
        return {"staging": replace(staging, backdrop=cast("Any", backdrop)), "backdrop": None}
    return {"staging": replace(staging, backdrop="photo"), "backdrop": Path(backdrop)}


def animate(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="The photo; two for a scene of two people; none for text-to-video.", show_default=False),
    ] = None,
    template: Annotated[str, typer.Option("--template", "-t", help="A motion: a name or a YAML file.")] = "",
    prompt: Annotated[str, typer.Option(help="Describe the motion (or the scene, for models that read).")] = "",
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of the film; 3, or as long as sound, clip or what two people do.", show_default=False
        ),
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 24.0,
    size: Annotated[str, typer.Option(help="480p, 720p, 1080p (the photo's shape is kept) or WxH.")] = "720p",
    seed: Annotated[int, typer.Option(help="Same seed, same film.")] = 0,
    intensity: Annotated[float, typer.Option(help="Strength of the motion, 0 to 2.")] = 1.0,
    speed: Annotated[float, typer.Option(help="Tempo of the motion, 0.25 to 4.")] = 1.0,
    no_priors: Annotated[bool, typer.Option("--no-priors", help="No blinking, breathing or sway of its own.")] = False,
    who: Annotated[WhoChoice, typer.Option(help="Everybody in the photo, or the largest face only.")] = WhoChoice.ALL,
    backend: Annotated[str, typer.Option(help="What makes the frames (see `photoplay backends`).")] = "pocket",
    consent: Annotated[
        list[ConsentChoice] | None,
        typer.Option(help="Who says that the people may be animated; once, or once for each file.", show_default=False),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The film: .mp4, or .gif or .webp for a small preview (480 pixels, about 12 frames a second).",
        ),
    ] = Path("film.mp4"),
    overwrite: Overwrite = False,
    codec: Annotated[CodecChoice, typer.Option(help="How an mp4 is compressed.")] = CodecChoice.H264,
    stills: Annotated[
        Path | None, typer.Option(help="A new folder for every frame as a PNG.", show_default=False)
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also a contact sheet, as a PNG.", show_default=False)] = None,
    last: Annotated[Path | None, typer.Option(help="A photo that the film ends on.", show_default=False)] = None,
    video: Annotated[Path | None, typer.Option(help="A clip that it is made from.", show_default=False)] = None,
    replace_person: Annotated[
        bool, typer.Option("--replace", help="The photo's person takes the place of the clip's; the rest of it stands.")
    ] = False,
    audio: Annotated[
        list[Path] | None,
        typer.Option(help="Speech or song; once, or once for each person from left to right.", show_default=False),
    ] = None,
    say: Annotated[
        str | None, typer.Option(help="Words that an installed voice (espeak-ng) speaks.", show_default=False)
    ] = None,
    voice: Annotated[
        str, typer.Option(help="Its voice, such as de or fr+f3; en-us where none is named.", show_default=False)
    ] = "",
    turn: Annotated[
        list[str] | None,
        typer.Option(help="START-END:PERSON, counted from 1 from the left; repeatable.", show_default=False),
    ] = None,
    left: Annotated[int | None, typer.Option(help="Whose photo stands left: 1 or 2.", show_default=False)] = None,
    right: Annotated[int | None, typer.Option(help="Whose photo stands right.", show_default=False)] = None,
    first: Annotated[int, typer.Option(help="Who plays a template's first role: 1 or 2.")] = 1,
    framing: Annotated[FramingChoice, typer.Option(help="How much is seen of two people.")] = FramingChoice.AUTO,
    backdrop: Annotated[
        str, typer.Option(help="Behind two people: studio, first (photo), or a picture of nobody.")
    ] = "auto",
    size_ratio: Annotated[
        float | None, typer.Option(help="The second head's size over the first's.", show_default=False)
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            help="Id of a consent record to use, instead of all on this machine; repeatable.", show_default=False
        ),
    ] = None,
    blur_bystanders: Annotated[
        bool, typer.Option("--blur-bystanders", help="Make everybody unrecognisable who did not agree.")
    ] = False,
    mode: Annotated[ModeChoice | None, typer.Option(help="What kind of film.", show_default=False)] = None,
    model: Annotated[str, typer.Option(help="One of the backend's models (see `photoplay models list`).")] = "",
    steps: Annotated[int | None, typer.Option(help="Denoising steps of an open model.", show_default=False)] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; 1 is off.", show_default=False)] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What not to show.", show_default=False)] = None,
    strength: Annotated[
        float | None, typer.Option(help="How far a clip may change, 0 to 1.", show_default=False)
    ] = None,
    flow_shift: Annotated[float | None, typer.Option(help="Shift of the noise schedule.", show_default=False)] = None,
    control: Annotated[float | None, typer.Option(help="Weight of the control signal.", show_default=False)] = None,
    lora: Annotated[list[str] | None, typer.Option(help="FILE or FILE:WEIGHT; repeatable.", show_default=False)] = None,
    upscaler: Annotated[str, typer.Option(help="A network of the store that enlarges small frames.")] = "",
    quality: Annotated[QualityChoice, typer.Option(help="Shortcuts of an open model.")] = QualityChoice.EXACT,
    label: Annotated[
        CornerChoice | None,
        typer.Option(help="Write “made with photoplay · AI” into this corner.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="A folder for unfinished work: the same command goes on there.", show_default=False),
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Print the time of each stage.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Animate a photo: photoplay animate me.jpg --template smile --consent self"""
    if say is not None and not say.strip():
        raise RequestError("text_empty", "There is nothing to say.", "Write a sentence after --say, or leave it out.")
    show.may_replace(overwrite, out, sheet)
    pictured = [*(path.name for path in photos or ()), *(path.name for path in (last, video) if path)]
    statements = ask_consents(consent or [], pictured)
    watch = show.Stopwatch()
    with show.whole(resume), show.stages(quiet=as_json) as progress:
        from photoplay.motion.library import first_motion
        from photoplay.pipeline import animate as run
        from photoplay.types import Sampling

        clip = run(
            photos,
            consent=statements,
            template=template or first_motion(len(photos or ()), prompt, video, audio, say),
            prompt=prompt,
            out=out,
            stills=stills,
            sheet=sheet,
            last=last,
            video=video,
            audio=audio or (),
            say=say or "",
            voice=voice,
            turns=tuple(read_turn(text) for text in turn or ()),
            **behind(backdrop, staged(left, right, first, framing, size_ratio)),
            resume=resume,
            progress=progress,
            **({} if seconds is None else {"seconds": seconds}),
            fps=fps,
            size=size,
            seed=seed,
            intensity=intensity,
            speed=speed,
            priors=not no_priors,
            who=who.value,
            backend=backend,
            codec=codec.value,
            records=tuple(record or ()),
            bystanders="blur" if blur_bystanders else "refuse",
            replace=replace_person,
            mode=mode.value if mode else None,
            label=label.value if label else None,
            sampling=Sampling(
                model=model,
                num_inference_steps=steps,
                guidance_scale=guidance,
                negative_prompt=negative_prompt,
                strength=strength,
                flow_shift=flow_shift,
                conditioning_scale=control,
                loras=tuple(read_lora(text) for text in lora or ()),
                upscaler=upscaler,
                speed=quality.value,
            ),
        )
    if as_json:
        typer.echo(json.dumps(_as_dict(clip), sort_keys=True))
        return
    show.notices(clip.notices)
    if profile:
        show.timings(clip.timings, int(clip.recipe["frame"]["num_frames"]))
    typer.echo(f"{clip.report.sentence}\nYour film: {clip.path} ({watch})")


def demo(
    photo: Annotated[
        Path | None, typer.Argument(help="A photo; without one a NASA portrait.", show_default=False)
    ] = None,
    template: Annotated[str, typer.Option("--template", "-t", help="A motion: a name or a YAML file.")] = "laugh",
    consent: Annotated[
        ConsentChoice | None, typer.Option(help="Who says that the people may be animated.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The film to write.")] = Path("out/demo.mp4"),
    overwrite: Overwrite = False,
) -> None:
    """Make a first film and a contact sheet of it."""
    sheet = out.with_suffix(".png")
    show.may_replace(overwrite, out, sheet)
    statement = ask_consent(consent) if photo else ConsentChoice.HISTORICAL
    source = photo or portrait()
    out.parent.mkdir(parents=True, exist_ok=True)
    watch = show.Stopwatch()
    with show.whole(), show.stages(quiet=False) as progress:
        from photoplay.pipeline import animate as run

        clip = run(source, consent=statement.value, template=template, out=out, sheet=sheet, progress=progress)
    show.notices(clip.notices)
    show.timings(clip.timings, 72)
    typer.echo(f"{clip.report.sentence}\nYour film:     {clip.path} ({watch})\nContact sheet: {sheet}\n")
    me = ".venv/bin/photoplay" if Path(".venv/bin/photoplay").exists() else "photoplay"
    typer.echo(f"Next:\n  {me} animate me.jpg --template smile --consent self")
    typer.echo(f"  {me} templates list\n  {me} verify {clip.path}")


def _as_dict(clip: Clip) -> dict[str, object]:
    return {
        "path": str(clip.path),
        "sha256": clip.sha256,
        "report": {
            "passed": clip.report.passed,
            "sentence": clip.report.sentence,
            "metrics": clip.report.metrics,
        },
        "recipe": clip.recipe,
        "timings": clip.timings,
        "notices": [
            {"code": n.code, "severity": n.severity, "message": n.message, "hint": n.hint, "subject": n.subject}
            for n in clip.notices
        ],
    }
