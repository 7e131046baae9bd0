/// A prompt with choices in it, in the syntax of dynamicprompts 0.31:
///
///     a {red|blue} fox                 one of two
///     {2$$a|b|c}                       two of three, with a comma between
///     {1-2$$ and $$a|b|c}              one or two of them, with " and " between
///     {0.5::a|2::b}                    weights, for random choices
///     __animals/cats__                 a line of a file
///     ${x={a|b}} ${x} ${x}             a variable
///     \{ \| \$                         the character itself
///
/// A template is equal to another that says the same, wherever its parts stand.
package struct PromptTemplate: Hashable, Sendable {
  /// A piece of a template.
  package indirect enum Part: Hashable, Sendable {
    /// Stays as it is.
    case text(ExactText)
    /// Some of several.
    case choice(Choice)
    /// Lines of files.
    case wildcard(Reference)
    /// What a variable was set to, else its default.
    case variable(Reference, standard: [Part]?)
    /// Sets a variable for the whole template. `isFixed`: its value is chosen once, not at every use.
    case setting(Reference, value: [Part], isFixed: Bool)
  }

  /// A choice.
  package struct Choice: Hashable, Sendable {
    /// What may be chosen, in order.
    package var options: [Option] = []
    /// The least number of options; nil: not said.
    package var least: Int? = 1
    /// The greatest number of options; nil: all.
    package var most: Int? = 1
    /// Stands between the chosen ones.
    package var separator = ExactText(",")
    /// Where its brace is. Two choices that differ in nothing else are equal.
    package var place = Unequal(TemplatePlace())

    /// How many are chosen.
    /// - Parameter count: how many there are.
    package func bounds(of count: Int) -> ClosedRange<Int> {
      // The larger number may come first, and there are no more than there are.
      let ends = [least ?? 1, most ?? count].map { min($0, count) }
      return min(ends[0], ends[1])...max(ends[0], ends[1])
    }
  }

  /// One of the things to choose from.
  package struct Option: Hashable, Sendable {
    /// How often it is chosen at random, compared with the others.
    package let weight: Double
    /// What it becomes.
    package let parts: [Part]
  }

  /// A name, and where it stands.
  package struct Reference: Hashable, Sendable {
    /// The name of a wildcard or a variable.
    package let name: String
    /// Where it stands. Two references that differ in nothing else are equal.
    package let place: Unequal<TemplatePlace>
  }

  /// A value that does not count when things are compared.
  package struct Unequal<Value: Sendable>: Hashable, Sendable {
    /// The value.
    package let value: Value

    init(_ value: Value) { self.value = value }

    /// Always.
    package static func == (a: Self, b: Self) -> Bool { true }
    /// Takes in nothing.
    package func hash(into hasher: inout Hasher) {}
  }

  /// Its pieces, in order.
  package let parts: [Part]

  /// Reads a template.
  /// - Parameters:
  ///   - text: the template.
  ///   - start: where the text begins, for messages.
  ///   - limits: how long and how deeply nested it may be.
  /// - Throws: `TemplateError` with the place of what is wrong.
  package init(
    _ text: String, at start: TemplatePlace = TemplatePlace(), limits: TemplateLimits = TemplateLimits()
  ) throws(TemplateError) {
    var parser = try TemplateParser(text, at: start, limits: limits)
    parts = try parser.parts()
  }
}

/// Text that is compared byte by byte. Swift takes two spellings of one character for equal, a tokenizer need not.
package struct ExactText: Hashable, Sendable {
  /// The text.
  package let text: String

  /// - Parameter text: any text.
  package init(_ text: String) { self.text = text }

  /// Whether all bytes are the same.
  package static func == (a: ExactText, b: ExactText) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  /// Takes in every byte.
  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(0xFF as UInt8)
  }
}
