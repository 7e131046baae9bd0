import Boundary
import Checkpoints
import Diffusion
import Glibc
import JobStore

/// The models in a daemon's folders, loaded or not. No weights are read: a model's configurations and headers tell what it
/// is, and are looked at again only when its files have changed.
struct ModelCensus {
  private struct Known {
    let stamp: FolderStamp
    /// nil: a LoRA, a VAE or another part, which is no model.
    let record: ModelRecord?
  }

  /// What a look has found.
  struct Findings: Equatable {
    /// Each name once.
    var models: [ModelRecord] = []
    /// Whether the daemon takes no others: it has folders, and all of them were looked through.
    var areAll = true
  }

  /// What was found at the last look, by real paths.
  private var known: [String: Known] = [:]

  /// Names below a model folder have no more parts.
  private static let deepest = 8
  /// More files and folders are not looked at. No collection of models has as many, but pictures may lie there, too.
  private static let mostEntries = 20_000
  private static let endings = [".safetensors", ".gguf", ".ckpt"]
  /// Folders of a model that has no index: their files are no models.
  private static let components: Set = [
    "feature_extractor", "safety_checker", "scheduler", "text_encoder", "text_encoder_2", "tokenizer",
    "tokenizer_2", "unet", "vae",
  ]

  /// Nothing is known yet.
  init() {}

  /// Looks through the folders.
  /// - Parameters:
  ///   - folders: where models are; of two models with one name that in the first counts, as for jobs.
  ///   - confinement: the folders that links may lead to.
  ///   - isOver: asked often; once it is true, the look ends.
  /// - Returns: the models, with what is known against them; nil if the look was ended, or descriptors or memory ran out.
  mutating func look(
    in folders: [String], within confinement: Confinement, until isOver: () -> Bool
  ) -> Findings? {
    var walk = Walk(folders: folders, confinement: confinement)
    var findings = Findings()
    var latest: [String: Known] = [:]
    while let found = walk.next() {
      guard !isOver(), !walk.isShort else { return nil }
      switch found {
      case .nothing: break
      case .wrong(let name, let fault):
        var record = ModelRecord(name: name)
        record.fault = fault
        findings.models.append(record)
      case .model(let name, let path):
        guard let known = latest[path] ?? examine(name, path, confinement) else { return nil }
        latest[path] = known
        if var record = known.record {
          record.name = name
          findings.models.append(record)
        }
      }
    }
    guard !walk.isShort else { return nil }
    known = latest
    findings.areAll = !folders.isEmpty && walk.isWhole
    return findings
  }

  /// What is at a path. nil: descriptors or memory ran out.
  private func examine(_ name: String, _ path: String, _ confinement: Confinement) -> Known? {
    var record = ModelRecord(name: name, path: path)
    let stamp: FolderStamp
    do {
      stamp = try FolderStamp([path, CheckpointFile.companionPath(of: path)], within: confinement)
    } catch CheckpointError.exhausted {
      return nil
    } catch {
      record.fault = PlainText.line("\(error)")
      return Known(stamp: FolderStamp(), record: record)
    }
    if let known = known[path], known.stamp == stamp { return known }
    record.bytes = stamp.bytes
    // An ordinary model's headers fit into the margin of a memory budget. Others are read when a job asks for them.
    guard OpeningCost.beyondOrdinary([path]) == 0 else { return Known(stamp: stamp, record: record) }
    do {
      let summary = try Confinement.$models.withValue(confinement) {
        try ModelSummary(ModelPath(path).open())
      }
      (record.kind, record.description) = (summary.kind, summary.words)
    } catch let error as CheckpointError {
      if case .exhausted = error { return nil }
      if error.isOtherPart { return Known(stamp: stamp, record: nil) }
      record.fault = PlainText.line("\(error)")
    } catch {
      record.fault = PlainText.line("\(error)")
    }
    return Known(stamp: stamp, record: record)
  }

  /// A way through all folders, the upper ones first.
  private struct Walk {
    enum Find {
      case nothing
      case model(name: String, path: String)
      case wrong(name: String, fault: String)
    }

    private struct Place {
      let folder: String
      let name: String
      let depth: Int

      var path: String { name.isEmpty ? folder : "\(folder)/\(name)" }
    }

    let confinement: Confinement
    private var places: [Place]
    private var position = 0
    /// Real paths of folders that were entered, since links may lead in a circle.
    private var entered: Set<String> = []
    private var names: Set<String> = []
    /// Whether descriptors or memory ran out.
    private(set) var isShort = false
    /// Whether nothing was passed over that may hold models.
    private(set) var isWhole = true

    init(folders: [String], confinement: Confinement) {
      self.confinement = confinement
      places = folders.map { Place(folder: $0, name: "", depth: 0) }
    }

    /// What is at the next place; nil after the last.
    mutating func next() -> Find? {
      guard position < places.count else { return nil }
      let place = places[position]
      position += 1
      do throws(OpenFailure) {
        let found = try confinement.look(place.path)
        let (path, isFolder, isRegular) = (found.path, found.isFolder, found.isRegular)
        if isFolder, place.name.isEmpty || !confinement.has(path + "/model_index.json") {
          return try enter(place, path)
        }
        guard isFolder || ModelCensus.endings.contains(where: place.name.hasSuffix) else { return .nothing }
        guard names.insert(place.name).inserted else { return .nothing }
        return isFolder || isRegular
          ? .model(name: place.name, path: path)
          : .wrong(name: place.name, fault: "\(path): is no file, but a pipe, socket or device")
      } catch {
        return wrong(place, error)
      }
    }

    private mutating func enter(_ place: Place, _ path: String) throws(OpenFailure) -> Find {
      let last = place.name.split(separator: "/").last.map(String.init) ?? ""
      guard !ModelCensus.components.contains(last), !last.hasSuffix(".config"), entered.insert(path).inserted
      else { return .nothing }
      guard place.depth < ModelCensus.deepest else {
        isWhole = false
        return .nothing
      }
      let room = max(0, ModelCensus.mostEntries - places.count)
      let entries = try confinement.names(in: path, limit: room)
      if entries.count > room { isWhole = false }
      for entry in entries.sorted().prefix(room)
      where !entry.hasPrefix(".") && !entry.unicodeScalars.contains("\u{FFFD}") {
        let name = place.name.isEmpty ? entry : "\(place.name)/\(entry)"
        places.append(Place(folder: place.folder, name: name, depth: place.depth + 1))
      }
      return .nothing
    }

    private mutating func wrong(_ place: Place, _ failure: OpenFailure) -> Find {
      if failure.isShortage { isShort = true }
      // Its disk may be back soon.
      if place.name.isEmpty { isWhole = false }
      // A link to nothing, or what has just gone.
      if failure == .refused(ENOENT) || place.name.isEmpty { return .nothing }
      guard names.insert(place.name).inserted else { return .nothing }
      let error = CheckpointError(failure, path: place.path, purpose: "a model")
      return .wrong(name: place.name, fault: PlainText.line("\(error)"))
    }
  }
}
