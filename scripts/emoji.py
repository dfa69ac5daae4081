"""Takes the pictures of a package of emoji, for datasets/emoji: scripts/emoji.py PACKAGE FOLDER

PACKAGE is the unpacked emoji-datasource-google, FOLDER gets pictures.png and emoji.tsv: part, group, name, short names,
category, subcategory. What is left out, what a group is and what is held out is in the README of the data set; the
counts are printed.
"""

import collections
import hashlib
import json
import pathlib
import re
import struct
import sys
import zlib

SIDE = 32  # pixels of a picture here
ACROSS = 40  # pictures in a row of the file
# Pictures of writing, whose names say what is written, and the colours that modify others.
LEFT_OUT = {"skin-tone", "keycap", "alphanum"}
# Has the picture of Saudi Arabia's in the package.
WRONG = {"flag-sark"}
# Known by heart or not at all: one group, and too large to be held out.
BY_HEART = {"country-flag": "flags", "subdivision-flag": "flags", "zodiac": "zodiac"}
# What Unicode calls black is filled and what it calls white is an outline; here the pictures have other colours.
COLOURLESS = set(
    "relaxed heart point_left point_right point_up_2 point_down point_up sunny star hearts diamonds phone black_nib"
    " scissors arrow_up arrow_right arrow_down arrow_left arrow_forward fast_forward arrow_backward rewind"
    " arrow_double_up arrow_double_down question recycle eight_pointed_black_star".split()
)
# Two are called `man in tuxedo`.
RENAMED = {"person_in_tuxedo": "person in tuxedo"}
# Code points that make a man, a woman or a person of what else is there, turn it round, or join.
PEOPLE = {"1F468", "1F469", "1F9D1"}
VARIANTS = {"200D", "FE0F", "2640", "2642", "27A1"}
# Variants that have code points of their own, by short name.
ALIKE = [
    "prince princess",
    "santa mrs_claus mx_claus",
    "dancer man_dancing",
    "pregnant_woman pregnant_man pregnant_person",
    "breast-feeding woman_feeding_baby",
    "people_holding_hands two_women_holding_hands man_and_woman_holding_hands two_men_holding_hands",
    "adult man woman",
    "child boy girl",
    "older_adult older_man older_woman",
]
# One group by the beginning of the name.
BEGINNINGS = re.compile("family|kiss(?=: |$)|couple with heart|clock face")
# Pictures that differ by less than this, as the root of the mean square of a range of 255, are one group.
ALMOST = 0.05 * 255
# A larger group is not held out.
MOST = 6


