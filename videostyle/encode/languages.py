"""Languages of streams, and what MP4 and MOV call them."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from functools import cache

import av
from av.stream import Stream

# Each by its two letters and then all its codes of ISO 639-2 and of FFmpeg's MOV.
_LANGUAGES = (
    "af afr|am amh|ar ara|as asm|ay aym|az aze|be bel|bn ben|bo bod tib|bs bos|bg bul|ca cat"
    "|cs ces cze|co cos|cy cym wel|da dan|de deu ger|el ell gre|en eng|eo epo|et est|eu eus baq"
    "|fo fao|fa fas per|fi fin|fr fra fre|fy fry|gd gla|ga gle iri|gl glg|gn grn|gu guj|ht hat"
    "|ha hau|he heb|hi hin|hr hrv scr|hu hun|hy hye arm|ig ibo|id ind|is isl ice|it ita|jv jav"
    "|ja jpn|kn kan|ks kas|ka kat geo|kk kaz|km khm|rw kin|ky kir|ko kor|ku kur|lo lao|la lat"
    "|lv lav|lt lit|lb ltz|ml mal|mr mar|mk mkd mac|mg mlg|mt mlt|mn mon|mi mri mao|ms msa may"
    "|my mya bur|ne nep|nl nld dut|no nor nb nob|nn nno|ny nya|oc oci|or ori|om orm|pa pan"
    "|pl pol|pt por|ps pus|qu que|rm roh|ro ron rum|rn run|ru rus|sa san|si sin|sk slk slo"
    "|sl slv|sd snd|so som|es spa|sq sqi alb|sr srp scc|su sun|sw swa|sv swe sve|ta tam|tt tat"
    "|te tel|tg tgk|tl tgl|th tha|ti tir|tk tuk|tr tur|ug uig|uk ukr|ur urd|uz uzb|vi vie"
    "|wo wol|xh xho|yi yid|yo yor|zh zho chi|zu zul"
)
_LANGUAGE_NAMES = {
    name: tuple(names.split()) for names in _LANGUAGES.split("|") for name in names.split()
}


def same_language(one: str | None, other: str | None) -> bool:
    """Whether two tags mean one language, whatever its region or script: `de-CH`, `deu`, `ger`."""
    return _language_names(one) == _language_names(other)


def held_language(tag: str, muxer: str) -> str | None:
    """What a container calls a language, None where it has no name for it."""
    if muxer not in ("mp4", "mov"):
        return tag
    names = _language_names(tag)
    # MOV fills a few that have two letters with a blank.
    tried = (tag, *names, f"{names[0]} ")
    return next((name for name in tried if same_language(_read_back(name, muxer), tag)), None)


def _language_names(tag: str | None) -> tuple[str, ...]:
    name = re.split("[-_]", (tag or "und").strip().lower())[0]
    return _LANGUAGE_NAMES.get(name, (name,))


@cache
def _read_back(language: str, muxer: str) -> str | None:
    """What is read of a language that is written: MP4 knows every three letters, MOV the languages
    of old Macintoshes."""
    file = io.BytesIO()
    with av.open(file, "w", muxer) as output:
        stream = output.add_mux_stream("mov_text")
        stream.metadata["language"] = language
        packet: av.Packet[Stream] = av.Packet(b"\0\0")
        packet.pts, packet.dts, packet.duration = 0, 0, 1
        packet.time_base, packet.stream = Fraction(1, 1000), stream
        output.mux(packet)
    file.seek(0)
    with av.open(file) as written:
        return written.streams[0].language
