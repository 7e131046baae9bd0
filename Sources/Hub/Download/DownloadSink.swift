/// Takes the body of one answer into a part, where it goes on.
final class DownloadSink: BodySink {
  /// Why an answer is no use though its status says so.
  enum Fault: Error {
    /// Other bytes than were asked for: start over without asking for a range.
    case otherRange
    /// More bytes than the file has, or packed ones.
    case otherLength(String)
    case webPage
  }

  private let part: PartFile
  private let size: Int?
  private let mostBytes: Int?
  private let what: String
  private let meter: PullMeter
  /// Whether the answer was taken.
  private(set) var isTaken = false
  /// Bytes that came.
  private(set) var received = 0

  /// - Parameters:
  ///   - part: takes the body.
  ///   - size: of the file, if it is known.
  ///   - mostBytes: the most that a file of unknown size may have; nil: any size.
  ///   - what: the file, for messages.
  ///   - meter: hears of each byte.
  init(_ part: PartFile, size: Int?, mostBytes: Int?, what: String, meter: PullMeter) {
    self.part = part
    self.size = size
    self.mostBytes = mostBytes
    self.what = what
    self.meter = meter
  }

  func accepts(_ head: HTTPHead) throws -> Bool {
    guard head.status == 200 || head.status == 206 else { return false }
    if head.isWebPage { throw Fault.webPage }
    if let packing = head["content-encoding"], packing.lowercased() != "identity" {
      throw Fault.otherLength("it comes packed, which was not asked for")
    }
    if head.status == 206 {
      guard let range = ContentRange(head["content-range"] ?? ""), range.start == part.count,
        size == nil || range.total == nil || range.total == size
      else { throw Fault.otherRange }
    } else if part.count > 0 {
      // The whole file, though a range of it was asked for.
      meter.add(-part.count)
      try part.restart()
    }
    isTaken = true
    return true
  }

  func take(_ bytes: UnsafeRawBufferPointer) throws {
    if let size, part.count + bytes.count > size {
      throw Fault.otherLength("longer than the \(size) bytes it should be")
    }
    if size == nil, let mostBytes, part.count + bytes.count > mostBytes {
      throw HubError.overLimit(source: what, bytes: part.count + bytes.count, most: mostBytes)
    }
    try part.append(bytes)
    received += bytes.count
    meter.add(bytes.count)
  }
}

/// `bytes 100-199/200` of a partial answer, `bytes */200` of a refused one.
struct ContentRange {
  /// The first byte; nil in a refusal.
  let start: Int?
  /// Of the whole file; nil if the server does not know.
  let total: Int?

  init?(_ text: String) {
    guard let match = text.wholeMatch(of: #/bytes (?:(\d+)-\d+|\*)/(\d+|\*)/#) else { return nil }
    start = match.output.1.flatMap { Int($0) }
    total = Int(match.output.2)
  }
}
