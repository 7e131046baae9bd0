import Checkpoints
import Glibc
import HTTP
import Requests

/// Fetches models, LoRAs and VAEs from their sources.
package struct ModelPuller: Sendable {
  let settings: HubSettings
  let transport: any HTTPTransport
  let pace: RetryPace
  let stop: StopFlag
  let mostBytes: Int?
  private let warnings = SiteWarnings()
  let say: @Sendable (String) -> Void
  let tell: @Sendable (PullProgress) -> Void

  /// - Parameters:
  ///   - settings: tokens, cache and sites.
  ///   - transport: makes the requests.
  ///   - pace: the pace of retries.
  ///   - stop: ends downloads when it is set.
  ///   - mostBytes: the most that one source may have; nil: any size.
  ///   - say: gets messages for the user.
  ///   - tell: gets the progress several times per second, from any thread.
  package init(
    settings: HubSettings, transport: any HTTPTransport, pace: RetryPace = RetryPace(),
    stop: StopFlag = StopFlag(), mostBytes: Int? = nil,
    say: @escaping @Sendable (String) -> Void = { _ in },
    tell: @escaping @Sendable (PullProgress) -> Void = { _ in }
  ) {
    self.settings = settings
    self.transport = transport
    self.pace = pace
    self.stop = stop
    self.mostBytes = mostBytes
    self.say = say
    self.tell = tell
  }

  /// Fetches a source unless it is in the cache. A path is returned as it is.
  /// - Parameters:
  ///   - source: where it comes from.
  ///   - use: what it is used for. That decides which files are fetched.
  ///   - isDry: whether to find out only what would be fetched.
  /// - Throws: `HubError`
  package func pull(_ source: ModelSource, for use: ModelUse, isDry: Bool = false) throws(HubError)
    -> PulledModel
  {
    do {
      switch source {
      case .path(let path):
        guard access(path, F_OK) == 0 else {
          throw HubError.gone(what: path, reason: "no such file or folder; a model of a hub is owner/name")
        }
        return PulledModel(
          source: path, path: path, revision: nil, bytes: Folder.size(of: path) ?? 0, fromCache: true)
      case .card(let id, let revision):
        return try repository(id).pull(source, revision: revision, file: nil, for: use, isDry: isDry)
      case .file(let id, let revision, let path):
        return try repository(id).pull(source, revision: revision, file: path, for: use, isDry: isDry)
      case .civitai(let link):
        let site = Site(
          transport: transport, trust: settings.civitaiTrust, pace: pace, stop: stop,
          patience: settings.patience,
          say: say)
        return try CivitaiPull(
          link: link, site: site, endpoint: settings.civitaiEndpoint,
          cache: CivitaiCache(root: settings.ownCache),
          isOffline: settings.isOffline, mostBytes: mostBytes, tell: tell
        ).pull(isDry: isDry)
      }
    } catch let error as HubError {
      throw error
    } catch {
      throw .strangeAnswer(host: settings.endpoint.host, reason: "\(error)")
    }
  }

  private func repository(_ id: RepositoryID) -> RepositoryPull {
    let site = Site(
      transport: transport, trust: settings.readingTrust, pace: pace, stop: stop, patience: settings.patience,
      warnings: warnings, say: say)
    return RepositoryPull(
      id: id, client: HubClient(site: site, endpoint: settings.endpoint),
      cache: RepositoryCache(root: settings.cache, id: id, usesLinks: settings.usesLinks),
      isOffline: settings.isOffline, mostBytes: mostBytes, tell: tell)
  }
}

/// A source that has been fetched.
package struct PulledModel: Sendable, Equatable {
  /// The source as it was written, without a token.
  package let source: String
  /// The path of the folder or file.
  package let path: String
  /// The commit, or CivitAI's number of the version; nil for a path.
  package let revision: String?
  /// The size of all its files.
  package let bytes: Int
  /// Whether nothing had to be fetched.
  package let fromCache: Bool

  package init(source: String, path: String, revision: String?, bytes: Int, fromCache: Bool) {
    self.source = source
    self.path = path
    self.revision = revision
    self.bytes = bytes
    self.fromCache = fromCache
  }
}
