import Requests

/// Why a model could not be pulled or pushed. Each message is one line that says how to fix it. No message has a token.
package enum HubError: Error, Sendable, Equatable {
  /// An environment variable has a value that cannot be used.
  case setting(name: String, value: String, rule: String)
  /// There is no such repository, or this token may not see it.
  case noRepository(RepositoryID, token: String?)
  /// There is no such branch, tag or commit.
  case noRevision(RepositoryID, revision: String)
  /// There is no such file in a repository. `near` are similar names.
  case noFile(RepositoryID, path: String, near: [String])
  /// The hub does not know the token. `origin` is where the token was found.
  case badToken(origin: String)
  /// The conditions of a repository have to be accepted first.
  case gated(RepositoryID, page: String, hasToken: Bool)
  /// The hub has taken a repository down.
  case disabled(RepositoryID)
  /// The site does not allow it. `reason` is the site's text.
  case forbidden(what: String, reason: String)
  /// It is gone for good. `reason` is the site's text.
  case gone(what: String, reason: String)
  /// There were too many requests. The site tells how long to wait.
  case rateLimited(host: String, seconds: Int?, hasToken: Bool)
  /// There is no answer, or it comes too late.
  case unreachable(host: String, reason: String)
  /// The server's certificate is not trusted here.
  case untrusted(host: String, reason: String)
  /// The answer is a web page, for example a network's login page.
  case webPage(host: String)
  /// The answer is not one of a hub.
  case strangeAnswer(host: String, reason: String)
  /// Many tries made no progress.
  case gaveUp(what: String, reason: String)
  /// The network must not be used, and the model is not in the cache.
  case offline(source: String, missing: String)
  /// The content of a file does not have the hash that the hub names.
  case wrongContent(path: String, expected: String, found: String)
  /// A file's name in a repository could lead out of the cache.
  case hostileName(String)
  /// The file is larger than the hub serves over plain HTTP.
  case tooLarge(path: String, bytes: Int)
  /// More than may be fetched here.
  case overLimit(source: String, bytes: Int, most: Int)
  /// The disk has too little space.
  case noRoom(folder: String, needed: Int, free: Int)
  /// The cache cannot be written to, and files are missing.
  case readOnly(folder: String, files: Int, bytes: Int)
  /// A file of the cache cannot be read or written.
  case file(path: String, reason: String)
  /// The repository has no `model_index.json`. `files` are its safetensors files.
  case noModel(RepositoryID, files: [String])
  /// A component of a model has only pickled weights.
  case pickled(RepositoryID, component: String, file: String)
  /// A component of a model has no weights.
  case noWeights(RepositoryID, component: String)
  /// More than one file could be meant.
  case ambiguous(RepositoryID, files: [String])
  /// A link of CivitAI needs a login.
  case login(link: String, hasToken: Bool)
  /// No file of the version meets the conditions of a link to CivitAI.
  case noSuchFile(link: String, files: [String])
  /// The file is not a safetensors file, whatever its name says.
  case notSafetensors(what: String, found: String)
  /// The person stopped it.
  case stopped

  /// Kinds of failures, which decide the exit code.
  package enum Kind: Sendable {
    case usage
    case damaged
    case missing
    case unavailable
    case notPermitted
  }

  /// The kind of failure.
  package var kind: Kind {
    switch self {
    case .setting, .ambiguous: .usage
    case .wrongContent, .hostileName, .noModel, .pickled, .noWeights, .notSafetensors: .damaged
    case .noRepository, .noRevision, .noFile, .gone, .noSuchFile: .missing
    case .badToken, .gated, .disabled, .forbidden, .login, .overLimit: .notPermitted
    case .rateLimited, .unreachable, .untrusted, .webPage, .strangeAnswer, .gaveUp, .offline, .tooLarge,
      .noRoom,
      .readOnly, .file, .stopped:
      .unavailable
    }
  }
}

