import Boundary
import Checkpoints
import Diffusion
import Tensors
import WeightCache

/// The tiny autoencoders (TAESD) that decode previews. They lie where jobs' VAEs do. Nothing in such a file tells the
/// family of models that it is for, so its name does.
package struct PreviewAutoencoders: Sendable {
  private struct Entry {
    let path: String
    let stamp: FolderStamp
    let decoder: PreviewDecoder
  }

  private let names: PreviewVAENames
  private var entries: [ModelFamily: Entry] = [:]

  package init(_ names: PreviewVAENames = PreviewVAENames()) { self.names = names }

  /// The one for a family; opened if it is not open, or if its files have changed.
  /// - Parameters:
  ///   - family: of the model.
  ///   - locator: where VAEs are found.
  ///   - governor: the owner of the process's memory.
  /// - Returns: nil if none is there, and none was named.
  /// - Throws: `DaemonError`, `CheckpointError`, `DiffusionError`, `MemoryError`
  mutating func decoder(
    for family: ModelFamily, in locator: ModelLocator, _ governor: MemoryGovernor
  ) throws -> PreviewDecoder? {
    guard let path = try path(for: family, in: locator) else { return nil }
    let files = [path] + AutoencoderFiles.configsBeside(path)
    let stamp = try FolderStamp(files, within: locator.confinement)
    if let entry = entries[family], entry.path == path, entry.stamp == stamp { return entry.decoder }
    // If it is replaced while it is read, it must not be a mixture of two.
    let decoder = try Confinement.$models.withValue(locator.confinement.only(stamp.identities)) {
      try governor.prepareToOpen(files)
      return try MemoryRefusal.check {
        try PreviewDecoder(
          AutoencoderFiles(path: path, own: nil, isXL: family == .xl), cache: governor.cache)
      }
    }
    entries[family] = Entry(path: path, stamp: stamp, decoder: decoder)
    return decoder
  }

  private func path(for family: ModelFamily, in locator: ModelLocator) throws -> String? {
    if let name = names[family] { return try locator.path(of: name) }
    for name in PreviewVAENames.usual(family) {
      do {
        return try locator.path(of: name)
      } catch DaemonError.modelMissing {
        continue
      }
    }
    return nil
  }
}
