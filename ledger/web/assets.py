"""Style sheets, scripts and images: GOV.UK Frontend's from npm, and a few of our own.

The council is no part of GOV.UK: its typeface, crown and crest are taken out before anything is
served. Each file is served under a name that changes with what is in it, and may be kept for ever.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.errors import Refusal
from ledger.web.asking import ledger_of

router = APIRouter(include_in_schema=False)

GOVUK = Path(__file__).parents[2] / "node_modules" / "govuk-frontend" / "dist" / "govuk"
"""Where `make setup` puts GOV.UK Frontend, by package-lock.json."""

_TYPES = {".css": "text/css", ".js": "text/javascript"}
_FONT_FACE = re.compile(r"@font-face\{[^}]*\}")
_CREST = re.compile(r"\.govuk-footer__copyright-logo[^{}]*\{[^{}]*\}")
MIDDLE = 0.179
"""The luminance on which white words and black are read as easily: WCAG 2.2, contrast ratio."""

_FOREVER = "public, max-age=31536000, immutable"


class FrontendMissing(Refusal):
    """The pages need GOV.UK Frontend, which `make setup` installs."""

    status = 503


NAMES = ("govuk.css", "govuk.js", "council.css", "start.js")


@cache
def asset(name: str) -> bytes:
    """A style sheet or script as it is served. Raises `FrontendMissing`."""
    if name == "govuk.css":
        return _without_crown(_govuk("govuk-frontend.min.css")).encode()
    if name == "govuk.js":
        return _govuk("govuk-frontend.min.js").encode()
    text = files("ledger.web").joinpath("static", name).read_text("utf-8")
    return text.replace("./govuk.js", address("govuk.js")).encode()


@cache
def address(name: str) -> str:
    """Where a style sheet or script is served, by a name that changes with what is in it."""
    stem, dot, ending = name.rpartition(".")
    return f"/assets/{stem}-{hashlib.sha256(asset(name)).hexdigest()[:12]}{dot}{ending}"


def _govuk(name: str) -> str:
    try:
        return (GOVUK / name).read_text("utf-8")
    except FileNotFoundError:
        raise FrontendMissing() from None


def _without_crown(css: str) -> str:
    css = _CREST.sub("", _FONT_FACE.sub("", css))
    return css.replace("GDS Transport,", "").replace("/*# sourceMappingURL=", "/*# was ")


def _luminance(colour: str) -> float:
    """From 0 (black) to 1 (white): WCAG 2.2, relative luminance."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@router.get("/theme.css")
@needs(None)
def theme(request: Request) -> Response:
    """The council's colour, and white or black words on it: whichever are read more easily."""
    ledger = ledger_of(request)
    colour = ledger.settings.council_colour
    words = "#ffffff" if _luminance(colour) < MIDDLE else "#0b0c0c"
    css = f":root {{ --council-colour: {colour}; --council-on-colour: {words}; }}\n"
    return Response(css, 200, {"Cache-Control": "max-age=300"}, "text/css")


@router.get("/assets/{name}")
@needs(None)
def serve(name: str) -> Response:
    """One of them, under the name it has now."""
    plain = {address(one): one for one in NAMES}.get(f"/assets/{name}")
    if plain is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    headers = {"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"}
    return Response(asset(plain), 200, headers, _TYPES[Path(plain).suffix])
