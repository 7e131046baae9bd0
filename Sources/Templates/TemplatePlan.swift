/// A template with its variables and wildcards in their places: what it can become, counted but not written out.
///
/// What is used several times is one node, so that a plan is no larger than its template and the lines that it names.
/// Every node knows how many texts it gives and how long they are, in numbers that stop at `Int.max`.
package struct TemplatePlan: Sendable {
  /// A piece of a plan. Numbers are indices of other nodes, all of them smaller than its own.
  enum Node: Sendable {
    /// Stays as it is.
    case text(String)
    /// One after the other.
    case sequence([Int])
    /// Some of several.
    case choice(Choice)
    /// One line of a wildcard. All weigh the same, and the same text may come twice.
    case lines([Int])
    /// Chosen once for the whole text: the first of all combinations, or one at random.
    case once(Int)

    /// The nodes that it is made of.
    fileprivate var needs: [Int] {
      switch self {
      case .text: []
      case .sequence(let parts), .lines(let parts): parts
      case .choice(let choice): choice.options
      case .once(let value): [value]
      }
    }
  }

  /// Some of several nodes, with something between.
  struct Choice: Sendable {
    /// All options, with their weights.
    let options: [Int]
    let weights: [Double]
    /// The options without those that say the same as one before: no combination takes both.
    let distinct: [Int]
    /// How many are chosen.
    let bounds: ClosedRange<Int>
    let separator: String
  }

  /// What is known of a node without writing out its texts.
  struct Measure: Sendable {
    /// How many combinations it has; if it is not exact, no more than that.
    var count = 1
    var isExact = true
    /// Bytes of the longest text.
    var longest = 0
    /// Nodes that one text is put together from.
    var size = 1
    /// Nodes within each other.
    var height = 1
  }

  /// The nodes. Each comes after those that it needs.
  private(set) var nodes: [Node] = []
  private(set) var measures: [Measure] = []

  /// The node that is the whole template: the last one.
  var root: Int { nodes.count - 1 }

  /// More factors of at least 1, 2, 3, … than this are beyond any number.
  private static let mostFactors = 21

  /// An empty plan.
  init() {}

  /// Adds a node.
  /// - Returns: its index.
  mutating func add(_ node: Node) -> Int {
    nodes.append(node)
    measures.append(measure(node))
    return nodes.count - 1
  }

  private func measure(_ node: Node) -> Measure {
    var sum = Measure()
    sum.height = 1 + (node.needs.map { measures[$0].height }.max() ?? 0)
    switch node {
    case .text(let text):
      sum.longest = text.utf8.count
    case .sequence(let parts):
      for part in parts.map({ measures[$0] }) {
        sum.count = sum.count.times(part.count)
        sum.isExact = sum.isExact && part.isExact
        sum.longest = sum.longest.plus(part.longest)
        sum.size = sum.size.plus(part.size)
      }
      // Nothing times "no more than" is nothing.
      if sum.count == 0 { sum.isExact = true }
    case .choice(let choice): measure(choice, &sum)
    case .lines(let lines):
      sum.count = 0
      for line in lines.map({ measures[$0] }) {
        sum.count = sum.count.plus(line.count)
        sum.isExact = sum.isExact && line.isExact
        sum.longest = max(sum.longest, line.longest)
        sum.size = max(sum.size, line.size.plus(1))
      }
    case .once(let value):
      let one = measures[value]
      sum.count = min(one.count, 1)
      sum.isExact = one.isExact
      sum.longest = one.longest
      sum.size = one.size.plus(1)
    }
    return sum
  }

  private func measure(_ choice: Choice, _ sum: inout Measure) {
    let options = choice.distinct.map { measures[$0] }
    sum.count = Self.selections(options.map(\.count), of: choice.bounds)
    let texts = choice.distinct.compactMap {
      if case .text(let text) = nodes[$0] { ExactText(text) } else { nil }
    }
    // Two options that become the same text are no combination. Only of plain texts it is known that they do not.
    sum.isExact = texts.count == options.count && Set(texts).count == texts.count || sum.count == 0
    let all = choice.options.map { measures[$0] }
    let separators = choice.separator.utf8.count.times(max(0, choice.bounds.upperBound - 1))
    for size in all.map(\.longest).sorted(by: >).prefix(choice.bounds.upperBound) {
      sum.longest = sum.longest.plus(size)
    }
    sum.longest = sum.longest.plus(separators)
    for size in all.map(\.size).sorted(by: >).prefix(choice.bounds.upperBound) {
      sum.size = sum.size.plus(size)
    }
  }

  /// How many ordered selections there are of so many things, where each thing comes in a number of forms: for each size
  /// k, k! times the sum of the products of k different numbers.
  static func selections(_ forms: [Int], of sizes: ClosedRange<Int>) -> Int {
    let forms = forms.filter { $0 > 0 }
    let most = min(sizes.upperBound, forms.count)
    guard sizes.lowerBound <= most else { return 0 }
    guard most < mostFactors else { return .max }
    // sums[k]: of the products of k different numbers.
    var sums = [1] + [Int](repeating: 0, count: most)
    for form in forms where most > 0 {
      for size in stride(from: most, through: 1, by: -1) {
        sums[size] = sums[size].plus(sums[size - 1].times(form))
      }
    }
    var (factorial, count) = (1, 0)
    for size in 0...most {
      if size > 0 { factorial = factorial.times(size) }
      if size >= sizes.lowerBound { count = count.plus(sums[size].times(factorial)) }
    }
    return count
  }
}

extension Int {
  /// The sum of numbers from 0 on, or `Int.max` if that is less.
  func plus(_ other: Int) -> Int {
    let (sum, isTooLarge) = addingReportingOverflow(other)
    return isTooLarge ? .max : sum
  }

  /// The product of numbers from 0 on, or `Int.max` if that is less.
  func times(_ other: Int) -> Int {
    let (product, isTooLarge) = multipliedReportingOverflow(by: other)
    return isTooLarge ? .max : product
  }
}
