import Tensors

/// Adapters other than products of thin matrices.
extension AdapterLayer {
  typealias Target = (name: String, shape: [Int])

  /// Larger than any real file's rotation blocks. It limits the cost of their inverse.
  private static let widestBlock = 2048

  // MARK: Differences

  /// The patch for a bias; nil if it is not changed.
  func biasPatch(_ target: Target, _ strength: Float, _ settings: AdapterSettings.Layer) throws -> (
    any WeightPatch
  )? {
    if let stored = factors[.diffBias] ?? factors[.normBias] {
      return DifferencePatch(difference: try fitted(stored, target), scale: strength)
    }
    if let stored = factors[.upBias] {
      let scale = try self.scale(rank: matrix(.down).shape[0], settings)
      return DifferencePatch(difference: try fitted(stored, target), scale: strength * scale)
    }
    if let stored = factors[.bias] {
      return ReplacingPatch(other: try fitted(stored, target), strength: strength)
    }
    if let stored = factors[.ia3Scale], stored.count == target.shape[0], !isOnInput(stored, settings) {
      return ScalingPatch(factors: try stored.read().values.map { 1 + strength * ($0 - 1) }, axis: .output)
    }
    return nil
  }

  /// A difference as large as the weight, or a whole new weight; nil if the file has none.
  func differencePatch(_ target: Target, _ strength: Float) throws -> (any WeightPatch)? {
    if replacesWeight {
      return ReplacingPatch(other: try fitted(stored(.ia3Weight), target), strength: strength)
    }
    guard let stored = factors[.diff] ?? factors[.normWeight] else { return nil }
    return DifferencePatch(difference: try fitted(stored, target), scale: strength)
  }

  /// What an extraction keeps beside the product; it is scaled as the product is.
  func restPatch(_ target: Target, _ scale: Float) throws -> SparsePatch {
    let (indices, values) = (try stored(.restIndices), try stored(.restValues))
    guard indices.shape == [2, values.count], let places = try indices.integers() else {
      throw misfit(target, indices.shape)
    }
    let (rows, width) = (target.shape[0], target.shape.dropFirst().reduce(1, *))
    if let size = try factors[.restSize]?.integers(), size.map(Self.unsigned) != [rows, width] {
      throw misfit(target, size)
    }
    let elements = try (0..<values.count).map { index in
      let (row, column) = (Self.unsigned(places[index]), Self.unsigned(places[values.count + index]))
      guard row < rows, column < width else { throw fault("a place of the rest is outside the weight") }
      return row * width + column
    }
    return SparsePatch(elements: elements, values: try values.read().values, scale: scale)
  }

  /// Places are stored in 16 bits, so that those from 32,768 on have come to be negative.
  private static func unsigned(_ stored: Int) -> Int { stored < 0 ? stored + 65_536 : stored }

  private func fitted(_ stored: StoredTensor, _ target: Target) throws -> StoredTensor {
    guard let view = stored.reshaped(target.shape) else { throw misfit(target, stored.shape) }
    return view
  }

  // MARK: Families

  /// The patch of a family other than low rank; nil if the layer belongs to none of them.
  func familyPatch(
    _ target: Target, _ strength: Float, _ settings: AdapterSettings.Layer
  ) throws -> (any WeightPatch)? {
    if has(.oftBlocks) { return try kohyaRotation(target, strength) }
    if has(.oftRotation) { return try peftRotation(target, strength, settings) }
    if has(.boftRotation) { return try peftButterfly(target, strength) }
    if has(.gloraA1) || has(.gloraB1) { return try generalized(target, strength, settings) }
    if let stored = factors[.ia3Weight] {
      let isOnInput = try number(.ia3OnInput) ?? 0 != 0
      let factors = try stored.read().values.map { 1 + strength * $0 }
      return try scaling(factors, isOnInput, target)
    }
    if let stored = factors[.ia3Scale] {
      let factors = try stored.read().values.map { 1 + strength * ($0 - 1) }
      // For a convolution both shapes begin with 1. Then the number of channels decides, or the settings if input and
      // output have the same number.
      let isOnInput = stored.count == target.shape[0] ? isOnInput(stored, settings) : true
      return try scaling(factors, isOnInput, target)
    }
    return nil
  }

