"""SVG drawings as the documentation has them: boxes, frames, arrows and words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]

_FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
_MONO = "ui-monospace, 'SF Mono', Consolas, 'Liberation Mono', monospace"
_INK, _DIM, _LINE = "#1f2328", "#59636e", "#8c959f"
_FILLS = {
    "plain": ("#ffffff", "#8c959f"),
    "ours": ("#e7f0fc", "#0b62c4"),
    "good": ("#e6f5ea", "#1a7f37"),
    "wait": ("#fdf3d8", "#9a6700"),
    "cloud": ("#f3ecfb", "#7a3fc4"),
}
LETTER_WIDTH = 6.6
"""Width of an average letter of the small lines, in pixels."""
_HEAD = (
    '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{_DIM}"/></marker>'
)


@dataclass(slots=True)
class Drawing:
    """An SVG in the making; coordinates are pixels from the top left."""

    width: float
    height: float
    title: str
    parts: list[str] = field(default_factory=list)

    def text(
        self,
        at: Point,
        content: str,
        *,
        size: float = 13,
        bold: bool = False,
        dim: bool = False,
        mono: bool = False,
        anchor: str = "middle",
        halo: bool = False,
    ) -> None:
        """One line of text whose baseline is at ``at``."""
        style = f'font-size="{size:g}" fill="{_DIM if dim else _INK}" text-anchor="{anchor}"'
        style += ' font-weight="600"' if bold else ""
        style += f' font-family="{_MONO}"' if mono else ""
        style += ' stroke="#ffffff" stroke-width="5" paint-order="stroke"' if halo else ""
        self.parts.append(f'<text x="{at[0]:g}" y="{at[1]:g}" {style}>{escape(content, quote=False)}</text>')

    def box(
        self,
        at: Point,
        size: Point,
        title: str,
        lines: Sequence[str] = (),
        *,
        kind: str = "plain",
        mono: bool = False,
    ) -> None:
        """A rounded box with a title and smaller lines below it, both centred."""
        (x, y), (width, height) = at, size
        fill, stroke = _FILLS[kind]
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="1.5"/>'
        )
        top = y + (height - 16 * len(lines)) / 2 + (5 if title else -4)
        if title:
            self.text((x + width / 2, top), title, size=14, bold=True, mono=mono)
        for number, line in enumerate(lines, 1):
            self.text((x + width / 2, top + 1 + 16 * number), line, size=12, dim=True)

    def group(self, at: Point, size: Point, label: str) -> None:
        """A dashed frame around boxes that belong together."""
        self.parts.append(
            f'<rect x="{at[0]:g}" y="{at[1]:g}" width="{size[0]:g}" height="{size[1]:g}" rx="12" fill="#f6f8fa" '
            f'stroke="{_LINE}" stroke-dasharray="5 4"/>'
        )
        self.text((at[0] + 14, at[1] + 22), label, size=13, bold=True, dim=True, anchor="start")

    def line(self, start: Point, end: Point) -> None:
        """A thin dashed line, as actors of a sequence have one."""
        (x0, y0), (x1, y1) = start, end
        self.parts.append(
            f'<path d="M{x0:g} {y0:g} L{x1:g} {y1:g}" fill="none" stroke="{_LINE}" stroke-dasharray="5 4"/>'
        )

    def arrow(
        self,
        *points: Point,
        label: str = "",
        at: Point | None = None,
        both: bool = False,
        dashed: bool = False,
        anchor: str = "middle",
    ) -> None:
        """A line through the points with a head at its end; more than two points bend it, ``|`` breaks its label."""
        (x0, y0), *rest = points
        if len(rest) == 3:
            path = f"M{x0:g} {y0:g} C" + ", ".join(f"{x:g} {y:g}" for x, y in rest)
        else:
            path = f"M{x0:g} {y0:g}" + "".join(f" L{x:g} {y:g}" for x, y in rest)
        ends = ' marker-start="url(#head)"' if both else ""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{_DIM}" stroke-width="1.5" marker-end="url(#head)"{ends}{dashes}/>'
        )
        if label:
            x, y = at or ((x0 + rest[-1][0]) / 2, (y0 + rest[-1][1]) / 2 - 6)
            for number, line in enumerate(label.split("|")):
                self.text((x, y + 15 * number), line, size=12, halo=True, anchor=anchor)

    def svg(self) -> str:
        """The whole file; its background is its own, so that it reads on a dark page, too."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" role="img" font-family="{_FONT}">\n'
            "<!-- Made by tools/pictures.py (make crds); do not edit. -->\n"
            f"<title>{escape(self.title)}</title>\n<defs>{_HEAD}</defs>\n"
            f'<rect width="{self.width:g}" height="{self.height:g}" rx="10" fill="#ffffff"/>\n'
        )
        return head + "\n".join(self.parts) + "\n</svg>\n"
