import Foundation
import HTTP
import Requests

/// Where models come from and where they are kept, from environment variables. The names and their order are those of
/// `huggingface_hub` (`constants.py`, `utils/_auth.py`), so that both programs find the same files.
package struct HubSettings: Sendable {
  /// The hub's address.
  package var endpoint: WebAddress
  /// The hub's token.
  package var token: Token?
  /// The folder of Hugging Face's cache.
  package var cache: String
  /// Whether the network must not be used.
  package var isOffline = false
  /// Whether the token is used only for writing.
  package var keepsTokenForWriting = false
  /// Whether snapshots in the cache are links to blobs.
  package var usesLinks = true
  /// Seconds to wait for an answer, and between two reads.
  package var patience: Int = 10
  /// CivitAI's address.
  package var civitaiEndpoint: WebAddress
  /// CivitAI's token.
  package var civitaiToken: Token?
  /// The folder for files that do not come from the hub.
  package var ownCache: String
  /// The folder for the hashes of pushed files.
  package var state: String
  /// The certificates that are trusted.
  package var trust: CurlTransport.Trust

  /// The environment variable that names `ownCache`.
  package static let cacheVariable = "SEGMOE_CACHE"
  /// The address of the hub, and its short form.
  package static let hubNames = ["https://huggingface.co", "https://hf.co"]
  /// The names of CivitAI's site.
  static let civitaiNames = [
    "https://civitai.com", "https://www.civitai.com", "https://civitai.green", "https://civitai.red",
  ]

  /// Reads the environment.
  /// - Parameters:
  ///   - environment: the environment variables.
  ///   - home: the person's home folder.
  /// - Throws: `HubError.setting` for a value that cannot be used.
  package init(environment: [String: String], home: String) throws(HubError) {
    let read = EnvironmentReader(environment: environment, home: home)
    endpoint = try read.address("HF_ENDPOINT", default: "https://huggingface.co")
    civitaiEndpoint = try read.address("CIVITAI_ENDPOINT", default: "https://civitai.com")
    let cacheHome = read.path("XDG_CACHE_HOME") ?? home + "/.cache"
    let hubHome = read.path("HF_HOME") ?? cacheHome + "/huggingface"
    cache = read.path("HF_HUB_CACHE") ?? read.path("HUGGINGFACE_HUB_CACHE") ?? hubHome + "/hub"
    ownCache = read.path(Self.cacheVariable) ?? cacheHome + "/segmoe"
    state = (read.path("XDG_STATE_HOME") ?? home + "/.local/state") + "/segmoe"
    keepsTokenForWriting = read.isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")
    isOffline = read.isTrue("HF_HUB_OFFLINE") || read.isTrue("TRANSFORMERS_OFFLINE")
    usesLinks = !read.isTrue("HF_HUB_DISABLE_SYMLINKS")
    patience = try read.seconds("HF_HUB_DOWNLOAD_TIMEOUT", default: 10)
    token = try read.token(
      variables: ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"],
      file: read.path("HF_TOKEN_PATH") ?? hubHome + "/token")
    let configuration = read.path("XDG_CONFIG_HOME") ?? home + "/.config"
    civitaiToken = try read.token(
      variables: ["CIVITAI_API_TOKEN", "CIVITAI_TOKEN", "CIVITAI_API_KEY"],
      file: configuration + "/segmoe/civitai-token")
    trust = CurlTransport.Trust(
      certificates: ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"].lazy
        .compactMap { read.path($0) }.first { access($0, R_OK) == 0 },
      folder: read.path("SSL_CERT_DIR"))
  }

  /// Reads the environment of this process.
  /// - Throws: `HubError.setting`
  package init() throws(HubError) {
    let environment = ProcessInfo.processInfo.environment
    try self.init(environment: environment, home: environment["HOME"] ?? NSHomeDirectory())
  }

  /// Which addresses get the hub's token.
  package var hubTrust: TokenTrust {
    TokenTrust(token, origins: Self.origins(endpoint, Self.hubNames))
  }

  /// Which addresses get the hub's token when models are only read.
  var readingTrust: TokenTrust {
    TokenTrust(keepsTokenForWriting ? nil : token, origins: Self.origins(endpoint, Self.hubNames))
  }

  /// Which addresses get CivitAI's token.
  package var civitaiTrust: TokenTrust {
    TokenTrust(civitaiToken, origins: Self.origins(civitaiEndpoint, Self.civitaiNames))
  }

  private static func origins(_ endpoint: WebAddress, _ names: [String]) -> [WebAddress.Origin] {
    [endpoint.origin] + names.compactMap { WebAddress($0)?.origin }
  }
}

/// Reads single variables.
struct EnvironmentReader {
  let environment: [String: String]
  let home: String

  /// A variable that is neither absent nor blank.
  func text(_ name: String) -> String? {
    guard let text = environment[name] else { return nil }
    let trimmed = String(text.trimming(while: \.isWhitespace))
    return trimmed.isEmpty ? nil : trimmed
  }

  /// A path. `~` and variables in it are replaced, as in Python.
  func path(_ name: String) -> String? {
    guard var path = text(name) else { return nil }
    if path == "~" || path.hasPrefix("~/") { path = home + path.dropFirst(1) }
    path = path.replacing(#/\$(?:\{(\w+)\}|(\w+))/#) { match in
      let name = String(match.output.1 ?? match.output.2 ?? "")
      return environment[name] ?? String(match.output.0)
    }
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  /// `1`, `ON`, `YES` and `TRUE`, in any case.
  func isTrue(_ name: String) -> Bool {
    ["1", "ON", "YES", "TRUE"].contains(text(name)?.uppercased())
  }

  /// - Throws: `HubError.setting`
  func seconds(_ name: String, default value: Int) throws(HubError) -> Int {
    guard let text = text(name) else { return value }
    guard let seconds = Double(text), (1...86_400).contains(seconds) else {
      throw .setting(name: name, value: text, rule: "use a number of seconds, 1 to 86400")
    }
    return Int(seconds.rounded(.up))
  }

  /// - Throws: `HubError.setting`
  func address(_ name: String, default value: String) throws(HubError) -> WebAddress {
    var text = text(name) ?? value
    while text.hasSuffix("/") { text.removeLast() }
    guard let address = WebAddress(text) else {
      throw .setting(name: name, value: text, rule: "use an address such as \(value)")
    }
    return address
  }

  /// The first variable that is set, or else the content of the file.
  /// - Throws: `HubError.setting` for a text that cannot be a token.
  func token(variables: [String], file: String) throws(HubError) -> Token? {
    for name in variables {
      guard let text = text(name) else { continue }
      guard let token = Token(text, from: name) else {
        throw .setting(name: name, value: "…", rule: "a token is one word")
      }
      return token
    }
    guard let bytes = FileManager.default.contents(atPath: file), bytes.count < 65_536 else { return nil }
    return Token(String(decoding: bytes, as: UTF8.self), from: file)
  }
}