def unfiltered(kind, row, above, width):
    """A row of a PNG without its filter; `width` is that of a pixel."""
    for i in range(len(row)):
        left = row[i - width] if i >= width else 0
        up = above[i]
        if kind == 1:
            row[i] = (row[i] + left) & 255
        elif kind == 2:
            row[i] = (row[i] + up) & 255
        elif kind == 3:
            row[i] = (row[i] + (left + up) // 2) & 255
        elif kind == 4:
            row[i] = (row[i] + paeth(left, up, above[i - width] if i >= width else 0)) & 255
    return row


def paeth(left, up, corner):
    guess = left + up - corner
    a, b, c = abs(guess - left), abs(guess - up), abs(guess - corner)
    return left if a <= b and a <= c else up if b <= c else corner


def read(path):
    """A PNG of eight bits as its width and rows of (red, green, blue, alpha)."""
    data, chunks, at = path.read_bytes(), collections.defaultdict(bytes), 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunks[kind] += data[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, colour, *method = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    channels = {2: 3, 3: 1, 4: 2, 6: 4}.get(colour)
    if depth != 8 or channels is None or method != [0, 0, 0]:
        sys.exit(f"{path}: a kind of PNG that is not read here")
    palette, alphas = chunks[b"PLTE"], chunks[b"tRNS"]
    packed = bytearray(zlib.decompress(chunks[b"IDAT"]))
    above, rows, line = bytes(width * channels), [], 1 + width * channels
    for start in range(0, len(packed), line):
        above = unfiltered(packed[start], packed[start + 1 : start + line], above, channels)
        pixels = [above[i : i + channels] for i in range(0, len(above), channels)]
        if colour == 2:
            pixels = [(r, g, b, 255) for r, g, b in pixels]
        elif colour == 3:
            pixels = [(*palette[3 * i : 3 * i + 3], alphas[i] if i < len(alphas) else 255) for (i,) in pixels]
        elif colour == 4:
            pixels = [(grey, grey, grey, alpha) for grey, alpha in pixels]
        rows.append(pixels)
    return width, rows


def picture(path):
    """The picture on white, each pixel the mean of an area, as bytes: rows of red, green, blue."""
    width, rows = read(path)
    step = width // SIDE
    if width != step * SIDE or len(rows) != width:
        sys.exit(f"{path}: not {SIDE} times a whole number of pixels high and wide")
    out, count = bytearray(), step * step * 255
    for y in range(0, width, step):
        for x in range(0, width, step):
            area = [rows[y + i][x + j] for i in range(step) for j in range(step)]
            for channel in range(3):
                total = sum(p[channel] * p[3] + 255 * (255 - p[3]) for p in area)
                out.append((2 * total + count) // (2 * count))
    return bytes(out)


def mirrored(picture):
    rows = [picture[i : i + 3 * SIDE] for i in range(0, len(picture), 3 * SIDE)]
    return b"".join(row[i : i + 3] for row in rows for i in range(3 * SIDE - 3, -1, -3))


def means(picture):
    """Sums over 16 squares by channel: two pictures differ by no less than their means."""
    sums = [0] * 48
    for i, value in enumerate(picture):
        sums[i // (24 * SIDE) * 12 + i % (3 * SIDE) // 24 * 3 + i % 3] += value
    return sums


def close(pictures):
    """The pairs of pictures that are almost the same, or almost the mirror image."""
    limit = ALMOST**2 * 3 * SIDE * SIDE
    small = [means(p) for p in pictures]
    totals = [sum(s) for s in small]
    turned = [mirrored(p) for p in pictures]
    order = sorted(range(len(pictures)), key=lambda i: totals[i])
    for a, i in enumerate(order):
        for j in order[a + 1 :]:
            if (totals[j] - totals[i]) ** 2 > limit * 3 * SIDE * SIDE:
                break
            for p in (pictures, turned):
                # The squares of the mirror image are those of the picture from right to left.
                s = small[i] if p is pictures else [small[i][k // 12 * 12 + 9 - k % 12 // 3 * 3 + k % 3] for k in range(48)]
                if sum((x - y) ** 2 for x, y in zip(s, small[j])) / 64 < limit:
                    if sum((x - y) ** 2 for x, y in zip(p[i], pictures[j])) < limit:
                        yield i, j
                        break


def keys(entry):
    """What an entry shares with the others of its group."""
    codes = entry["unified"].split("-")
    rest = [code for code in codes if code not in VARIANTS and code not in PEOPLE]
    if rest:
        yield " ".join(["person" if PEOPLE & set(codes) else "", *rest])
    beginning = BEGINNINGS.match(entry["called"])
    if beginning:
        yield beginning[0]
    if entry["subcategory"] in BY_HEART:
        yield BY_HEART[entry["subcategory"]]
    for alike in ALIKE:
        if entry["short_name"] in alike.split():
            yield alike


def groups(entries, pairs):
    """For each entry the number of the first entry of its group."""
    leader = {}

    def find(key):
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    def join(a, b):
        # Numbers lead, the first of them.
        a, b = sorted([find(a), find(b)], key=lambda key: (isinstance(key, str), key))
        leader[b] = a

    for i, entry in enumerate(entries):
        for key in keys(entry):
            join(i, key)
    for i, j in pairs:
        join(i, j)
    return [find(i) for i in range(len(entries))]


def held_out(entries, group):
    """Of each category at least a tenth of what can be held out: its groups, in the order of a sum of their names."""
    size = collections.Counter(group)
    taken = set()
    for category in {entry["category"] for entry in entries}:
        all_of = [g for g, entry in zip(group, entries) if entry["category"] == category and size[g] <= MOST]
        chance = sorted(set(all_of), key=lambda g: hashlib.sha256(entries[g]["called"].encode()).digest())
        wanted = len(all_of) / 10
        for g in chance:
            if wanted <= 0:
                break
            taken.add(g)
            wanted -= size[g]
    return taken


def filtered(rows):
    """Rows of RGB, each with the filter of PNG that leaves the smallest sum, as is usual."""
    above = bytes(len(rows[0]))
    for row in rows:
        left = bytes(3) + row[:-3]
        corner = bytes(3) + above[:-3]
        tries = [
            row,
            bytes((x - a) & 255 for x, a in zip(row, left)),
            bytes((x - b) & 255 for x, b in zip(row, above)),
            bytes((x - (a + b) // 2) & 255 for x, a, b in zip(row, left, above)),
            bytes((x - paeth(a, b, c)) & 255 for x, a, b, c in zip(row, left, above, corner)),
        ]
        kind = min(range(5), key=lambda k: sum(min(x, 256 - x) for x in tries[k]))
        yield bytes([kind]) + tries[kind]
        above = row


def atlas(pictures):
    """A PNG of all pictures, ACROSS in a row, the last row filled up with white."""
    pictures = pictures + [b"\xff" * 3 * SIDE * SIDE] * (-len(pictures) % ACROSS)
    rows = []
    for start in range(0, len(pictures), ACROSS):
        for y in range(0, 3 * SIDE * SIDE, 3 * SIDE):
            rows.append(b"".join(p[y : y + 3 * SIDE] for p in pictures[start : start + ACROSS]))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", ACROSS * SIDE, len(rows), 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
    packed = packer.compress(b"".join(filtered(rows))) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def called(entry):
    name = RENAMED.get(entry["short_name"], entry["name"].lower().replace("’", "'"))
    if entry["short_name"] in COLOURLESS:
        name = " ".join(word for word in name.split() if word not in ("black", "white", "heavy"))
    return name


def main(source, target):
    counts = collections.Counter()
    entries = json.loads((source / "emoji.json").read_text(encoding="utf-8"))
    counts["emoji"] = len(entries)
    entries = [e for e in entries if e["subcategory"] not in LEFT_OUT and e["short_name"] not in WRONG]
    entries.sort(key=lambda entry: entry["sort_order"])
    for entry in entries:
        entry["called"] = called(entry)
    if len({entry["called"] for entry in entries}) < len(entries):
        sys.exit("two emoji have the same name")
    pictures = [picture(source / "img/google/64" / entry["image"]) for entry in entries]
    group = groups(entries, close(pictures))
    taken = held_out(entries, group)
    lines = []
    for g, entry in zip(group, entries):
        part = "test" if g in taken else "train"
        counts[part] += 1
        short = ",".join(entry["short_names"])
        cells = [part, entries[g]["called"], entry["called"], short, entry["category"], entry["subcategory"]]
        lines.append("\t".join(cells) + "\n")
    counts["groups"] = len(set(group))
    counts["groups held out"] = len(taken)
    (target / "emoji.tsv").write_text("".join(lines), encoding="utf-8")
    (target / "pictures.png").write_bytes(atlas(pictures))
    print(", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
