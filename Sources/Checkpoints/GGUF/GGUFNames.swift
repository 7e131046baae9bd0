/// Names of tensors in GGUF files. stable-diffusion.cpp keeps the names of the checkpoint that it converts, except that
/// it may rename text encoders. city96's converter writes the UNet alone, without its prefix.
enum GGUFNames {
  private static let known = [
    KeyTable.unetPrefix, "first_stage_model.", "vae.", "cond_stage_model.", "conditioner.embedders.",
  ]

  /// The tensors under the names that they have in a single-file checkpoint.
  static func checkpoint(_ tensors: [String: StoredTensor]) -> [String: StoredTensor] {
    let isBare = !tensors.keys.contains { $0.hasPrefix(KeyTable.unetPrefix) } && isUNet(tensors)
    let isXL = tensors.keys.contains { $0.hasPrefix("cond_stage_model.1.") }
    var result = [String: StoredTensor](minimumCapacity: tensors.count)
    for (name, stored) in tensors {
      var known = name
      if isBare, !Self.known.contains(where: name.hasPrefix) {
        known = KeyTable.unetPrefix + name
      } else if isXL, name.hasPrefix("cond_stage_model.1.") {
        known = "conditioner.embedders.1." + name.dropFirst("cond_stage_model.1.".count)
      } else if isXL, name.hasPrefix("cond_stage_model.") {
        known = "conditioner.embedders.0." + name.dropFirst("cond_stage_model.".count)
      }
      result[known] = stored.renamed(known)
    }
    return result
  }

  /// Whether the names are those of a UNet without a prefix, in CompVis' or diffusers' layout.
  static func isUNet(_ tensors: [String: StoredTensor]) -> Bool {
    tensors["input_blocks.0.0.weight"] != nil
      || tensors["conv_in.weight"] != nil && tensors["down_blocks.0.resnets.0.conv1.weight"] != nil
  }

  /// A component of a model's folder under diffusers' names.
  /// - Throws: `unmatchedKeys` for tensors that belong to no UNet.
  static func component(_ file: GGUFFile) throws -> [String: StoredTensor] {
    let prefix = KeyTable.unetPrefix
    let whole = checkpoint(file.tensors)
    let inside = whole.filter { $0.key.hasPrefix(prefix) }
    guard !inside.isEmpty else { return file.tensors }
    return try UNetKeyMap.views(
      Dictionary(uniqueKeysWithValues: inside.map { (String($0.key.dropFirst(prefix.count)), $0.value) }),
      path: file.path)
  }
}
