"""The timeline that all tabs of a page share: its curves, its tempo, its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from videostyle.errors import UsageError
from videostyle.live.announcements import Message, timeline_message
from videostyle.live.library import Library
from videostyle.live.message import tempo, text
from videostyle.live.performance import from_start
from videostyle.live.player import Player
from videostyle.live.timeline_files import MAX_TIMELINE_BYTES, TimelineFiles
from videostyle.live.timeline_view import curve_between, ease_at
from videostyle.timecode import NEAR, Tempo
from videostyle.timeline.document import TimelineDocument
from videostyle.timeline.reader import parse_timeline
from videostyle.timeline.timeline import TRACKS, Timeline
from videostyle.timeline.writer import dump_timeline
from videostyle.whole_file import written_whole


class SharedTimeline:
    """What the player follows. `say` is called with a message of it after every change.

    curves: on the source that is open, None without a timeline. tempo: the timeline's, or for the
    one to come. files: those of the timelines. warnings: of the timeline that was read last.
    """

    def __init__(self, library: Library, player: Player, *, say: Callable[[Message], None]) -> None:
        self.files = TimelineFiles(library)
        self.curves: Timeline | None = None
        self.tempo: Tempo | None = None
        self.warnings: Sequence[str] = ()
        self._library, self._player, self._say_message = library, player, say

    def begin(self) -> None:
        """Forget it, for another source."""
        self.tempo = None
        self._clear()

    def _clear(self) -> None:
        self.curves, self.files.yaml = None, ""
        self.files.begin()

    def parse(self, source: str) -> TimelineDocument | None:
        """Read a text, None of an empty one. Raises UsageError or TimelineError."""
        if len(source.encode(errors="replace")) > MAX_TIMELINE_BYTES:
            raise UsageError(
                f"the timeline is longer than {MAX_TIMELINE_BYTES / 1e6:.0f} MB, which the page "
                "does not read; use fewer keys, or render it with: videostyle render -t"
            )
        card = self._player.stylizer.model.card
        return parse_timeline(source, card, name="timeline") if source.strip() else None

    def take(self, message: Message, source: str, document: TimelineDocument | None) -> None:
        """Follow a text that a tab has written (`keep_text`), or made of its keys, once it is
        parsed. What is written is kept as it is. Raises UsageError for a key that is not reached.
        """
        is_text = message.get("keep_text") is True
        if document is None:
            if is_text:
                self.tempo = tempo(message)
            self._clear()
            self._player.update(timeline=None, follow=False)
            self.say()
            return
        info = self._player.info
        facts = (info.duration_seconds, info.frame_rate, info.time_base) if info else (None, None)
        curves, warnings = document.resolve(*facts)
        if not is_text and curves.loop:
            last = self.curves.end_seconds if self.curves else 0.0
            if curves.end_seconds > max(last, curves.loop.period) + NEAR:
                raise UsageError(
                    f"the timeline repeats every {curves.loop.period:g} s, so a key after that "
                    "is not reached; put it earlier, or take 'loop' out of the timeline's text"
                )
        number = self.files.number_in(message)
        if number is not None:
            self.files.number = number
        elif "name" in message:  # of a file from elsewhere
            self.files.begin(text(message, "name", 1000))
        if is_text:
            self.tempo = document.tempo
        self.keep(curves, source if is_text else None, warnings)

    def set_tempo(self, tapped: Tempo | None) -> None:
        """Give it a tempo, or take it away; keys stay where they are. Without a timeline the tempo
        waits for one. Raises UsageError where the timeline has a loop that would leave the beats.
        """
        if self.curves and self.curves.loop and tapped and tapped.first:
            raise UsageError(
                "the timeline loops from 0 s, so its rounds would leave beats after a first_beat; "
                "give 0, or take 'loop' out of the timeline's text"
            )
        self.tempo = tapped
        if self.curves:
            self.keep(self.curves)
        else:
            self.say()

    def keep(self, curves: Timeline, yaml: str | None = None, warnings: Sequence[str] = ()) -> None:
        """Follow curves from now on. yaml: their text, which is written if it is None."""
        if yaml is None:
            curves = from_start(curves)
            yaml = dump_timeline(curves, self.tempo)
        self.curves, self.files.yaml, self.warnings = curves, yaml, warnings
        self._player.update(timeline=curves)
        self.say()

    def keep_unsaved(self) -> Path | None:
        """Write a timeline that no file holds into the folder, under a name that is free; return
        where, or None if there was nothing to write."""
        if self.curves is None or self.files.is_saved:
            return None
        path = self._library.free("performance", ".yaml")
        with written_whole(path) as part:
            part.write_bytes(self.files.yaml.encode())
        self.files.note(self.files.yaml, path)
        return path

    def saved(self, name: str, source: str, number: int | None) -> int:
        """Note that a text was saved, and return the number of its file. number: of the file that
        the text was of before, if any."""
        number = self.files.saved(name, source, number)
        if number == self.files.number:
            self.say()
        return number

    def curve_between(self, start: float, end: float) -> Message:
        """What to draw of it between two times. Raises UsageError without a timeline."""
        return curve_between(self._need_curves(), start, end)

    def look_at(self, seconds: float) -> Message:
        """What it says at a time, and the curves that its tracks follow there. Raises UsageError
        without a timeline."""
        curves = self._need_curves()
        eases = {name: ease_at(curves, name, seconds) for name in TRACKS}
        return {**curves.look_at(seconds).to_dict(), "eases": eases}

    def _need_curves(self) -> Timeline:
        curves = self.curves  # another thread may take them away
        if curves is None:
            raise UsageError("there is no timeline")
        return curves

    def message(self) -> Message:
        """What a tab is told of it."""
        curves = self.curves  # another thread may take them away
        info = self._player.info if curves else None
        return timeline_message(curves, self.tempo, self.files, self.warnings, info)

    def say(self) -> None:
        """Tell all tabs."""
        self._say_message(self.message())