  /// Whether PEFT's IA³ scales the inputs: then the tensor is `[1, inputs]`, otherwise `[outputs, 1]`.
  private func isOnInput(_ stored: StoredTensor, _ settings: AdapterSettings.Layer) -> Bool {
    stored.shape.count == 2 ? stored.shape[0] == 1 && stored.shape[1] != 1 : settings.isFeedForward ?? false
  }

  private func scaling(_ factors: [Float], _ isOnInput: Bool, _ target: Target) throws -> ScalingPatch {
    guard factors.count == target.shape[isOnInput ? 1 : 0] else { throw misfit(target, [factors.count]) }
    return ScalingPatch(factors: factors, axis: isOnInput ? .input : .output)
  }

  /// LyCORIS' GLoRA: a1, a2, b1, b2, and bm as the core.
  private func generalized(
    _ target: Target, _ strength: Float, _ settings: AdapterSettings.Layer
  ) throws -> GeneralizedPatch {
    let whole = [target.shape[0], target.shape.dropFirst().reduce(1, *)]
    let (first, second, up, down) = (
      try matrix(.gloraA1), try matrix(.gloraA2), try matrix(.gloraB1), try matrix(.gloraB2)
    )
    let scale = try self.scale(rank: second.shape[0], settings)
    let b = try pair(
      up, has(.gloraBM) ? expanded(core: .gloraBM, by: down, target: whole) : down, target: whole)
    _ = try pair(first, second, target: whole)
    let inputs = target.shape[1]
    guard [b.rows, b.columns] == whole, first.shape[0] == inputs, second.shape[1] == inputs else {
      throw misfit(target, [b.rows, b.columns])
    }
    return GeneralizedPatch(
      added: AdapterDelta(form: .lowRank(b), scale: strength * scale), first: first, second: second,
      scale: strength * scale)
  }

  // MARK: Rotations

  /// OFT of kohya's trainer and LyCORIS (`[blocks, width, width]`), or LyCORIS' BOFT (`[times, blocks, width,
  /// width]`). Both rotate the outputs. Their alpha limits the norm of the blocks.
  private func kohyaRotation(_ target: Target, _ strength: Float) throws -> RotationPatch {
    let stored = try stored(.oftBlocks)
    let times = stored.shape.count == 4 ? stored.shape[0] : 1
    guard [3, 4].contains(stored.shape.count), let width = stored.shape.last,
      stored.shape.suffix(2) == [width, width],
      width <= Self.widestBlock, stored.shape[stored.shape.count - 3] * width == target.shape[0], times <= 64
    else { throw misfit(target, stored.shape) }
    let isButterfly = stored.shape.count == 4
    let count = target.shape[0] / width
    var skew = CayleyTransform.Blocks(skewOf: try stored.read(), count: times * count, width: width)
    if let alpha = try number(.alpha), alpha > 0 {
      let (largest, norm) = (alpha * Double(target.shape[0]), skew.norm() + 1e-8)
      if norm > largest { for place in skew.values.indices { skew.values[place] *= largest / norm } }
    }
    let turned = CayleyTransform.rotations(skew).tensor(strength: strength, isTransposed: !isButterfly)
    let stages = try (0..<times).map { time in
      try RotationPatch.Stage(
        blocks: part(turned, time * count..<(time + 1) * count),
        order: isButterfly ? butterfly(time, width: width, channels: target.shape[0]) : nil)
    }
    var scales: [Float]?
    if let rescale = factors[.rescale] {
      guard rescale.count == target.shape[0] else { throw misfit(target, rescale.shape) }
      scales = try rescale.read().values
    }
    return RotationPatch(stages: stages, axis: .output, outputScales: scales)
  }

  /// The order of channels for BOFT's rotation number `time`. LyCORIS reshapes the channels to `[c, 2, k]` with
  /// k = 2^time · width / 2, then swaps the last two axes.
  private func butterfly(_ time: Int, width: Int, channels: Int) throws -> [Int] {
    let (half, overflow) = (width / 2).multipliedReportingOverflow(by: 1 << min(time, 40))
    guard width % 2 == 0, !overflow, half > 0, half <= channels, channels % (2 * half) == 0 else {
      throw fault("\(channels) channels have no butterfly of width \(width) the time \(time + 1)")
    }
    return (0..<channels).map { place in
      let (group, inside) = (place / (2 * half), place % (2 * half))
      return group * 2 * half + inside % 2 * half + inside / 2
    }
  }

