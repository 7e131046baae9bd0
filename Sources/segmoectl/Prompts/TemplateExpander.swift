import CommandLine
import Requests
import Templates

/// Makes prompts of templates.
struct TemplateExpander {
  /// Which of their texts are taken.
  let choice: TemplateChoice
  /// The seed of random choices.
  let seed: UInt64
  private var wildcards: Wildcards
  /// How many templates there were. Each has random numbers of its own, else lines that look alike would all choose alike.
  private(set) var templates = 0

  /// - Parameters:
  ///   - choice: which of the texts are taken.
  ///   - seed: of random choices.
  ///   - wildcards: what templates may name.
  init(_ choice: TemplateChoice, seed: UInt64, wildcards: Wildcards) {
    self.choice = choice
    self.seed = seed
    self.wildcards = wildcards
  }

  /// What becomes of a prompt.
  /// - Parameters:
  ///   - prompt: the template.
  ///   - negative: the template of the negative prompt; nil: there is none.
  ///   - settings: how many requests there are of each text.
  /// - Throws: `Problem` that says which template is wrong, and where in it.
  mutating func texts(_ prompt: String, negative: String?, settings: Int) throws -> TemplateTexts {
    let plan = try plan(prompt, "prompt")
    let other = try negative.map { try self.plan($0, "negative prompt") }
    defer { templates += 1 }
    switch choice {
    case .random(let count):
      try check(count, settings, prompt)
      return .random(plan, other, count: count, seed: seed, template: UInt64(templates))
    case .combinatorial:
      let all = try Self.placed(prompt, "prompt") { () throws(TemplateError) in try TemplateCombinations(plan)
      }
      var others: TemplateCombinations?
      if let negative, let other {
        others = try Self.placed(negative, "negative prompt") { () throws(TemplateError) in
          try TemplateCombinations(other)
        }
      }
      // Each of them is at most ten thousand, so this does not overflow.
      try check(all.count * (others?.count ?? 1), settings, prompt)
      return .combinations(all, others)
    }
  }

  private mutating func plan(_ text: String, _ what: String) throws -> TemplatePlan {
    do throws(TemplateError) {
      return try PromptTemplate(text).plan(&wildcards)
    } catch {
      throw Self.problem(error, text, what)
    }
  }

  /// A prompt has no more requests than without templates.
  private func check(_ texts: Int, _ settings: Int, _ prompt: String) throws {
    guard texts * settings <= SettingsGrid.most else {
      throw Problem.badInput(
        "prompt '\(prompt.prefix(40))': \(texts) texts with \(settings) combinations of settings are more than "
          + "\(SettingsGrid.most) requests of a prompt; take some with --templates random:n")
    }
  }

  private static func placed<Result>(
    _ text: String, _ what: String, _ body: () throws(TemplateError) -> Result
  ) throws -> Result {
    do throws(TemplateError) {
      return try body()
    } catch {
      throw problem(error, text, what)
    }
  }

  private static func problem(_ error: TemplateError, _ text: String, _ what: String) -> Problem {
    let message = "\(what) '\(text.prefix(40))': \(error)"
    return switch error.fault {
    case .unknownWildcard, .unreadable: .missing(message)
    default: .badInput(message)
    }
  }
}

/// The texts that become of one prompt and its negative prompt, one pair at a time. The negative prompt changes first.
struct TemplateTexts {
  /// A prompt that is no template any more.
  struct Text: Equatable {
    let prompt: String
    /// nil: there is none.
    let negative: String?
  }

  private let make: () -> Text?

  private init(_ make: @escaping () -> Text?) { self.make = make }

  /// The next text, nil after the last.
  func next() -> Text? { make() }

  /// Every combination.
  fileprivate static func combinations(
    _ prompts: TemplateCombinations, _ negatives: TemplateCombinations?
  ) -> TemplateTexts {
    var prompts = prompts.makeIterator()
    guard let negatives else {
      return TemplateTexts { prompts.next().map { Text(prompt: $0, negative: nil) } }
    }
    var prompt: String?
    var negative = negatives.makeIterator()
    return TemplateTexts {
      while true {
        if let prompt, let text = negative.next() { return Text(prompt: prompt, negative: text) }
        prompt = prompts.next()
        guard prompt != nil else { return nil }
        negative = negatives.makeIterator()
      }
    }
  }

  /// So many at random.
  fileprivate static func random(
    _ prompt: TemplatePlan, _ negative: TemplatePlan?, count: Int, seed: UInt64, template: UInt64
  ) -> TemplateTexts {
    var draw: UInt64 = 0
    return TemplateTexts {
      guard draw < UInt64(count) else { return nil }
      defer { draw += 1 }
      func text(_ plan: TemplatePlan, _ which: UInt64) -> String {
        var numbers = SplitMix64(seed: seed, places: [template, draw, which])
        return plan.text(&numbers)
      }
      return Text(prompt: text(prompt, 0), negative: negative.map { text($0, 1) })
    }
  }
}
