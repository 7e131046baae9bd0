"""Strings on which tokenizers differ. Written with escapes, so that this file
says exactly which code points are meant whatever an editor makes of them."""

_SPACES = (
    "\u0009 \u000a \u000b \u000c \u000d \u001c \u001d \u001e \u001f \u0085 \u00a0 \u1680 \u180e \u2000 \u2003 "
    "\u2009 \u200a \u2028 \u2029 \u202f \u205f \u3000"
).split(" ")
_INVISIBLE = (
    "\u0000 \u0001 \u0007 \u0008 \u000e \u001b \u007f \u0080 \u0084 \u0086 \u00ad \u034f \u061c \u200b \u200c \u200d "
    "\u200e \u2060 \u2064 \ufeff \ufe0f \ufffc \ufffd \ufffe \uffff \U000e0041 \U0010ffff \ue000"
).split(" ")
_CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]

_WORDS = [
    "", " ", "   ", "\n\t ", "a", "A", "hello", "Hello World", "  leading and trailing  ",
    "a  photo\tof\na\r\ncat", "a photo of an astronaut riding a horse on mars",
    "masterpiece, best quality, (ultra-detailed:1.3), [bad hands], {{smile}}",
    "cat dog", "CAT DOG", "cAt DoG", "tHE QuIcK bRoWn FoX", "the-quick_brown.fox/jumps\\over|lazy",
    "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "donaudampfschifffahrtsgesellschaftskapit\u00e4n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "x" * 300, "ab" * 200, "zqxj" * 60, "\u00e9" * 120, "\U0001f600" * 80, "!" * 200, ". " * 100, "0123456789" * 12,
    "one two three " * 40, "red " * 75, "red " * 74 + "blue", "red " * 76, "red " * 200, " " * 500 + "end",
    "\u0300" * 100,
]
_ACCENTS = [
    "caf\u00e9", "cafe\u0301", "CAF\u00c9", "CAFE\u0301", "na\u00efve fa\u00e7ade", "nai\u0308ve fac\u0327ade",
    "\u00c5ngstr\u00f6m", "A\u030angstro\u0308m", "\u212bngstr\u00f6m", "\u1ee9\u1eeb\u1eed", "u\u031b\u0301",
    "u\u0301\u031b", "\u1e69", "s\u0323\u0307", "s\u0307\u0323", "\u0344", "\u0958", "\ufb1d", "\uac00\ub098\ub2e4",
    "\u1100\u1161\u1102\u1161", "\u110b\u1161\u11ab", "z\u0351\u036b\u0343\u036aa\u035c\u0321l\u0337g\u0336o\u0317",
    "a\u0301b\u0301c\u0301", "\u0301a", " \u0301", "1\u0301", "!\u0301", "x\u20dd", "\u00bfqu\u00e9?", "\u00a1ol\u00e9!",
    "Vi\u1ec7t Nam", "Z\u00fcrich Stra\u00dfe", "STRASSE STRA\u1e9eE", "\u0130stanbul \u0131\u015f\u0131k", "I\u0307stanbul",
    "\u017ftop \u017f", "\u212a elvin 5\u212a", "\u2126 ohm", "\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3", "\u039f\u0394\u039f\u03a3 \u039f\u0394\u039f\u03a3.",
    "\u1f88\u1f80 \u1fb3\u1fbc", "\u01c4 \u01c5 \u01c6 \u01f1", "\ufb01ne \ufb02y \ufb03", "\ua7ae\u2c60", "\u0345\u0399",
    "\u13a0\u13f8\uab70", "\u10a0\u10d0\u1c90", "\U00010400\U00010428", "\u0425\u0410\u0425\u0410 \u0401\u0436", "\u0419 \u0418\u0306",
]
_SCRIPTS = [
    "\u4e00\u53ea\u732b\u5750\u5728\u6905\u5b50\u4e0a", "\u6f22\u5b57\u3068\u304b\u306a\u4ea4\u3058\u308a\u6587", "\u30ab\u30bf\u30ab\u30ca \uff76\uff80\uff76\uff85",
    "\u304c \u304b\u3099 \uff76\uff9e", "\uf900 \ufa0e \U0002f800", "\U00020000\U0002a6d6", "\u3007\u4e00\u4e8c\u4e09", "\uff28\uff45\uff4c\uff4c\uff4f\uff01\uff11\uff12",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627", "\u06f1\u06f2\u06f3 \u0661\u0662\u0663",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01", "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
    "\u1019\u103c\u1014\u103a\u1019\u102c", "\u1780\u17d2\u1798\u17c2\u179a", "\u0f56\u0f7c\u0f51\u0f0b", "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8", "\u0540\u0561\u0575\u0565\u0580\u0565\u0576 \u0587", "\u12a0\u121b\u122d\u129b",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u03ba\u03cc\u03c3\u03bc\u03b5", "\U00012000\U00012031 \U00013000", "\U0001d400\U0001d41a \U0001d7d8", "\u16a0\u16a2\u16a6",
]
_EMOJI = [
    "\U0001f600", "\U0001f600\U0001f601", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f44d\U0001f3fd",
    "\u2764\ufe0f", "\u2764", "\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3 #\ufe0f\u20e3", "\U0001f469\U0001f3fe\u200d\U0001f680 in space",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "cat\U0001f431dog\U0001f436", "\u00a9 \u00ae \u2122", "\u263a\ufe0f:)", "\U0001f9d1\u200d\U0001f4bb!\U0001f389\U0001f389",
    "\u231a\u23f0\u2b50", "\U0001fae0",
]
_PUNCTUATION = [
    "!!!", "...", "\u2026", "?!?!", "a.b.c", "a,b;c:d", "(a)[b]{c}<d>", "\"quoted\" 'single' `tick`", "\u201ccurly\u201d \u2018single\u2019",
    "\u00abguillemets\u00bb", "--- \u2013 \u2014 \u2015", "a_b __c__ _", "#hashtag @mention", "$5 \u20ac6 \u00a37 \u00a58 100%", "50\u00b0C \u00b11 \u00d72 \u00f73",
    "a+b=c*d/e^f", "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./", "C++ C# F#", "http://example.com/a?b=c&d=%20e#f", "me@example.org", "C:\\dir\\file.txt",
    ":-) ;-( <3 ^_^ \u00af\\_(\u30c4)_/\u00af", "\u3002\u3001\uff01\uff1f", "\u061f\u060c\u061b", "\u2190\u2191\u2192\u2193 \u221e\u2260\u2264", "\u2500\u2502\u250c\u2588\u2591", "a\u0060\u00b4\u005e\u00a8b",
    "\u2028\u2029", "-", "_", "'", "\"", "''", "'''s", "\\n \\t \\u0041", "</w>", "a</w> b</w>", "<w>", "\u0120a \u010ab \u00c2\u00a0",
    "(word:1.2) AND (word:0.8) BREAK", "<lora:name:0.7>", "a, , ,b", "&amp; &lt;b&gt; &quot;x&quot; &#39;s &nbsp;", "&amp;amp; &eacute; &#x41;", "<b>bold</b> <br/>",
]
_NUMBERS = [
    "0", "7", "42", "1234567890", "3.14159", "1,000,000", "1e-5", "0xFF", "12th 1st 2nd", "1980s", "mp3 h264 4k 8K", "x2y3z", "\u00bd \u00bc \u00be", "1\u00bd",
    "x\u00b2 y\u00b3 \u00b9", "H\u2082O", "\u2167 \u2177 \u2160\u2161", "\u2460\u2461 \u24b6", "\u0967\u0968\u0969", "\u0e51\u0e52", "\uff11\uff12\uff13", "\u3220 \u3280", "\u4e8c\u5341", "\u5341\U00010107", "2024-01-02T03:04:05Z", "\u2189\u2150", "\U0001d7ce\U0001d7cf",
]
_SPECIALS = [
    "<|startoftext|>", "<|endoftext|>", "a <|startoftext|> b", "a <|endoftext|> b", "a<|startoftext|>b", "a<|endoftext|>b",
    "<|startoftext|><|endoftext|>", "<|endoftext|><|endoftext|>x", "<|STARTOFTEXT|>", "<|ENDOFTEXT|>", "a <|StartOfText|> b", "a <|EndOfText|> b",
    "<|startoftext|> photo <|endoftext|>", "<|startoftext|", "|endoftext|>", "< |startoftext| >", "<|start oftext|>", "!<|startoftext|>!", "'s<|endoftext|>'s",
    "<|endoftext|>  spaces  <|startoftext|>", "\u00e9<|endoftext|>\u0301", "<|\u017ftartoftext|>", "<|\uff53tartoftext|>", "<|startoftext|>" * 90, "<|pad|> [CLS] [SEP] <s> </s> <unk>",
    "e<|startoftext|>\u0301", "<|endoftext|>\u0301x",
]

