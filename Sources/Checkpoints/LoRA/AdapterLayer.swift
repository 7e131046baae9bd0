import Tensors

/// A LoRA file's tensors for one layer, not yet read.
struct AdapterLayer: Sendable {
  let path: String
  /// The layer's name in the file, for messages.
  let name: String
  var factors: [AdapterFactor: StoredTensor] = [:]

  /// Larger than in any real file. It limits the cost of expanding a factored convolution.
  private static let largestRank = 4096
  private static let largestAxis = 1 << 24

  /// Whether PEFT wrote it: then it may bring whole weights.
  var isOfPEFT = false

  /// Whether a tensor called `weight` is the layer's new weight: there is no `on_input`, which an IA³ has.
  var replacesWeight: Bool { has(.ia3Weight) && !has(.ia3OnInput) }

  /// False for a whole weight in a file that PEFT did not write: a model's own weights, not an adapter.
  var isAdapter: Bool { !replacesWeight || isOfPEFT }

  /// Whether it changes the bias, alone or with the weight.
  var changesBias: Bool { factors.keys.contains(where: \.isOfBias) }

  /// Whether it changes the weight or bias of that name.
  func changes(_ name: String) -> Bool {
    guard name.hasSuffix(".bias") else { return factors.keys.contains { !$0.isOfBias && !$0.isNumber } }
    // PEFT's IA³ scales the outputs, which include the bias.
    return changesBias || has(.ia3Scale)
  }

  /// Whether its strength depends on alpha, and no tensor of the layer gives alpha.
  var needsAlpha: Bool {
    !has(.alpha) && !has(.scale)
      && [.down, .hadaW1B, .lokrW1B, .lokrW2B, .gloraA2].contains(where: { has($0) })
  }

  /// The patches for a weight or bias of the model.
  /// - Parameters:
  ///   - target: its name and shape; a bias ends in `.bias`.
  ///   - strength: factor of the change; 1 is as trained.
  ///   - settings: used where the file has no tensor for a value.
  /// - Throws: `malformed` if factors are missing or do not fit each other, `wrongShape` if they do not fit the
  ///   weight, and what reading throws.
  func patches(
    for target: (name: String, shape: [Int]), strength: Float, settings: AdapterSettings.Layer
  ) throws -> [any WeightPatch] {
    for stored in factors.values {
      guard stored.shape.allSatisfy({ (1...Self.largestAxis).contains($0) }) else {
        throw fault("an axis is 0 or huge")
      }
    }
    let isBias = target.name.hasSuffix(".bias")
    if let patch = try isBias ? biasPatch(target, strength, settings) : differencePatch(target, strength) {
      return [patch]
    }
    // The remaining families change weights only; IA³'s factors were handled above.
    if isBias { return [] }
    guard let rows = target.shape.first, rows > 0, target.shape.count >= 2 else {
      throw fault("the model's weight is no matrix or convolution")
    }
    if let patch = try familyPatch(target, strength, settings) { return [patch] }
    let patch = try lowRankPatch(target, strength, settings)
    guard has(.restIndices) else { return [patch] }
    guard patch is AdapterDelta else { throw fault("is a DoRA with a sparse rest") }
    let scale = try self.scale(rank: has(.up) ? matrix(.up).shape[1] : nil, settings)
    return [patch, try restPatch(target, strength * scale)]
  }

  func fault(_ reason: String) -> CheckpointError {
    .malformed(path: path, reason: "LoRA layer '\(name)': \(reason)")
  }

  func misfit(_ target: (name: String, shape: [Int]), _ found: [Int]) -> CheckpointError {
    .wrongShape(name: "\(name) (for \(target.name))", path: path, expected: target.shape, found: found)
  }

