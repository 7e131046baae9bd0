import Foundation
import HTTP

/// How a bucket is reached: as the programs of AWS read it from the environment and the file of credentials.
struct S3Settings: Sendable {
  /// The service's address; nil: AWS's own.
  let endpoint: WebAddress?
  let region: String
  let key: String
  let secret: String
  /// Of temporary credentials.
  let session: String?
  let trust: CurlTransport.Trust

  /// - Parameter environment: the environment variables.
  /// - Throws: `SharedError.address`, `.credentials`
  init(environment: [String: String]) throws {
    func text(_ names: String...) -> String? {
      names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    }
    endpoint = try text("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL").map { text in
      guard let address = WebAddress(text), address.query == nil else {
        throw SharedError.address(rule: "AWS_ENDPOINT_URL is no address such as https://minio.example:9000")
      }
      return address
    }
    region = text("AWS_REGION", "AWS_DEFAULT_REGION") ?? "us-east-1"
    guard region.wholeMatch(of: #/[a-z0-9-]{1,40}/#) != nil else {
      throw SharedError.address(rule: "AWS_REGION is no region such as us-east-1")
    }
    trust = CurlTransport.Trust(
      certificates: text("AWS_CA_BUNDLE", "SSL_CERT_FILE"), folder: text("SSL_CERT_DIR"))
    if let key = text("AWS_ACCESS_KEY_ID"), let secret = text("AWS_SECRET_ACCESS_KEY") {
      (self.key, self.secret, session) = (key, secret, text("AWS_SESSION_TOKEN"))
    } else {
      let home = environment["HOME"] ?? NSHomeDirectory()
      let file = text("AWS_SHARED_CREDENTIALS_FILE") ?? "\(home)/.aws/credentials"
      let profile = try Self.profile(text("AWS_PROFILE") ?? "default", of: file)
      guard let key = profile["aws_access_key_id"], let secret = profile["aws_secret_access_key"] else {
        throw SharedError.credentials(
          reason: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write \(file)")
      }
      (self.key, self.secret, session) = (key, secret, profile["aws_session_token"])
    }
    // Others could end a header's line.
    for word in [key, secret, session ?? "-"]
    where word.isEmpty || word.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
      throw SharedError.credentials(reason: "a key, a secret and a token are one word each")
    }
  }

  /// A section of a file such as `~/.aws/credentials`.
  private static func profile(_ name: String, of file: String) throws -> [String: String] {
    guard let bytes = FileManager.default.contents(atPath: file), bytes.count < 1 << 20 else { return [:] }
    var values: [String: String] = [:]
    var isInside = false
    for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("[") {
        isInside = line.dropFirst().prefix { $0 != "]" }.trimmingCharacters(in: .whitespaces) == name
      } else if isInside, let mark = line.firstIndex(of: "="), !line.hasPrefix("#"), !line.hasPrefix(";") {
        let key = line[..<mark].trimmingCharacters(in: .whitespaces).lowercased()
        values[key] = line[line.index(after: mark)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return values
  }

  var signing: HTTPRequest.Signing {
    HTTPRequest.Signing(region: region, service: "s3", key: key, secret: secret)
  }

  /// The address of an object.
  /// - Parameters:
  ///   - key: of it.
  ///   - bucket: that it is in.
  ///   - query: what is asked of it; nil: nothing.
  /// - Throws: `SharedError.address`
  func address(of key: String, in bucket: String, query: String? = nil) throws -> WebAddress {
    let key = query.map { "\(key)?\($0)" } ?? key
    let found: WebAddress?
    if let endpoint {
      found = endpoint.below("/\(bucket)/\(key)")
    } else if bucket.contains(".") {
      // The certificate of AWS is for one name before its own.
      found = WebAddress("https://s3.\(region).amazonaws.com/\(bucket)/\(key)")
    } else {
      found = WebAddress("https://\(bucket).s3.\(region).amazonaws.com/\(key)")
    }
    guard let found else { throw SharedError.address(rule: "no address can be made of bucket \(bucket)") }
    return found
  }
}
