"""What a report consists of, whatever it is written as: HTML (page.py) or the tables and pictures of docs/results.md
(document.py)."""
import dataclasses


@dataclasses.dataclass
class Heading:
    text: str
    level: int = 2


@dataclasses.dataclass
class Text:
    text: str
    bad: bool = False


@dataclasses.dataclass
class Table:
    """Cells are text; one that begins with * is set in bold. `name` is how a document asks for it."""
    name: str
    heads: list
    rows: list


@dataclasses.dataclass
class Picture:
    name: str
    title: str
    svg: str


def bold(text, yes=True):
    return f"*{text}" if yes else str(text)
