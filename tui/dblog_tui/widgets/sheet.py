"""``Sheet``: blocks of finished lines under a cursor, which goes from block to block and stays on its own.

Shown anew, it paints only the lines that are not what they were: a screen that looks every two seconds sends
nothing where nothing has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from dblog_tui.present.blocks import line
from dblog_tui.present.strips import picked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog_tui.present.blocks import Block
    from dblog_tui.present.look import Look

__all__ = ["Sheet"]


class Sheet(Widget, can_focus=True):
    """Blocks, one below the other.

    Args:
        look: for blanks, and the style of the cursor.
    """

    DEFAULT_CSS = "Sheet { width: 1fr; height: 1fr; }"

    class Resized(Message):
        """The blocks have to be made for another width."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._look = look
        self._blocks: Sequence[Block] = ()
        self._starts: list[int] = []
        self._lines: list[tuple[Strip, int]] = []
        self._index = -1
        self.top = 0
        """The first line that is seen."""
        self._painted: list[Strip] = []

    @property
    def key(self) -> str:
        """Of the block under the cursor; empty where there is none."""
        return self._blocks[self._index].key if 0 <= self._index < len(self._blocks) else ""

    @property
    def text(self) -> str:
        """Everything, also what is not seen."""
        return "\n".join(strip.text.rstrip() for strip, _ in self._lines)

    def show(self, blocks: Sequence[Block]) -> None:
        """Show these from now on; the cursor stays on the block of its key, else on one of its kind, else near."""
        key, index = self.key, self._index
        offset = self._starts[index] - self.top if 0 <= index < len(self._starts) else 0
        self._blocks = blocks
        self._lines = [(strip, number) for number, block in enumerate(blocks) for strip in block.strips]
        self._starts, height = [], 0
        for block in blocks:
            self._starts.append(height)
            height += len(block.strips)
        places = [number for number, block in enumerate(blocks) if block.key]
        same = next((number for number in places if blocks[number].key == key), None)
        if same is None:
            kind = key.partition(":")[0]
            kin = [number for number in places if kind and blocks[number].key.partition(":")[0] == kind]
            same = min(kin or places, key=lambda number: abs(number - index), default=-1)
        else:
            self.top = self._starts[same] - offset
        self._index = same
        self._settle()

    def move(self, by: int) -> None:
        """Go so many blocks down; where more of the block is below the edge, that is shown first."""
        for _ in range(abs(by)):
            self._step(1 if by > 0 else -1)
        self._settle(follow=by)

    def page(self, by: int) -> None:
        """Go so many pages down."""
        self.top += by * max(self.size.height - 1, 1)
        self._bound()
        seen = range(self.top, self.top + self.size.height)
        places = [number for number, block in enumerate(self._blocks) if block.key and self._starts[number] in seen]
        if places:
            self._index = places[0] if by > 0 else places[-1]
        self._settle()

    def go(self, key: str, *, to_top: bool = False) -> bool:
        """Put the cursor on the first block whose key begins so; whether there is one."""
        found = next((number for number, block in enumerate(self._blocks) if block.key.startswith(key)), None)
        if found is None:
            return False
        self._index = found
        if to_top:  # with the headings above it
            self.top = self._starts[found]
            for block in reversed(self._blocks[:found]):
                if block.key:
                    break
                self.top -= len(block.strips)
        self._settle(follow=1)
        return True

    def _step(self, by: int) -> None:
        places = [number for number, block in enumerate(self._blocks) if block.key]
        if self._index not in places:
            return
        start = self._starts[self._index]
        end = start + len(self._blocks[self._index].strips)
        if by > 0 and end > self.top + self.size.height:
            self.top += 1
        elif by < 0 and start < self.top:
            self.top -= 1
        else:
            place = places.index(self._index) + by
            if 0 <= place < len(places):
                self._index = places[place]
            else:
                self.top += by
        self._bound()

    def _settle(self, *, follow: int = 0) -> None:
        """Paint what has changed; before, where the cursor went down or up, bring its block into sight."""
        if follow and 0 <= self._index < len(self._starts):
            start, height = self._starts[self._index], self.size.height
            end = start + len(self._blocks[self._index].strips)
            fits = end - start <= height
            if start >= self.top + height or (follow > 0 and fits and end > self.top + height):
                self.top = end - height if fits else start
            elif end <= self.top or (fits and start < self.top):
                self.top = start
            if not any(block.key for block in self._blocks[: self._index]):  # the headings above the first as well
                self.top = min(self.top, max(end - height, 0))
        self._bound()
        self._repaint()

    def _bound(self) -> None:
        self.top = max(min(self.top, len(self._lines) - self.size.height), 0)

    def _repaint(self) -> None:
        width, height = self.size
        new = [self._line(y) for y in range(height)]
        if len(self._painted) != height:
            self.refresh()
        else:
            for y, (was, now) in enumerate(zip(self._painted, new, strict=True)):
                if was != now:
                    self.refresh(Region(0, y, width, 1))
        self._painted = new

    def _line(self, y: int) -> Strip:
        width, at = self.size.width, self.top + y
        if at >= len(self._lines):
            return line(self._look, width)
        strip, number = self._lines[at]
        strip = strip.adjust_cell_length(width, self._look.styles.text)
        if number != self._index or at != self._starts[number]:
            return strip
        cursor = Segment(self._look.glyphs.cursor, self._look.styles.text)
        return picked(Strip([cursor, *strip.crop(1)], width), self._look)

    def render_line(self, y: int) -> Strip:
        """The line as it was last made."""
        return self._painted[y] if y < len(self._painted) else line(self._look, self.size.width)

    def on_resize(self) -> None:
        """Have the blocks made anew."""
        self._painted = []
        self.post_message(self.Resized())
        self._settle()
