/// Weights in 8-bit floats that have to be multiplied by a scale. ComfyUI's files keep the scale in a tensor beside
/// the weight, `scale_weight` or, in newer files, `weight_scale`.
///
/// Scales of a layer's inputs are ignored: they are for hardware that multiplies 8-bit floats.
enum ScaledFloat8 {
  private static let scales = ["scale_weight", "weight_scale"]
  private static let others = ["scale_input", "input_scale", "comfy_quant"]
  private static let marker = "scaled_fp8"

  /// The tensors with their scales applied, without the tensors that hold the scales.
  /// - Throws: `malformed` unless a scale is one finite number or one for each row; what reading throws.
  static func folded(_ tensors: [String: StoredTensor], path: String) throws -> [String: StoredTensor] {
    var result = tensors
    for (name, stored) in tensors {
      guard let dot = name.lastIndex(of: ".") else {
        if name == marker { result[name] = nil }
        continue
      }
      let (layer, part) = (name[...dot], String(name[name.index(after: dot)...]))
      if part == marker { result[name] = nil }
      guard let weight = tensors[layer + "weight"], weight.type.isFloat8 else { continue }
      if others.contains(part) { result[name] = nil }
      guard scales.contains(part) else { continue }
      guard stored.count == 1 || stored.count == weight.shape.first, stored.count <= 1 << 20,
        case let values = try stored.read().values, values.allSatisfy(\.isFinite),
        let scaled = weight.scaled(by: values)
      else {
        throw CheckpointError.malformed(
          path: path,
          reason: "\(name) of shape \(stored.shape) is no scale of a weight of shape \(weight.shape)")
      }
      result[layer + "weight"] = scaled
      result[name] = nil
    }
    return result
  }
}
