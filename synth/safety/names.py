"""Names that people give themselves in a chat: introductions and signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = r"[^\W\d_a-z][^\W\d_]{1,20}(?:['’-][^\W\d_]{1,20})?"
_PERSON = rf"(?P<name>{_WORD}(?:[ ](?:{_WORD}|[A-Z]\.)){{0,3}})"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_ENGLISH = re.compile(
    rf"\b(?:[Mm]y (?:full |first |real )?name(?: is|['’]s|:)|[Ii] am called|[Cc]all me"
    rf"|[Tt]his is|[Ii]['’]m|[Ii] am)[ ]+{_PERSON}"
    r"(?=[ ]*(?:[.,!;?)\n]|$|and\b|from\b|here\b|but\b|speaking\b))"
)
_CERTAIN = re.compile(r"(?i:my (?:full |first |real )?name|i am called|call me)")
_FROM = re.compile(r"[ ]*(?:,[ ]|and\b|from\b|here\b|speaking\b)")
_SIGNATURE = re.compile(
    r"^[ ]*(?:(?:[Bb]est|[Kk]ind|[Ww]arm)(?: [Rr]egards| [Ww]ishes)?|[Rr]egards|[Ss]incerely(?: [Yy]ours)?"
    r"|[Yy]ours (?:truly|sincerely|faithfully)"
    rf"|[Cc]heers|[Tt]hanks|[Tt]hank you|[Mm]any thanks)[,!.]?[ ]*\n+[ ]*[-–—]{{0,2}}[ ]*{_PERSON}[ ]*$",
    re.MULTILINE,
)
_CHINESE = re.compile(
    rf"(?:我(?:的(?:名字|姓名)(?:叫|是|为)?|叫(?:做)?|姓名[::]?)|本人(?:姓名)?[::]?|姓名[::])"
    rf"[ ]*(?P<name>[{_SURNAMES}][\u4e00-\u9fff]{{1,2}})"
    r"(?=[,,。.!!;;、\s]|$|今年|来自|是|,)"
)
_NO_NAMES = frozenset(
    """a an the not sure trying using getting looking working new sorry happy glad here there having writing
    python java javascript typescript rust linux windows ubuntu mac macos android react django flask docker
    english chinese german french american indian japanese student developer engineer beginner user admin
    assistant ai chatgpt gpt claude bard gemini bot hello world root null none true false x y yes no ok
    monday tuesday wednesday thursday friday saturday sunday january february march april june july august
    september october november december your my team support everyone someone john doe jane foo bar""".split()
)
_ROLES = re.compile(r"(?i)\b(?:bot|assistant|gpt|model|developer|engineer|team|inc|ltd)\b")


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of names in the prose of a chat.

    ``I'm X`` counts where something follows that an introduction goes on with; names of no one (``John Doe``)
    and words that are none are left.
    """
    for match in _ENGLISH.finditer(text):
        certain = _CERTAIN.match(match.group())
        if (certain or _FROM.match(text, match.end())) and _is_name(match["name"]):
            yield match.span("name")
    for pattern in (_SIGNATURE, _CHINESE):
        for match in pattern.finditer(text):
            if _is_name(match["name"]):
                yield match.span("name")


def _is_name(name: str) -> bool:
    words = name.lower().replace(".", "").split()
    return not _NO_NAMES.intersection(words) and not name.isupper() and not _ROLES.search(name)
