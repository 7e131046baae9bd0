/// A request to an address. The caller has to follow redirects.
package struct HTTPRequest: Sendable {
  /// The method of a request.
  package enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
  }

  /// The body of a request.
  package enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// `count` bytes of an open file, beginning at `offset`. The caller keeps and closes the file.
    case file(descriptor: Int32, offset: Int, count: Int)
  }

  /// How long to wait, in seconds.
  package struct Patience: Sendable {
    /// The longest time until there is a connection.
    package var connecting: Int
    /// The longest time without a byte in either direction.
    package var silence: Int
    /// The longest time for the whole request; nil for no limit.
    package var total: Int?

    package init(connecting: Int = 10, silence: Int = 30, total: Int? = nil) {
      self.connecting = connecting
      self.silence = silence
      self.total = total
    }
  }

  /// What libcurl signs a request with, for a service that checks AWS signatures of version 4.
  package struct Signing: Sendable, CustomStringConvertible {
    /// Such as `us-east-1`.
    package var region: String
    /// Such as `s3`.
    package var service: String
    /// The identifier of the key, and the key. Neither is in a description.
    package var key: String
    package var secret: String

    package init(region: String, service: String, key: String, secret: String) {
      self.region = region
      self.service = service
      self.key = key
      self.secret = secret
    }

    package var description: String { "a signature for \(service) in \(region)" }
  }

  package var method: Method
  package var address: WebAddress
  package var headers: [HTTPHeader]
  package var body: Body
  package var patience: Patience
  /// nil: it is not signed.
  package var signing: Signing?
  /// Ends the transfer when it is set.
  package var stop: StopFlag?

  package init(
    _ method: Method, _ address: WebAddress, headers: [HTTPHeader] = [], body: Body = .none,
    patience: Patience = Patience(), stop: StopFlag? = nil
  ) {
    self.method = method
    self.address = address
    self.headers = headers
    self.body = body
    self.patience = patience
    self.stop = stop
  }
}

/// A header's name and value.
package struct HTTPHeader: Sendable, Equatable {
  package let name: String
  package let value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// The head of an answer.
package struct HTTPHead: Sendable {
  package let status: Int
  /// The headers in their order, with the names as the server wrote them.
  package let headers: [HTTPHeader]

  package init(status: Int, headers: [HTTPHeader]) {
    self.status = status
    self.headers = headers
  }

  /// The value of the last header with a name, in upper or lower case.
  package subscript(name: String) -> String? {
    headers.last { $0.name.lowercased() == name.lowercased() }?.value
  }

  /// Whether the body is a web page.
  package var isWebPage: Bool { self["content-type"]?.lowercased().hasPrefix("text/html") ?? false }
}

/// An answer. Its body is there if no sink took it, up to a limit.
package struct HTTPAnswer: Sendable {
  package let head: HTTPHead
  package let body: [UInt8]

  package init(head: HTTPHead, body: [UInt8]) {
    self.head = head
    self.body = body
  }
}
