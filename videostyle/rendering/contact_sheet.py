"""One picture in every style of a model, labelled: what `videostyle styles --sheet` draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videostyle.decode.probe import probe
from videostyle.decode.still import still
from videostyle.look import Look
from videostyle.media.picture import write_whole_picture
from videostyle.stylize.stylizer import Stylizer

CELL_WIDTH_PX, MOST_HEIGHT_PX, COLUMNS = 480, 960, 4
MARGIN_PX, LABEL_PX = 12, 44
INK, FAINT, PAPER = (24, 24, 28), (110, 110, 118), (250, 249, 246)


def draw_contact_sheet(output: Path, source: Path, stylizer: Stylizer) -> None:
    """Paint a picture, or a still of a video, in every style, as large as fits into 480x960 pixels;
    the untouched picture comes first.

    Raises MediaError if the source cannot be read, or the sheet not be written.
    """
    image = Image.fromarray(still(probe(source, "tonemap")))
    scale = min(CELL_WIDTH_PX / image.width, MOST_HEIGHT_PX / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    cells = [(image, "original", source.name)]
    for style in stylizer.model.card.styles:
        pastiche = Image.fromarray(stylizer(np.asarray(image), Look({style.name: 1.0})))
        cells.append((pastiche, style.name, style.caption))
    write_whole_picture(_lay_out(cells, height), output)


def _lay_out(cells: list[tuple[Image.Image, str, str]], height: int) -> Image.Image:
    rows = -(-len(cells) // COLUMNS)
    pitch = (CELL_WIDTH_PX + MARGIN_PX, height + LABEL_PX + MARGIN_PX)
    sheet = Image.new(
        "RGB", (COLUMNS * pitch[0] + MARGIN_PX, rows * pitch[1] + MARGIN_PX), color=PAPER
    )
    draw = ImageDraw.Draw(sheet)
    name_font, title_font = ImageFont.load_default(18), ImageFont.load_default(13)
    for index, (image, name, title) in enumerate(cells):
        left = MARGIN_PX + index % COLUMNS * pitch[0]
        top = MARGIN_PX + index // COLUMNS * pitch[1]
        sheet.paste(image, (left, top))
        draw.text((left, top + height + 2), name, fill=INK, font=name_font)
        title = _shortened(title, title_font)
        draw.text((left, top + height + 25), title, fill=FAINT, font=title_font)
    return sheet


def _shortened(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """Cut a text to the width of a cell."""
    if font.getlength(text) <= CELL_WIDTH_PX:
        return text
    while font.getlength(text + "...") > CELL_WIDTH_PX:
        text = text[:-1]
    return text + "..."
