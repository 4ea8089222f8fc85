"""A film with a progress line: python examples/family_photo.py me.jpg smile film.mp4"""

import sys

import photoplay
from photoplay.errors import PhotoplayError
from photoplay.types import StageEvent


def tell(event: StageEvent) -> None:
    """Prints each stage as it ends; raise photoplay.errors.CancelledError here to stop."""
    if event.done == event.total:
        print(f"{event.stage} done")


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    photo, template, out = sys.argv[1:]
    try:
        clip = photoplay.animate(photo, template=template, out=out, consent="self", size="480p", progress=tell)
    except PhotoplayError as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)
        return 1
    print(clip.report.sentence)
    for notice in clip.notices:
        print(f"- {notice.message} {notice.hint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
