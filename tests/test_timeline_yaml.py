"""The YAML reader: every mistake has its place, nothing else gets through."""

from __future__ import annotations

import random
import re
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videostyle.easing import EASINGS, CubicBezier
from videostyle.errors import TimelineError
from videostyle.look import ORIGINAL, normalize_mixture
from videostyle.model_card import read_model_card
from videostyle.timeline import Keyframe, Loop, Timeline, Track
from videostyle.timeline_yaml import dump_timeline, parse_timeline, read_timeline

ROOT = Path(__file__).parents[1]
STYLES = ("starry_night", "great_wave", "the_scream")
EXAMPLE = """version: 1
keyframes:
  - {at: 0s, mix: original}
  - {at: 1s, mix: starry_night, ease: smooth}
  - {at: 50%, mix: {starry_night: 1, great_wave: 3}, ease: [0.42, 0, 0.58, 1]}
  - {at: -1s, mix: the_scream, strength: 0.8, ease: hold}
  - {at: end, mix: original}
loop: {period: 8s, mode: bounce}
"""


def parse(text: str, duration: float = 8.0) -> tuple[Timeline, list[str]]:
    return parse_timeline(text, "t.yaml", STYLES).resolve(duration, Fraction(25))


def keys(*items: str) -> str:
    return "version: 1\nkeyframes:\n" + "".join(f"  - {item}\n" for item in items)


