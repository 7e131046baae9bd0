import Foundation

/// What lies beside a file of weights and says how it is meant: it has to come along, or the picture is another one.
package enum Companions {
  /// The names that are there, of files and folders.
  /// - Parameters:
  ///   - name: of the file.
  ///   - folder: that it is in.
  package static func names(of name: String, in folder: String) -> [String] {
    guard let ending = [".safetensors", ".gguf"].first(where: name.hasSuffix) else { return [] }
    // PEFT's settings of an adapter; the configurations of a single file's components; those of diffusers' parts.
    let candidates =
      ["adapter_config.json", name.dropLast(ending.count) + ".config"]
      + (name.hasPrefix("diffusion_pytorch_model.") ? ["config.json"] : [])
    return candidates.filter { access("\(folder)/\($0)", R_OK) == 0 }
  }
}
