import Boundary
import Diffusion
import WeightCache

/// Why a tiny autoencoder that the settings name cannot decode previews.
package struct PreviewVAEFault: Sendable {
  /// The key of the configuration.
  package let key: String
  /// Whether nothing is there.
  package let isMissing: Bool
  /// In words.
  package let fault: String

  /// Looks for the tiny autoencoders that settings name, and opens them.
  /// - Parameters:
  ///   - settings: of the daemon.
  ///   - root: the folder that stands for `/`; empty: `/` itself.
  package static func all(of settings: DaemonSettings, root: String) -> [PreviewVAEFault] {
    let locator = ModelLocator(folders: settings.allowedFolders.map { root + $0 })
    let governor = MemoryGovernor(budget: nil, cache: PartCache(prefetches: false))
    func below(_ name: String?) -> String? { name.map { $0.hasPrefix("/") ? root + $0 : $0 } }
    let names = PreviewVAENames(sd: below(settings.previewVAE.sd), sdxl: below(settings.previewVAE.sdxl))
    var autoencoders = PreviewAutoencoders(names)
    return [ModelFamily.sd, .xl].compactMap { family in
      guard let name = settings.previewVAE[family] else { return nil }
      let key = "preview_vae.\(family.rawValue)"
      do {
        _ = try autoencoders.decoder(for: family, in: locator, governor)
        return nil
      } catch DaemonError.modelMissing {
        return PreviewVAEFault(key: key, isMissing: true, fault: "\(name) is not there")
      } catch {
        return PreviewVAEFault(key: key, isMissing: false, fault: "\(error)")
      }
    }
  }
}
