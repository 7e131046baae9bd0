import Foundation

/// Where a shared place is: a folder that every machine has under a path of its own, or a bucket of S3.
package enum SharedAddress: Sendable, Equatable, CustomStringConvertible {
  /// The absolute path of a folder.
  case folder(String)
  /// A bucket, and what its keys begin with; empty, or with a slash at its end.
  case bucket(String, prefix: String)

  package var description: String {
    switch self {
    case .folder(let path): path
    case .bucket(let name, let prefix): "s3://\(name)" + (prefix.isEmpty ? "" : "/\(prefix.dropLast())")
    }
  }

  /// Reads `s3://BUCKET/PREFIX`, or the absolute path of a folder.
  /// - Throws: `SharedError.address`
  package init(_ text: String) throws(SharedError) {
    guard text.contains("://") else {
      guard text.hasPrefix("/"), !text.utf8.contains(0) else {
        throw .address(rule: "write a folder's path, or s3://BUCKET/PREFIX")
      }
      self = .folder(URL(fileURLWithPath: text).standardizedFileURL.path)
      return
    }
    guard text.hasPrefix("s3://") else {
      throw .address(
        rule: "only s3://BUCKET/PREFIX and folders are known; another service's address is AWS_ENDPOINT_URL")
    }
    let parts = text.dropFirst("s3://".count).split(separator: "/", omittingEmptySubsequences: false)
    let bucket = parts.first.map(String.init) ?? ""
    guard bucket.wholeMatch(of: #/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/#) != nil, !bucket.contains("..") else {
      // A key in the address would be seen by everybody on the machine.
      throw .address(
        rule: bucket.contains("@")
          ? "keys do not belong into it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
          : "a bucket's name has 3 to 63 small letters, digits, dots and dashes")
    }
    var prefix = parts.dropFirst().map(String.init)
    while prefix.last?.isEmpty == true { prefix.removeLast() }
    guard prefix.allSatisfy({ $0.wholeMatch(of: #/[A-Za-z0-9_-][A-Za-z0-9._-]*/#) != nil }) else {
      throw .address(rule: "a prefix has letters, digits, dots, dashes and slashes")
    }
    self = .bucket(bucket, prefix: prefix.map { $0 + "/" }.joined())
  }
}
