"""Every form of a time reads, and reads back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostyle.errors import UsageError
from videostyle.timecode import Tempo, format_seconds, parse_part, parse_time

RATE = Fraction(25)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12.5s", 12.5),
        ("0s", 0),
        (".5s", 0.5),
        ("90ms", 0.09),
        ("0.1min", 6),
        ("0.005h", 18),
        ("00:01:30.250", 90.25),
        ("01:30", 90),
        ("90:00", 5400),
        ("00:00:10:12", 10.48),
        ("120f", 4.8),
        ("50%", 10),
        ("-2s", 18),
        ("-500ms", 19.5),
        ("-25f", 19),
        ("-00:05", 15),
        ("end", 20),
        (" 1s ", 1),
    ],
)
def test_every_form_means_its_seconds(text: str, seconds: float) -> None:
    assert parse_time(text).resolve(20.0, RATE) == pytest.approx(seconds)


def test_beats_count_from_the_first_one_and_back_from_the_end() -> None:
    tempo = Tempo(Fraction(1, 2), first=Fraction("0.35"))
    for text, seconds in (("0b", 0.35), ("16b", 8.35), ("1.5b", 1.1), ("-4b", 18)):
        assert parse_time(text, tempo).resolve(20.0, None) == pytest.approx(seconds)
    assert not parse_time("16b", tempo).needs_rate
    with pytest.raises(ValueError, match="'16b' counts in beats; only times inside a timeline"):
        parse_time("16b")


@pytest.mark.parametrize("text", ["1.5.5", ".", "-", "1.5.", "+2s", "1m", "-2m"])
def test_what_is_no_number_is_not_told_to_take_a_unit(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    "text", ["", "s", "1:2:3:4:5", "12:99", "00:61:00", "-50%", "101%", "1,5s", "nan", "--1s"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|go to 59|percentage"):
        parse_time(text)


def test_a_bare_number_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="write 12s for seconds or 12f for frames"):
        parse_time("12")


@pytest.mark.parametrize("text", ["50%", "end", "-1s"])
def test_times_that_need_the_length_say_so(text: str) -> None:
    assert parse_time(text).needs_duration
    with pytest.raises(UsageError, match="--duration"):
        parse_time(text).resolve(None, RATE)


@pytest.mark.parametrize("text", ["10f", "00:00:01:05"])
def test_times_in_frames_need_the_rate(text: str) -> None:
    with pytest.raises(UsageError, match="--fps"):
        parse_time(text).resolve(20.0, None)


@pytest.mark.parametrize(("rate", "last"), [(25, 24), (Fraction(30_000, 1001), 29), (60, 59)])
def test_the_frames_of_a_timecode_are_fewer_than_the_rate(rate: Fraction | int, last: int) -> None:
    rate = Fraction(rate)
    second = (last + 1) / rate  # an editor's, of whole frames
    assert parse_time(f"00:00:01:{last}").resolve(9.0, rate) == float(second + last / rate)
    for text in (f"00:00:01:{last + 1}", f"-00:00:01:{last + 1}"):
        with pytest.raises(UsageError, match=rf"{text}: frames go to {last} at .* frames a second"):
            parse_time(text).resolve(9.0, rate)
    assert parse_time("90f").resolve(9.0, rate) == float(90 / rate)


FILM, NTSC, NTSC60 = (Fraction(rate, 1001) for rate in (24_000, 30_000, 60_000))


@pytest.mark.parametrize(
    ("text", "rate", "frame"),
    [
        ("01:00:00:00", FILM, 86_400),
        ("00:02:40:23", FILM, 160 * 24 + 23),
        ("00:01:00:00", NTSC, 1800),
        ("01:00:00:00", Fraction(2997, 100), 108_000),
        ("00:00:59;29", NTSC, 1799),
        ("00:01:00;02", NTSC, 1800),
        ("00;10;00;00", NTSC, 17_982),
        ("01:00:00;00", NTSC, 107_892),
        ("00:01:00;04", NTSC60, 3600),
        ("01:00:00;00", NTSC60, 215_784),
        ("00:01:00:00", Fraction(25), 1500),
    ],
)
def test_a_timecode_is_the_frame_that_an_editor_shows_it_at(
    text: str, rate: Fraction, frame: int
) -> None:
    time = parse_time(text)
    assert time.needs_rate
    assert time.resolve(None, rate) == float(frame / rate)
    assert parse_time(f"-{text}").resolve(4000.0, rate) == float(4000 - frame / rate)


def test_a_timecodes_seconds_are_real_ones_where_frames_come_at_no_rate_of_television() -> None:
    assert parse_time("00:01:00:12").resolve(None, Fraction("29.4")) == float(60 + 12 / 29.4)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30), FILM, Fraction("29.4")])
def test_drop_frame_timecode_is_only_for_the_rates_that_drop(rate: Fraction) -> None:
    with pytest.raises(UsageError, match=r"00:01:00;02: at .* no timecode is drop-frame; write :"):
        parse_time("00:01:00;02").resolve(None, rate)


@pytest.mark.parametrize(("rate", "next_one"), [(NTSC, "02"), (NTSC60, "04")])
def test_a_number_that_drop_frame_timecode_leaves_out_names_the_next(
    rate: Fraction, next_one: str
) -> None:
    with pytest.raises(UsageError, match=rf"00:01:00;01: no frame .* the next has ;{next_one}"):
        parse_time("00:01:00;01").resolve(None, rate)


@given(st.integers(0, 300_000), st.sampled_from([NTSC, NTSC60]))
def test_drop_frame_timecodes_count_every_frame(frame: int, rate: Fraction) -> None:
    base = round(rate)
    tens, rest = divmod(frame, 18_000 * base // 30 - 9 * base // 15)
    drops = base // 15
    minutes = max(0, rest - drops) // (60 * base - drops)
    number = frame + drops * (9 * tens + minutes)
    seconds, frames = divmod(number, base)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02};{frames:02}"
    assert parse_time(text).resolve(None, rate) == float(frame / rate)


def test_a_part_between_clock_and_timecode_waits_for_the_rate() -> None:
    assert set(parse_part("3601s", "01:00:00:00")) == {"start", "end"}  # at 29.97, 2.6 s
    with pytest.raises(UsageError, match="start 00:00:05:00 is not before end 00:00:04:00"):
        parse_part("00:00:05:00", "00:00:04:00")


@given(st.fractions(0, 100_000).map(lambda value: round(value, 6)))
def test_seconds_read_back(seconds: Fraction) -> None:
    text = format_seconds(float(seconds))
    assert parse_time(text).resolve(None, None) == pytest.approx(float(seconds), abs=1e-9)


def test_seconds_before_the_start_have_no_text() -> None:
    # "-2s" would read back as two seconds before the end, and "-0s" as the end.
    with pytest.raises(ValueError, match="before the start"):
        format_seconds(-2.0)
    assert format_seconds(-0.0) == "0s"


amounts = st.decimals(0, 99_999, places=3).map(str)
below_60 = st.integers(0, 59).map("{:02}".format)
forms = st.one_of(
    st.just("end"),
    st.decimals(0, 100, places=2).map("{}%".format),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "-"]),
        amounts,
        st.sampled_from(["ms", "s", "min", "f"]),
    ),
    st.builds("{}:{}".format, st.integers(0, 600), below_60),
    st.builds("{}{}:{}:{}.5".format, st.sampled_from(["", "-"]), below_60, below_60, below_60),
    st.builds("{}:{}:{}:{}".format, below_60, below_60, below_60, st.integers(0, 24)),
)


@given(forms)
def test_every_form_reads_back_from_its_text(text: str) -> None:
    time = parse_time(text)
    assert str(time) == text
    assert parse_time(str(time)) == time
    assert parse_time(f" {text} ").resolve(1e6, RATE) == time.resolve(1e6, RATE)


@given(forms.filter(lambda text: text != "end" and not text.startswith("-") and "%" not in text))
def test_a_minus_counts_back_from_the_end(text: str) -> None:
    forward, back = parse_time(text), parse_time(f"-{text}")
    assert back.resolve(1e6, RATE) == pytest.approx(1e6 - forward.resolve(1e6, RATE))


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_clocks_read_as_hours_minutes_and_seconds(h: int, m: int, s: int, ms: int) -> None:
    text = f"{h:02}:{m:02}:{s:02}.{ms:03}"
    expected = h * 3600 + m * 60 + s + ms / 1000
    assert parse_time(text).resolve(None, None) == pytest.approx(expected)


@given(st.integers(0, 10_000), st.sampled_from([24, 25, 30, 60, Fraction(30000, 1001)]))
def test_frames_are_counted_at_the_rate(frames: int, rate: Fraction) -> None:
    assert parse_time(f"{frames}f").resolve(None, Fraction(rate)) == float(frames / Fraction(rate))


@pytest.mark.parametrize("rate", [12, 15, Fraction(24_000, 1001), Fraction(30_000, 1001), 30, 50])
def test_a_frame_whose_time_a_coarse_clock_rounds_is_met(rate: Fraction | int) -> None:
    rate, tick = Fraction(rate), Fraction(1, 100)
    times = [float(round(number / rate / tick) * tick) for number in range(100)]
    for number in range(1, 100):
        for text in (f"{number}f", f"-{100 - number}f"):
            seconds = parse_time(text).resolve(float(100 / rate), rate, tick)
            assert times[number - 1] < seconds <= times[number]
    assert parse_time("0.333s").resolve(9.0, rate, tick) == 0.333


@given(st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 6)), st.floats(0, 1e5))
def test_percents_stay_inside_the_video(percent: float, duration: float) -> None:
    seconds = parse_time(f"{percent:.6f}%").resolve(duration, None)
    assert 0 <= seconds <= duration * (1 + 1e-12)


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        parse_time(text)
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["120f", "00:00:00:12", "-12f", "50%", "end"])
def test_a_pictures_frames_are_its_one_moment(text: str) -> None:
    assert parse_time(text).resolve(0.0, None) == 0
