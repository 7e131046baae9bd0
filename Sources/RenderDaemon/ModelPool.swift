import Checkpoints
import Diffusion
import Experts

/// The models that are loaded, least recently used out first. Their experts live in one cache.
///
/// Used by one thread, the worker's.
package struct ModelPool {
  /// A loaded model and the file sizes and times that it was loaded from.
  private struct Entry {
    let path: String
    let loras: [LoRASetting]
    let model: DiffusionModel
    let stamp: FolderStamp
  }

  /// Where models are found; a reload changes it.
  package var locator: ModelLocator
  private let cache: ExpertCache
  private let capacity: Int
  /// The most recently used last.
  private var entries: [Entry] = []

  /// - Parameter capacity: how many models to keep loaded.
  package init(locator: ModelLocator, cache: ExpertCache, capacity: Int = 2) {
    self.locator = locator
    self.cache = cache
    self.capacity = max(1, capacity)
  }

  /// The model that a job names, loaded if it isn't or if its files have changed since.
  /// - Parameters:
  ///   - loras: fused into it; the same model with other LoRAs is loaded beside it.
  ///   - willLoad: called before a load, which takes seconds.
  /// - Throws: `DaemonError`, `CheckpointError`, `DiffusionError`.
  package mutating func model(
    named name: String, loras: [LoRASetting] = [], willLoad: () throws -> Void
  ) throws -> DiffusionModel {
    let path = try locator.path(of: name)
    let loras = try loras.map { LoRASetting(path: try locator.path(of: $0.path), weight: $0.weight) }
    let stamp = FolderStamp([path] + loras.map(\.path))
    if let index = entries.firstIndex(where: { $0.path == path && $0.loras == loras }) {
      let found = entries.remove(at: index)
      if found.stamp == stamp {
        entries.append(found)
        return found.model
      }
      cache.removeAll(model: found.model.digest)
    }
    try willLoad()
    while entries.count >= capacity { cache.removeAll(model: entries.removeFirst().model.digest) }
    let model = try DiffusionModel(folder: ModelFolder(path: path), cache: cache, loras: loras)
    entries.append(Entry(path: path, loras: loras, model: model, stamp: stamp))
    return model
  }
}
