/// Builds nodes from events, within limits.
///
/// An alias shares the memory of what it repeats, but counts in full against the limits. So walking the document visits
/// at most `limits.nodes` nodes.
struct YAMLComposer {
  /// A list or mapping that is still open.
  private struct Frame {
    let position: YAMLPosition
    let anchor: String?
    let isMapping: Bool
    var items: [YAMLNode] = []
    var entries: [YAMLEntry] = []
    var key: (text: String, position: YAMLPosition)?
    var lines: [String: Int] = [:]
    var size = 1
    var height = 0
  }

  /// A finished value under an anchor.
  private struct Anchored {
    let node: YAMLNode
    let size: Int
    let height: Int
  }

  private let file: String
  private let limits: YAMLLimits
  private var frames: [Frame] = []
  private var anchors: [String: Anchored] = [:]
  private var nodes = 0
  private var sawDocument = false
  private var root: YAMLNode?

  init(file: String, limits: YAMLLimits) {
    self.file = file
    self.limits = limits
  }

  mutating func take(_ event: YAMLEvent) throws(YAMLError) {
    let position = event.position
    switch event.kind {
    case .document:
      if sawDocument { throw .secondDocument(position) }
      sawDocument = true
    case .scalar(let scalar):
      try count(1, at: position)
      let tagged = try tagged(scalar, tag: event.tag, at: position)
      let node = YAMLNode(position: position, content: .scalar(tagged))
      try add(Anchored(node: node, size: 1, height: 0), anchor: event.anchor)
    case .alias(let name):
      guard let target = anchors[name] else { throw .unknownAlias(position, name: name) }
      try count(target.size, at: position)
      if frames.count + target.height > limits.depth { throw .tooDeep(position, limit: limits.depth) }
      let node = YAMLNode(position: position, content: target.node.content)
      try add(Anchored(node: node, size: target.size, height: target.height), anchor: nil)
    case .sequenceStart, .mappingStart:
      try count(1, at: position)
      if frames.count + 1 > limits.depth { throw .tooDeep(position, limit: limits.depth) }
      if let frame = frames.last, frame.isMapping, frame.key == nil { throw .keyNotText(position) }
      let isMapping = if case .mappingStart = event.kind { true } else { false }
      let core = isMapping ? "map" : "seq"
      if let tag = event.tag, tag != "!", tag != YAMLComposer.core + core {
        throw .unsupportedTag(position, tag: tag)
      }
      frames.append(Frame(position: position, anchor: event.anchor, isMapping: isMapping))
    case .end:
      guard let frame = frames.popLast() else { return }
      let content: YAMLNode.Content = frame.isMapping ? .mapping(frame.entries) : .sequence(frame.items)
      let node = YAMLNode(position: frame.position, content: content)
      try add(Anchored(node: node, size: frame.size, height: frame.height + 1), anchor: frame.anchor)
    }
  }

  /// The document's value, after all events.
  func finish() throws(YAMLError) -> YAMLNode {
    guard let root else { throw .empty(file: file) }
    return root
  }

  private static let core = "tag:yaml.org,2002:"

  /// A scalar as its tag says.
  private func tagged(
    _ scalar: YAMLScalar, tag: String?, at position: YAMLPosition
  ) throws(YAMLError) -> YAMLScalar {
    guard let tag else { return scalar }
    if tag == "!" || tag == YAMLComposer.core + "str" { return YAMLScalar(text: scalar.text, isPlain: false) }
    guard ["null", "bool", "int", "float"].contains(where: { tag == YAMLComposer.core + $0 }) else {
      throw .unsupportedTag(position, tag: tag)
    }
    return YAMLScalar(text: scalar.text, isPlain: true)
  }

  private mutating func count(_ size: Int, at position: YAMLPosition) throws(YAMLError) {
    nodes += size
    if nodes > limits.nodes { throw .tooManyNodes(position, limit: limits.nodes) }
  }

  private mutating func add(_ value: Anchored, anchor: String?) throws(YAMLError) {
    if let anchor { anchors[anchor] = value }
    guard var frame = frames.popLast() else {
      root = value.node
      return
    }
    frame.size += value.size
    frame.height = max(frame.height, value.height)
    if !frame.isMapping {
      frame.items.append(value.node)
    } else if let key = frame.key {
      frame.entries.append(YAMLEntry(key: key.text, position: key.position, value: value.node))
      frame.key = nil
    } else {
      frame.key = try key(of: value.node, in: &frame)
    }
    frames.append(frame)
  }

  private func key(
    of node: YAMLNode, in frame: inout Frame
  ) throws(YAMLError) -> (text: String, position: YAMLPosition) {
    guard case .scalar(let scalar) = node.content else { throw .keyNotText(node.position) }
    if scalar.isPlain, scalar.text == "<<" { throw .mergeKey(node.position) }
    if let line = frame.lines[scalar.text] {
      throw .duplicateKey(node.position, key: scalar.text, firstLine: line)
    }
    frame.lines[scalar.text] = node.position.line
    return (scalar.text, node.position)
  }
}
