"""Takes texts from LibreOffice's Spanish messages, for datasets/translations: scripts/translations.py MESSAGES FOLDER

MESSAGES is the folder of .mo files, FOLDER gets train.tsv and test.tsv: English, tab, Spanish. What is left out and why
is in the README of the data set; what is left of how many is printed.
"""

import collections
import gettext
import hashlib
import pathlib
import re
import sys

# Mnemonics: the key that opens a menu's entry.
MNEMONICS = re.compile("[_~]")
# What is for programs and not for readers: placeholders, markup, formulas, lists, paths.
FOREIGN = re.compile(r"[%${}<>#^|\\@=*/&\t\n▸]|\.\w")
ENGLISH = re.compile(r"[A-Za-z0-9 ,.:;!?()'\"“”…–+-]+")
SPANISH = re.compile(r"[A-Za-z0-9 ,.:;!?()'\"“”…–+«»¿¡áéíóúüñÁÉÍÓÚÜÑ-]+")
WORDS = {"English": range(2, 21), "Spanish": range(1, 25)}


def messages(path):
    """The English and the Spanish of each message of a file, in its order; of plurals only the singular."""
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    for key, spanish in catalog.items():
        key, plural = key if isinstance(key, tuple) else (key, 0)
        english = key.split("\x04")[-1]  # behind its context
        if english and not plural:
            yield english, spanish


def plain(text):
    """The text as a reader sees it, or None for what no reader sees."""
    if FOREIGN.search(text):
        return None
    text = MNEMONICS.sub("", text).replace("...", "…").replace("’", "'")
    return " ".join(text.split())


def letters(text):
    """What two texts share that differ in case, punctuation and numbers alone."""
    return " ".join(re.findall(r"[^\W\d]+", text.lower()))


def chance(text):
    return hashlib.sha256(text.encode()).digest()


def groups(pairs):
    """For each pair the name of its group: pairs with the same letters on either side are in one group."""
    leader = {}

    def find(key):
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for english, spanish in pairs:
        a, b = sorted([find(("en", letters(english))), find(("es", letters(spanish)))])
        leader[b] = a
    return [find(("en", letters(english)))[1] for english, _ in pairs]


def main(source, target):
    counts = collections.Counter()
    found = collections.defaultdict(collections.Counter)
    for path in sorted(source.glob("*.mo")):
        for english, spanish in messages(path):
            counts["messages"] += 1
            english, spanish = plain(english), plain(spanish)
            if not (english and spanish and ENGLISH.fullmatch(english) and SPANISH.fullmatch(spanish)):
                counts["not plain text"] += 1
            elif len(english.split()) not in WORDS["English"] or len(spanish.split()) not in WORDS["Spanish"]:
                counts["too short or too long"] += 1
            elif letters(english) == letters(spanish) or not letters(english) or not letters(spanish):
                counts["not translated"] += 1
            else:
                counts["taken"] += 1
                found[english.lower()][english, spanish] += 1
    # Of several translations the one that occurs most, else the first.
    pairs = [translations.most_common(1)[0][0] for translations in found.values()]
    pairs.sort(key=lambda pair: chance(pair[0]))
    counts["pairs"] = len(pairs)
    parts = {"train": [], "test": []}
    for pair, group in zip(pairs, groups(pairs)):
        parts["test" if chance(group)[0] < 26 else "train"].append(pair)
    for name, part in parts.items():
        counts[name] = len(part)
        text = "".join(f"{english}\t{spanish}\n" for english, spanish in part)
        (target / f"{name}.tsv").write_text(text, encoding="utf-8")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
