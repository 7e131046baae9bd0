import Boundary
import CommandLine
import Foundation
import HTTP
import Hub
import Merging
import Requests

/// Fetches models, LoRAs and VAEs that a command line or recipe names by repository or link. The progress goes to
/// standard error.
struct SourcePulls {
  private let line: ProgressLine

  init(quiet: Bool = false) { line = ProgressLine(isQuiet: quiet) }

  /// Fetches one source. A path that exists is returned as it is.
  /// - Throws: `SourceError`, `HubError`
  func pull(_ text: String, for use: ModelUse, isDry: Bool = false) throws -> PulledModel {
    let source = try ModelSource(text) { access($0, F_OK) == 0 }
    defer { line.end() }
    return try puller(texts: [text]).pull(source, for: use, isDry: isDry)
  }

  /// The path of a source. A path is returned without a check, because opening it reports what is wrong.
  /// - Throws: `SourceError`, `HubError`
  func path(_ text: String, for use: ModelUse) throws -> String {
    guard case .path = try ModelSource(text, exists: { access($0, F_OK) == 0 }) else {
      return try pull(text, for: use).path
    }
    return text
  }

  /// Fetches all sources in a request and replaces them by paths.
  /// - Throws: `SourceError`, `HubError`
  func pull(_ request: inout RenderRequest) throws {
    request.model = try path(request.model, for: .model)
    try request.changeFiles { file, text in
      switch file {
      case .lora, .embedding: try path(text, for: .adapter)
      case .vae: try path(text, for: .autoencoder)
      case .initImage, .mask: text
      }
    }
  }

  /// Begins to pull what a recipe names.
  /// - Throws: `HubError` for a setting that cannot be used.
  func arrivals(_ sources: [Recipe.Source]) throws(HubError) -> RecipeArrivals {
    let wanted = sources.compactMap { source in source.remote.map { (source: $0, use: source.use) } }
    guard !wanted.isEmpty else { return RecipeArrivals(pulls: nil) }
    return RecipeArrivals(pulls: PendingPulls(wanted, puller: try puller(texts: sources.map(\.written))))
  }

  /// A line on standard error, between those about pulls.
  func note(_ text: String) { line.write(PlainText.line(text)) }

  /// - Parameter texts: the sources as they were written. A token in a link is used for that site only.
  private func puller(texts: [String]) throws(HubError) -> ModelPuller {
    var settings = try HubSettings()
    for text in texts {
      if let token = CivitaiLink.token(in: text).flatMap({ Token($0, from: "the link") }) {
        settings.civitaiToken = token
      }
    }
    return ModelPuller(
      settings: settings, transport: CurlTransport(trust: settings.trust), say: { [line] in line.say($0) },
      tell: { [line] in line.show($0) })
  }
}

/// A recipe's sources, those of a hub on their way.
struct RecipeArrivals: SourceArrivals {
  /// nil: there are none of a hub.
  let pulls: PendingPulls?

  func path(of source: Recipe.Source) throws -> String {
    guard let pulls, let remote = source.remote else { return source.path }
    return try pulls.path(of: remote)
  }

  func isHere(_ source: Recipe.Source) -> Bool {
    guard let pulls, let remote = source.remote else { return true }
    return pulls.isHere(remote)
  }

  /// Ends a merge one of whose sources will never come.
  /// - Throws: `HubError`
  func check() throws { try pulls?.check() }
}
