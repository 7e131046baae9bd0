import Diffusion

/// Which tiny autoencoders (TAESD) decode previews, for each family of models: by the names that jobs would use. If a
/// family's is nil, one with its usual name is used if it is there.
package struct PreviewVAENames: Sendable, Equatable {
  /// For Stable Diffusion 1 and 2.
  package var sd: String?
  /// For Stable Diffusion XL.
  package var sdxl: String?

  package init(sd: String? = nil, sdxl: String? = nil) { (self.sd, self.sdxl) = (sd, sdxl) }

  subscript(family: ModelFamily) -> String? {
    switch family {
    case .sd: sd
    case .xl: sdxl
    }
  }

  /// The usual names for a family, as they are published.
  static func usual(_ family: ModelFamily) -> [String] {
    let name =
      switch family {
      case .sd: "taesd"
      case .xl: "taesdxl"
      }
    return [name, name + ".safetensors", name + "_decoder.safetensors"]
  }
}
