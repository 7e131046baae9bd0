import HTTP

/// Downloads one file. It continues after every kind of interruption, and ends when size and hash are right.
struct FileDownload {
  let site: Site
  /// The address, asked anew for each try, because the address that it redirects to is valid for minutes only.
  let address: WebAddress
  /// The file's name in messages.
  let what: String
  /// The size in bytes, if it is known beforehand.
  let size: Int?
  /// The hash that the file must have; nil if it is unknown.
  let hash: String?
  /// The most that a file of unknown size may have; nil: any size.
  var mostBytes: Int?
  let meter: PullMeter
  /// The error for a refusal by the site.
  let refusal: (Site.Reply) -> HubError

  /// A signed address may have expired when storage refuses it. A new one is asked for at most this often.
  private static let mostRefusals = 3

  /// Downloads the file.
  /// - Throws: `HubError`
  func run(into part: PartFile) throws {
    var retries = Retries(site.pace, stop: site.stop)
    var state = State()
    while true {
      if try isComplete(part, &state) { return }
      if state.isWithoutRange, part.count > 0 { try startOver(part) }
      let before = part.count
      let failure = try attempt(part, &state)
      if part.count - before >= min(1 << 20, (size ?? 0) / 10 + 1) {
        retries.progressed()
        state.refusals = 0
      }
      guard let failure else { continue }
      guard try retries.waitAgain(asked: failure.seconds) else {
        throw HubError.gaveUp(what: what, reason: failure.reason)
      }
    }
  }

  private struct State {
    /// Whether the whole file was received and its hash was wrong.
    var wasDamaged = false
    /// Whether ranges are not used, because this server gets them wrong.
    var isWithoutRange = false
    /// How often storage has refused since the last bytes were received.
    var refusals = 0
    /// Whether the end of a file of unknown size has been received.
    var hasEnded = false
  }

  private struct Failure {
    var reason: String
    var seconds: Int?
  }

  /// Whether the file is complete and right. A complete file with a wrong hash is fetched once more.
  private func isComplete(_ part: PartFile, _ state: inout State) throws -> Bool {
    guard part.count == size || state.hasEnded else { return false }
    guard let hash else { return true }
    let found = part.hash()
    if found == hash { return true }
    if state.wasDamaged {
      part.remove()
      throw HubError.wrongContent(path: what, expected: hash, found: found)
    }
    state.wasDamaged = true
    state.hasEnded = false
    try startOver(part)
    return false
  }

  private func startOver(_ part: PartFile) throws(HubError) {
    meter.add(-part.count)
    try part.restart()
  }

  /// Makes one request.
  /// - Returns: the failure after which to try again; nil after a success.
  private func attempt(_ part: PartFile, _ state: inout State) throws -> Failure? {
    let sink = DownloadSink(part, size: size, mostBytes: mostBytes, what: what, meter: meter)
    var request = HTTPRequest(
      .get, address, headers: [HTTPHeader("Accept-Encoding", "identity")],
      patience: .init(connecting: 10, silence: site.patience, total: nil))
    let isRanged = part.count > 0
    if isRanged { request.headers.append(HTTPHeader("Range", "bytes=\(part.count)-")) }
    do {
      let reply = try site.follow(request, into: sink)
      if sink.isTaken {
        if size == nil { state.hasEnded = true }
        return size == nil || part.count == size ? nil : Failure(reason: "it ended at byte \(part.count)")
      }
      return try refused(reply, part, isRanged: isRanged, &state)
    } catch DownloadSink.Fault.otherRange {
      state.isWithoutRange = true
      return Failure(reason: "the server sends other bytes than asked for")
    } catch DownloadSink.Fault.otherLength(let reason) {
      try startOver(part)
      return Failure(reason: reason)
    } catch DownloadSink.Fault.webPage {
      throw HubError.webPage(host: address.host)
    } catch {
      let passing = try site.passing(error)
      guard case .unreachable(_, let reason) = passing else { throw passing }
      return Failure(reason: reason)
    }
  }

  /// Handles an answer without the file.
  private func refused(
    _ reply: Site.Reply, _ part: PartFile, isRanged: Bool, _ state: inout State
  ) throws -> Failure? {
    if let (error, seconds) = try site.passing(reply) {
      return Failure(reason: Self.reason(error), seconds: seconds)
    }
    if reply.status == 416 {
      let total = ContentRange(reply.head["content-range"] ?? "")?.total
      if size == nil, total == part.count {
        state.hasEnded = true
        return nil
      }
      state.isWithoutRange = true
      return Failure(reason: "the server does not know those bytes")
    }
    guard reply.isForeign, reply.status == 403, state.refusals < Self.mostRefusals else {
      throw refusal(reply)
    }
    state.refusals += 1
    // A proxy may refuse all ranges.
    if isRanged, state.refusals == Self.mostRefusals { state.isWithoutRange = true }
    return Failure(reason: "storage refuses the address")
  }

  private static func reason(_ error: HubError) -> String {
    if case .unreachable(_, let reason) = error { reason } else { "\(error)" }
  }
}
