/// One file on its way into a part: goes on after every kind of break, and ends when the bytes are the right ones.
struct FileDownload {
  let site: Site
  /// Asked anew for each try: where it redirects to is good for some minutes only.
  let address: WebAddress
  /// For messages.
  let what: String
  /// Bytes, if known beforehand.
  let size: Int?
  /// The hash it must have; nil if nobody knows it.
  let hash: String?
  /// The most that a file of unknown size may have; nil: any size.
  var mostBytes: Int?
  let meter: PullMeter
  /// What a refusal of the site means.
  let refusal: (Site.Reply) -> HubError

  /// Storage that refuses a signed address may do so for its age: a new one is asked for, so often.
  private static let mostRefusals = 3

  /// Fills the part.
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
    /// Whether the whole file came and was another one.
    var wasDamaged = false
    /// Whether this server's ranges are not to be trusted.
    var isWithoutRange = false
    /// How often storage refused since something came.
    var refusals = 0
    /// Whether a file of unknown length has come to its end.
    var hasEnded = false
  }

  private struct Failure {
    var reason: String
    var seconds: Int?
  }

  /// Whether all is there, and right. A file that is whole and wrong is fetched once more.
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

  /// One request.
  /// - Returns: why to try again; nil if it went well.
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

  /// What to do about an answer without the file.
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
    // A server in between may refuse ranges altogether.
    if isRanged, state.refusals == Self.mostRefusals { state.isWithoutRange = true }
    return Failure(reason: "storage refuses the address")
  }

  private static func reason(_ error: HubError) -> String {
    if case .unreachable(_, let reason) = error { reason } else { "\(error)" }
  }
}
