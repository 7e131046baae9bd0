/// Goes through the texts of a node of a plan.
class TemplateCursor {
  /// The next text, nil after the last.
  func next() -> String? { nil }
  /// Begins again.
  func reset() {}

  fileprivate init() {}

  /// A cursor before the first text of a node.
  static func make(_ plan: TemplatePlan, _ node: Int) -> TemplateCursor {
    // What has nothing is not gone through, however much is in it.
    guard plan.measures[node].count > 0 else { return TemplateCursor() }
    switch plan.nodes[node] {
    case .text(let text): return TextCursor { text }
    case .once(let value): return TextCursor { make(plan, value).next() }
    case .sequence(let parts): return SequenceCursor(parts.map { make(plan, $0) })
    case .lines(let lines): return LinesCursor(plan, lines)
    case .choice(let choice): return ChoiceCursor(plan, choice)
    }
  }
}

/// One text, made when it is asked for.
private final class TextCursor: TemplateCursor {
  private let make: () -> String?
  private lazy var text = make()
  private var isOver = false

  init(_ make: @escaping () -> String?) {
    self.make = make
    super.init()
  }

  override func next() -> String? {
    defer { isOver = true }
    return isOver ? nil : text
  }

  override func reset() { isOver = false }
}

/// Texts one after the other; the last one changes first.
private final class SequenceCursor: TemplateCursor {
  private let parts: [TemplateCursor]
  private var texts: [String] = []
  private var hasBegun = false

  init(_ parts: [TemplateCursor]) {
    self.parts = parts
    super.init()
  }

  /// The next texts of the parts, each by itself.
  func nextTexts() -> [String]? {
    // Without the last text its part goes on; if nothing is left, all is over.
    if hasBegun, texts.popLast() == nil { return nil }
    hasBegun = true
    while texts.count < parts.count {
      let part = parts[texts.count]
      if let text = part.next() {
        texts.append(text)
      } else {
        part.reset()
        if texts.popLast() == nil { return nil }
      }
    }
    return texts
  }

  override func next() -> String? { nextTexts()?.joined() }

  override func reset() {
    for part in parts { part.reset() }
    (texts, hasBegun) = ([], false)
  }
}

/// The lines of a wildcard.
private final class LinesCursor: TemplateCursor {
  private let plan: TemplatePlan
  private let lines: [Int]
  private var place = 0
  private var line: TemplateCursor?

  init(_ plan: TemplatePlan, _ lines: [Int]) {
    self.plan = plan
    self.lines = lines
    super.init()
  }

  override func next() -> String? {
    while place < lines.count {
      let current = line ?? .make(plan, lines[place])
      if let text = current.next() {
        line = current
        return text
      }
      (line, place) = (nil, place + 1)
    }
    return nil
  }

  override func reset() { (line, place) = (nil, 0) }
}

/// Selections of a choice: smaller ones first, each size in the order of the options, none twice.
private final class ChoiceCursor: TemplateCursor {
  private let plan: TemplatePlan
  private let choice: TemplatePlan.Choice
  /// Options that give anything.
  private let options: [Int]
  /// Indices of `options`; nil: before the first selection of the size.
  private var picked: [Int]?
  private var size: Int
  private var texts: SequenceCursor?
  private var seen: Set<[ExactText]> = []

  init(_ plan: TemplatePlan, _ choice: TemplatePlan.Choice) {
    self.plan = plan
    self.choice = choice
    options = choice.distinct.filter { plan.measures[$0].count > 0 }
    size = choice.bounds.lowerBound
    super.init()
  }

  override func next() -> String? {
    while true {
      while let texts = texts?.nextTexts() {
        let exact = texts.map(ExactText.init)
        guard Set(exact).count == exact.count, seen.insert(exact).inserted else { continue }
        return choice.joined(texts)
      }
      guard advance(), let picked else { return nil }
      texts = SequenceCursor(picked.map { .make(plan, options[$0]) })
    }
  }

  override func reset() {
    (picked, size, texts, seen) = (nil, choice.bounds.lowerBound, nil, [])
  }

  /// The next selection of options; false after the last.
  private func advance() -> Bool {
    while size <= min(choice.bounds.upperBound, options.count) {
      if nextPicked() { return true }
      picked = nil
      size += 1
    }
    return false
  }

  /// The next selection of the size in the order of the options; false after the last.
  private func nextPicked() -> Bool {
    guard var next = picked else {
      picked = Array(0..<size)
      return true
    }
    var isFree = [Bool](repeating: true, count: options.count)
    for index in next { isFree[index] = false }
    while let last = next.popLast() {
      isFree[last] = true
      guard let higher = isFree[(last + 1)...].firstIndex(of: true) else { continue }
      isFree[higher] = false
      next.append(higher)
      for index in isFree.indices where next.count < size && isFree[index] {
        isFree[index] = false
        next.append(index)
      }
      picked = next
      return true
    }
    return false
  }
}