extension HubError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .setting(let name, let value, let rule): "$\(name) is '\(value)': \(rule)"
    case .noRepository(let id, nil):
      "\(id): no such path here, and the hub knows no such model, or it is private and no token is set "
        + "(HF_TOKEN, or `hf auth login`)"
    case .noRepository(let id, let token?):
      "\(id): no such path here, and the hub knows no such model, or the token of \(token) has no access to it"
    case .noRevision(let id, let revision): "\(id) has no branch, tag or commit '\(revision)'"
    case .noFile(let id, let path, let near):
      "\(id) has no file '\(path)'" + (near.isEmpty ? "" : "; it has \(near.joined(separator: ", "))")
    case .badToken(let origin):
      "the site does not accept the token of \(origin): set a new one, or run `hf auth login`"
    case .gated(let id, let page, let hasToken):
      "\(id): accept its conditions at \(page), then try again"
        + (hasToken ? "" : "; a token is needed, too (HF_TOKEN, or `hf auth login`)")
    case .disabled(let id): "\(id): the hub has switched off access to this model"
    case .forbidden(let what, let reason): "\(what): \(reason)"
    case .gone(let what, let reason): "\(what): \(reason)"
    case .rateLimited(let host, let seconds, let hasToken):
      "\(host) wants fewer requests" + (seconds.map { ": try again in \($0) s" } ?? ": try again later")
        + (hasToken ? "" : "; with a token (HF_TOKEN) it allows more")
    case .unreachable(let host, let reason):
      "\(host) cannot be reached (\(reason)): check the network, the proxy (HTTPS_PROXY) and HF_ENDPOINT"
    case .untrusted(let host, let reason):
      "\(host): its certificate is not trusted here (\(reason)); name your own authority with SSL_CERT_FILE"
    case .webPage(let host):
      "\(host) answered with a web page: the network wants a login, or the address is no hub's"
    case .strangeAnswer(let host, let reason): "\(host) does not answer as a hub does: \(reason)"
    case .gaveUp(let what, let reason):
      "\(what): gave up (\(reason)); run the same command again, it goes on where it stopped"
    case .offline(let source, let missing):
      "\(source): offline (HF_HUB_OFFLINE), and \(missing); pull it once with a network"
    case .wrongContent(let path, let expected, let found):
      "\(path): damaged on the way, twice: its hash is \(found), the hub says \(expected); try again later"
    case .hostileName(let name):
      "the repository has a file named '\(name)', which could lead out of the cache"
    case .tooLarge(let path, let bytes):
      "\(path) has \(bytes >> 30) GiB; over plain HTTP the hub serves 50 GB: use `hf download`"
    case .overLimit(let source, let bytes, let most):
      "\(source) has \(Self.size(bytes)); at most \(Self.size(most)) are fetched here (fetch.largest in the "
        + "daemon's configuration)"
    case .noRoom(let folder, let needed, let free):
      "\(folder): no room: \(Self.size(needed)) are needed, \(Self.size(free)) are free; "
        + "make room, or set HF_HUB_CACHE to another disk"
    case .readOnly(let folder, let files, let bytes):
      "the cache \(folder) is read-only and lacks \(files) files (\(Self.size(bytes))); "
        + "set HF_HUB_CACHE to a folder that can be written"
    case .file(let path, let reason): "\(path): \(reason)"
    case .noModel(let id, let files):
      "\(id) is no diffusers model: no model_index.json"
        + (files.isEmpty
          ? "" : "; to take one file, write \(files.map { "\(id)/\($0)" }.joined(separator: " or "))")
    case .pickled(let id, let component, let file):
      "\(component) of \(id) has only pickled weights (\(file)), which are not read: choose a model with safetensors"
    case .noWeights(let id, let component): "\(component) of \(id) has no weights"
    case .ambiguous(let id, let files):
      "\(id) has several files that could be meant: write "
        + files.map { "\(id)/\($0)" }.joined(separator: " or ")
    case .login(let link, false):
      "\(link): the site wants a login: make a key at https://civitai.com/user/account, and set CIVITAI_API_TOKEN"
    case .login(let link, true): "\(link): the site does not accept the token: make a new one"
    case .noSuchFile(let link, let files):
      "\(link): no file of that version fits; it has \(files.joined(separator: ", "))"
    case .notSafetensors(let what, let found):
      "\(what) is \(found), no safetensors file; only those are read"
    case .stopped: "stopped"
    }
  }

  /// `3.4 GB`.
  package static func size(_ bytes: Int) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")]
    guard let (unit, name) = units.first(where: { bytes >= $0.0 }) else { return "\(bytes) bytes" }
    let tenths = (bytes * 10 + unit / 2) / unit
    return tenths >= 1000 ? "\(tenths / 10) \(name)" : "\(tenths / 10).\(tenths % 10) \(name)"
  }
}
