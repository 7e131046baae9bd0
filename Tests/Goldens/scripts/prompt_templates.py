"""What the genuine `dynamicprompts` makes of templates: `prompts/templates.json`.

`wildcards` are files by name. For each of `templates`, `texts` are all combinations in the package's order, duplicates
too. For each of `random`, `shares` says which texts came in `DRAWS` random draws, and how often each did, as a share
of 1. Single draws need not equal ours; the set must, and the shares nearly.

This stage needs `pip install dynamicprompts==0.31.0` and no torch, so that it can run in an environment of its own:
`GOLDEN_STAGES=prompt_templates python make_goldens.py`.
"""

import itertools
import json
import logging
import os
import tempfile
from collections import Counter
from random import Random

from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator
from dynamicprompts.wildcards import WildcardManager

DRAWS = 40_000

# The longest list is a few dozen texts, so a mistake in any rule of order or of duplicates shows.
MOST = 200

WILDCARDS = {
    "colors": "red\n# a comment\n\n  blue \nred\n{dark|light} green\n",
    "colors2": "pink\r\nred\r\n",
    "animals/cats": "cat\nlion\n",
    "animals/dogs": "poodle\n__colors2__ dog\n",
    "animals/deep/fish": "cod\n",
    "sorted": "b\nÄ\na\nZ\nz\n10\n9\n",
    "variables": "${k=__colors2__}${k} ${k}\n${z:none}\n",
    "with bar": "a|b\n(word:1.2)\n[x:y:0.5]\n",
}

TEMPLATES = [
    # Plain text, and the syntax of weights.
    "a", " a b ", "a, b", "(word:1.2) {a|b}", "[a:b:0.5] {x|y}", "[a|b] {x|y}", "((a)) [[b]] {c|d}", "a | b",
    "({a|b}:1.2)", "({a|b}:{1.1|1.3})", "{(a:1.2)|[b:c:0.5]}", "{a|b:1.2}", "\\({a|b}\\)", "{\\(a\\)|b}",
    "<lora:x:0.5> {a|b}", "{a|b}, BREAK {c|d}", "http://x/y_z {a|b}", "é {ü|ö}", "🦊{🐱|a}", "a::b {c|d}",
    # Choices and white space.
    "{a|b}", "{a|b} {c|d}", "{a|b|c|d}{1|2}", "{ a | b }", "x { a |b } y", "{a|\n b\n}", " {a|b}", "{a|b} ", "\n{a|b}\n\n{c|d}",
    "{a|}", "{|a}", "{a||b}", "{}", "a {} b", "{ }", "{|}", "{a}", "a{b|}c", "a{|, b}{|, c}",
    "{a, b|c}", "{a_b|_c}", "{a-b|c/d}", "{1|2|3}", "{1.5|2}", "{a:b|a::b}",
    # Nesting.
    "{{a|b}|c}", "{a {b|c}|d}", "{{a|b} |c}", "{ {a|b} c|d}", "{a| {b|c} d}", "{x|{y|{z|{w|v}}}}", "{{{a}}}", "{{a|b}}",
    "{{2$$a|b}|c}", "{2$${2$$a|b}|c}", "{2$${a|b}|{c|d}}", "{1-2$$, $${x|y}|z}",
    # Duplicates.
    "{a|a|b}", "{a|{a|b}}", "{a b|{a|b} b}", "{a|b} {a|b}", "{2$$a|a|b}", "{2$$a|a|b|c}", "{1-2$$a|a|b}", "{2$$a|a|a}",
    "{2$$ {a|b}|{a|c}}", "{2$$ {a|b}|{a|b}}", "{2$$a|}", "{1-2$$a|}",
    # Counts.
    "{2$$a|b|c}", "{1$$a|b|c}", "{3$$a|b|c}", "{1-2$$a|b|c}", "{1-3$$a|b|c}", "{-2$$a|b|c}", "{2-$$a|b|c}", "{1-$$a|b}",
    "{0$$a|b}", "{0-1$$a|b}", "{0-2$$, $$a|b}", "{3$$a|b}", "{10$$a|b}", "{5-1$$a|b}", "{3-2$$a|b|c}", "{2-2$$a|b|c}",
    "{0-0$$a|b}", "{2-3$$/$$a|b|c|d}", "{ 2$$a|b}", "{2$$ a | b | c }", "{2$$}", "{2$$a}", "{1-2$$a}", "{2$$a|b} {2$$c|d}",
    # Separators.
    "{2$$ and $$a|b|c}", "{2$$, $$a|b|c}", "{2$$|$$a|b|c}", "{2$$ $$a|b|c}", "{2$$-$$a|b|c}", "{2$$ + $$a b|c d|e}",
    "{2$$ and $$ {a|b}|c}", "{2$$a|,b,}", "{2$$, $$a, |, b}", "{2$$;$$a;|b}", "{2$$ and $$ a | b }",
    # Weights, which combinations do not mind.
    "{0.5::a|b}", "{1::a|2::b}", "{.5::a|b}", "{1.::a|10::b}", "{0::a|b}", "{0.5:: a|b}", "{ 2::a | 3::b}", "{2$$, $$0.5::a|2::b|c}",
    "{3::a|1::{2::b|c}}", "{0.5::a b|c}",
    # Variables.
    "${x=a}${x}", "${x={a|b}}${x} ${x}", "${x=!{a|b}}${x} ${x}", "${x=!a} ${x}", "${x=a} ${x=b} ${x}", "${x} ${x=a}",
    "${x:d}", "${x:{a|b}} z", "x${y:{a|b} c}z", "${x: a }|", "${x=b}${x:a}", "${ x = a }[${x}]", "${x= a }[${x}]",
    "${x={a|b}} {${x}|c} ${x}", "${a={x|y}}${b=${a}!}${b} ${a}", "${x=a}${y=${x} b}${y}", "${a_b-c=x}${a_b-c}",
    "${x={a|b}}{2$$${x}|{a|b}}", "${x={a|b}}{2$$-$$${x}|c}", "${x={2$$a|b}}{${x}|c}", "${x=a}{${x}|a}",
    # Wildcards.
    "__colors__", "a __colors2__ b", "__colors2__x__colors2__", "__animals/cats__", "__animals/*__", "__colors*__", "__color?__",
    "__c[o]*__", "__[!ac]*__", "__*/cats__", "__sorted__", "__with bar__", "__animals/deep/*__", "{__colors2__}", "{__colors__|x}",
    "{2$$__colors__}", "{2$$__colors2__|x}", "{2$$ __colors2__}", "{2$$__colors2__ }", "{3$$ / $$__animals/cats__}",
    "{0-1$$__colors2__}", "${x=__colors2__}${x} ${x}", "${x=!__colors2__}${x} ${x}", "__variables__", "${z=Q}__variables__",
    "{__animals/dogs__|{2$$__animals/cats__}}",
]  # fmt: skip

