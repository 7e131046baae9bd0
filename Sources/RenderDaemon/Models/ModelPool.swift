import Boundary
import Checkpoints
import Diffusion
import Requests
import Tensors
import WeightCache

/// The loaded models. The least recently used is unloaded first, and none that is in use. All models' weights are in
/// one cache.
///
/// One thread at a time uses it.
package struct ModelPool: Sendable {
  /// What has a model keeps one of these of it. As long as there is one beside the pool's own, the model is in use.
  final class Use: Sendable {}

  /// A loaded model, and the sizes and times of its files when it was loaded.
  private struct Entry {
    let name: String
    let path: String
    let vae: String?
    let loras: [LoRAReference]
    let precision: Precision
    let model: DiffusionModel
    let stamp: FolderStamp
    var use = Use()

    var isInUse: Bool {
      mutating get { !isKnownUniquelyReferenced(&use) }
    }
  }

  /// Where models are found; a reload changes it.
  package var locator: ModelLocator
  /// Where the pictures that jobs start from may be; a reload changes it.
  package var inputs = ModelLocator(folders: [])
  /// The limits of a job; a reload changes them.
  package var limits = RenderLimits()
  /// What decodes previews.
  package var previewVAEs = PreviewAutoencoders()
  /// Hashes of files that were loaded before, by this daemon or an earlier one.
  package var digests: DigestMemory?
  /// The owner of the process's memory, and of the weights of all models: as whoever uses the pool has it.
  package var governor: MemoryGovernor
  private var cache: PartCache { governor.cache }
  private let capacity: Int
  /// The most recently used model is last.
  private var entries: [Entry] = []
  /// Models whose files have changed since, or which were to leave, and that are still in use.
  private var leaving: [Entry] = []

  /// - Parameters:
  ///   - locator: where models are found.
  ///   - governor: the owner of the process's memory.
  ///   - capacity: how many models to keep loaded.
  package init(locator: ModelLocator, governor: MemoryGovernor, capacity: Int = 2) {
    self.locator = locator
    self.governor = governor
    self.capacity = max(1, capacity)
  }

  /// The names of the loaded models. The most recently used is last.
  package var names: [String] { entries.map(\.name) }

  /// The real path of a picture that a job starts from.
  /// - Throws: `DaemonError.inputMissing`, `.inputOutside`
  package func input(_ name: String) throws -> String {
    do {
      return try inputs.path(of: name)
    } catch DaemonError.modelMissing(let name, let searched) {
      throw DaemonError.inputMissing(name: name, searched: searched)
    } catch DaemonError.modelOutside(let path, let folders) {
      throw DaemonError.inputOutside(path: path, folders: folders)
    }
  }

  /// The model that a job names. It is loaded if it is not in the pool, or if its files have changed.
  /// - Parameters:
  ///   - name: the name or path in the request.
  ///   - vae: used instead of the model's own. The same model with another VAE is a model of its own in the pool.
  ///   - loras: fused into the model. The same model with other LoRAs is a model of its own in the pool.
  ///   - precision: what it computes in. The same model in another precision is a model of its own in the pool.
  ///   - willLoad: called before a load, which takes seconds.
  /// - Throws: `DaemonError`, `CheckpointError`, `DiffusionError`.
  package mutating func model(
    named name: String, vae: String? = nil, loras: [LoRAReference] = [], precision: Precision,
    willLoad: () throws -> Void
  ) throws -> DiffusionModel {
    let path = try locator.path(of: name)
    let vae = try vae.map(locator.path)
    let loras = try loras.map { LoRAReference(path: try locator.path(of: $0.path), weight: $0.weight) }
    let beside =
      ([path] + (vae.map { [$0] } ?? [])).map(CheckpointFile.companionPath)
      + (vae.map(AutoencoderFiles.configsBeside) ?? []) + loras.map { LoRAFile.settingsPath(of: $0.path) }
    let stamp = try FolderStamp(
      [path] + beside + (vae.map { [$0] } ?? []) + loras.map(\.path), within: locator.confinement)
    if let index = entries.firstIndex(where: {
      $0.path == path && $0.vae == vae && $0.loras == loras && $0.precision == precision
    }) {
      let found = entries.remove(at: index)
      if found.stamp == stamp {
        entries.append(found)
        return found.model
      }
      leaving.append(found)
    }
    try willLoad()
    while entries.count >= capacity, let index = entries.indices.first(where: { !entries[$0].isInUse }) {
      leaving.append(entries.remove(at: index))
    }
    unloadLeaving()
    // If the folder is replaced while it is read, the model must not be a mixture of two.
    let model = try Confinement.$models.withValue(locator.confinement.only(stamp.identities)) {
      try governor.prepareToOpen(
        [path] + beside + (vae.map { [$0] } ?? []) + loras.map(\.path), loras: loras.map(\.path))
      // What stays of it is no work's: others may use it, too.
      return try WorkLane.$current.withValue(nil) {
        try MemoryRefusal.check {
          try DiffusionModel(
            folder: ModelPath(path).open(), vae: vae, cache: cache, loras: loras, precision: precision,
            digests: digests)
        }
      }
    }
    entries.append(
      Entry(name: name, path: path, vae: vae, loras: loras, precision: precision, model: model, stamp: stamp))
    return model
  }

  /// The tiny autoencoder for previews of a family's pictures.
  /// - Returns: nil if none is there, and none was named.
  /// - Throws: `DaemonError`, `CheckpointError`, `DiffusionError`, `MemoryError`
  mutating func previewDecoder(for family: ModelFamily) throws -> PreviewDecoder? {
    try WorkLane.$current.withValue(nil) { try previewVAEs.decoder(for: family, in: locator, governor) }
  }

  /// What keeps the model in use that was asked for last.
  var lastUse: Use? { entries.last?.use }

  /// Unloads all models but one, and those in use.
  mutating func unloadOthers(than model: DiffusionModel) {
    for index in entries.indices.reversed()
    where entries[index].model.cacheName != model.cacheName && !entries[index].isInUse {
      leaving.append(entries.remove(at: index))
    }
    unloadLeaving()
    governor.tidy()
  }

  /// Unloads what was to leave and is in use no more. Two entries of equal models have the same weights.
  private mutating func unloadLeaving() {
    var kept: Set<String> = []
    for index in entries.indices where entries[index].isInUse { kept.insert(entries[index].model.cacheName) }
    for index in leaving.indices where leaving[index].isInUse {
      kept.insert(leaving[index].model.cacheName)
    }
    for index in leaving.indices.reversed() where !leaving[index].isInUse {
      let name = leaving.remove(at: index).model.cacheName
      if !kept.contains(name) { cache.removeAll(model: name) }
    }
  }
}
