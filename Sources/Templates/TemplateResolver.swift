/// Puts variables and wildcards into their places.
///
/// A variable holds for the whole template in which it is set, and for the lines of the wildcards there. What a name
/// means in one scope is made once, so that names that use names do not grow without end.
struct TemplateResolver {
  private let limits: TemplateLimits
  private var plan = TemplatePlan()
  private var wildcards: Wildcards
  /// Nodes of what was made before.
  private var made: [Use: Int] = [:]
  /// Variables and wildcard files that are being made, outermost first.
  private var open: [Use] = []
  private var lastScope = 0

  /// A name in a scope.
  private struct Use: Hashable {
    enum Kind { case variable, wildcard }
    let kind: Kind
    let name: String
    let scope: Int
  }

  /// What variables are set to.
  private struct Scope {
    enum Value {
      case parts([PromptTemplate.Part])
      case node(Int)
    }

    var number = 0
    var values: [String: Value] = [:]
  }

  private init(_ wildcards: Wildcards, _ limits: TemplateLimits) {
    self.wildcards = wildcards
    self.limits = limits
  }

  /// What a template can become.
  /// - Parameters:
  ///   - template: the template.
  ///   - wildcards: they keep what they read.
  ///   - limits: how large it may be.
  /// - Throws: `TemplateError`
  static func plan(
    _ template: PromptTemplate, _ wildcards: inout Wildcards, limits: TemplateLimits
  ) throws(TemplateError) -> TemplatePlan {
    var resolver = TemplateResolver(wildcards, limits)
    let root = try resolver.sequence(template.parts, Scope(), depth: 0)
    // The last node is the whole, even if it was made for something else before.
    if root != resolver.plan.root { _ = resolver.plan.add(.sequence([root])) }
    wildcards = resolver.wildcards
    let measure = resolver.plan.measures[resolver.plan.root]
    // Braces, a variable or a wildcard are at most two nodes. What was made before is deeper than the way to it.
    guard measure.height <= 2 * limits.depth + 2 else { throw TemplateError(.tooDeep(limit: limits.depth)) }
    guard measure.size <= limits.parts else { throw TemplateError(.tooManyParts(limit: limits.parts)) }
    guard measure.longest <= limits.textBytes else {
      throw TemplateError(.longText(bytes: measure.longest, limit: limits.textBytes))
    }
    return resolver.plan
  }

  // MARK: - Parts

  private mutating func add(_ node: TemplatePlan.Node) throws(TemplateError) -> Int {
    guard plan.nodes.count < limits.planParts else {
      throw TemplateError(.tooManyParts(limit: limits.planParts))
    }
    return plan.add(node)
  }

  private mutating func sequence(
    _ parts: [PromptTemplate.Part], _ scope: Scope, depth: Int
  ) throws(TemplateError) -> Int {
    var inner = scope
    for case .setting(let name, let value, let isFixed) in parts {
      if inner.number == scope.number {
        lastScope += 1
        inner.number = lastScope
      }
      // A fixed value is chosen before the others are known, as in dynamicprompts.
      inner.values[name.name] =
        isFixed
        ? .node(try add(.once(try sequence(value, scope, depth: depth + 1)))) : .parts(value)
    }
    var nodes: [Int] = []
    for part in parts {
      if case .setting = part { continue }
      nodes.append(try node(part, inner, depth: depth))
    }
    return nodes.count == 1 ? nodes[0] : try add(.sequence(nodes))
  }

  private mutating func node(
    _ part: PromptTemplate.Part, _ scope: Scope, depth: Int
  ) throws(TemplateError) -> Int {
    switch part {
    case .text(let text): return try add(.text(text.text))
    case .setting: return try add(.sequence([]))
    case .choice(let choice):
      guard depth < limits.depth else { throw tooDeep(choice.place.value) }
      return try self.choice(choice, scope, depth: depth + 1)
    case .variable(let name, let standard):
      guard depth < limits.depth else { throw tooDeep(name.place.value) }
      return try variable(name, standard, scope, depth: depth + 1)
    case .wildcard(let name):
      guard depth < limits.depth else { throw tooDeep(name.place.value) }
      let use = Use(kind: .wildcard, name: name.name, scope: scope.number)
      if let node = made[use] { return node }
      let lines = try lines(name, scope, depth: depth + 1)
      let node = try add(.lines(lines.map(\.node)))
      made[use] = node
      return node
    }
  }

  private func tooDeep(_ place: TemplatePlace) -> TemplateError {
    TemplateError(.tooDeep(limit: limits.depth), at: place)
  }

  // MARK: - Choices

  private mutating func choice(
    _ choice: PromptTemplate.Choice, _ scope: Scope, depth: Int
  ) throws(TemplateError) -> Int {
    var weights: [Double] = []
    var options: [(template: [PromptTemplate.Part], node: Int)] = []
    if choice.options.count == 1, case .wildcard(let name)? = choice.options[0].parts.first,
      choice.options[0].parts.count == 1
    {
      // A wildcard alone in braces: its lines are what is chosen from.
      options = try lines(name, scope, depth: depth)
      weights = options.map { _ in 1 }
    } else {
      for option in choice.options {
        options.append((option.parts, try sequence(option.parts, scope, depth: depth)))
        weights.append(option.weight)
      }
    }
    var seen: Set<[PromptTemplate.Part]> = []
    let distinct = options.filter { seen.insert($0.template).inserted }
    return try add(
      .choice(
        TemplatePlan.Choice(
          options: options.map(\.node), weights: weights, distinct: distinct.map(\.node),
          bounds: choice.bounds(of: options.count), separator: choice.separator.text)))
  }

  // MARK: - Names

  private mutating func variable(
    _ name: PromptTemplate.Reference, _ standard: [PromptTemplate.Part]?, _ scope: Scope, depth: Int
  ) throws(TemplateError) -> Int {
    let use = Use(kind: .variable, name: name.name, scope: scope.number)
    switch scope.values[name.name] {
    case .node(let node): return node
    case .parts(let value):
      if let node = made[use] { return node }
      if let start = open.firstIndex(of: use) {
        let names = open[start...].filter { $0.kind == .variable }.map(\.name)
        throw TemplateError(.variableCycle(names + [name.name]), at: name.place.value)
      }
      open.append(use)
      let node = try sequence(value, scope, depth: depth)
      open.removeLast()
      made[use] = node
      return node
    case nil:
      guard let standard else { throw TemplateError(.unknownVariable(name.name), at: name.place.value) }
      return try sequence(standard, scope, depth: depth)
    }
  }

  /// The lines of a wildcard.
  private mutating func lines(
    _ name: PromptTemplate.Reference, _ scope: Scope, depth: Int
  ) throws(TemplateError) -> [(template: [PromptTemplate.Part], node: Int)] {
    let match = try wildcards.match(name)
    for file in match.names {
      // Whatever the variables are: a file in itself never ends.
      if let start = open.firstIndex(where: { $0.kind == .wildcard && $0.name == file }) {
        let names = open[start...].filter { $0.kind == .wildcard }.map(\.name)
        throw TemplateError(.wildcardCycle(names + [file]), at: name.place.value)
      }
    }
    var lines: [(template: [PromptTemplate.Part], node: Int)] = []
    for line in match.lines {
      open.append(Use(kind: .wildcard, name: line.name, scope: 0))
      lines.append((line.template.parts, try sequence(line.template.parts, scope, depth: depth)))
      open.removeLast()
    }
    return lines
  }
}