HARD_STRINGS = [
    *_WORDS,
    *_ACCENTS,
    *_SCRIPTS,
    *_EMOJI,
    *_PUNCTUATION,
    *_NUMBERS,
    *_SPECIALS,
    *[f"cat{c}dog" for c in _SPACES],
    *[f"cat{c}dog {c} {c}{c}x" for c in _INVISIBLE],
    *[f"it{c} IT{c.upper()} {c}x {c.upper()}X 9{c}" for c in _CONTRACTIONS],
    *[f"it{c} i{c}".replace("'", "\u2019") for c in _CONTRACTIONS],
    "I'm can't we've they'll he'd you're it's", "I'M CAN'T WE'VE THEY'LL HE'D YOU'RE IT'S", "rock'n'roll 'tis o'clock", "'S'T'RE'VE'M'LL'D",
    "d'artagnan l'\u00e9t\u00e9 aujourd'hui", "she'sa 'sss 'lll 'vex 'rex", "!'s \"'t ''re", "'\u017f it'\u017f", "\u0027s\u0301",
]

# Where a folder names its special tokens plainly, upper case is no special token.
PLAIN_STRINGS = [*_SPECIALS, "hello", ""]

CUT_STRINGS = [*_WORDS[:24], *_ACCENTS[::4], *_SCRIPTS[::5], *_EMOJI[::4], *_PUNCTUATION[::5], *_NUMBERS[::5], *_SPECIALS[:14],
               "a red fox in the snow", "blurry, low quality", "it's the 'best' we've seen"]

assert len(HARD_STRINGS) == len(set(HARD_STRINGS)) >= 260
