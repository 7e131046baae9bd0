import Boundary
import HTTP
import Release
import Requests

/// How requests are made to a site: who gets its token, how often to try, how long to wait.
package struct Site: Sendable {
  package let transport: any HTTPTransport
  /// Which addresses get the token.
  package let trust: TokenTrust
  /// How often and when to try again.
  package let pace: RetryPace
  /// Ends all requests when it is set.
  package let stop: StopFlag
  /// The longest time without a byte, in seconds.
  package let patience: Int
  /// Gets lines for the person.
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

  /// An answer, and the server that gave it.
  struct Reply {
    let answer: HTTPAnswer
    let address: WebAddress
    /// Whether another host answered: the site's storage.
    let isForeign: Bool

    var head: HTTPHead { answer.head }
    var status: Int { answer.head.status }
  }

  private static let mostRedirects = 10
  private static let redirects: Set<Int> = [301, 302, 303, 307, 308]

  /// Sends a request and follows redirects. For each address it is decided anew whether it gets the token.
  /// - Throws: `TransportError`, `HubError.strangeAnswer` for a redirect that must not be followed, and what the sink
  ///   throws.
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

  /// Sends a small request. It is repeated as long as the failure may be temporary.
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

  /// The error for an answer that is a temporary failure, and the wait that the site asks for; nil for any other
  /// answer.
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

  /// The error for a transfer that failed temporarily.
  /// - Throws: the error itself if trying again would not help.
  func passing(_ error: any Error) throws(HubError) -> HubError {
    switch error {
    case let error as HubError: throw error
    case TransportError.unreachable(let host, let reason), TransportError.silent(let host, let reason),
      TransportError.broken(let host, let reason):
      return .unreachable(host: shown(host), reason: shown(reason))
    case TransportError.untrusted(let host, let reason):
      throw .untrusted(host: shown(host), reason: shown(reason))
    case TransportError.stopped: throw .stopped
    case TransportError.refused(let host, let reason):
      throw .unreachable(host: shown(host), reason: shown(reason))
    default: throw .strangeAnswer(host: "", reason: "\(error)")
    }
  }

  /// The site's text about an answer, from a header or from JSON. It is never a web page and never has a token.
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
