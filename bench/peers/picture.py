"""The comparison as a picture: a line for each row, a dot for each client, at its cost as a multiple of tern's. SVG."""
import math
from xml.sax.saxutils import escape

COLOURS = {"floor": "#222222", "wrk": "#7d4f9e", "h2load": "#7d4f9e", "libcurl": "#c8553d", "go": "#1b6ca8",
           "evhttp": "#3a7d44", "undici": "#b08900", "httpx": "#999999"}
WIDTH, LEFT, RIGHT, TOP, LINE = 900, 330, 30, 70, 22


def _text(x, y, text, anchor, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(text)}</text>'


def _legend(names):
    parts, x = [], 20
    for name in names:
        parts += [f'<circle cx="{x}" cy="44" r="5" fill="{COLOURS[name]}"/>', _text(x + 9, 48, name, "start")]
        x += 30 + 8 * len(name)
    return parts


def draw(compared):
    compared = {row: peers for row, peers in compared.items() if peers}
    ratios = [ratio for peers in compared.values() for ratio in peers.values()] + [1]
    low, high = math.log2(min(ratios)) - 0.2, math.log2(max(ratios)) + 0.2
    bottom = TOP + LINE * len(compared)

    def place(ratio):
        return LEFT + (math.log2(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 30}" font-family="sans-serif" '
             f'font-size="12"><rect width="100%" height="100%" fill="white"/>',
             _text(20, 22, "What each client costs, as a multiple of tern (right of 1: more than tern)", "start",
                   'font-size="16"'), *_legend(name for name in COLOURS if any(name in p for p in compared.values()))]
    for power in range(math.ceil(low), math.floor(high) + 1):
        x = place(2.0 ** power)
        parts += [f'<path d="M{x:.1f} {TOP - 10}V{bottom}" stroke="{"#c00" if power == 0 else "#ddd"}"/>',
                  _text(x, bottom + 18, f"{2.0 ** power:g}", "middle")]
    for i, (row, peers) in enumerate(compared.items()):
        y = TOP + LINE * i + 4
        parts.append(_text(LEFT - 12, y + 4, row, "end"))
        parts += [f'<circle cx="{place(ratio):.1f}" cy="{y}" r="5" fill="{COLOURS[peer]}"/>'
                  for peer, ratio in peers.items()]
    return "\n".join(parts) + "\n</svg>\n"


def save(path, compared):
    with open(path, "w", encoding="utf-8") as file:
        file.write(draw(compared))
