"""English texts to fit the token vectors on: of five Debian documentation packages, and made-up questions.

The packages are fetched with `apt-get download` and unpacked beside the other working files;
nothing is installed. Their text only steers the fit: none of it is kept in the model.
"""

import random
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import support

PACKAGES = [
    "gnome-user-docs",
    "libreoffice-help-en-us",
    "postgresql-doc-15",
    "python3.11-doc",
    "wordnet-base",
]
PAGES = [
    "usr/share/help/C/**/*.page",
    "usr/share/libreoffice/help/en-US/text/**/*.html",
    "usr/share/doc/postgresql-doc-15/html/*.html",
    "usr/share/doc/python3.11/html/**/[!_g]*.html",
]
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "title"}
BLOCKS = HEADINGS | {"p", "li", "dd", "dt", "td", "th", "div", "item", "section", "note", "desc"}
SILENT = {"script", "style", "pre", "code-block", "nav", "comment", "credit", "screen", "synopsis"}
PASSAGE_CHARACTERS = 600
# The fit sees texts the length of a question and of a paragraph. What lies between is left out to save the
# transformer's time, which is most of the whole; whether it would help was not tried.
SHORT, LONG = 80, 215
MOST_SHORT = 12_000
QUESTIONS = 10_000
# Of each kind: the fewest characters a text may have, and how many are drawn at most.
KINDS = {
    "headings": (12, 10_000),
    "sentences": (30, 14_000),
    "paragraphs": (120, 12_000),
    "passages": (300, 12_000),
    "glosses": (30, 10_000),
    "examples": (20, 12_000),
}


class Blocks(HTMLParser):
    """Collects (is_heading, text) of every block element, in reading order."""

    def __init__(self):
        super().__init__()
        self.blocks, self.words, self.heading, self.silent = [], [], False, 0

    def flush(self):
        text = " ".join("".join(self.words).split()).rstrip("¶ ")
        if text:
            self.blocks.append((self.heading, text))
        self.words = []

    def handle_starttag(self, tag, attributes):
        self.silent += tag in SILENT
        if tag in BLOCKS:
            self.flush()
            self.heading = tag in HEADINGS

    def handle_endtag(self, tag):
        self.silent -= tag in SILENT and self.silent > 0
        if tag in BLOCKS:
            self.flush()
            self.heading = False

    def handle_data(self, data):
        if not self.silent:
            self.words.append(data)


def unpack(work: Path) -> Path:
    """Fetches and unpacks the packages once; returns the folder that holds their files."""
    root = work / "debian"
    if not root.exists():
        root.mkdir(parents=True)
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=root, check=True)
        for package in root.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    return root


def prose(text: str) -> bool:
    """Whether a text is words rather than code, signatures or index entries."""
    letters = sum(c.isalpha() or c == " " for c in text)
    return " " in text and letters > 0.85 * len(text)


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) +(?=[A-Z])", text)


def pages(root: Path, kinds: dict[str, list[str]]):
    """Adds the headings, sentences, paragraphs and passages of every page to `kinds`."""
    for path in sorted(page for pattern in PAGES for page in root.glob(pattern)):
        parser = Blocks()
        parser.feed(path.read_text(errors="replace"))
        parser.flush()
        passage = ""
        for is_heading, text in parser.blocks:
            if is_heading:
                kinds["headings"].append(text)
            elif prose(text):
                kinds["sentences"] += sentences(text)
                kinds["paragraphs"].append(text)
            if is_heading or len(passage) > PASSAGE_CHARACTERS:
                kinds["passages"].append(passage)
                passage = ""
            if is_heading or prose(text):
                passage = f"{passage} {text}".strip()
        kinds["passages"].append(passage)


def wordnet(root: Path, kinds: dict[str, list[str]]):
    """Adds WordNet's definitions and examples: everyday words that manuals lack."""
    for path in sorted((root / "usr/share/wordnet").glob("data.*")):
        for line in path.read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            fields, gloss = line.split(" | ", 1)
            word = fields.split()[4].replace("_", " ")
            definition = gloss.split('; "')[0].strip()
            kinds["glosses"].append(f"{word}: {definition}")
            kinds["examples"] += re.findall(r'"([^"]{20,})"', gloss)


def texts(work: Path) -> list[str]:
    """The fitting texts, always the same ones in the same order."""
    kinds = {kind: [] for kind in KINDS}
    root = unpack(work)
    pages(root, kinds)
    wordnet(root, kinds)
    shuffle = random.Random(1)
    chosen = {}
    for kind, found in kinds.items():
        shortest, most = KINDS[kind]
        unique = [t for t in dict.fromkeys(found) if len(t) >= shortest and t not in chosen]
        unique = list(filter(prose, unique))
        shuffle.shuffle(unique)
        chosen |= dict.fromkeys(unique[:most])
        print(f"{kind}: {len(unique)} found, {min(len(unique), most)} drawn")
    chosen = list(chosen)
    shuffle.shuffle(chosen)
    short = [text for text in chosen if len(text) < SHORT]
    fitting = [text for text in chosen if len(text) >= LONG] + short[:MOST_SHORT]
    fitting += support.questions(QUESTIONS)
    shuffle.shuffle(fitting)
    return fitting
