extension PromptTemplate {
  /// What it can become.
  /// - Parameters:
  ///   - wildcards: they keep what they read.
  ///   - limits: how large it may be.
  /// - Throws: `TemplateError` for variables and wildcards that are not there or need each other, and for limits.
  package func plan(
    _ wildcards: inout Wildcards, limits: TemplateLimits = TemplateLimits()
  ) throws(TemplateError) -> TemplatePlan {
    try TemplateResolver.plan(self, &wildcards, limits: limits)
  }
}

extension TemplatePlan {
  /// A text at random.
  ///
  /// From left to right, a choice draws how many options it takes, if that is open (`below`), and then one option after
  /// the other by its weight among those that are left (`index`). A line of a wildcard is drawn with `below`. Options of
  /// weight 0 are not taken, so there may be fewer than asked for. Options may become the same text.
  /// - Parameter numbers: the same numbers give the same text.
  package func text(_ numbers: inout SplitMix64) -> String {
    var once: [Int: String] = [:]
    return text(root, &numbers, &once)
  }

  private func text(_ node: Int, _ numbers: inout SplitMix64, _ once: inout [Int: String]) -> String {
    switch nodes[node] {
    case .text(let text): return text
    case .sequence(let parts):
      var result = ""
      for part in parts { result += text(part, &numbers, &once) }
      return result
    case .lines(let lines): return text(lines[numbers.below(lines.count)], &numbers, &once)
    case .once(let value):
      if let known = once[node] { return known }
      let drawn = text(value, &numbers, &once)
      once[node] = drawn
      return drawn
    case .choice(let choice):
      var texts: [String] = []
      for option in choice.draw(&numbers) { texts.append(text(option, &numbers, &once)) }
      return choice.joined(texts)
    }
  }
}

extension TemplatePlan.Choice {
  /// Options at random, in the order in which they were drawn.
  fileprivate func draw(_ numbers: inout SplitMix64) -> [Int] {
    let most = weights.count { $0 > 0 }
    let bounds = min(bounds.lowerBound, most)...min(bounds.upperBound, most)
    let count = bounds.count == 1 ? bounds.lowerBound : bounds.lowerBound + numbers.below(bounds.count)
    var weights = weights
    return (0..<count).map { _ in
      let drawn = numbers.index(weights)
      weights[drawn] = 0
      return options[drawn]
    }
  }

  /// Texts with the separator between. One alone stays as it is. Of several, an empty one at an end leaves no separator
  /// there: dynamicprompts takes away one from each end, even if an option itself has it there.
  func joined(_ texts: [String]) -> String {
    guard texts.count != 1 else { return texts[0] }
    let between = Array(separator.utf8)
    var joined = Array(texts.joined(separator: separator).utf8)[...]
    if !between.isEmpty, joined.starts(with: between) { joined = joined.dropFirst(between.count) }
    if !between.isEmpty, joined.count >= between.count, joined.suffix(between.count).elementsEqual(between) {
      joined = joined.dropLast(between.count)
    }
    return String(decoding: joined, as: UTF8.self)
  }
}
