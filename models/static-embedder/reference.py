"""Writes the fixture of Okra's tests: diverse texts with the tokens that the `tokenizers` library
finds in them, and the vectors that this model gives to some, computed here without Okra.

    python reference.py WORK

WORK is the folder that make.py was given; run this after it.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import model_file

HERE = Path(__file__).parent
FIXTURE = HERE.parent.parent / "crates/ai/tests/fixtures/static_embedder.json"

# These also get their vectors computed.
PROSE = [
    "How do I get my money back?",
    "Refunds are paid within five days of the request, to the card that was charged.",
    "I forgot my password and the reset e-mail never arrives.",
    "Open Settings, choose Security, then press Reset password.",
    "Can I change the delivery address after the parcel has been sent?",
    "Our shop is open from Monday to Friday, 9:00 to 17:30, except on public holidays.",
    "The app crashes when I upload a photo larger than 10 MB (iPhone 12, iOS 17.4).",
    "Error 0x80070057: the parameter is incorrect.",
    "Which plan includes single sign-on and audit logs?",
    "To cancel a subscription, go to Billing; it then ends with the month that is already paid.",
    "Does the warranty cover water damage?",
    "Run `okra serve --listen 127.0.0.1:8080` and open the printed address in a browser.",
    "We never sell personal data. Visitors may ask for a copy of theirs, or for its deletion.",
    "My invoice No. 2024-00317 shows VAT of 19%, but our company is exempt.",
    "Thermal paste dries out after some years, so the processor runs hotter and the fan gets louder.",
    "SELECT name FROM customers WHERE country = 'NL' ORDER BY name LIMIT 10;",
    "Photosynthesis turns carbon dioxide and water into glucose and oxygen.",
    "She had walked the whole coast before anyone thought to ask her why.",
    "Wie kann ich meine Bestellung stornieren?",
    "¿Cuánto tarda el envío a Canarias?",
    "Le remboursement n'apparaît pas encore sur mon relevé.",
    "ok",
    "URGENT!!! Payment charged TWICE, please HELP asap :(",
    "The quick brown fox jumps over the lazy dog. " * 12,
]

TRICKY = [
    "", " ", "\t\n\r", "hello", "Hello, World!", "I can't see my refund in my history.",
    "How do I reset my password?", "WHAT'S UP???", "e-mail: first.last+tag@example.co.uk",
    "https://example.com/a/b?c=d&e=f#g", "C:\\Users\\x\\file.txt", "$1,234.56 — 20% off!",
    "3.14159 2.71828 1e-9 0x7fff_ffff", "snake_case camelCase SCREAMING_CASE kebab-case",
    "naïve café résumé coöperate Ångström", "Größe, Übergrößenträger, Straße, weiß, ẞ",
    "Wie ändere ich mein Passwort für die Überweisung?", "Österreichische Donaudampfschifffahrt",
    "İstanbul'da ılık ışık IĞDIR", "Łódź, Gdańsk, Škoda, Đặng, Ørsted, Æther, þorn",
    "¿Dónde está mi pedido? ¡Mañana llegará!", "à la carte œuvre ﬁn ﬂow ﬀ", "x² + y³ = z⁴ ½ ⅓ ①②",
    "환불은 어떻게 받나요?", "비밀번호를 잊어버렸어요. 도와주세요!", "iPhone 배터리 교체 비용", "ㅋㅋㅋ ㅎㅎ ㅠㅠ",
    "각", "가나다라마바사", "我想退款，怎么办？", "繁體中文測試：請問營業時間？", "混合mixed文字text测试",
    "東京都へようこそ。カタカナとひらがな", "ｆｕｌｌｗｉｄｔｈ　ＡＢＣ１２３", "が か゛ パ ﾊﾟ", "𠀀𠀁 rare 𪚥 ideographs",
    "㐀㐁 豈更車 ㊀", "Привет, как дела? Ёлка й", "Ελληνικά: Ποιος είναι; ΣΊΣΥΦΟΣ ς", "שָׁלוֹם עולם",
    "السلام عليكم وَرَحْمَةُ", "हिन्दी में सहायता चाहिए", "ไทย: ขอเงินคืนได้ไหม", "தமிழ் ქართული Հայերեն አማርኛ",
    "😀 happy 😂😂 👨‍👩‍👧‍👦 family", "🇰🇷 flag 👍🏽 thumbs ❤️ heart ☎️", "™ ® © ° § ¶ † ‡ • …", "“curly” ‘quotes’ «guillemets» ‹x›",
    "a\u0000b\u0001c\u007fd\u0085e", "zero\u200bwidth\u200cjoin\u200der\ufeffbom\u2060wj", "soft\u00adhyphen non\u00a0breaking\u202fspace\u3000wide",
    "line\u2028separator\u2029paragraph\u000bvertical\u000cfeed", "replacement \ufffd char \ufffe \uffff", "private \ue000 use \U000f0000",
    "tag \U000e0041\U000e0042 chars", "combining a\u0301\u0302\u0303 e\u20dd o\u0338", "\u0301leading combining", "ǅ ǆ ĳ ŉ ʼn ſ K Å Ω",
    "[CLS] [SEP] [UNK] [MASK] [PAD]", "##ing ## # ###", "[unused1] [unused999]", "unbelievably antidisestablishmentarianism",
    "pneumonoultramicroscopicsilicovolcanoconiosis", "a" * 100, "a" * 101, "ab" * 50, "ab" * 51, "é" * 100, "é" * 101, "가" * 50, "中" * 300,
    "x" * 99 + "!" + "y" * 101, "supercalifragilistic" * 5, "1234567890" * 11, "!" * 120, "...---...", "((([[[{{{<<<>>>}}}]]])))",
    "don't won't can't I'm you're they'd", "rock'n'roll O'Reilly's", "`code` ~tilde~ ^caret^ |pipe|", "+-*/=<>≤≥≠≈∞∑∫√", "€£¥₩₹₿ ¢", "←↑→↓⇒⇔ ■□▲△●○★☆",
    "①Ⅷⅷ ㎏ ㏂ ﷺ", "a\u0300\u0315\u0328b", "Ạ̈ Ǻ ḗ Ṩ ữ", "DŽ Ǆ ǲ ß ŉ ΐ", "\u1e9e \u0130 \u212a \u2126", "नमस्ते\u200d", "ﬅ ﬆ ﬓ", "०१२३ ٠١٢٣ 〇一二三",
    "。、・「」『』【】", "！？（）：；", "᠎mongolian vowel separator", "\u180e\u2000\u2001\u2009\u200a\u205f", "word\u0378unassigned", "\U0001d400\U0001d41b math \U0001d7d8", "ᄀ ᅡ ᆨ jamo 각",
    "Ω≈ç√∫˜µ≤≥÷", "åß∂ƒ©˙∆˚¬…æ", "¡™£¢∞§¶•ªº–≠", "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮", "ÅÍÎÏ˝ÓÔÒÚÆ☃", "﹏﹋﹌ ︴ ‿ ⁀", "·middle·dot‧", "՚՛ ׀ ؟ । ॥", "ₐₑₒ ᵃᵇᶜ", "𝕬𝖇𝖈 🅰🅱 🄰",
]


def scrambled(seed: random.Random) -> str:
    """A text of characters from everywhere, some in runs, as no person would write it."""
    ranges = [(0x20, 0x7E), (0x20, 0x7E), (0, 0x2FF), (0x300, 0x36F), (0x370, 0x52F), (0x900, 0xDFF),
              (0x1E00, 0x20CF), (0x2100, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xAFFF),
              (0xF900, 0xFFEF), (0x1F300, 0x1F9FF), (0x2F800, 0x2FA1D), (0xE0100, 0xE01EF)]
    characters = []
    while len(characters) < 40:
        first, last = seed.choice(ranges)
        characters += [chr(seed.randint(first, last)) for _ in range(seed.randint(1, 6))]
    return "".join(characters)


def case(text: str, tokenizer: Tokenizer, row_of: dict[str, int]) -> dict:
    found = tokenizer.encode(text, add_special_tokens=False).tokens
    return {"text": text, "tokens": [row_of[token] for token in found if token in row_of]}


def main(work: Path):
    tokens, vectors = model_file.read(HERE / "model.bin")
    row_of = {token: row for row, token in enumerate(tokens)}
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    seed = random.Random(7)
    texts = PROSE + TRICKY + [scrambled(seed) for _ in range(150)]
    cases = [case(text, tokenizer, row_of) for text in texts]
    for with_vector in cases[: len(PROSE)]:
        mean = vectors[with_vector["tokens"]].mean(axis=0)
        with_vector["vector"] = np.round(mean / np.linalg.norm(mean), 5).tolist()
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    FIXTURE.write_text(f"[\n{lines}\n]\n")
    print(f"{len(cases)} texts in {FIXTURE}, {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
