"""chrF2 by sacrebleu, its own defaults, of texts that we make up: each pair by itself, and all of them together."""

import common
import sacrebleu

SYLLABLES = "la ca de el ñu és 'o ¿qué? fin; un (mar) Üb 日本 x".split()


def sentence(random, most):
    words = ["".join(random.choice(SYLLABLES, random.integers(1, 4))) for _ in range(random.integers(0, most))]
    return " ".join(words)


def corrupted(random, text):
    """The text with letters left out, doubled, swapped for others or for spaces."""
    written = ""
    for letter in text:
        written += random.choice([letter, "", letter * 2, "e", " ", " \t"], p=[0.8, 0.05, 0.05, 0.04, 0.03, 0.03])
    return written


def write_texts(folder, name, hypotheses, references):
    whole = sacrebleu.corpus_chrf(hypotheses, [references]).score
    each = [sacrebleu.corpus_chrf([h], [[r]]).score for h, r in zip(hypotheses, references)]
    golden = {"hypotheses": hypotheses, "references": references, "score": whole, "scores": each}
    common.write(folder, name, {}, golden | {"sacrebleu": sacrebleu.__version__})


def main():
    folder = common.output_folder()
    random = common.rng("sentences")
    references = [sentence(random, 12) for _ in range(24)]
    write_texts(folder, "sentences", [corrupted(random, text) for text in references], references)
    # Shorter than the longest runs, of one letter, empty on either side, white space that is not a space.
    hypotheses = ["a", "aa", "aaaaaaa", "", "ab", "abcde", "abcdefg"]
    hypotheses += ["a b\u00a0c\u3000d\x1ce\u2028f", "aAbB", "x", "e\u0301"]
    references = ["a", "a", "aaaaaaaaaa", "ab", "", "abcdx", "abc", "abcdef", "aabb", "yyyyyyyy", "é"]
    write_texts(folder, "short", hypotheses, references)
    write_texts(folder, "apart", ["abc", "", "z"], ["xyz", "", "abcdefgh"])


main()
