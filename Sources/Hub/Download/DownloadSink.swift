import HTTP

/// Appends the body of an answer to an unfinished download.
final class DownloadSink: BodySink {
  /// Why an answer is useless although its status is a success.
  enum Fault: Error {
    /// The range is not the one that was asked for. The download starts over, without ranges.
    case otherRange
    /// There are more bytes than the file has, or they are compressed.
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
  /// The bytes received.
  private(set) var received = 0

  /// - Parameters:
  ///   - part: takes the body.
  ///   - size: the size of the file, if it is known.
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
      // The server sends the whole file although a range was asked for.
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
