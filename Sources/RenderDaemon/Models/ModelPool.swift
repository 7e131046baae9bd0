import Boundary
import Checkpoints
import Diffusion
import Requests
import Tensors
import WeightCache

/// The loaded models. The least recently used is unloaded first. All models' weights are in one cache.
///
/// Only the worker's thread uses it.
package struct ModelPool {
  /// A loaded model, and the sizes and times of its files when it was loaded.
  private struct Entry {
    let name: String
    let path: String
    let vae: String?
    let loras: [LoRAReference]
    let precision: Precision
    let model: DiffusionModel
    let stamp: FolderStamp
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
  /// Projections of the last job's prompts.
  package let texts = TextMemory()
  /// The owner of the process's memory, and of the weights of all models.
  package let governor: MemoryGovernor
  private var cache: PartCache { governor.cache }
  private let capacity: Int
  /// The most recently used model is last.
  private var entries: [Entry] = []

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
      cache.removeAll(model: found.model.cacheName)
    }
    try willLoad()
    while entries.count >= capacity { cache.removeAll(model: entries.removeFirst().model.cacheName) }
    // If the folder is replaced while it is read, the model must not be a mixture of two.
    let model = try Confinement.$models.withValue(locator.confinement.only(stamp.identities)) {
      try governor.prepareToOpen(
        [path] + beside + (vae.map { [$0] } ?? []) + loras.map(\.path), loras: loras.map(\.path))
      return try MemoryRefusal.check {
        try DiffusionModel(
          folder: ModelPath(path).open(), vae: vae, cache: cache, loras: loras, precision: precision,
          digests: digests)
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
    try previewVAEs.decoder(for: family, in: locator, governor)
  }

  /// Unloads all models but one.
  mutating func unloadOthers(than model: DiffusionModel) {
    for entry in entries where entry.model.cacheName != model.cacheName {
      cache.removeAll(model: entry.model.cacheName)
    }
    entries.removeAll { $0.model.cacheName != model.cacheName }
    governor.tidy()
  }
}
