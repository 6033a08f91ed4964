"""Names from outside are printed on one line, with nothing that moves a cursor."""

import importlib
import re
import unicodedata

import pytest
from click.testing import CliRunner

from motion_shards.plain_text import first_names, printable, printable_lines

ORDINARY = "日本語 Ünïcödé العربية עברית हिन्दी 👩‍👩‍👧 a\\b [x] ~"


def test_ordinary_text_of_all_scripts_stays():
    assert printable(ORDINARY) == ORDINARY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\n", r"a\nb\r\n"),
        ("\x1b[2J\x07\x00\x7f", r"\x1b[2J\x07\x00\x7f"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("gpj\u202egnp\u2066\u200f\u061c", r"gpj\u202egnp\u2066\u200f\u061c"),
        ("\ud800", r"\ud800"),
        ("日本".encode().decode("ascii", "surrogateescape"), "日本"),
        (b"\xff\x1b\xe2\x80\xae".decode("ascii", "surrogateescape"), r"\xff\x1b\u202e"),
    ],
)
def test_what_could_end_a_line_or_move_a_cursor_is_an_escape(text, shown):
    assert printable(text) == shown


def test_no_control_character_is_left_and_no_other_is_touched():
    bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    for point in range(0x11000):
        character = chr(point)
        unsafe = (
            unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")
            or character in bidi
        )
        assert (printable(character) != character) == unsafe, hex(point)
        assert unicodedata.category(printable(character)[0]) not in ("Cc", "Zl", "Zp")


def test_texts_of_several_lines_keep_their_lines():
    log = "\x1b[36m(task)\x1b[0m\tok\r\nnext\r50 %\n\x1b]0;title\x07"
    assert printable_lines(log) == "(task)\tok\nnext\\r50 %\n\\x1b]0;title\\x07"


@pytest.mark.parametrize("command", ["pipeline", "training"])
def test_errors_of_both_commands_stay_on_one_line(command):
    main = importlib.import_module(f"{command}.commands.cli").main
    asked = {"pipeline": ["status"], "training": ["report", "--out", "x"]}[command]
    for name in ("no\n0 damaged files", "no\x1b[2J\u202e", "日本"):
        told = CliRunner().invoke(main, [*asked, name])
        assert told.exit_code == 2
        assert told.stderr.splitlines()[-1].startswith("Error: ")
        assert printable(name) in told.stderr.splitlines()[-1]
        assert "\x1b" not in told.stderr


@pytest.mark.parametrize("command", ["pipeline", "training"])
def test_near_matches_are_named_for_unknown_commands(command):
    main = importlib.import_module(f"{command}.commands.cli").main
    typed = {"pipeline": "verifi", "training": "distil"}[command]
    told = CliRunner().invoke(main, [typed])
    assert told.exit_code == 2
    meant = {"pipeline": "verify", "training": "distill"}[command]
    assert re.search(f"Did you mean '?{meant}'?\\?", told.stderr)


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        ([], {}, ""),
        (["a", "b", "c"], {}, "a, b, c"),
        (["a", "b", "c", "d"], {}, "a, b, c, ..."),
        (["a", "b", "c", "d"], {"count": True}, "a, b, c and 1 more"),
        (["a"] * 2001, {"most": 1, "count": True}, "a and 2,000 more"),
    ],
)
def test_long_lists_are_cut(names, given, expected):
    assert first_names(names, **given) == expected
