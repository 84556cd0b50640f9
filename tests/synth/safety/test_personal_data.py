"""Planted personal data is found and replaced, what looks alike stays, and code parses as before."""

from __future__ import annotations

import ast
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from opencoder.records import Message
from synth.record import IoTest, Row
from synth.safety.numbers import is_iban, is_luhn
from synth.safety.scan import apply, scan
from tests.support import planted_secrets as made

CASES = 240
Maker = Callable[[Random], str]


def digits(seed: Random, count: int) -> str:
    return "".join(seed.choices("0123456789", k=count))


def card(seed: Random) -> str:
    head, size = seed.choice([("4", 16), ("51", 16), ("2720", 16), ("37", 15), ("6011", 16), ("62", 19)])
    body = head + digits(seed, size - len(head) - 1)
    whole = next(body + digit for digit in "0123456789" if is_luhn(body + digit))
    if size == 15:
        return f"{whole[:4]} {whole[4:10]} {whole[10:]}"
    sign = seed.choice(" -")
    return sign.join(whole[at : at + 4] for at in range(0, len(whole), 4))


def iban(seed: Random) -> str:
    country, size = seed.choice([("DE", 22), ("FR", 27), ("NL", 18), ("GB", 22), ("PL", 28)])
    bank = made.text_of(seed, "ABCDEFGHKLMNPQRSTUVW", 4) if country in {"NL", "GB"} else ""
    body = bank + digits(seed, size - 4 - len(bank))
    whole = next(code for n in range(100) if is_iban(code := f"{country}{n:02}{body}"))
    return " ".join(whole[at : at + 4] for at in range(0, size, 4)) if seed.random() < 0.5 else whole


def phone(seed: Random) -> str:
    area, last = f"{seed.randrange(2, 10)}{digits(seed, 2)}", digits(seed, 4)
    exchange = f"{seed.randrange(2, 5)}{digits(seed, 2)}"
    return seed.choice(
        [
            f"({area}) {exchange}-{last}",
            f"{area}-{exchange}-{last}",
            f"+1 {area} {exchange} {last}",
            f"+49 1{seed.randrange(5, 8)}{seed.randrange(10)} {digits(seed, 7)}",
            f"+44 20 {digits(seed, 4)} {digits(seed, 4)}",
            f"+86 13{seed.randrange(10)} {digits(seed, 4)} {digits(seed, 4)}",
            f"13{seed.randrange(10)}-{digits(seed, 4)}-{digits(seed, 4)}",
            f"tel: 0{seed.randrange(1, 9)}{digits(seed, 9)}",
            f"我的电话是13{digits(seed, 9)}",
        ]
    )


MAKERS: dict[str, Maker] = {
    "email": made.email,
    "ip_address": made.ipv4,
    "phone": phone,
    "credit_card": card,
    "iban": iban,
    "key": made.KEYS["AKIA"],
}
FRAMES = (
    "Please use {} for this.",
    "It is {}, I think",
    "Here: {}\n\nThanks",
    "我们用 {} 。",
    "- {}\n- other",
    'Look:\n```python\nvalue = "{}"  # mine\n```\n',
    "```\n// {}\nint x = 1;\n```",
    "({})",
)


def chat(*turns: str) -> Row:
    roles = ("user", "assistant")
    return Row(messages=[Message(roles[n % 2], text) for n, text in enumerate(turns)])


@pytest.mark.parametrize("kind", MAKERS)
def test_planted_values_are_found(kind: str) -> None:
    found = 0
    for number in range(CASES):
        seed = Random(number)
        value = MAKERS[kind](seed)
        row = chat(seed.choice(FRAMES).format(value))
        after = apply(row).messages[0].content
        bare = value.rpartition(": ")[2].rpartition("是")[2]
        found += bare not in after and f"<{kind.upper()}_1>" in after
    assert found >= 0.98 * CASES, found