  /// PEFT's OFT, which rotates the inputs. Blocks are stored as their entries above the diagonal. A single block
  /// serves all.
  private func peftRotation(
    _ target: Target, _ strength: Float, _ settings: AdapterSettings.Layer
  ) throws -> RotationPatch {
    let stored = try stored(.oftRotation)
    let inputs = target.shape.dropFirst().reduce(1, *)
    guard stored.shape.count == 2 else { throw misfit(target, stored.shape) }
    // The width for which width · (width − 1) / 2 is the count of numbers.
    let width = Int(((1 + 8 * Double(stored.shape[1])).squareRoot() + 1) / 2)
    guard width <= Self.widestBlock, width * (width - 1) / 2 == stored.shape[1], inputs % width == 0,
      [1, inputs / width].contains(stored.shape[0])
    else { throw misfit(target, stored.shape) }
    var skew = CayleyTransform.Blocks(above: try stored.read(), count: stored.shape[0], width: width)
    if let angle = settings.largestAngle {
      let largest = angle / Double(skew.count).squareRoot()
      for block in 0..<skew.count {
        let range = skew.range(block)
        let norm = skew.norm(range)
        if norm > largest { for place in range { skew.values[place] *= largest / norm } }
      }
    }
    let rotations =
      settings.seriesTerms.map { CayleyTransform.series(skew, terms: $0) } ?? CayleyTransform.peft(skew)
    var blocks = rotations.tensor(strength: strength, isTransposed: false)
    if stored.shape[0] == 1 {
      blocks = Tensor(
        shape: [inputs / width, width, width],
        values: (0..<inputs / width).flatMap { _ in blocks.values })
    }
    return RotationPatch(
      stages: [RotationPatch.Stage(blocks: blocks, order: nil)], axis: .input, outputScales: nil)
  }

  /// PEFT's BOFT: `boft_R`, `[times, blocks, width, width]`, rotates the inputs, each time in another order; `boft_s`
  /// scales the outputs.
  private func peftButterfly(_ target: Target, _ strength: Float) throws -> RotationPatch {
    let stored = try stored(.boftRotation)
    let inputs = target.shape.dropFirst().reduce(1, *)
    guard stored.shape.count == 4, case let width = stored.shape[3], stored.shape[2] == width,
      width <= Self.widestBlock, stored.shape[1] * width == inputs, case let times = stored.shape[0],
      (1...64).contains(times)
    else { throw misfit(target, stored.shape) }
    let count = stored.shape[1]
    let skew = CayleyTransform.Blocks(
      skewOf: try stored.read(), count: times * count, width: width, factor: 0.5)
    var scales: [Float]?
    if let rows = factors[.boftScale] {
      guard rows.count == target.shape[0] else { throw misfit(target, rows.shape) }
      scales = try rows.read().values.map { 1 + strength * ($0 - 1) }
    }
    let blocks = CayleyTransform.peft(skew).tensor(strength: strength, isTransposed: false)
    let stages = try (0..<times).map { time in
      try RotationPatch.Stage(
        blocks: part(blocks, time * count..<(time + 1) * count),
        order: time == 0 ? nil : halves(time, width: width, channels: inputs))
    }
    return RotationPatch(stages: stages, axis: .input, outputScales: scales)
  }

  /// The channel that stands at each place, the given time: PEFT cuts every 2^time blocks into halves of blocks, and
  /// puts the even halves before the odd ones.
  private func halves(_ time: Int, width: Int, channels: Int) throws -> [Int] {
    let (group, overflow) = width.multipliedReportingOverflow(by: 1 << min(time, 40))
    guard width % 2 == 0, !overflow, group > 0, group <= channels, channels % group == 0 else {
      throw fault("\(channels) channels have no butterfly of width \(width) the time \(time + 1)")
    }
    let half = width / 2
    let count = group / half
    var order = [Int](repeating: 0, count: channels)
    for start in stride(from: 0, to: channels, by: group) {
      for place in 0..<count {
        // What comes to stand there, of the halves in their order.
        let from = place < count / 2 ? 2 * place : 2 * (place - count / 2) + 1
        for inside in 0..<half { order[start + from * half + inside] = start + place * half + inside }
      }
    }
    return order
  }

  private func part(_ blocks: Tensor, _ range: Range<Int>) -> Tensor {
    let (width, size) = (blocks.shape[1], blocks.shape[1] * blocks.shape[1])
    return Tensor(
      shape: [range.count, width, width],
      values: Array(blocks.values[range.lowerBound * size..<range.upperBound * size]))
  }
}
