/// All texts that a template can become, in dynamicprompts' order: what stands last changes first; a choice of several
/// gives all selections of the least size first. They are made one at a time.
///
/// Within a choice the same texts do not come twice, and no selection takes a text twice. Two choices side by side may
/// give the same text in two ways; both come, as in dynamicprompts.
package struct TemplateCombinations: Sequence, Sendable {
  private let plan: TemplatePlan

  /// How many there are, without making them; if it is not exact, no more than that. `Int.max`: that many or more.
  package var count: Int { plan.measures[plan.root].count }
  /// Whether `count` is exact. It is not where options of a choice have choices of their own, which may meet.
  package var isExact: Bool { plan.measures[plan.root].isExact }

  /// - Parameters:
  ///   - plan: what the template can become.
  ///   - most: more combinations are refused.
  /// - Throws: `TemplateError.tooMany`
  package init(_ plan: TemplatePlan, most: Int = TemplateLimits().expansions) throws(TemplateError) {
    self.plan = plan
    func check(_ measure: TemplatePlan.Measure) throws(TemplateError) {
      guard measure.count <= most else {
        throw TemplateError(.tooMany(count: measure.count, isExact: measure.isExact, limit: most))
      }
    }
    try check(plan.measures[plan.root])
    // Of these only the first text is wanted. It is the first one tried, unless options meet.
    for case .once(let value) in plan.nodes where !plan.measures[value].isExact {
      try check(plan.measures[value])
    }
  }

  /// Makes the texts.
  package struct Iterator: IteratorProtocol {
    private let cursor: TemplateCursor

    fileprivate init(_ cursor: TemplateCursor) { self.cursor = cursor }

    /// The next text, nil after the last.
    package mutating func next() -> String? { cursor.next() }
  }

  /// Begins with the first text.
  package func makeIterator() -> Iterator { Iterator(TemplateCursor.make(plan, plan.root)) }
}
