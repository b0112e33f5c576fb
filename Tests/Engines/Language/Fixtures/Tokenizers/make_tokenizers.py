"""Makes the golden files for the tokenizers: small ones trained with the reference libraries, and what these make of
awkward texts. Run with `tokenizers` 0.23 and `sentencepiece` 0.2: python make_tokenizers.py"""
import base64, io, json, pathlib, random
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = pathlib.Path(__file__).parent
WORDS = """the of and to in is that for it was on are as with his they at be this have from or one had by but not what
all were we when your can said there use an each which she do how their if will up other about out many then them these
so some her would make like him into time has look two more write go see number no way could people my than first water
been call who oil its now find long down day did get come made may part international understanding tokenization
""".split()
POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", " ", "  \t", "\n\r", "'", ".,!?;:-_()[]{}", "éäñøßçÀ",
    "中文字日本語", "한국어", "αβγδ", "абвгд", "😀👍🏽🎉\u200d\ufe0f", "\u0301\u0308\u0327", "שלוםمرحبا",
    "'s't're've'll'd'm'S'LL", "<|>im_endstart", "\u00a0\u2003\u3000\u200b", "१२३٤٥", "\u0000\u001f\u0085\u00ad", "▁",
]
FIXED = [
    "", " ", "  ", "   a", "a   ", "\n", "\n\n", " \n \n  x", "\r\n\r\n", "\t\t tab\ttab", "a\u00a0b\u00a0\u00a0c",
    "\u2003\u2003em\u3000ideographic", "".join(map(chr, range(256))), "Hello, world! It's a test.",
    "I'LL you'Re we'VE DON'T 'S 's ’s it’s 'sab 'ſx I'ſ", "'", "''", "'t''ll'", "don't can't I'm I'd we're they've she'll",
    "👨‍👩‍👧‍👦 family 👩🏽‍💻 🏳️‍🌈 🇩🇪🇫🇷", "e\u0301 a\u0308 n\u0303 é ä ñ Å \u212b A\u030a", "שלום עולם مرحبا بالعالم \u200fRTL\u200e",
    "中文字符测试，你好。日本語テスト、カタカナ ひらがな", "한국어 각 \u1100\u1161\u11a8 \u1112\u1161\u11ab",
    "1234567890 12 123 1234 1.234,56 ١٢٣ ²³¼ Ⅷ ㊿ 𝟘𝟙 ༳", "3.14159e-10 0xFF 1,000,000", "a" * 101, "ab" * 60, "x y " * 20,
    "é" * 40, "中" * 30, "!" * 50, " " * 40, "\n" * 30, "\u0000\u0001\u007f\u0080\u009f\u0085x\u2028y\u2029z", "\ufeffBOM",
    "\ud7ff\ue000\uf8ff\ufffd\uffff\U0010ffff\U000e0001", "zero\u200bwidth\u200djoin\u2060x\u00ad",
    "a\u0300\u0301\u0302\u0303\u0304b", "ǅ ǈ ŉ ß ẞ İ ı ſ \u212a ﬁ ﬂ ﷺ", "def f(x):\n    return x ** 2  # comment\n\n\nclass A:\n\tpass\n",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", " <|endoftext|> x<|endoftext|><|endoftext|>y <|im_start",
    "<|im_end|", "[CLS] hello [SEP] [MASK] [UNK] [PAD]", "[MASK]ed [ MASK ]", "<s>hi</s> <unk> <0x0A> ▁x ▁▁y",
    "a  <tool>  b <tool>c x<solo>y <solo>z<solo> Straße STRASSE <Norm> <norm>", "https://example.com/a?b=c&d=%20#e foo@bar.com",
    "C++ C# a+b=c a<b>c $5.00 €3 £2 ¥1", "…—–‘’“”«»¡¿", "ﾊﾝｶｸ ＦＵＬＬ１２３", "Ꭰꭰ ა Ა ⴀ", "ก็ ที่ ไทย", "हिन्दी क्षत्रिय বাংলা தமிழ்",
    "မြန်မာ ភាសាខ្មែរ", "\u0e33 \u0eb3", "x\u0344y \u0958", "Iñtërnâtiônàlizætiøn", "a\n b\n  c\n   d",
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f.", "camelCaseWordsAndSnake_case-kebab", "1a2b3c4d a1b22c333d4444", "_a_ __init__",
    "\U00020000\U0002a6df 𠮷野家 \U0002ceb0 \U0002b820", "𐍈𐌰 𝒜𝓑 𝔘𝔫𝔦", "....!!!???---", '"quoted" \'single\' `tick`', "\\n \\t",
]


def texts():
    r, result = random.Random(7), list(FIXED)
    for _ in range(60):
        text = ""
        for _ in range(r.randint(1, 10)):
            if r.random() < 0.4:
                text += r.choice(WORDS) + r.choice([" ", " ", "", " ", ", ", ". ", "\n"])
            else:
                pool = r.choice(POOLS)
                text += "".join(r.choice(pool) for _ in range(r.randint(1, 5)))
        result.append(text)
    return result