def lookalike(seed: Random) -> str:
    word = seed.choice(["total", "id", "offset", "seed", "value"])
    return seed.choice(
        [
            f"version {digits(seed, 1)}.{digits(seed, 2)}.{digits(seed, 1)}.{digits(seed, 2)}",
            f"{word} = {seed.randrange(10**9, 10**10)}",
            f"{word}: {seed.randrange(10**15, 10**16)}",
            f"at {seed.randrange(1_400_000_000, 1_800_000_000)} and {seed.randrange(10**12, 2 * 10**12)} ms",
            f"on 20{seed.randrange(10, 30)}-0{seed.randrange(1, 10)}-1{seed.randrange(10)} 12:30:45",
            f"127.0.0.1, 10.{seed.randrange(255)}.{seed.randrange(255)}.7, 192.0.2.{seed.randrange(1, 255)}",
            f"0.{digits(seed, 16)}",
            f"[{', '.join(digits(seed, 4) for _ in range(5))}]",
            f"user{seed.randrange(99)}@example.com or noreply@github.com",
            f"call {word}(555) and 555-0{seed.randrange(100, 200)}",
            f"{seed.randrange(1, 999)} + {seed.randrange(10**9)} - {seed.randrange(10**9)}",
            f"x = a +{seed.randrange(10**9)}",
            f"ISBN 978-{digits(seed, 1)}-{digits(seed, 4)}-{digits(seed, 4)}-{digits(seed, 1)}",
            f"commit {made.text_of(seed, made.HEX, 40)}",
            f"{digits(seed, 3)}-{digits(seed, 2)}-{digits(seed, 3)}",
            f"3 4 {digits(seed, 2)} {digits(seed, 3)} {digits(seed, 3)} {digits(seed, 4)}",
            "4111 1111 1111 1111, 123-456-7890 and +1 234 567 8901",
            f"@decorator\nclass A{seed.randrange(9)}: pass",
            f"W @ x.T and git@github.com:a/b.git in {word}",
            f"```python\n{word} = {4 * 10**15 + seed.randrange(10**15)}\nphone = {digits(seed, 10)}\n```",
        ]
    )


def test_lookalikes_stay() -> None:
    wrong = []
    for number in range(1000):
        text = lookalike(Random(number))
        for frame in ("It is {}.", "{}"):
            if scan(chat(frame.format(text))).places:
                wrong.append(text)
    assert len(wrong) <= 10, wrong


def test_one_value_has_one_placeholder_in_all_fields() -> None:
    seed = Random(3)
    first, second, number, bank = made.email(seed), made.email(seed), "+49 171 5082943", iban(seed)
    compact = bank.replace(" ", "")
    row = Row(
        messages=[
            Message("user", f"Mail {first} or {second}, or call {number}."),
            Message(
                "assistant",
                f'Sure:\n```python\nTO = "{first.upper()}"\nTEL = "{number.replace(" ", "")}"\n```\n{bank}',
            ),
        ],
        code=f'TO = "{second}"\nBANK = "{compact}"\n',
        testcase=[f'assert TO == "{second}"'],
        test_setup=f"# ask {first}",
        stdin_tests=[IoTest(input=f"{first}\n4024007103939509\n", output=second)],
        language="python",
    )
    before = msgspec.json.encode(row)
    after = apply(row)
    assert msgspec.json.encode(row) == before
    assert after.messages[0].content == "Mail <EMAIL_1> or <EMAIL_2>, or call <PHONE_1>."
    assert after.messages[1].content == 'Sure:\n```python\nTO = "<EMAIL_1>"\nTEL = "<PHONE_1>"\n```\n<IBAN_1>'
    assert after.code == 'TO = "<EMAIL_2>"\nBANK = "<IBAN_1>"\n'
    assert after.testcase == ['assert TO == "<EMAIL_2>"']
    assert after.test_setup == "# ask <EMAIL_1>"
    assert after.stdin_tests[0].input == "<EMAIL_1>\n4024007103939509\n"
    assert after.stdin_tests[0].output == "<EMAIL_2>"
    assert after.flags.pii == ["email", "iban", "phone"]
    assert apply(after) == after
    third = apply(msgspec.structs.replace(after, code=f'A = "{made.email(Random(8))}"'))
    assert third.code == 'A = "<EMAIL_3>"'


