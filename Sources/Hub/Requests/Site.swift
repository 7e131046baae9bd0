import Boundary
import Release
import Requests

/// One site as requests see it: who may see its token, how patient to be, whom to tell.
package struct Site: Sendable {
  package let transport: any HTTPTransport
  /// Who sees the token.
  package let trust: TokenTrust
  /// When to try again.
  package let pace: RetryPace
  /// Ends everything when set.
  package let stop: StopFlag
  /// Seconds without a byte.
  package let patience: Int
  /// A line for the person.
  package let say: @Sendable (String) -> Void
  /// What the site has warned of already.
  let warnings: SiteWarnings

  package init(
    transport: any HTTPTransport, trust: TokenTrust, pace: RetryPace = RetryPace(),
    stop: StopFlag = StopFlag(),
    patience: Int = 10, warnings: SiteWarnings = SiteWarnings(),
    say: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.transport = transport
    self.trust = trust
    self.pace = pace
    self.stop = stop
    self.patience = patience
    self.say = say
    self.warnings = warnings
  }

  /// An answer, and who gave it.
  struct Reply {
    let answer: HTTPAnswer
    let address: WebAddress
    /// Whether a host answered that is not the site: its storage.
    let isForeign: Bool

    var head: HTTPHead { answer.head }
    var status: Int { answer.head.status }
  }

  private static let mostRedirects = 10
  private static let redirects: Set<Int> = [301, 302, 303, 307, 308]

  /// Sends a request and follows redirects by hand: each address gets the token or not by what it is.
  /// - Throws: `TransportError`, `HubError.strangeAnswer` for redirects that are not followed, what the sink throws.
  func follow(_ request: HTTPRequest, into sink: (any BodySink)? = nil) throws -> Reply {
    var request = request
    request.stop = stop
    let headers = request.headers + [HTTPHeader("User-Agent", "segmoe/\(Version.current)")]
    for _ in 0...Self.mostRedirects {
      request.headers = headers
      if let authorization = trust.authorization(for: request.address) {
        request.headers.append(authorization)
      }
      let answer = try transport.send(request, into: sink)
      if trust.includes(request.address), let text = warnings.new(answer.head) { say(shown(text)) }
      guard Self.redirects.contains(answer.head.status), let location = answer.head["location"] else {
        return Reply(answer: answer, address: request.address, isForeign: !trust.includes(request.address))
      }
      request.address = try next(after: request.address, location)
    }
    throw HubError.strangeAnswer(host: request.address.host, reason: "it redirects without end")
  }

  private func next(after address: WebAddress, _ location: String) throws -> WebAddress {
    guard let next = address.following(location) else {
      throw HubError.strangeAnswer(host: address.host, reason: "it redirects to what is no web address")
    }
    if address.scheme == "https", next.scheme == "http" {
      throw HubError.strangeAnswer(host: address.host, reason: "it redirects from https to http")
    }
    return next
  }

  /// Sends a small request, again and again while the failure may pass.
  /// - Throws: `HubError`
  func ask(_ request: HTTPRequest) throws(HubError) -> Reply {
    var retries = Retries(pace, stop: stop)
    while true {
      let failure: HubError
      var asked: Int?
      do {
        let reply = try follow(request)
        guard let passing = try passing(reply) else { return reply }
        (failure, asked) = passing
      } catch {
        failure = try passing(error)
      }
      guard try retries.waitAgain(asked: asked) else { throw failure }
    }
  }

  /// The error of an answer that may be another one in a moment, and the wait that the site asks for; nil for others.
  /// - Throws: `HubError.rateLimited` if the wait would be too long.
  func passing(_ reply: Reply) throws(HubError) -> (HubError, seconds: Int?)? {
    let host = reply.address.host
    switch reply.status {
    case 429:
      let seconds = RateLimit.wait(reply.head)
      let error = HubError.rateLimited(host: host, seconds: seconds, hasToken: trust.token != nil)
      guard let seconds else { return (error, nil) }
      if seconds > pace.longestWait { throw error }
      say("\(host) wants fewer requests: waiting \(seconds) s")
      return (error, seconds)
    case 408, 500, 502, 503, 504:
      return (.unreachable(host: host, reason: "it answers \(reply.status)"), nil)
    default: return nil
    }
  }

  /// The error of a transfer that may go better in a moment.
  /// - Throws: the error itself if it would not.
  func passing(_ error: any Error) throws(HubError) -> HubError {
    switch error {
    case let error as HubError: throw error
    case TransportError.unreachable(let host, let reason), TransportError.silent(let host, let reason),
      TransportError.broken(let host, let reason):
      return .unreachable(host: host, reason: reason)
    case TransportError.untrusted(let host, let reason): throw .untrusted(host: host, reason: reason)
    case TransportError.stopped: throw .stopped
    case TransportError.refused(let host, let reason): throw .unreachable(host: host, reason: reason)
    default: throw .strangeAnswer(host: "", reason: "\(error)")
    }
  }

  /// What the site says about an answer: a header, or a member of its JSON; never a web page, never a token.
  func words(of reply: Reply) -> String {
    var text = reply.head["x-error-message"] ?? ""
    if text.isEmpty, !reply.head.isWebPage {
      let json = try? AnswerObject(reply)
      text = json?.text("message") ?? json?.text("error") ?? ""
    }
    if text.isEmpty {
      text = "it answers \(reply.status)" + (reply.head["x-request-id"].map { " (request \($0))" } ?? "")
    }
    return shown(text)
  }

  /// A text of the site, bounded, and without the token.
  func shown(_ text: String) -> String {
    let text = trust.token.map { text.replacing($0.secret, with: "…") } ?? text
    return PlainText.line(text, limit: 300)
  }
}