def corpus():
    r = random.Random(11)
    for _ in range(2000):
        yield " ".join(r.choice(WORDS) + r.choice(["", "", "", ",", ".", "'s", "'ll", "123", "é", "中文"]) for _ in range(12))
    for text in FIXED * 3:
        yield text


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(pre, normalizer=None, size=420, **model):
    t = Tokenizer(models.BPE(**model))
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    if normalizer:
        t.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=CONTROL, show_progress=False)
    t.train_from_iterator(corpus(), trainer)
    return t


def make():
    level = pre_tokenizers.ByteLevel
    split = lambda regex: pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(regex), "isolated"), level(add_prefix_space=False, use_regex=False)])
    made = {}
    made["gpt2"] = byte_level(level(add_prefix_space=False))
    made["smollm"] = byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level(add_prefix_space=False)]))
    made["llama3"] = byte_level(split(LLAMA3), ignore_merges=True)
    made["llama3"].post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing("<|im_start|> $A", "<|im_start|> $A <|im_start|> $B", [("<|im_start|>", 1)])])
    made["qwen2"] = byte_level(split(QWEN2), normalizers.NFC())
    made["roberta"] = byte_level(level(add_prefix_space=True, trim_offsets=True), size=340)
    made["roberta"].post_processor = processors.RobertaProcessing(("<|im_end|>", 2), ("<|im_start|>", 1))
    made["roberta"].add_tokens([
        AddedToken("<tool>", lstrip=True, rstrip=True), AddedToken("<solo>", single_word=True, normalized=False)])
    made["wordpiece"] = word_piece(
        normalizers.BertNormalizer(), processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)]))
    made["wordpiece"].add_tokens([AddedToken("<Norm>"), AddedToken("<tool>", lstrip=True, normalized=False)])
    made["wordpiece-cased"] = word_piece(
        normalizers.BertNormalizer(lowercase=False, handle_chinese_chars=False),
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)))
    made["llama2"] = characters(
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None,
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]))
    made["mistral"] = characters(
        normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]))
    made["unigram"] = Tokenizer(models.Unigram())
    made["unigram"].normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(" {2,}"), " "), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
         normalizers.Strip()])
    made["unigram"].pre_tokenizer, made["unigram"].decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    made["unigram"].train_from_iterator(corpus(), trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False))
    return made


def word_piece(normalizer, processor):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder = normalizer, pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    t.train_from_iterator(corpus(), trainers.WordPieceTrainer(
        vocab_size=500, limit_alphabet=250, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    t.post_processor = processor
    return t


def characters(normalizer, pre, decoder):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer, t.decoder = normalizer, decoder
    if pre:
        t.pre_tokenizer = pre
    else:  # words are for the trainer only: without them it would merge across whole texts
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=560, limit_alphabet=90, special_tokens=special, max_token_length=12, show_progress=False))
    data = json.loads(t.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    if not pre:
        data["pre_tokenizer"] = None
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    return Tokenizer.from_str(json.dumps(data))


def sentence_piece(name, **options):
    """A SentencePiece model, and what a GGUF file made of it would say."""
    sentences, model = [t for t in corpus() if "\0" not in t], io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, minloglevel=2, character_coverage=0.98, **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    data = {"tokens": [p.piece for p in proto.pieces], "scores": [p.score for p in proto.pieces],
            "token_type": [p.type for p in proto.pieces],
            "precompiled_charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()}
    (here / f"{name}.json").write_text(json.dumps(data, separators=(",", ":")))
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def sentence_pieces():
    tsv = here / "rules.tsv"
    pairs = {"ﬁ": "fi", "\u212b": "A\u030a", "①": "1", "\t": " ", "\n": " ", "\u3000": " ", "e\u0301": "é", "ﷺ": "صلى", "Ａ": "A", "\u00ad": ""}
    tsv.write_text("".join(
        " ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in pairs.items()))
    made = {
        "spm-bpe": sentence_piece(
            "spm-bpe", model_type="bpe", vocab_size=620, byte_fallback=True, normalization_rule_name="identity",
            remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, user_defined_symbols=["<tool>"]),
        "spm-unigram": sentence_piece(
            "spm-unigram", model_type="unigram", vocab_size=290, normalization_rule_tsv=str(tsv), unk_id=2, bos_id=-1,
            eos_id=1, pad_id=0),
    }
    tsv.unlink()
    return made


def main():
    made = make()
    for name, tokenizer in made.items():
        tokenizer.save(str(here / f"{name}.json"), pretty=False)
    pieces = sentence_pieces()
    with open(here / "golden.jsonl", "w", encoding="utf-8") as file:
        for text in texts():
            line = {"text": text, "ids": {}, "plain": {}}
            for name, tokenizer in made.items():
                # `ids`: with special tokens around it and parsed; `plain`: without either, where that differs.
                tokenizer.encode_special_tokens = False
                ids = tokenizer.encode(text).ids
                tokenizer.encode_special_tokens = True
                plain = tokenizer.encode(text, add_special_tokens=False).ids
                line["ids"][name] = ids
                if plain != ids:
                    line["plain"][name] = plain
            for name, model in pieces.items():
                line["ids"][name] = model.encode(text)
            file.write(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