  /// A product of factors, with DoRA's magnitudes if the file has them.
  private func lowRankPatch(
    _ target: (name: String, shape: [Int]), _ strength: Float, _ settings: AdapterSettings.Layer
  ) throws -> any WeightPatch {
    let matrix = [target.shape[0], target.shape.dropFirst().reduce(1, *)]
    let (form, rank) = try form(for: matrix, kernel: target.shape.dropFirst(2).reduce(1, *))
    let scale = try self.scale(rank: rank, settings)
    // LyCORIS adds the LoRA at full strength and applies `strength` to the magnitudes. PEFT applies `strength` to the
    // LoRA and the magnitudes in full.
    let isWhole = has(.doraScale)
    let delta = AdapterDelta(form: form, scale: isWhole ? scale : strength * scale)
    guard [delta.rows, delta.columns] == matrix else {
      throw CheckpointError.wrongShape(
        name: "\(name) (for \(target.name))", path: path, expected: matrix,
        found: [delta.rows, delta.columns])
    }
    guard let lengths = factors[.doraScale] ?? factors[.magnitude] else {
      if settings.isDecomposed { throw fault("is to be a DoRA, but has no lengths (lora_magnitude_vector)") }
      return delta
    }
    let isOfInputs = isWhole && lengths.shape.count >= 2 && lengths.shape[0] == 1 && target.shape[0] != 1
    guard lengths.count == target.shape[isOfInputs ? 1 : 0] else { throw misfit(target, lengths.shape) }
    return DecomposedPatch(
      delta: delta, magnitudes: try lengths.read().values, axis: isOfInputs ? .input : .output,
      strength: isWhole ? strength : 1)
  }

  /// The factor of the product. `rank` is nil for a LoKr whose two factors are both whole matrices.
  func scale(rank: Int?, _ settings: AdapterSettings.Layer) throws -> Float {
    let scalar = try number(.scalar).map { Float($0) } ?? 1
    if let scale = try number(.scale) { return scalar * Float(scale) }
    guard let rank else {
      // Without a rank, LyCORIS ignores alpha. PEFT divides it by the rank in its settings.
      guard !has(.alpha), let alpha = settings.alpha, let rank = settings.rank, rank > 0 else {
        return scalar
      }
      return scalar * Float(alpha / rank)
    }
    if let alpha = try number(.alpha) { return scalar * Float(alpha) / Float(rank) }
    return scalar * settings.scale(rank: rank)
  }

  /// A factor that must be a single number.
  /// - Throws: `malformed` if it is not, and what reading throws.
  func number(_ factor: AdapterFactor) throws -> Double? {
    guard let stored = factors[factor] else { return nil }
    guard let value = try stored.number(), value.isFinite else {
      throw fault("\(factor.rawValue) is not one number")
    }
    return value
  }

  // MARK: Forms

  private func form(for target: [Int], kernel: Int) throws -> (AdapterDelta.Form, rank: Int?) {
    if has(.hadaW1A) {
      let first = try hadamardPair(.hadaW1A, .hadaW1B, core: .hadaT1, target: target)
      let second = try hadamardPair(.hadaW2A, .hadaW2B, core: .hadaT2, target: target)
      guard [first.rows, first.columns] == [second.rows, second.columns] else {
        throw fault("its two products have different shapes")
      }
      return (.hadamard(first, second), first.rank)
    }
    if has(.lokrW1) || has(.lokrW1A) { return try kronecker(kernel: kernel, target: target) }
    let up = try matrix(.up)
    if has(.mid) {
      // up [out, p], mid [p, q, h, w], down [q, in]
      let factor = try matrix(.down)
      let down = try expanded(core: .mid, by: factor, target: target)
      return (.lowRank(try pair(up, down, target: target)), factor.shape[0])
    }
    let down = try matrix(.down)
    return (.lowRank(try pair(up, down, target: target)), down.shape[0])
  }

  /// LyCORIS: w1_a [out, rank], w1_b [rank, rest]; with a core t1 [p, q, h, w], a is [p, out] and b [q, in].
  private func hadamardPair(
    _ a: AdapterFactor, _ b: AdapterFactor, core: AdapterFactor, target: [Int]
  ) throws -> AdapterDelta.LowRank {
    guard has(core) else { return try pair(matrix(a), matrix(b), target: target) }
    return try pair(
      Self.transposed(matrix(a)), expanded(core: core, by: matrix(b), target: target), target: target)
  }

