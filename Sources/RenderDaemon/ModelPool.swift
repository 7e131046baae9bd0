import Checkpoints
import Diffusion
import Experts

/// The models that are loaded, least recently used out first. Their experts live in one cache.
///
/// Used by one thread, the worker's.
package struct ModelPool {
  /// A loaded model and the file sizes and times that it was loaded from.
  private struct Entry {
    let model: DiffusionModel
    let stamp: FolderStamp
  }

  private let locator: ModelLocator
  private let cache: ExpertCache
  private let capacity: Int
  /// By real path; the most recently used last.
  private var entries: [(path: String, entry: Entry)] = []

  /// - Parameter capacity: how many models to keep loaded.
  package init(locator: ModelLocator, cache: ExpertCache, capacity: Int = 2) {
    self.locator = locator
    self.cache = cache
    self.capacity = max(1, capacity)
  }

  /// The model that a job names, loaded if it isn't or if its files have changed since.
  /// - Parameter willLoad: called before a load, which takes seconds.
  /// - Throws: `DaemonError`, `CheckpointError`, `DiffusionError`.
  package mutating func model(named name: String, willLoad: () throws -> Void) throws -> DiffusionModel {
    let path = try locator.path(of: name)
    let stamp = FolderStamp(path)
    if let index = entries.firstIndex(where: { $0.path == path }) {
      let found = entries.remove(at: index)
      if found.entry.stamp == stamp {
        entries.append(found)
        return found.entry.model
      }
      cache.removeAll(model: found.entry.model.digest)
    }
    try willLoad()
    while entries.count >= capacity {
      cache.removeAll(model: entries.removeFirst().entry.model.digest)
    }
    let model = try DiffusionModel(folder: ModelFolder(path: path), cache: cache)
    entries.append((path, Entry(model: model, stamp: stamp)))
    return model
  }
}