# Draws with equal options are left out: the package mixes up their weights.
RANDOM = [
    "{a|b}", "{a|b|c}", "{1::a|3::b}", "{0.5::a|2::b|c}", "{0::a|b|c}", "{3::a|1::{2::b|c}}", "{a|b} {c|d}", "{2$$a|b|c}",
    "{2$$1::a|2::b|5::c}", "{1-2$$ and $$a|b|c}", "{0-1$$a|b}", "{-2$$a|b|c}", "{2-$$a|b|c}", "{2$$ {a|b}|{a|c}}", "{a|{a|b}}",
    "{2$$a|}", "${x={a|b}}${x} ${x}", "${x:{a|b}}", "__colors__", "__animals/*__", "{2$$__colors2__}", "__sorted__",
]  # fmt: skip


def combinations(manager, template):
    generator = CombinatorialPromptGenerator(manager)
    found = [str(text) for text in itertools.islice(generator._context.sample_prompts(template), MOST + 1)]
    assert len(found) <= MOST, template
    return found


def draws(manager, template):
    generator = RandomPromptGenerator(manager)
    generator._context.rand.seed(20_26)
    found = Counter(str(text) for text in generator._context.sample_prompts(template, DRAWS))
    return {text: count / DRAWS for text, count in sorted(found.items())}


def make(root):
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in WILDCARDS.items():
            path = os.path.join(folder, name + ".txt")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        manager = WildcardManager(folder)
        assert len(set(TEMPLATES)) == len(TEMPLATES)
        result = {
            "wildcards": WILDCARDS,
            "templates": [{"template": t, "texts": combinations(manager, t)} for t in TEMPLATES],
            "random": [{"template": t, "shares": draws(manager, t)} for t in RANDOM],
        }
    path = os.path.join(root, "prompts/templates.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, ensure_ascii=False, indent=1)
        file.write("\n")