  private func kronecker(kernel: Int, target: [Int]) throws -> (AdapterDelta.Form, rank: Int?) {
    let whole = [target[0], target[1]]
    var rank: Int?
    let outer: Tensor
    if has(.lokrW1) {
      outer = try matrix(.lokrW1)
    } else {
      let (a, b) = (try matrix(.lokrW1A), try matrix(.lokrW1B))
      rank = b.shape[0]
      outer = try product(a, b, target: whole)
    }
    let inner: Tensor
    if has(.lokrW2) {
      inner = try matrix(.lokrW2)
    } else {
      let (a, b) = (try matrix(.lokrW2A), try matrix(.lokrW2B))
      rank = b.shape[0]
      if has(.lokrT2) {
        inner = try product(Self.transposed(a), expanded(core: .lokrT2, by: b, target: whole), target: whole)
      } else {
        inner = try product(a, b, target: whole)
      }
    }
    return (.kronecker(outer, inner), rank)
  }

  // MARK: Parts

  func has(_ factor: AdapterFactor) -> Bool { factors[factor] != nil }

  func stored(_ factor: AdapterFactor) throws -> StoredTensor {
    guard let stored = factors[factor] else { throw fault("lacks '\(factor.rawValue)'") }
    return stored
  }

  /// A factor as a matrix: all axes after the first become one.
  func matrix(_ factor: AdapterFactor) throws -> Tensor {
    let stored = try stored(factor)
    guard stored.shape.count >= 2 else { throw fault("'\(factor.rawValue)' has shape \(stored.shape)") }
    return try stored.read().reshaped([stored.shape[0], stored.count / stored.shape[0]])
  }

  func pair(_ up: Tensor, _ down: Tensor, target: [Int]) throws -> AdapterDelta.LowRank {
    guard up.shape[1] == down.shape[0], up.shape[1] <= Self.largestRank else {
      throw fault("factors of shapes \(up.shape) and \(down.shape) have no product")
    }
    return AdapterDelta.LowRank(up: up, down: down)
  }

  /// core [p, q, h, w] with factor [q, in]: [p, in·h·w].
  func expanded(core: AdapterFactor, by factor: Tensor, target: [Int]) throws -> Tensor {
    let core = try stored(core)
    guard core.shape.count == 4, core.shape[1] == factor.shape[0], core.shape[0] <= Self.largestRank else {
      throw fault("the core of shape \(core.shape) does not fit its factor of shape \(factor.shape)")
    }
    let (outer, inner, area, width) = (
      core.shape[0], core.shape[1], core.shape[2] * core.shape[3], factor.shape[1]
    )
    guard width * area <= target[1] else {
      throw fault("the core of shape \(core.shape) is larger than the weight")
    }
    let values = try core.read()
    return Tensor(shape: [outer, width * area]) { result in
      result.update(repeating: 0)
      values.withUnsafe { core in
        factor.withUnsafe { factor in
          for p in 0..<outer {
            for q in 0..<inner {
              for column in 0..<width {
                let weight = factor[q * width + column]
                for place in 0..<area {
                  result[(p * width + column) * area + place] += core[(p * inner + q) * area + place] * weight
                }
              }
            }
          }
        }
      }
    }
  }

  private func product(_ a: Tensor, _ b: Tensor, target: [Int]) throws -> Tensor {
    let pair = try pair(a, b, target: target)
    guard pair.rows <= target[0], pair.columns <= target[1] else {
      throw fault("a product of shape [\(pair.rows), \(pair.columns)] is larger than the weight")
    }
    let delta = AdapterDelta(form: .lowRank(pair), scale: 1)
    return Tensor(shape: [pair.rows, pair.columns]) { values in
      values.update(repeating: 0)
      delta.add(to: values, elements: 0..<values.count)
    }
  }

  private static func transposed(_ matrix: Tensor) -> Tensor {
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    return Tensor(shape: [columns, rows]) { result in
      matrix.withUnsafe { source in
        for row in 0..<rows {
          for column in 0..<columns { result[column * rows + row] = source[row * columns + column] }
        }
      }
    }
  }
}
