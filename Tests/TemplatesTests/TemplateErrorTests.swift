import Templates
import Testing

/// What is no template is refused where it stands; nothing that looks like syntax is passed on as text.
@Suite struct TemplateErrorTests {
  private static let wildcards = [
    "colors": "red\nblue\n", "animals/cats": "cat\n", "a": "__b__\n", "b": "x\ny __c__\n", "c": "__a__\n",
    "empty": "\n# only a comment\n", "broken": "fine\n  {x\n", "weighted": "red\n2::blue\n",
    "unset": "${q}\n",
  ]

  static let wrong: [(template: String, place: String, parts: [String])] = [
    ("{a", "column 1", ["'{' is never closed"]),
    ("b {a|{c|d}", "column 3", ["'{' is never closed"]),
    ("a}", "column 2", ["closes nothing", "\\}"]),
    ("ü\n{a|b} ü{c", "line 2, column 8", ["never closed"]),
    ("${x", "column 1", ["'${' is never closed"]),
    ("${x=a", "column 1", ["'${' is never closed"]),
    ("${1x}", "column 3", ["a variable's name"]),
    ("${x y}", "column 5", ["'}', '=' or ':'"]),
    ("${x=a|b}", "column 6", ["put choices into braces"]),
    ("a __b", "column 3", ["'__' begins a wildcard", "\\_"]),
    ("a__b c", "column 2", ["'__' begins a wildcard"]),
    ("{__a|b__}", "column 2", ["'__' begins a wildcard"]),
    ("____", "column 1", ["no wildcard's name"]),
    ("__../colors__", "column 1", ["no wildcard's name"]),
    ("__/colors__", "column 1", ["no wildcard's name"]),
    ("__a\\b__", "column 1", ["no wildcard's name"]),
    // Of dynamicprompts, and not built.
    ("{!a|b}", "column 2", ["('!') is not built", "--templates"]),
    ("{~a|b}", "column 2", ["('~') is not built"]),
    ("{@a|b}", "column 2", ["('@') is not built"]),
    ("__~colors__", "column 3", ["('~') is not built"]),
    ("x %{a ... b$$c}", "column 3", ["a wrap", "not built"]),
    ("a # b", "column 3", ["a comment", "\\#"]),
    ("{${x=a}|b}", "column 2", ["within braces", "not built"]),
    ("${x?=a}", "column 4", ["'?='", "not built"]),
    ("__colors(x=a)__", "column 9", ["with variables", "not built"]),
    ("__${x}__", "column 3", ["name with choices", "not built"]),
    ("__{a|b}__", "column 3", ["name with choices", "not built"]),
    // Counts and weights.
    ("{2 $$a|b}", "column 4", ["needs a count"]),
    ("{a$$b|c}", "column 3", ["needs a count"]),
    ("{$$a|b}", "column 2", ["needs a count"]),
    ("{-$$a|b}", "column 3", ["needs a count"]),
    ("{2$$$$a|b}", "column 5", ["separator is empty"]),
    ("{1e3::a|b}", "column 2", ["'1e3' is no weight"]),
    ("{a|-1::b}", "column 4", ["'-1' is no weight"]),
    ("{0.5 ::a|b}", "column 2", ["'0.5 ' is no weight"]),
    ("{1.2.3::a|b}", "column 2", ["'1.2.3' is no weight"]),
    ("{10000000000::a|b}", "column 2", ["is no weight"]),
    ("x {0::a|0.0::b}", "column 3", ["all weights are 0"]),
    // Names.
    ("a ${y}", "column 3", ["variable 'y' is not set"]),
    ("${x=${y}}${y=a${x}}${x}", "column 15", ["x → y → x"]),
    ("${x=${x}}${x}", "column 5", ["x → x"]),
    ("${x={a|b}}${y=!${x}}${y}", "column 16", ["variable 'x' is not set"]),
    ("a __nope__", "column 3", ["no wildcard 'nope'", ".txt"]),
    ("__cats__", "column 1", ["no wildcard 'cats'", "did you mean 'animals/cats'?"]),
    ("__Colors__", "column 1", ["did you mean 'colors'?"]),
    ("__empty__", "column 1", ["'empty' has no line"]),
    ("__nope*__", "column 1", ["no wildcard 'nope*'"]),
    // In files, the place is there.
    ("__a__", "c:1:1", ["a → b → c → a"]),
    ("__[bc]__", "b:2:3", ["c → a → b → c"]),
    ("__broken__", "broken:2:3", ["'{' is never closed"]),
    ("__weighted__", "weighted:2:1", ["a weight of a line", "not built"]),
    ("__unset__", "unset:1:1", ["variable 'q' is not set"]),
  ]

  @Test(arguments: wrong.indices) func mistakesAreNamedWhereTheyAre(index: Int) {
    let (text, place, parts) = Self.wrong[index]
    var wildcards = Wildcards(texts: Self.wildcards)
    do {
      let plan = try PromptTemplate(text).plan(&wildcards)
      Issue.record("\(text) is taken: \(Array(try TemplateCombinations(plan)))")
    } catch {
      let message = "\(error)"
      #expect(message.hasPrefix(place + ":"), "\(text): \(message)")
      for part in parts { #expect(message.contains(part), "\(text): \(message)") }
    }
  }

  /// What has a meaning in templates alone, and where it has none.
  static let kept: [(template: String, texts: [String])] = [
    ("\\{a\\|b\\} {\\{|\\}|c\\|d}", ["{a|b} {", "{a|b} }", "{a|b} c|d"]),
    ("\\$\\{x\\} \\%\\{ \\# a\\__b 5\\$\\$", ["${x} %{ # a__b 5$$"]),
    ("{\\!a|\\~b|\\@c|2\\::d}", ["!a", "~b", "@c", "2::d"]),
    // A prompt's own escapes go on to the prompt.
    ("\\(a\\) \\[b\\] \\\\{c|d} \\x \\", ["\\(a\\) \\[b\\] \\\\c \\x \\", "\\(a\\) \\[b\\] \\\\d \\x \\"]),
    ("50% of 5$ {a|b%|c$}", ["50% of 5$ a", "50% of 5$ b%", "50% of 5$ c$"]),
    (
      "(a:1.2) [b:c:0.5] [d|e] ((f)) BREAK <lora:g_h:1>", ["(a:1.2) [b:c:0.5] [d|e] ((f)) BREAK <lora:g_h:1>"]
    ),
    ("tab\t{a\tb|c}", ["tab\ta\tb", "tab\tc"]),
    ("{2$$ü$$a|b}", ["aüb", "büa"]), ("{1-$$__animals/cats__}", ["cat"]), ("", [""]), ("${x:}", [""]),
  ]

  @Test(arguments: kept.indices) func escapesAndTextStay(index: Int) throws {
    let (template, texts) = Self.kept[index]
    var wildcards = Wildcards(texts: Self.wildcards)
    #expect(try Array(TemplateCombinations(PromptTemplate(template).plan(&wildcards))) == texts)
  }
}