def test_the_example_reads() -> None:
    timeline, warnings = parse(EXAMPLE)
    assert warnings == []
    assert dict(timeline.look_at(4).mix) == {"starry_night": 0.25, "great_wave": 0.75}
    assert timeline.look_at(7).strength == 0.8
    assert timeline.loop == Loop(8, bounce=True)
    # Ten seconds of video are two seconds before the end of the bounced period.
    assert timeline.look_at(10) == timeline.look_at(6)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "empty"),
        ("# nothing\n", "1:1", "empty"),
        ("keyframes: []\n", "1:1", "'version' is missing"),
        ("version: 2\nkeyframes:\n  - {at: 0s, mix: original}\n", "1:10", "version must be 1"),
        ("version: 1\n", "1:1", "'keyframes' is missing"),
        ("version: 1\nkeyframes: []\n", "2:12", "at least one"),
        ("version: 1\nkeyframes: 3\n", "2:12", "must be a list"),
        ("- 1\n", "1:1", "must be a mapping"),
        (keys("{at: 0s, mix: great_wav}"), "3:19", "did you mean great_wave?"),
        (keys("{at: 0s, mix: {great_wav: 1}}"), "3:20", "did you mean great_wave?"),
        (keys("{at: 0s, mixx: original}"), "3:14", "unknown key 'mixx'; did you mean mix?"),
        (keys("{at: 0s, mix: original, mix: original}"), "3:29", "'mix' stands twice"),
        (keys("{at: 0s, mix: {original: 1, original: 2}}"), "3:33", "stands twice"),
        (keys("{at: 1:75, mix: original}"), "3:10", "go to 59"),
        (keys("{at: 3, mix: original}"), "3:10", "write 3s"),
        (keys("{mix: original}"), "3:5", "needs 'at'"),
        (keys("{at: 0s}"), "3:5", "at least one of mix"),
        (keys("{at: 0s, strength: 1}"), "1:1", "no keyframe has a 'mix'"),
        (keys("{at: 0s, mix: {original: 0}}"), "3:19", "must not all be 0"),
        (keys("{at: 0s, mix: {original: -1}}"), "3:30", "not negative"),
        (keys("{at: 0s, mix: {original: .nan}}"), "3:30", "must be a number"),
        (keys("{at: 0s, mix: {original: .inf}}"), "3:30", "must be a number"),
        (keys("{at: 0s, mix: {original: 1e999}}"), "3:30", "finite"),
        (keys("{at: 0s, mix: {original: yes}}"), "3:30", "must be a number"),
        (keys("{at: 0s, mix: []}"), "3:19", "style name or a mapping"),
        (keys("{at: 0s, mix: original, strength: 2}"), "3:39", "from 0 to 1"),
        (keys("{at: 0s, mix: original, stroke: 0}"), "3:37", "stroke is 0"),
        (keys("{at: 0s, mix: original, ease: smoth}"), "3:35", "did you mean smooth?"),
        (keys("{at: 0s, mix: original, ease: [1, 2, 3]}"), "3:35", "four numbers"),
        (keys("{at: 0s, mix: original, ease: [2, 0, 0, 1]}"), "3:35", "from 0 to 1"),
        (keys("{at: 0s, mix: &a original}"), "3:19", "anchors"),
        (keys("{at: 0s, mix: !!str original}"), "3:19", "tags"),
        (keys("{at: 0s, mix: original}", "*a"), "4:5", "aliases"),
        (keys("{at: 0s, mix: original"), "4:1", "not YAML"),
        (keys("{at: 0s, mix: original}") + "loop: {mode: repeat}\n", "4:7", "'period'"),
        (keys("{at: 0s, mix: original}") + "loop: {period: 0s}\n", "4:16", "above 0"),
        (keys("{at: 0s, mix: original}") + "loop: {period: 1s, mode: x}\n", "4:26", "repeat or"),
        (keys("{at: 0s, mix: original}", "{at: 0f, mix: original}"), "4:5", "two keys of mix"),
        ("version: 1\n---\nversion: 1\n", "2:1", "not YAML"),
        ("[" * 1000, "1:17", "nested"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(TimelineError) as raised:
        parse(text)
    first = str(raised.value).splitlines()[0]
    assert first.startswith(f"t.yaml:{place}: "), first
    assert message in first


def test_all_mistakes_are_listed_with_their_lines() -> None:
    with pytest.raises(TimelineError) as raised:
        parse(keys("{at: 0s, mix: nope}", "{at: x, mix: original}"))
    text = str(raised.value)
    assert re.findall(r"^t\.yaml:\d+:\d+", text, re.M) == ["t.yaml:3:19", "t.yaml:4:10"]
    assert "{at: 0s, mix: nope}" in text
    assert "^" in text


def test_keys_out_of_order_are_sorted_with_a_warning() -> None:
    ordered, none = parse(keys("{at: 1s, mix: great_wave}", "{at: 2s, mix: original}"))
    mixed, warnings = parse(keys("{at: 2s, mix: original}", "{at: 1s, mix: great_wave}"))
    assert none == []
    assert len(warnings) == 1
    assert warnings[0].startswith("t.yaml:4:5: warning")
    for step in range(30):
        assert mixed.look_at(step / 10) == ordered.look_at(step / 10)


def test_a_key_past_the_end_is_a_warning() -> None:
    _, warnings = parse(keys("{at: 9s, mix: original}"))
    assert "past the end (8.000 s)" in warnings[0]


def test_a_time_that_needs_the_length_waits_for_it() -> None:
    document = parse_timeline(EXAMPLE, "t.yaml", STYLES)
    assert document.needs_duration
    with pytest.raises(TimelineError, match="--duration"):
        document.resolve(None, Fraction(25))


def test_ten_thousand_keyframes_are_fine_and_fast() -> None:
    text = keys(*(f"{{at: {i}f, mix: {STYLES[i % 3]}, ease: smooth}}" for i in range(10_000)))
    begin = time.process_time()
    timeline, _ = parse(text, duration=400.0)
    for frame in range(10_000):
        timeline.look_at(frame / 25 + 0.01)
    # A quadratic reader or a linear lookup takes minutes here.
    assert time.process_time() - begin < 30


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    with pytest.raises(TimelineError, match="cannot be read"):
        read_timeline(path, STYLES)
    path.write_bytes(b"version: 1\n\xff\xfe")
    with pytest.raises(TimelineError, match=r"t\.yaml:2:1: not UTF-8"):
        read_timeline(path, STYLES)
    path.write_bytes(b"\x00\x01")
    with pytest.raises(TimelineError, match="not YAML"):
        read_timeline(path, STYLES)


mixtures = st.dictionaries(
    st.sampled_from([*STYLES, ORIGINAL]), st.floats(1e-3, 1e3), min_size=1
).map(normalize_mixture)
eases = st.one_of(
    st.sampled_from(list(EASINGS.values())),
    st.builds(CubicBezier, st.floats(0, 1), st.floats(-3, 3), st.floats(0, 1), st.floats(-3, 3)),
)
stamps = st.lists(st.integers(0, 10**7), min_size=1, max_size=5, unique=True).map(sorted)


@given(stamps, stamps, st.data())
def test_a_written_timeline_reads_back(a: list[int], b: list[int], data: st.DataObject) -> None:
    mix = [Keyframe(ms / 1000, data.draw(mixtures), data.draw(eases)) for ms in a]
    stroke = [Keyframe(ms / 1000, data.draw(st.floats(0.25, 8)), data.draw(eases)) for ms in b]
    loop = data.draw(st.sampled_from([None, Loop(2.5), Loop(0.125, bounce=True)]))
    timeline = Timeline(Track(mix), {"stroke": Track(stroke)}, loop)
    again, warnings = parse(dump_timeline(timeline), duration=1e5)
    assert warnings == []
    assert again.loop == loop
    for before, after in ((timeline.mix, again.mix), (timeline.scalars["stroke"],) * 2):
        assert len(before.keyframes) == len(after.keyframes)
    for key, twin in zip(timeline.mix.keyframes, again.mix.keyframes, strict=True):
        assert twin.seconds == key.seconds
        assert twin.ease == key.ease
        assert dict(twin.value) == pytest.approx(dict(key.value))
    assert again.scalars["stroke"].keyframes == timeline.scalars["stroke"].keyframes


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_gives_a_timeline_or_a_timeline_error(text: str) -> None:
    try:
        parse(text)
    except TimelineError as error:
        assert str(error).startswith("t.yaml:")


def test_ten_thousand_broken_documents_give_only_clean_errors() -> None:
    source = random.Random(20161024)
    pieces = re.findall(r"\w+|[^\w]", EXAMPLE) + list("&*!|>-?:,[]{}#%@`\"'\t\x00é\u2028")
    pieces += ["1e9", "9" * 40, ".nan", "~", "null", "---", "...", "<<", "0x1F", "1:30:00:99"]
    accepted = 0
    for _ in range(10_000):
        parts = re.findall(r"\w+|[^\w]", EXAMPLE)
        for _ in range(source.randint(1, 6)):
            spot = source.randrange(len(parts))
            change = source.random()
            if change < 0.4:
                parts[spot] = source.choice(pieces)
            elif change < 0.7:
                parts.insert(spot, source.choice(pieces))
            else:
                del parts[spot : spot + source.randint(1, 8)]
        try:
            timeline, _ = parse("".join(parts))
        except TimelineError as error:
            assert str(error).startswith("t.yaml:")
        else:
            accepted += 1
            timeline.look_at(source.uniform(-1, 20))
    assert 0 < accepted < 9_000


@pytest.mark.parametrize("path", sorted((ROOT / "timelines").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_worked_timelines_read_without_a_warning(path: Path) -> None:
    document = read_timeline(path, read_model_card("lean").style_names)
    timeline, warnings = document.resolve(5.28, Fraction(25))
    assert warnings == []
    assert len(timeline.style_names) >= 1
    assert path.read_text().startswith("# What one sees: ")
