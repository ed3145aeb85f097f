"""JSON texts as nobody should write them: at random, and of a value that is given. For the fuzz and the forgeries."""

import json
import struct
from collections.abc import Iterator
from random import Random

__all__ = ["disguised", "random_bodies"]

_NUMBERS = (
    *("-0", "-0.0", "0.0", "1.0", "1E400", "-1e400", "5e-324", "2.5e-324", "1e-400", "1e21", "1e20", "1e-7", "2e-6"),
    *("123456789012345678901234567890", "9007199254740993", "-9007199254740993", "1.7976931348623159e308"),
    *("0.000001", "0.0000001", "0.1000000000000000055"),
)
_CHARACTERS = (
    *("\\/", "/", '\\"', "\\\\", "\\b", "\\f", "\\n", "\\t"),
    *("\x7f", "\x80", "\xad", "\u2028", "\u2029", "\ufeff"),
)
_NAMES = (
    *('"__proto__"', '"constructor"', '"toJSON"', '""', '"0"', '"01"', '"-1"', '"1.5"', '"1e3"', '"\\u0031"'),
    *('"\u0661"', '"4294967294"', '"4294967295"', '"4294967296"', '"10000000000"'),
)
_WRONG = ["", ",", "1", "\x00", "NaN", "Infinity", "\ufeff", "\x0b", "e", ".", "\\x41", "'", "\xa0", "+", "00"]
_BROKEN = 0.05  # of all bodies
_DEPTH = 4


def random_bodies(seed: int, count: int) -> Iterator[str]:
    """`count` bodies, some of which are no JSON; the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        body = f"{_space(random)}{_value(random, _DEPTH)}{_space(random)}"
        if random.random() < _BROKEN:
            place = random.randrange(len(body))
            body = body[:place] + random.choice(_WRONG) + body[place + 1 :]
        yield body


def _space(random: Random) -> str:
    return random.choice(["", "", "", " ", "\n", "\t", "\r\n  "])


def _value(random: Random, depth: int) -> str:
    kind = random.randrange(8 if depth else 5)
    if kind < 2:
        return _text(random)
    if kind < 4:
        return _number(random)
    if kind == 4:
        return random.choice(["true", "false", "null"])
    between = f"{_space(random)},{_space(random)}"
    if kind == 5:
        return f"[{_space(random)}{between.join(_value(random, depth - 1) for _ in range(random.randrange(4)))}]"
    names = [f"{_name(random)}{_space(random)}:{_space(random)}" for _ in range(random.randrange(6))]
    members = (f"{name}{_value(random, depth - 1)}" for name in names)
    return f"{{{_space(random)}{between.join(members)}{_space(random)}}}"


def _number(random: Random) -> str:
    match random.randrange(7):
        case 0:
            most = 10 ** random.randrange(1, 25)
            return str(random.randrange(-most, most))
        case 1:
            return repr(random.uniform(-1, 1) * 10 ** random.randrange(-30, 30))
        case 2:
            return f"{random.randrange(10**6)}.{random.randrange(10 ** random.randrange(1, 20))}"
        case 3:
            sign, exponent = random.choice(["", "-"]), random.choice(["e", "E+", "e-"])
            return f"{sign}{random.randrange(10)}{exponent}{random.randrange(400)}"
        case 4:
            return random.choice(_NUMBERS)
        case 5:
            (double,) = struct.unpack("d", random.randbytes(8))
            return repr(double) if abs(double) < float("inf") else "0"
        case _:
            return str(random.randrange(1000))


def _character(random: Random) -> str:
    match random.randrange(9):
        case 0:
            return f"\\u{random.randrange(32):04X}"
        case 1:
            return f"\\u{random.randrange(0xD800, 0xE000):04x}"
        case 2:
            return random.choice(_CHARACTERS)
        case 3:
            return chr(random.randrange(0x10000, 0x110000))
        case 4:
            return chr(random.randrange(0xE000, 0x10000))
        case 5:
            return chr(random.randrange(0x80, 0xD800))
        case 6:
            return f"\\u{random.randrange(0x10000):04x}"
        case _:
            return random.choice("abcxyz 0189")


def _text(random: Random) -> str:
    return f'"{"".join(_character(random) for _ in range(random.randrange(8)))}"'


def _name(random: Random) -> str:
    match random.randrange(6):
        case 0:
            return f'"{random.randrange(200)}"'
        case 1:
            return random.choice(_NAMES)
        case _:
            return _text(random)


def disguised(value: object, random: Random) -> str:
    """A text of this value, or of one that some writer would write as this one: as a forger would try it."""
    space = " " if random.random() < 0.2 else ""
    if isinstance(value, dict):
        members = [(name, disguised(each, random)) for name, each in value.items()]
        if random.random() < 0.1:
            random.shuffle(members)
        if members and random.random() < 0.4:  # a name twice: the first is for those who take the first
            members.insert(0, (members[0][0], random.choice(['"forged"', "1e400", "{}", "0"])))
        return f"{{{','.join(f'{_disguised_text(name, random)}:{space}{text}' for name, text in members)}}}"
    if isinstance(value, list):
        return f"[{space}{','.join(disguised(each, random) for each in value)}]"
    if isinstance(value, str):
        return _disguised_text(value, random)
    if value is None:
        return random.choice(["null"] * 4 + ["1e400", "-1e999"] * 2 + ["NaN"])
    if isinstance(value, bool):
        return json.dumps(value)
    return _disguised_number(value, random)


def _disguised_text(text: str, random: Random) -> str:
    written = json.dumps(text, ensure_ascii=random.random() < 0.5 or not _can_be_sent(text))
    return written.replace("/", "\\/") if random.random() < 0.5 else written


def _can_be_sent(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _disguised_number(number: object, random: Random) -> str:
    """Most often a text of the same double, and now and then one of another."""
    text = str(number)
    others = [text, f"{text}e0" if "e" not in text else text]
    if isinstance(number, int):
        others += [f"{text}.0", f"{text}.00", str(number + 1) if abs(number) >= 2**53 else text]
    elif "." in text and "e" not in text:
        others += [f"{text}0", f"{text}00000000000000000000001"]
    return random.choice(others) if random.random() < 0.9 else f"-{text.lstrip('-')}"