def shape(code: str) -> str:
    """The tree of a program without the values of its texts."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            node.value = type(node.value)()
    return ast.dump(tree)


PROGRAM = """\
A = "{}"
B = f"{{A}} {}"
C = b"x\\n{}\\t" if A else {}
def f(password='{}'):
    '''Ask {}.

    It's so.
    '''
    return A @ B.co  # {}
KEY = ("-----BEGIN RSA PRIVATE " "KEY-----\\n" "{}\\n")
"""


def test_python_is_the_same_program_after() -> None:
    for number in range(300):
        seed = Random(number)
        values = [seed.choice([*MAKERS.values(), made.password])(seed) for _ in range(6)]
        values = [value if value.isascii() else "x" for value in values]
        values.insert(3, str(4 * 10**15 + seed.randrange(10**15)))
        code = PROGRAM.format(*values, made.text_of(seed, made.BASE62, 64))
        row = Row(messages=[Message("user", f"```python\n{code}```")], code=code, language="python")
        after = apply(row)
        assert after.flags.pii
        assert shape(after.code) == shape(code)
        inner = after.messages[0].content.removeprefix("```python\n").removesuffix("```")
        assert shape(inner) == shape(code)
        assert apply(after).code == after.code


INTRODUCTIONS = (
    "Hi, my name is {}. I need help.",
    "Hello!\n\nI'm {} from Berlin.",
    "My full name is {} and I code.",
    "Call me {}!",
    "This is {} here.",
    "Can you fix it?\n\nBest regards,\n{}",
    "Fix it.\n\nThanks,\n- {}\n",
    "I am {}, a student",
)
NOT_NAMES = (
    "I'm Trying to sort.",
    "This is Python code.",
    "I am Using Django, version 4",
    "my name is not important",
    "I'm on Windows, and it fails",
    "call me back later",
    "Thanks,\nthis works",
    "I'm happy.",
    "This is Important!",
    "My name is John Doe.",
    'print("my name is " + name)',
    "This is the Main Loop, here.",
    "I am Senior Developer, and",
    "I'm ChatGPT, a model",
    "我叫它函数",
    "我叫不出名字",
    "This is React, and that is Vue",
)


def test_names_of_people_who_say_them() -> None:
    firsts = [name for name in made.FIRST if name not in {"Mei", "İnci"}]
    found = 0
    for number in range(CASES):
        seed = Random(number)
        first, last = seed.choice(firsts), seed.choice(made.LAST)
        row = chat(
            seed.choice(INTRODUCTIONS).format(f"{first} {last}"), f"Hi {first}! Dear {first} {last}, see `x`."
        )
        after = apply(row, chat=True)
        found += after.messages[1].content == "Hi <NAME_1>! Dear <NAME_1>, see `x`."
        assert apply(row).flags.pii == []
    assert found >= 0.95 * CASES, found
    for text in NOT_NAMES:
        assert scan(chat(text), chat=True).places == {}, text


def test_chinese_names_and_code() -> None:
    row = chat("你好,我叫王小明,请看代码。", '好的,王小明:\n```python\nname = "王小明"\n王小明 = 1\n```')
    after = apply(row, chat=True)
    assert after.messages[0].content == "你好,我叫<NAME_1>,请看代码。"
    assert after.messages[1].content == '好的,<NAME_1>:\n```python\nname = "<NAME_1>"\n王小明 = 1\n```'


@pytest.mark.parametrize(
    "text", ["", "```", "\ud800", "'", '"""', "@", "+", "<EMAIL_1>", "我", "\0", "`" * 50]
)
def test_odd_texts_stay(text: str) -> None:
    row = Row(messages=[Message("user", text)], code=text, testcase=[text])
    after = apply(row, chat=True)
    assert (after.messages, after.code, after.testcase, after.flags) == (
        row.messages,
        text,
        [text],
        row.flags,
    )
