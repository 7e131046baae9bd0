import Foundation

/// Models of `Tests/Goldens` whose folders are put together from parts, because nothing is committed twice.
package enum GoldenParts {
  /// How a part's files come into the folder.
  package enum Form: Sendable {
    /// Links to the goldens, which must not be changed.
    case links
    /// Copies, which a test may damage.
    case copies
  }

  /// Which folders make up a model; a later folder's components replace an earlier one's.
  private static let parts: [String: [String]] = [
    "base": ["model/base"],
    "expert-a": ["model/base", "model/expert-a"],
    "expert-b": ["model/base", "model/expert-b"],
    "wide": ["model/base", "model/wide"],
    "all-3x2": ["model/base", "merges/all-3x2"],
    "ff-2x1": ["model/base", "merges/ff-2x1"],
    "attn-3x1": ["model/base", "merges/attn-3x1"],
    "xl": ["model/base", "families/xl"],
    "xl-turbo": ["model/base", "families/xl", "families/xl-turbo"],
    "xl-distilled": ["model/base", "families/xl", "families/xl-distilled"],
    "sd2": ["model/base", "families/sd2"],
    "no-middle": ["model/base", "families/no-middle"],
    "lcm": ["model/base", "families/lcm"],
    "painter": ["model/base", "images/painter"],
    "xl-painter": ["model/base", "families/xl", "images/xl-painter"],
    "clipping": ["model/base", "images/clipping"],
  ]

  /// Makes a whole model folder.
  /// - Parameters:
  ///   - model: a name of the table in `Tests/Goldens/README.md`.
  ///   - path: the folder, which is made if it is not there.
  ///   - form: links or copies.
  /// - Throws: `UnknownModel`, or what the file system says.
  package static func assemble(_ model: String, at path: String, as form: Form) throws {
    guard let parts = parts[model] else { throw UnknownModel(name: model) }
    let files = FileManager.default
    var sources: [String: String] = [:]
    for part in parts.map(Places.golden) {
      for component in try files.contentsOfDirectory(atPath: part) {
        sources[component] = "\(part)/\(component)"
      }
    }
    try files.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (component, source) in sources {
      let target = "\(path)/\(component)"
      switch form {
      case .links: try files.createSymbolicLink(atPath: target, withDestinationPath: source)
      case .copies: try files.copyItem(atPath: source, toPath: target)
      }
    }
  }

  /// No golden model has that name.
  package struct UnknownModel: Error {
    let name: String
  }
}
