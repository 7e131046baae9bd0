import JobStore
import Requests

/// The lines of `COPY` of requests that differ in prompt and seed alone. The rest is written once.
struct LineForm {
  /// What is before, between and after the two, as bytes of the line.
  private let pieces: [[UInt8]]

  private static let varying = ["prompt", "seed"]

  /// The form of a request's line.
  init(of request: JobRequest) {
    var pieces: [[UInt8]] = []
    var piece: [UInt8] = []
    for (column, value) in zip(JobRequest.columns, request.values) {
      if Self.varying.contains(column) {
        pieces.append(piece)
        piece = []
      } else {
        piece += Array(ServerValue(value).copied.utf8)
      }
      piece.append(UInt8(ascii: "\t"))
    }
    piece[piece.count - 1] = UInt8(ascii: "\n")
    self.pieces = pieces + [piece]
  }

  /// The line of a request that differs in these two alone.
  func line(of request: JobRequest) -> [UInt8] {
    // The columns of settings are in the order of all settings, prompt before seed.
    let values = [
      ServerValue.text(request.render.prompt), .integer(Int64(bitPattern: request.render.seed)),
    ]
    var line = pieces[0]
    for (value, piece) in zip(values, pieces[1...]) {
      line += Array(value.copied.utf8)
      line += piece
    }
    return line
  }
}
