import CYAML

/// An event of libyaml's parser, copied into Swift's memory.
struct YAMLEvent {
  enum Kind {
    case document
    case alias(String)
    case scalar(YAMLScalar)
    case sequenceStart
    case mappingStart
    case end
  }

  let kind: Kind
  let position: YAMLPosition
  var anchor: String?
  var tag: String?
}

/// libyaml's event parser. It keeps its state on the heap, so deep nesting takes no call stack.
enum YAMLEvents {
  /// Calls `handle` with every event. `bytes` must be UTF-8. The first error of the parser or of `handle` ends it.
  static func parse(
    _ bytes: [UInt8], file: String, handle: (YAMLEvent) throws(YAMLError) -> Void
  ) throws(YAMLError) {
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    defer { parser.deallocate() }
    guard yaml_parser_initialize(parser) == 1 else {
      throw .syntax(YAMLPosition(file: file, line: 1, column: 1), problem: "out of memory")
    }
    defer { yaml_parser_delete(parser) }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    // Copied, because a typed throw does not pass through withUnsafeBufferPointer.
    let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
    defer { input.deallocate() }
    _ = input.initialize(from: bytes)
    yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    while true {
      var event = yaml_event_t()
      guard yaml_parser_parse(parser, &event) == 1 else { throw failure(parser.pointee, bytes, file) }
      defer { yaml_event_delete(&event) }
      if event.type == YAML_STREAM_END_EVENT { return }
      if let copy = copy(event, file: file) { try handle(copy) }
    }
  }

  private static func copy(_ event: yaml_event_t, file: String) -> YAMLEvent? {
    let place = position(event.start_mark, file: file)
    switch event.type {
    case YAML_DOCUMENT_START_EVENT:
      return YAMLEvent(kind: .document, position: place)
    case YAML_ALIAS_EVENT:
      return YAMLEvent(kind: .alias(text(event.data.alias.anchor) ?? ""), position: place)
    case YAML_SCALAR_EVENT:
      let data = event.data.scalar
      let value = UnsafeBufferPointer(start: data.value, count: data.value == nil ? 0 : data.length)
      let scalar = YAMLScalar(
        text: String(decoding: value, as: UTF8.self), isPlain: data.style == YAML_PLAIN_SCALAR_STYLE)
      return YAMLEvent(
        kind: .scalar(scalar), position: place, anchor: text(data.anchor), tag: text(data.tag))
    case YAML_SEQUENCE_START_EVENT:
      let data = event.data.sequence_start
      return YAMLEvent(
        kind: .sequenceStart, position: place, anchor: text(data.anchor), tag: text(data.tag))
    case YAML_MAPPING_START_EVENT:
      let data = event.data.mapping_start
      return YAMLEvent(
        kind: .mappingStart, position: place, anchor: text(data.anchor), tag: text(data.tag))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      return YAMLEvent(kind: .end, position: place)
    default:
      return nil
    }
  }

  private static func text(_ start: UnsafeMutablePointer<UInt8>?) -> String? {
    start.map { String(cString: $0) }
  }

  private static func position(_ mark: yaml_mark_t, file: String) -> YAMLPosition {
    YAMLPosition(file: file, line: mark.line + 1, column: mark.column + 1)
  }

  private static func failure(_ parser: yaml_parser_t, _ bytes: [UInt8], _ file: String) -> YAMLError {
    var problem = parser.problem.map { String(cString: $0) } ?? "out of memory"
    if parser.error == YAML_READER_ERROR {
      // The reader tells only the byte, not the line.
      let place = YAMLDocument.position(of: parser.problem_offset, in: bytes, file: file)
      return .syntax(place, problem: problem)
    }
    if let context = parser.context { problem = "\(String(cString: context)), \(problem)" }
    return .syntax(position(parser.problem_mark, file: file), problem: problem)
  }
}
