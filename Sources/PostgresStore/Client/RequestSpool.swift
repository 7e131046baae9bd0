import Foundation
import JobStore
import Requests

/// The requests of a batch, checked and written as lines for `COPY`, in a file that no one else sees. So memory stays flat,
/// and a source that is slow or wrong keeps no transaction open.
final class RequestSpool {
  private(set) var count: Int64 = 0
  private(set) var fingerprint = Fingerprint()
  private let file: UnsafeMutablePointer<FILE>
  private var check = RequestCheck()
  /// Of the request before; nil if others of its settings cannot be written by it.
  private var form: LineForm?
  /// What the requests name of a hub, each once, in order.
  private(set) var sources: [WantedSource] = []
  private var known: Set<WantedSource> = []

  /// - Throws: `JobStoreError.temporaryFull` if there is no room for a temporary file.
  init() throws {
    guard let file = tmpfile() else { throw Self.full }
    self.file = file
  }

  deinit { fclose(file) }

  /// Takes all requests of a source.
  /// - Parameters:
  ///   - withFingerprint: whether anybody will ask for it.
  ///   - next: the next one; nil at the end.
  /// - Throws: `RequestError`, `JobStoreError`, and what `next` throws.
  func take(withFingerprint: Bool, _ next: () throws -> JobRequest?) throws {
    while let request = try next() {
      var request = request
      let line = try line(of: &request)
      guard !line.contains(0) else {
        throw JobStoreError.wrongRow(reason: "a text has a zero byte: remove it")
      }
      count += 1
      if withFingerprint { fingerprint.add(request) }
      guard fwrite(line, 1, line.count, file) == line.count else { throw Self.full }
    }
  }

  /// Checks a request, and writes it as a line. In most batches only the prompt and the seed change from one to the next.
  private func line(of request: inout JobRequest) throws -> [UInt8] {
    if try check.check(request), let form { return form.line(of: request) }
    let asked = request
    for source in request.render.takeSources() where known.insert(source).inserted { sources.append(source) }
    // A source that is written otherwise than it is kept (with a token) is read anew in each.
    let new = LineForm(of: request)
    form = request == asked ? new : nil
    return new.line(of: request)
  }

  /// The lines from the first on, each with its number in front, in blocks of whole lines.
  /// - Parameters:
  ///   - first: the number of the first job.
  ///   - columns: what every line has behind its number.
  /// - Returns: what gives the next block; nil at the end.
  func blocks(from first: Int64, _ columns: [ServerValue]) -> () throws -> [UInt8]? {
    rewind(file)
    var number = first
    let start = columns.map { "\t\($0.copied)" }.joined() + "\t"
    return { [self] in
      var block: [UInt8] = []
      var line: UnsafeMutablePointer<CChar>?
      var room = 0
      defer { free(line) }
      while block.count < 1 << 16, number < first + count {
        let length = getline(&line, &room, file)
        guard length > 0, let line else { throw Self.full }
        block += Array("\(number)\(start)".utf8)
        line.withMemoryRebound(to: UInt8.self, capacity: length) {
          block += UnsafeBufferPointer(start: $0, count: length)
        }
        number += 1
      }
      return block.isEmpty ? nil : block
    }
  }

  private static var full: JobStoreError {
    .temporaryFull(folder: P_tmpdir, reason: String(cString: strerror(errno)))
  }
}
