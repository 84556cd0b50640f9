"""Texts on which a fast way of counting has to agree with the ``tokenizers`` library."""

from __future__ import annotations

TEXTS = (
    "",
    " ",
    "\n",
    "def area(r):\n    return 3.14159 * r ** 2\n\n\nprint(area(12))  # 452.38904\n",
    'int main(void)\r\n{\r\n\tprintf("%d\\n", 0x7fFF);\r\n\treturn 0;\r\n}\r\n',
    "\t\tif x:\t# tabs\n\t \t mixed\n \n  \n\t\n",
    "trailing spaces   \n   \r   \r\n\r\r\n\n   end   ",
    "x=1234567890;y='it''s';z=\"don't\";'data','s','LL'",
    "CamelCaseWord snake_case_word kebab-case-word __init__ $var @decorator #include <stdio.h>",
    "!!!???...---===>>><<<|||&&&^^^~~~///\\\\\\",
    "快速排序的平均时间复杂度是O(n log n)。函数返回排好序的列表，不改变原来的列表！",
    "中文 mixed 英文 with１２３全角数字 and　ideographic　spaces",
    "日本語のコメント、カタカナとひらがな。한국어 주석도 있습니다.",
    "Привет, мир! Γειά σου Κόσμε! مرحبا بالعالم שלום עולם नमस्ते दुनिया สวัสดีชาวโลก",
    "e\u0301 cafe\u0301 caf\u00e9 A\u030a \u212b \ufb01 ½ ² Ⅷ ٣٤٥ १२३",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
    " \U0001f1e8\U0001f1f3 \U0001f44d\U0001f3fd \u2764\ufe0f",
    "\x00\x01\x1c\x1d\x1e\x1f\x7f\x85\xa0\u1680\u2003\u2028\u2029\u200b\u202f\u3000\ufeff\ufffd\uffff\U0010ffff",
    "<s></s><unk><pad><|im_start|>user\nhi<|im_end|>\n<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|><|endoftext|>",
    "a" * 3000 + " " * 3000 + "\n" * 3000 + "ab" * 1500 + "." * 3000 + "0" * 300,
    "  " * 17 + "x" + " " * 16 + "y" + "\t" * 9 + "z" + " \t" * 5 + "\n" + " " * 33,
)
"""Code, line ends, tabs, digits, Chinese and other scripts, marks, emoji, all kinds of white space, what
spells special tokens, long runs."""
