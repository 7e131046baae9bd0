import Boundary
import Foundation
import HTTP
import TestSupport

/// moto's server, which speaks S3 as AWS does (`pip install 'moto[server]'`), on loopback. It ends with its last
/// reference.
final class MotoServer {
  /// Where it is installed; nil: nowhere.
  static let program: String? = {
    let environment = ProcessInfo.processInfo.environment
    let folders = (environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/moto_server" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  /// Why tests are skipped where it is not.
  static let absence = "no moto: pip install 'moto[server]', and moto_server into the PATH (not started)"

  struct NotReady: Error { let words: String }

  private let process: Process
  let endpoint: String

  init() throws {
    let port = try Self.freePort()
    endpoint = "http://127.0.0.1:\(port)"
    process = try Process(
      Self.program ?? "", ["-H", "127.0.0.1", "-p", "\(port)"], environment: ["PATH": "/usr/bin:/bin"])
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    try awaitBucket()
  }

  deinit {
    // Asked to end, it waits for its connections.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// The variables of a program that uses it.
  var environment: [String: String] {
    [
      "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": TestBucket.key,
      "AWS_SECRET_ACCESS_KEY": TestBucket.secret,
    ]
  }

  /// Makes the bucket, as soon as the server answers. The limit only guards against waiting for ever.
  private func awaitBucket() throws {
    let end = Patience.end
    while true {
      do {
        let answer = try send(.put, "/\(TestBucket.name)")
        guard answer.head.status == 200 else { throw NotReady(words: "it answers \(answer.head.status)") }
        return
      } catch is TransportError {
        guard process.isRunning, Date() < end else { throw NotReady(words: "it does not answer") }
        usleep(50_000)
      }
    }
  }

  func send(_ method: HTTPRequest.Method, _ path: String, body: [UInt8] = []) throws -> HTTPAnswer {
    guard let address = WebAddress(endpoint + path) else { throw NotReady(words: "no address") }
    var request = HTTPRequest(
      method, address, headers: [HTTPHeader("x-amz-content-sha256", Digest.hexadecimal(of: body))],
      body: .bytes(body))
    request.signing = HTTPRequest.Signing(
      region: "us-east-1", service: "s3", key: TestBucket.key, secret: TestBucket.secret)
    return try CurlTransport().send(request, into: nil)
  }

  private static func freePort() throws -> Int {
    let server = try TestServer("port", host: "127.0.0.1") { _ in CannedAnswer() }
    defer { server.stop() }
    guard let port = server.address.split(separator: ":").last.flatMap({ Int($0) }) else {
      throw NotReady(words: "no port")
    }
    return port
  }
}
