"""The guides that are shipped with the package: which there are, what each is about, and its text.

Knows no command and no terminal. A guide is whatever Markdown file stands in the folder `guides`, under its own name.
"""

import re
from importlib.resources import files
from typing import Final

__all__ = ["about", "for_screen", "guides", "text_of"]

_SUFFIX: Final = ".md"
# Code first, which is left as it is; a link's or a picture's sign, words and target after that.
_LINK: Final = re.compile(r"^```.*?^```|`[^`\n]*`|(!?)\[([^\]]*)\]\(([^)\s]*)[^)]*\)", re.MULTILINE | re.DOTALL)
_GUIDE: Final = re.compile(r"([\w-]+)\.md(?:#.*)?")
_MARKS: Final = re.compile(r"\*\*|`")
_END: Final = re.compile(r"[.:](?=\s|$)")


def guides() -> list[str]:
    """The names of all guides, in the order of the alphabet."""
    named = (each.name for each in (files("onboard360_async") / "guides").iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in named if name.endswith(_SUFFIX))


def text_of(guide: str) -> str:
    """A guide's Markdown, as it was written."""
    return (files("onboard360_async") / "guides" / f"{guide}{_SUFFIX}").read_text(encoding="utf-8")


def about(guide: str) -> str:
    """What a guide is about: its heading, or where that says no more than its name, its first sentence."""
    heading, _, rest = text_of(guide).lstrip("# \n").partition("\n")
    if set(re.findall(r"\w+", heading.casefold())) - {"a", "the"} > set(re.findall(r"\w+", guide.casefold())):
        return _plain(heading)
    paragraph = next((each for each in rest.split("\n\n") if each.strip()), heading)
    sentence = _plain(" ".join(paragraph.split()))
    end = _END.search(sentence)
    return sentence if end is None else f"{sentence[: end.start()]}."


def for_screen(text: str) -> str:
    """The same with its links as a terminal needs them: another guide is a command, and a picture its words."""
    return _LINK.sub(_spelt, text)


def _spelt(link: re.Match[str]) -> str:
    is_picture, words, target = link.groups()
    if target is None:
        return link[0]
    if found := _GUIDE.fullmatch(target):
        return f"{words} (`onboard360 help {found[1]}`)"
    return words if is_picture or "://" not in target else link[0]


def _plain(text: str) -> str:
    """Without what Markdown marks."""
    return _MARKS.sub("", _LINK.sub(lambda link: link[0] if link[3] is None else link[2], text)).strip()
