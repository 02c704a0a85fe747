"""Renders started from the live page."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from conftest import make_clip

from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.live.rendering import Rendering
from videostyle.look import Look
from videostyle.media.info import ColorSpec
from videostyle.network.model import Model


def test_a_render_that_was_stopped_goes_on_after_its_whole_pieces(
    small_model: Model, tmp_path: Path
) -> None:
    film = make_clip(tmp_path / "half_a_minute.mp4", pts=range(140), time_base=Fraction(1, 5))
    is_second = False

    def stop_after_a_piece() -> None:
        if rendering.state.frame > 60 and not is_second:
            rendering.stop()

    rendering = Rendering({"device": "cpu"}, stop_after_a_piece)

    def render() -> None:
        look = Look({"red": 1})
        rendering.start(film, tmp_path / "half.mp4", look, small_model, EncodeOptions(), None, None)
        rendering.wait()

    render()
    assert (rendering.state.status, rendering.state.output) == ("stopped", "half.part.mp4")
    assert 50 <= rendering.state.frame < 140
    is_second = True
    render()
    assert (rendering.state.status, rendering.state.output) == ("done", "half.mp4")
    assert rendering.state.frame == 140
    assert "went on after" in rendering.state.message


def test_a_render_that_was_stopped_before_its_first_frame_left_nothing(
    small_model: Model, tmp_path: Path
) -> None:
    film = make_clip(tmp_path / "film.mp4")
    rendering = Rendering({"device": "cpu"}, lambda: None)
    look = Look({"red": 1})
    rendering.start(film, tmp_path / "out.mp4", look, small_model, EncodeOptions(), None, None)
    rendering.stop()
    rendering.wait()
    assert (rendering.state.status, rendering.state.output) == ("stopped", "")
    assert rendering.state.message == "nothing was written"
    assert [path.name for path in tmp_path.glob("out*")] == []


def test_hdr_is_rendered_as_the_page_shows_it(small_model: Model, tmp_path: Path) -> None:
    hdr = ColorSpec(9, 9, 16, full_range=False)
    film = make_clip(tmp_path / "hdr.mp4", pts=range(3), pix_fmt="yuv420p10le", color=hdr)
    rendering = Rendering({"device": "cpu"}, lambda: None)
    look = Look({"red": 1})
    rendering.start(film, tmp_path / "sdr.mp4", look, small_model, EncodeOptions(), None, None)
    rendering.wait()
    assert rendering.state.status == "done", rendering.state
    assert not probe(tmp_path / "sdr.mp4").color.is_hdr
