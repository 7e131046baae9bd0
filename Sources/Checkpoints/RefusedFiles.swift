import Boundary
import Foundation

/// Weights written by Python's pickle. Reading a pickle means running the program in it. So pickles are never
/// opened, wherever a model, VAE, LoRA or embedding can be named.
package enum PickledFile {
  private static let suffixes = [".ckpt", ".pt", ".pth", ".bin", ".pkl"]

  /// Fails with `pickled` if a path names such a file. It is recognized by its ending or by its first bytes.
  package static func refuse(_ path: String) throws {
    if suffixes.contains(where: path.lowercased().hasSuffix) || looksPickled(path) {
      throw CheckpointError.pickled(path: path)
    }
  }

  /// Fails with `pickled` if a folder holds such files where weights should be. Called when no readable weights were
  /// found.
  package static func refuse(in folder: String) throws {
    let names = (try? Confinement.models.names(in: folder)) ?? []
    let isPickled = { (name: String) in suffixes.contains(where: name.lowercased().hasSuffix) }
    if let name = names.sorted().first(where: isPickled) {
      throw CheckpointError.pickled(path: folder + "/" + name)
    }
  }

  private static func looksPickled(_ path: String) -> Bool {
    guard let reader = try? FileReader(path: path, purpose: "weights"), reader.size >= 9 else { return false }
    var head = [UInt8](repeating: 0, count: min(reader.size, 160))
    guard (try? head.withUnsafeMutableBytes { try reader.read(into: $0, at: 0) }) != nil else { return false }
    return head[8] != UInt8(ascii: "{") && isPickled(head)
  }

  /// Whether a file that begins so is pickled. torch writes a ZIP archive whose first file is `NAME/data.pkl`. Old
  /// versions wrote a bare pickle of protocol 2 or later.
  static func isPickled(_ head: [UInt8]) -> Bool {
    if head.starts(with: Array("PK\u{3}\u{4}".utf8)) {
      return String(decoding: head, as: UTF8.self).contains("data.pkl")
    }
    return head.count > 1 && head[0] == 0x80 && (2...5).contains(head[1])
  }
}
